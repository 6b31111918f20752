"""Settings: defaults, values of each kind, and the refusal of garbage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from anycable_rpc.settings.model import Settings, load
from anycable_rpc.settings.sources import variables
from anycable_rpc.settings.warnings import warnings_for

from ..support.paths import PROJECT
from .refusals import SECRETS, SENTINEL, pyproject, refusal

SWITCHES = tuple(name for name, field in Settings.model_fields.items() if field.annotation is bool)


class TestDefaults:
    def test_without_any_source(self) -> None:
        assert load().model_dump() == {
            "app": None,
            "config": None,
            "web": None,
            "rpc_host": "127.0.0.1:50051",
            "rpc_engine": "grpcio",
            "rpc_pool_size": 30,
            "workers": 1,
            "worker_cpu_affinity": False,
            "http_health_port": 0,
            "rpc_max_connection_age": 300,
            "rpc_max_call_recv_size": 4_194_304,
            "rpc_max_call_send_size": 4_194_304,
            "rpc_tls_cert": None,
            "rpc_tls_key": None,
            "rpc_server_args": {},
            "rpc_reuse_port": False,
            "rpc_stuck_timeout": 30,
            "shutdown_timeout": 30,
            "version_check_enabled": True,
            "sid_header_enabled": True,
            "report_invalid_payloads": True,
            "secret": None,
            "jwt_secret": None,
            "jwt_secrets_old": (),
            "jwt_ttl": 3600,
            "jwt_param": "jid",
            "connect_tokens": True,
            "streams_secret": None,
            "turbo_streams_secret": None,
            "broadcast_key": None,
            "http_rpc_secret": None,
            "api_secret": None,
            "api_url": None,
            "broadcast_adapter": "http",
            "http_broadcast_url": None,
            "redis_url": "redis://localhost:6379",
            "redis_channel": "__anycable__",
            "redis_sentinels": None,
            "redisx_stream": None,
            "redisx_max_len": 10_000,
            "nats_servers": "nats://localhost:4222",
            "nats_channel": "__anycable__",
            "host": "127.0.0.1",
            "port": 8080,
            "path": "/cable",
            "enforce_jwt": False,
            "noauth": False,
            "norpc": False,
            "public": False,
            "public_streams": False,
            "headers": ("cookie",),
            "allowed_origins": (),
            "ping_interval": 3,
            "pong_timeout": 0,
            "broker": None,
            "history_ttl": 300,
            "history_limit": 100,
            "sessions_ttl": 300,
            "presence_ttl": 15,
            "turbo_streams": False,
            "show_secret": False,
            "log_level": "info",
            "debug": False,
            "log_grpc": False,
        }

    def test_keys_and_addresses_without_any_source(self) -> None:
        settings = load()

        assert settings.keys.jwt is None
        assert settings.keys.jwt_verifying == ()
        assert settings.keys.streams is None
        assert settings.keys.broadcast is None
        assert settings.broadcast_address == "http://localhost:8090/_broadcast"
        assert warnings_for(settings) == []

    def test_a_setting_cannot_be_changed(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            load().port = 1

    def test_importing_them_loads_no_server(self) -> None:
        heavy = "{'grpc', 'uvicorn', 'starlette', 'google.protobuf'}"
        code = f"import sys, anycable_rpc, anycable_rpc.settings.model; print(sorted({heavy} & set(sys.modules)))"
        root = str(PROJECT)

        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": root},
        )

        assert done.stdout.strip() == "[]"


NUMBERS: list[Any] = ["", "x", "-1", "1e99", "9" * 5000, "nan", "inf", "0x10", "1,5", "１２x", True, None, [], {}]
TEXTS: list[Any] = [5, 1.5, True, [], {}, "\udcff"]
GARBAGE: dict[str, list[Any]] = {
    "rpc_host": [
        "", " ", "x", ":", ":1", "x:", "x:65536", "x:99999999", "x:-1", "x:+1", "x:1 2", "x:1.5", "x:١", "a b:1",
        "::1:50051", "[::1]", "[::1]:", "[x]:1", "[]:1", "[[::1]]:1", "[1.2.3.4]:1", "x\0:1", "é:1", "x/y:1", "u@h:1",
        "dns:///x:1", "grpc-list://a:1,b:2", "http://a:1", "unix:/tmp/x", "x:1,y:2", "x" * 100_000, *TEXTS, None,
    ],
    "rpc_engine": ["", "x", "GRPCIO", "grpcio asyncio", "grpc", *TEXTS, None],
    "rpc_pool_size": ["0", "1.5", "10001", 0, 2.5, *NUMBERS],
    "workers": ["0", "1.5", "10001", 0, *NUMBERS],
    "http_health_port": ["65536", "1.5", *NUMBERS],
    "rpc_max_connection_age": ["9999999", *NUMBERS],
    "rpc_stuck_timeout": ["9999999", *NUMBERS],
    "rpc_max_call_recv_size": ["-1", "1.5", "1073741824", *NUMBERS],
    "rpc_max_call_send_size": ["-1", "1.5", "1073741824", *NUMBERS],
    "shutdown_timeout": ["9999999", *NUMBERS],
    "ping_interval": NUMBERS,
    "pong_timeout": NUMBERS,
    "history_ttl": NUMBERS,
    "history_limit": ["0", "1.5", "10001", 0, 2.5, *NUMBERS],
    "sessions_ttl": NUMBERS,
    "presence_ttl": NUMBERS,
    "port": ["65536", "1.5", "tcp://10.0.0.1:1", *NUMBERS],
    "jwt_ttl": ["", "x", "10", "-1", "10x", "m", "10mm", "1h 30m", "nan", "9" * 5000, "9999999w", True, [], {}, -1],
    "rpc_server_args": ["", "x", "[]", "{", '{"a": {"b": 1}}', '{"a": null}', '{"a": [1]}', "9" * 5000, 1, [], None],
    "host": ["", " ", "a b", "a:1", "http://a", "[x]", "[]", "é", "x\0", "x/y", "1::2::3", *TEXTS, None],
    "path": ["", "cable", "/a b", "/a,b", "/a,", "/a?b", "/a#b", "/\0", *TEXTS, None],
    "jwt_param": ["", "a b", "é", "a=b\n", "x\0", *TEXTS, None],
    "http_broadcast_url": ["", "x", "localhost:8090", "ftp://h", "http://", "http:///x", "http://h/ x", "http://\0", 5],
    "api_url": ["", "x", "localhost:8090", "ftp://h", "http://", "http:///x", "http://h/ x", "http://\0", 5],
    "redis_url": ["", "x", "localhost:6379", "http://h", "redis://", "redis:///1", "redis://h/ x", "unix://", "\0", 5],
    "redis_channel": ["", "a b", "x\0", *TEXTS, None],
    "redisx_stream": ["a b", "x\0", *TEXTS],
    "redis_sentinels": ["localhost", "localhost:x", "a:1,,b:2", "unix:///x:1", *TEXTS],
    "redisx_max_len": ["0", "1.5", "9" * 5000, *NUMBERS],
    "nats_servers": ["", "x", "localhost:4222", "http://h", "nats://", "nats://a,b", "nats://a,,nats://b", 5],
    "nats_channel": ["", "a b", "x\0", *TEXTS, None],
    "headers": [5, True, [5], {}, "\udcff", None],
    "allowed_origins": [5, True, [5], {}, None],
    "log_level": ["", "loud", "INFO!", "10", *TEXTS, None],
    "broadcast_adapter": [*TEXTS, None],
    "app": TEXTS,
    "web": TEXTS,
    "broker": ["x", "redis", "Memory", "memory,nats", *TEXTS],
    "rpc_tls_cert": TEXTS,
    **{name: ["", "x", "2", "-1", "truee", "tru", "ja", "１", 2, 0.5, [], {}, None] for name in SWITCHES},
}  # fmt: skip
GARBAGE["jwt_ttl"].remove("10")


class TestGarbage:
    def test_every_setting_is_in_the_table(self) -> None:
        assert GARBAGE.keys() | set(SECRETS) | {"config"} == Settings.model_fields.keys()

    @pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GARBAGE.items() for value in values])
    def test_is_refused_in_a_sentence(self, name: str, value: Any) -> None:
        message = refusal(**{name: value})

        assert message.startswith(f"--{name.replace('_', '-')}: ")
        assert "\n" not in message
        assert len(message) < 350
        assert "pydantic" not in message

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            (name, value)
            for name, values in GARBAGE.items()
            for value in values
            if isinstance(value, str) and value and "\0" not in value and not (name == "port" and "://" in value)
        ],
    )
    def test_in_a_variable_it_is_refused_too(self, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(variables(name)[0], value)

        assert refusal().startswith(f"{variables(name)[0]}: ")

    def test_each_wrong_setting_has_its_line(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pyproject(folder, "rpc_pool_size = 0")
        monkeypatch.setenv("ANYCABLE_LOG_LEVEL", "loud")

        assert refusal(port="x").splitlines() == [
            "pyproject.toml [tool.anycable_rpc]".join(
                ["rpc_pool_size in ", ": must be a whole number from 1 to 10000, not 0"]
            ),
            "--port: must be a port from 0 to 65535, not 'x'",
            "ANYCABLE_LOG_LEVEL: must be debug, info, warn or error, not 'loud'",
        ]

    def test_an_argument_that_is_not_a_setting(self) -> None:
        assert refusal(prot=1) == "--prot: there is no such setting; did you mean port?"

    @pytest.mark.parametrize("half", [{"rpc_tls_cert": "cert.pem"}, {"rpc_tls_key": SENTINEL}])
    def test_half_of_tls_would_serve_without_it(self, half: dict[str, str]) -> None:
        assert refusal(**half) == "TLS needs both: set rpc_tls_cert and rpc_tls_key, or neither"

    def test_a_password_in_a_url_is_not_quoted(self) -> None:
        assert SENTINEL not in refusal(http_broadcast_url=f"ftp://user:{SENTINEL}@host/")


class TestErrorsNameNoOtherSetting:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("api_url", "must be an address like http://localhost:8080/api, not 'foo'"),
            ("http_broadcast_url", "must be an address like http://localhost:8090/_broadcast, not 'foo'"),
            ("redis_url", "must be an address like redis://localhost:6379, not 'foo'"),
            ("nats_servers", "must be addresses like nats://localhost:4222, with commas between, not 'foo'"),
            ("broker", "must be memory or none (or nats, which is for anycable-go alone), not 'foo'"),
        ],
    )
    def test_the_example_is_one_of_its_own(self, name: str, expected: str) -> None:
        assert refusal(**{name: "foo"}) == f"--{name.replace('_', '-')}: {expected}"

    @pytest.mark.parametrize("name", list(GARBAGE))
    def test_no_flag_and_no_path_of_another(self, name: str) -> None:
        others = {f"--{other.replace('_', '-')}" for other in Settings.model_fields} - {f"--{name.replace('_', '-')}"}

        for value in GARBAGE[name]:
            words = set(refusal(**{name: value}).replace(":", " ").split())

            assert not words & others
            assert name == "http_broadcast_url" or "_broadcast" not in " ".join(words)


class TestValues:
    @pytest.mark.parametrize("text", ["1", "t", "T", "true", "TRUE", "yes", "y", "on", True, 1])
    @pytest.mark.parametrize("name", SWITCHES)
    def test_on(self, name: str, text: object) -> None:
        assert getattr(load(**{name: text}), name) is True

    @pytest.mark.parametrize("text", ["0", "f", "F", "false", "FALSE", "no", "n", "off", False, 0])
    @pytest.mark.parametrize("name", SWITCHES)
    def test_off(self, name: str, text: object) -> None:
        assert getattr(load(**{name: text}), name) is False

    @pytest.mark.parametrize(
        "address",
        ["localhost:0", "0.0.0.0:65535", "[::]:50051", "[::1]:1", "[fe80::1%eth0]:1", "rpc_1.x-y.internal:80"],
    )
    def test_addresses(self, address: str) -> None:
        assert load(rpc_host=f" {address}\n").rpc_host == address

    @pytest.mark.parametrize(
        ("text", "host"), [("localhost", "localhost"), ("0.0.0.0", "0.0.0.0"), ("::1", "::1"), ("[::1]", "::1")]
    )
    def test_hosts(self, text: str, host: str) -> None:
        assert load(host=text).host == host

    @pytest.mark.parametrize(
        ("text", "ttl"),
        [("90", 90), ("1.5", 1.5), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1d", 86400), ("2w", 1209600),
         ("0.5h", 1800), ("none", None), (" 10m ", 600), (60, 60), (None, None)],
    )  # fmt: skip
    def test_lifetimes(self, text: object, ttl: float | None) -> None:
        assert load(jwt_ttl=text).jwt_ttl == ttl

    @pytest.mark.parametrize("text", ["0", "0s", "0h0m", "0.0", "00", "-1", "-5m"])
    def test_only_none_is_a_lifetime_without_an_end(
        self, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        message = "must be seconds above 0, a duration like 90s, 10m or 1h30m, or none, which is for ever"

        assert refusal(jwt_ttl=text) == f"--jwt-ttl: {message}"
        pyproject(folder, f"jwt_ttl = '{text}'")
        assert refusal() == f"jwt_ttl in pyproject.toml [tool.anycable_rpc]: {message}"
        monkeypatch.setenv("ANYCABLE_JWT_TTL", text)
        assert refusal() == f"ANYCABLE_JWT_TTL: {message}"

    @pytest.mark.parametrize("number", ["0", "0.0", "-0.0", "-1"])
    def test_a_number_in_a_file_has_to_be_above_0(self, number: str, folder: Path) -> None:
        pyproject(folder, f"jwt_ttl = {number}")

        assert "must be a number of seconds above 0, a duration like 10m, or none, which is for ever" in refusal()

    @pytest.mark.parametrize(
        ("value", "names"),
        [("cookie, X-Api ,,", ("cookie", "X-Api")), ("", ()), (["a,b", "c"], ("a", "b", "c")), ([""], ()), ([], ())],
    )
    def test_lists_are_strings_with_commas(self, value: object, names: tuple[str, ...]) -> None:
        assert load(headers=value).headers == names
        assert load(allowed_origins=value).allowed_origins == names

    @pytest.mark.parametrize(
        ("value", "secrets"),
        [('["a,b", "c"]', ("a,b", "c")), ("a, b", ("a", "b")), (["a,b", ""], ("a,b",)), ("[]", ()), ("", ())],
    )
    def test_old_secrets_may_have_commas(
        self, value: Any, secrets: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert load(jwt_secret="new", jwt_secrets_old=value).keys.jwt_verifying == ("new", *secrets)
        if isinstance(value, str):
            monkeypatch.setenv("ANYCABLE_JWT_SECRETS_OLD", value)
            assert load(jwt_secret="new").keys.jwt_verifying == ("new", *secrets)

    @pytest.mark.parametrize(
        ("text", "level"), [("debug", "debug"), ("WARN", "warning"), ("warning", "warning"), ("fatal", "critical")]
    )
    def test_levels(self, text: str, level: str) -> None:
        assert load(log_level=text).log_level == level

    def test_several_paths(self) -> None:
        assert load(path="/cable,/socket").paths == ("/cable", "/socket")
