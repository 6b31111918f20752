"""The parts of the fixtures that run in the package: finding the cable, and connecting clients to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from anycable_rpc import Cable, ConfigurationError, Connection
from anycable_rpc.testing import CableClient, TestServer
from anycable_rpc.testing.connect import find_app, require_cable
from app_example.chat import cable

from ..support.paths import PROJECT
from .chat import ChatChannel, User
from .ways import Way


def test_a_cable_is_found_by_its_name_in_the_root_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "named_app.py").write_text("from anycable_rpc import Cable, Connection\ncable = Cable(Connection)\n")

    found = find_app("named_app:cable", tmp_path)

    assert isinstance(found, Cable)
    assert found is sys.modules.pop("named_app").cable


def test_without_a_name_it_is_the_app_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYCABLE_APP", "app_example.chat:cable")

    found = find_app("", PROJECT)

    monkeypatch.undo()
    assert found is cable


def test_without_both_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError, match=r"which cable\? Set `anycable_app = module:attribute`"):
        find_app("", tmp_path)


def test_a_fixture_returns_a_cable_or_is_named() -> None:
    app = Cable(Connection)

    assert require_cable(app) is app
    with pytest.raises(ConfigurationError, match="the fixture anycable_app has returned a NoneType, not a Cable"):
        require_cable(None)


def test_clients_connect_to_the_server_of_the_fixture(way: Way) -> None:
    with TestServer(way.cable(User, [ChatChannel])) as server:
        cable_client = CableClient(server)

        ann = way.do(Connecting(cable_client), "connect", cookies={"user_id": "ann"})

        assert (ann.identifiers, ann.server) == ({"user_id": "ann"}, server)
        assert repr(cable_client) == "CableClient(TestServer(Broadcasts({})))"


class Connecting:
    """Both verbs of the fixture under the names that `Way.do` uses."""

    def __init__(self, cable_client: CableClient) -> None:
        self.connect, self.aconnect = cable_client, cable_client.aconnect


def test_the_test_kit_needs_no_server_and_no_extra() -> None:
    script = "import sys, anycable_rpc.testing; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)

    loaded = set(done.stdout.split())
    assert "anycable_rpc.testing.client" in loaded
    assert {"grpc", "starlette", "uvicorn", "websockets", "redis", "nats", "urllib3", "click", "pytest"}.isdisjoint(
        loaded
    )
