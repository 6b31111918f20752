"""Versions of protobuf that are too old."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError

import pytest

from .commands import Servers, refused, run


class TestOldPackages:
    @pytest.mark.parametrize("command", ["serve", "dev"])
    @pytest.mark.parametrize("installed", ["3.19.6", "4.21.12", "4.24.9rc1"])
    def test_protobuf_that_is_too_old(
        self, installed: str, command: str, servers: Servers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("google.protobuf.__version__", installed)

        message = refused(command, "chat:cable")

        assert f"Error: protobuf {installed} is too old for anycable-rpc" in message
        assert "which needs 4.25 or later: pip install --upgrade protobuf" in message

    def test_protobuf_that_is_too_old_for_another_package(
        self, servers: Servers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        needs = {"anycable-rpc": ["protobuf<8,>=4.25"], "grpcio-health-checking": ["protobuf<8.0.0,>=6.31.1"]}
        monkeypatch.setattr("anycable_rpc.cli.requirements.requires", needs.get)
        monkeypatch.setattr("google.protobuf.__version__", "5.29.5")

        assert "Error: protobuf 5.29.5 is too old for grpcio-health-checking" in refused("chat:cable")

    def test_protobuf_that_is_missing(self, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "google.protobuf", None)

        assert "Error: protobuf is not installed: pip install protobuf" in refused("chat:cable")

    def test_packages_that_do_not_say_what_they_need(self, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(name: str) -> None:
            raise PackageNotFoundError(name)

        monkeypatch.setattr("anycable_rpc.cli.requirements.requires", unknown)

        assert run("chat:cable").exit_code == 0
