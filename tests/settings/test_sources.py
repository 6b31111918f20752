"""The sources of settings: their order, their errors, and the description of what each gives."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from anycable_rpc import ConfigurationError
from anycable_rpc.settings.model import Settings, load
from anycable_rpc.settings.sources import described, variables

from .refusals import SECRETS, SENTINEL, pyproject, refusal


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
