"""The fixtures of the pytest plugin, which imports this module when the first one is asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Unpack

from ..cable import Cable
from ..cli.find_app import find_cable
from ..errors import ConfigurationError
from ..settings.model import load
from .client import TestClient
from .server import TestServer
from .upgrade import Upgrade

__all__ = ["CableClient", "find_app", "require_cable"]


class CableClient:
    """The fixture `cable_client`: call it, and a client connects. It takes the arguments of `TestClient`.

    Attributes:
        server: the test server that its clients share.
    """

    def __init__(self, server: TestServer) -> None:
        self.server = server

    def __repr__(self) -> str:
        return f"CableClient({self.server!r})"

    def __call__(self, *, raise_exceptions: bool | None = None, **request: Unpack[Upgrade]) -> TestClient:
        """Connect a client."""
        return TestClient(self.server.cable, raise_exceptions=raise_exceptions, **request)

    async def aconnect(self, *, raise_exceptions: bool | None = None, **request: Unpack[Upgrade]) -> TestClient:
        """Connect a client; for async tests."""
        return await TestClient.aconnect(self.server.cable, raise_exceptions=raise_exceptions, **request)


def find_app(name: str, root: Path) -> Cable:
    """Return the cable that the ini option `anycable_app` names, else the setting `app`.

    Its module may be in the root folder of the tests.

    Raises:
        ConfigurationError: neither is set, or there is no such cable.
    """
    name = name or load().app or ""
    if not name:
        raise ConfigurationError(
            "which cable? Set `anycable_app = module:attribute` in pytest's configuration, or write a fixture "
            "anycable_app that returns the cable"
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return find_cable(name)


def require_cable(app: object) -> Cable:
    """Return the cable that a fixture `anycable_app` has returned.

    Raises:
        ConfigurationError: it has returned something else.
    """
    if not isinstance(app, Cable):
        raise ConfigurationError(f"the fixture anycable_app has returned a {type(app).__name__}, not a Cable")
    return app
