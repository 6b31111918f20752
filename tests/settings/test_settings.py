"""Settings: where they come from, what is refused and how that is said, and that no secret is ever shown."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from anycable_rpc import ConfigurationError
from anycable_rpc.identity.keys import BROADCAST_KEY, derive_key
from anycable_rpc.settings.model import Settings, load
from anycable_rpc.settings.sources import described, variables
from anycable_rpc.settings.warnings import conflicts, warnings_for

from ..support.paths import PROJECT

SENTINEL = "s3ntinel-of-a-secret"
LONG = "k" * 32
SECRETS: tuple[str, ...] = (
    "secret",
    "jwt_secret",
    "jwt_secrets_old",
    "streams_secret",
    "turbo_streams_secret",
    "broadcast_key",
    "api_secret",
    "rpc_tls_key",
)
SWITCHES = tuple(name for name, field in Settings.model_fields.items() if field.annotation is bool)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(**values: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(**values)
    return str(caught.value)


def pyproject(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.anycable_rpc]\n{text}\n")


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
            "secret": None,
            "jwt_secret": None,
            "jwt_secrets_old": (),
            "jwt_ttl": 3600,
            "jwt_param": "jid",
            "connect_tokens": True,
            "streams_secret": None,
            "turbo_streams_secret": None,
            "broadcast_key": None,
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


class TestPrecedence:
    def test_each_source_is_stronger_than_the_next(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert load().port == 8080
        pyproject(folder, "port = 1")
        assert load().port == 1
        (folder / "anycable_rpc.toml").write_text("port = 2")
        assert load().port == 2
        (folder / "other.toml").write_text("port = 3")
        monkeypatch.setenv("ANYCABLE_RPC_CONFIG", "other.toml")
        assert load().port == 3
        (folder / "third.toml").write_text("port = 4")
        assert load(config="third.toml").port == 4
        monkeypatch.setenv("PORT", "5")
        assert load().port == 5
        monkeypatch.setenv("ANYCABLE_PORT", "6")
        assert load().port == 6
        assert load(port="7").port == 7

    def test_only_the_strongest_value_has_to_be_right(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pyproject(folder, 'rpc_pool_size = "many"')
        monkeypatch.setenv("ANYCABLE_RPC_POOL_SIZE", "5")

        assert load().rpc_pool_size == 5

    def test_a_named_file_takes_the_place_of_the_usual_one(self, folder: Path) -> None:
        (folder / "anycable_rpc.toml").write_text("port = 2")
        (folder / "other.toml").write_text("debug = true")

        settings = load(config="other.toml")

        assert (settings.port, settings.debug) == (8080, True)

    def test_grpc_arguments_of_all_sources_come_together(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pyproject(folder, "rpc_server_args = {a = 1, b = 1}")
        monkeypatch.setenv("ANYCABLE_RPC_SERVER_ARGS", '{"b": 2, "c": "text"}')
        monkeypatch.setenv("ANYCABLE_RPC_SERVER_ARGS__MAX_CONCURRENT_STREAMS", "4")

        assert load(rpc_server_args={"d": True}).rpc_server_args == {
            "a": 1,
            "b": 2,
            "c": "text",
            "max_concurrent_streams": 4,
            "d": 1,
        }

    def test_pyproject_of_a_parent_folder_is_not_ours(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pyproject(folder, "port = 1")
        (folder / "inner").mkdir()
        monkeypatch.chdir(folder / "inner")

        assert load().port == 8080

    def test_a_pyproject_of_others_says_nothing(self, folder: Path) -> None:
        (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n[tool.other]\nport = 1\n")

        assert load().port == 8080


class TestFramework:
    def test_it_is_weaker_than_the_environment_and_stronger_than_files(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pyproject(folder, "port = 1")
        (folder / "anycable_rpc.toml").write_text("port = 2")
        framework = {"port": 3}

        assert load(framework=framework).port == 3
        monkeypatch.setenv("ANYCABLE_PORT", "4")
        assert load(framework=framework).port == 4
        assert load(framework=framework, port=5).port == 5

    def test_it_may_name_the_file(self, folder: Path) -> None:
        (folder / "anycable_rpc.toml").write_text("port = 1")
        (folder / "other.toml").write_text("port = 2")

        assert load(framework={"config": "other.toml"}).port == 2
        assert refusal(framework={"config": "missing.toml"}) == (
            "config in the framework's settings: there is no file 'missing.toml'"
        )

    @pytest.mark.parametrize("framework", [None, {}, MappingProxyType({})])
    def test_it_may_say_nothing(self, framework: Any) -> None:
        assert load(framework=framework) == load() == Settings(framework=framework)

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (
                {"rpc_hots": "x"},
                "rpc_hots in the framework's settings: there is no such setting; did you mean rpc_host?",
            ),
            ({"zzz": 1}, "zzz in the framework's settings: there is no such setting"),
            ({"framework": {}}, "framework in the framework's settings: there is no such setting"),
            ({"port": "x"}, "port in the framework's settings: must be a port from 0 to 65535, not 'x'"),
            ({"port": None}, "port in the framework's settings: must be a port from 0 to 65535, not None"),
            ({"debug": object}, "debug in the framework's settings: must be true or false, not <class 'object'>"),
            ({"secret": [SENTINEL]}, "secret in the framework's settings: must be a string"),
        ],
    )
    def test_errors_name_it(self, values: dict[str, Any], expected: str) -> None:
        assert refusal(framework=values) == expected

    @pytest.mark.parametrize("values", [[SENTINEL], SENTINEL, 5, {1: SENTINEL}, {b"secret": SENTINEL}])
    def test_it_is_a_dict_of_names(self, values: Any) -> None:
        assert refusal(framework=values) == (
            "the framework's settings must be a dict from names of settings (strings) to their values"
        )

    def test_it_is_named_as_a_source(self) -> None:
        values = {"framework": {"port": 3, "secret": SENTINEL, "debug": True}, "debug": False}

        rows = {name: (value, source) for name, value, source in described(load(**values), values)}

        assert rows["port"] == ("3", "port in the framework's settings")
        assert rows["secret"] == ("set", "secret in the framework's settings")
        assert rows["debug"] == ("false", "--debug")

    def test_a_file_has_no_setting_of_that_name(self, folder: Path) -> None:
        pyproject(folder, "framework = {port = 1}")

        assert refusal() == "framework in pyproject.toml [tool.anycable_rpc]: there is no such setting"


class TestEnvironment:
    @pytest.mark.parametrize("name", ["ANYCABLE_RPC_HOTS", "ANYCABLE_METRICS_HTTP", "ANYCABLE_HEADERS__X", "ANYCABLE_"])
    def test_a_variable_of_another_program_is_no_error(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, "/metrics")

        assert load() == Settings()
        assert load().headers == ("cookie",)

    @pytest.mark.parametrize("name", list(Settings.model_fields))
    def test_an_empty_variable_is_unset(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        default = getattr(load(), name)
        monkeypatch.setenv(variables(name)[0], "")

        assert getattr(load(), name) == default

    def test_names_are_those_of_the_family(self) -> None:
        assert variables("jwt_param") == ("ANYCABLE_JWT_PARAM",)
        assert variables("config") == ("ANYCABLE_RPC_CONFIG",)
        assert variables("port") == ("ANYCABLE_PORT", "PORT")

    def test_kubernetes_says_where_the_service_is_and_not_where_to_listen(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ANYCABLE_PORT", "tcp://10.3.2.1:8080")

        assert load().port == 8080

    @pytest.mark.parametrize("text", [r"\\.\pipe\node", "tcp://10.0.0.1:80", "http"])
    def test_a_port_of_somebody_else_that_is_no_number(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", text)

        assert load().port == 8080

    def test_an_address_meant_for_anycable_go(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANYCABLE_RPC_HOST", "dns:///rpc:50051")

        assert refusal() == (
            "ANYCABLE_RPC_HOST: an address with 'dns:' is for anycable-go, which connects to it; this server listens: "
            "give HOST:PORT, for example 127.0.0.1:50051 (where both read the same variable, give this one --rpc-host)"
        )
        assert load(rpc_host="0.0.0.0:50051").rpc_host == "0.0.0.0:50051"

    def test_bytes_that_are_not_utf_8(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(os.environb, b"ANYCABLE_APP", b"\xff\xfe")
        monkeypatch.setitem(os.environb, b"ANYCABLE_SECRET", b"\xff" + SENTINEL.encode())

        message = refusal()

        assert message == r"ANYCABLE_APP: must be module:attr, not '\udcff\udcfe'" "\nANYCABLE_SECRET: must be a string"


class TestFiles:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("rpc_hots = '127.0.0.1:1'", "rpc_hots in {}: there is no such setting; did you mean rpc_host?"),
            ("rpc-host = '127.0.0.1:1'", "rpc-host in {}: there is no such setting; did you mean rpc_host?"),
            ("zzz = 1", "zzz in {}: there is no such setting"),
            ("é = 1", "{} is not TOML: Invalid statement (at line {line}, column 1)"),
            ("port = 'x'", "port in {}: must be a port from 0 to 65535, not 'x'"),
            ("config = 'x'", "config in {}: use --config or ANYCABLE_RPC_CONFIG instead"),
        ],
    )
    def test_errors_name_the_place(self, text: str, expected: str, folder: Path) -> None:
        for name, header in {"anycable_rpc.toml": "", "pyproject.toml": "[tool.anycable_rpc]\n"}.items():
            (folder / name).write_text(header + text, encoding="utf-8")
            place = f"{name} [tool.anycable_rpc]" if header and "TOML" not in expected else name

            assert refusal() == expected.format(place, line=2 if header else 1)
            (folder / name).unlink()

    @pytest.mark.parametrize("name", ["anycable_rpc.toml", "pyproject.toml"])
    @pytest.mark.parametrize(
        "content", [b"\xff\xfe", b"port = 1\x00", b"[[[[", b"=", b"a" * 100_000, b"a=" + b"[" * 100_000]
    )
    def test_garbage(self, name: str, content: bytes, folder: Path) -> None:
        (folder / name).write_bytes(content)

        assert refusal().startswith(f"{name} is not ")

    @pytest.mark.parametrize("text", ["tool = 1", "tool.anycable_rpc = 1", "tool.anycable_rpc = []"])
    def test_a_table_is_a_table(self, text: str, folder: Path) -> None:
        (folder / "pyproject.toml").write_text(text)

        assert refusal() == "pyproject.toml [tool.anycable_rpc] is not a table"

    @pytest.mark.parametrize("path", ["missing.toml", ".", "a\0b", "x" * 5000, "é/ü"])
    def test_a_named_file_has_to_be_there(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert refusal(config=path).startswith("--config: there is no file ")
        if "\0" not in path:
            monkeypatch.setenv("ANYCABLE_RPC_CONFIG", path)
            assert refusal().startswith("ANYCABLE_RPC_CONFIG: there is no file ")

    def test_a_file_that_may_not_be_read(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "anycable_rpc.toml").write_text("port = 1")

        def refuse(*_: Any, **__: Any) -> str:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_text", refuse)

        assert refusal() == "anycable_rpc.toml cannot be read: Permission denied"

    def test_folders_of_these_names_are_no_files(self, folder: Path) -> None:
        (folder / "anycable_rpc.toml").mkdir()
        (folder / "pyproject.toml").mkdir()

        assert load().port == 8080


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


class TestKeys:
    def test_everything_comes_from_the_secret(self) -> None:
        settings = load(secret="s3Krit")

        assert settings.keys.jwt == "s3Krit"
        assert settings.keys.streams == "s3Krit"
        assert settings.keys.broadcast == "a239a7ca182c90fc32bdedf73703d271388cf433843affffd3a5e757041fc716"
        assert settings.broadcast_address == "http://localhost:8080/_broadcast"

    def test_a_key_of_its_own_is_stronger(self) -> None:
        settings = load(secret="s", jwt_secret="j", streams_secret="t", broadcast_key="b")

        assert settings.keys.jwt == "j"
        assert settings.keys.streams == "t"
        assert settings.keys.broadcast == "b"

    def test_none_switches_one_off(self) -> None:
        settings = load(
            secret="s", jwt_secret="none", jwt_secrets_old=["o"], streams_secret="none", broadcast_key="none"
        )

        assert settings.keys.jwt is None
        assert settings.keys.jwt_verifying == ()
        assert settings.keys.streams is None
        assert settings.keys.broadcast is None
        assert settings.broadcast_address == "http://localhost:8090/_broadcast"

    def test_none_as_the_secret_switches_off_all_derived_keys(self) -> None:
        settings = load(secret="none", broadcast_key="b")

        assert settings.keys.jwt is None
        assert settings.keys.broadcast == "b"

    def test_an_empty_key_is_unset(self) -> None:
        settings = load(secret="s", jwt_secret="", broadcast_key="")

        assert settings.keys.jwt == "s"
        assert settings.keys.broadcast == derive_key("s", BROADCAST_KEY)

    def test_a_secret_is_taken_as_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANYCABLE_SECRET", ' "quoted", é ')

        assert load().secret == SecretStr(' "quoted", é ')

    def test_a_url_of_its_own(self) -> None:
        url = "https://user:word@ws.example.com/_broadcast"

        assert load(http_broadcast_url=url).broadcast_address == url


class TestWarnings:
    @pytest.mark.parametrize(
        ("values", "names"),
        [
            ({"secret": "k" * 31}, ["secret"]),
            ({"secret": LONG}, []),
            ({"secret": "é" * 16}, []),
            ({"secret": "short", "jwt_secret": LONG}, []),
            ({"secret": LONG, "jwt_secret": "short"}, ["jwt_secret"]),
            ({"secret": "short", "jwt_secrets_old": ["a", "b"]}, ["secret", "jwt_secrets_old"]),
            ({"secret": "short", "jwt_secret": "none"}, []),
        ],
    )
    def test_a_short_key_is_named_once(self, values: dict[str, Any], names: list[str]) -> None:
        messages = warnings_for(load(**values))

        assert [line.split()[0] for line in messages] == names
        assert all("is shorter than 32 bytes" in line for line in messages)
        assert "short" not in "".join(messages).replace("shorter", "")

    def test_old_secrets_need_a_new_one(self) -> None:
        assert warnings_for(load(jwt_secrets_old=[LONG])) == [
            "jwt_secrets_old has no effect: there is no jwt_secret and no secret"
        ]


ENFORCED = "noauth and public do not let clients in without a token, because enforce_jwt refuses them: leave one out"


class TestConflicts:
    @pytest.mark.parametrize(
        ("values", "begins"),
        [
            ({"noauth": True, "enforce_jwt": True, "secret": LONG}, ENFORCED),
            ({"public": True, "enforce_jwt": True, "jwt_secret": LONG}, ENFORCED),
            ({"enforce_jwt": True}, "enforce_jwt has no effect without a secret for tokens"),
            ({"enforce_jwt": True, "secret": LONG, "jwt_secret": "none"}, "enforce_jwt has no effect without"),
            ({"norpc": True}, "with norpc and no secret for tokens every client is refused"),
            ({"turbo_streams": True}, "turbo_streams has no effect without a secret"),
            ({"ping_interval": 0, "pong_timeout": 5}, "with a pong_timeout and a ping_interval of 0"),
            ({"broker": "nats"}, "the broker is memory here"),
            ({"broker": "none", "history_ttl": 5}, "history_ttl, history_limit, sessions_ttl and presence_ttl have no"),
        ],
    )
    def test_of_the_gateway_are_said_by_dev_alone(self, values: dict[str, Any], begins: str) -> None:
        (message,) = conflicts(load(**values), "dev")

        assert message.startswith(begins)
        assert list(conflicts(load(**values), "serve")) == []

    @pytest.mark.parametrize(
        ("values", "begins"),
        [
            ({"debug": True, "log_level": "error"}, "log_level has no effect, because debug logs everything"),
            ({"log_grpc": True, "rpc_engine": "asyncio"}, "log_grpc has no effect"),
            ({"rpc_server_args": {"foo": 1}}, "rpc_server_args: 'foo' is no argument of a gRPC server"),
            (
                {"rpc_server_args": {"grpc.max_concurent_streams": 1}},
                "rpc_server_args: 'grpc.max_concurent_streams' is no argument of a gRPC server, so it has no effect; "
                "did you mean max_concurrent_streams?",
            ),
        ],
    )
    @pytest.mark.parametrize("command", ["serve", "dev"])
    def test_of_a_server(self, values: dict[str, Any], begins: str, command: str) -> None:
        (message,) = conflicts(load(**values), command)

        assert message.startswith(begins)

    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"secret": LONG, "enforce_jwt": True, "norpc": True, "turbo_streams": True},
            {"noauth": True, "norpc": True},
            {"public": True, "norpc": True},
            {"debug": True, "log_level": "debug"},
            {"debug": True},
            {"broker": "memory", "history_ttl": 5, "pong_timeout": 5},
            {"broker": "none"},
            {"rpc_server_args": {"max_concurrent_streams": 1, "grpc.http2.max_frame_size": 20_000}},
            {"rpc_server_args": {"whatever": 1}, "rpc_engine": "asyncio"},
        ],
    )
    def test_what_goes_together(self, values: dict[str, Any]) -> None:
        assert list(conflicts(load(**values), "dev")) == []


class TestSecretsAreNeverShown:
    @pytest.mark.parametrize("name", SECRETS)
    @pytest.mark.parametrize(
        "value", [[SENTINEL, 5], {"a": SENTINEL}, f'["{SENTINEL}"', f'["{SENTINEL}", 5]', f"{SENTINEL}\udcff", 5, True]
    )
    def test_in_an_error(self, name: str, value: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        try:
            message = repr(load(**{"rpc_tls_cert": "cert.pem", name: value}))
        except ConfigurationError as error:
            message = "".join(traceback.format_exception(error))

        assert message
        assert SENTINEL not in message

    @pytest.mark.parametrize("name", SECRETS)
    def test_beside_the_error_of_another_setting(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(f"ANYCABLE_{name.upper()}", SENTINEL)

        assert SENTINEL not in refusal(port="x", zzz=1)

    def test_when_settings_are_described(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        values = dict.fromkeys(SECRETS, SENTINEL)
        settings = load(
            **values,
            rpc_tls_cert="-----BEGIN CERTIFICATE-----\nx\n-----END",
            http_broadcast_url=f"http://user:{SENTINEL}@host/",
            redis_url=f"redis://:{SENTINEL}@host",
            nats_servers=f"nats://user:{SENTINEL}@a,nats://{SENTINEL}@b",
        )

        shown = {name: value for name, value, _ in described(settings, values)}

        assert SENTINEL not in "".join(shown.values())
        assert SENTINEL not in repr(settings)
        assert {shown[name] for name in SECRETS} == {"set"}
        assert shown["rpc_tls_cert"] == "set"
        assert shown["http_broadcast_url"] == "http://***@host/"
        assert shown["redis_url"] == "redis://***@host"
        assert shown["nats_servers"] == "nats://***@a,nats://***@b"


class TestDescribed:
    def test_each_setting_has_a_value_and_a_source(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pyproject(folder, "app = 'chat:cable'\nport = 1\nheaders = ['a', 'b']")
        (folder / "anycable_rpc.toml").write_text("shutdown_timeout = 5")
        monkeypatch.setenv("PORT", "2")
        monkeypatch.setenv("ANYCABLE_RPC_SERVER_ARGS__A", "1")
        flags = {"debug": "true", "jwt_secret": "x"}

        rows = {name: (value, source) for name, value, source in described(load(**flags), flags)}

        assert list(rows) == list(Settings.model_fields)
        assert rows["app"] == ("chat:cable", "app in pyproject.toml [tool.anycable_rpc]")
        assert rows["headers"] == ("a,b", "headers in pyproject.toml [tool.anycable_rpc]")
        assert rows["shutdown_timeout"] == ("5", "shutdown_timeout in anycable_rpc.toml")
        assert rows["port"] == ("2", "PORT")
        assert rows["rpc_server_args"] == ('{"a": 1}', "ANYCABLE_RPC_SERVER_ARGS__…")
        assert rows["debug"] == ("true", "--debug")
        assert rows["jwt_secret"] == ("set", "--jwt-secret")
        assert rows["secret"] == ("not set", "default")
        assert rows["allowed_origins"] == ("not set", "default")
        assert rows["noauth"] == ("false", "default")
        assert rows["rpc_pool_size"] == ("30", "default")
