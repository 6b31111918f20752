"""The pytest plugin of anycable_rpc: the fixtures `cable_client` and `broadcasts`. See docs/testing.md.

It is outside the package, and imports it only when a fixture is asked for: pytest loads plugins in every project of an
environment, also in those that have no channels.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from anycable_rpc import Cable
    from anycable_rpc.testing import Broadcasts, CableClient, TestServer

__all__ = ["anycable_app", "anycable_hop", "anycable_server", "anycable_wait", "broadcasts", "cable_client"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option."""
    parser.addini("anycable_app", "the cable under test, as module:attribute", default="")


@pytest.fixture(scope="session")
def anycable_app(pytestconfig: pytest.Config) -> Cable:
    """The cable under test: the one that the ini option `anycable_app` names. A fixture of your own may replace it."""
    from anycable_rpc.testing.connect import find_app

    return find_app(pytestconfig.getini("anycable_app"), pytestconfig.rootpath)


@pytest.fixture
def anycable_wait() -> Any:
    """The way of sync verbs to run `async def` callbacks (see `TestServer`): None is an event loop in this thread."""
    return None


@pytest.fixture
def anycable_hop() -> Any:
    """The way of async verbs to run `def` callbacks (see `TestServer`): None calls them in the thread of the test."""
    return None


@pytest.fixture
def anycable_server(anycable_app: Cable, anycable_wait: Any, anycable_hop: Any) -> Iterator[TestServer]:
    """The stand-in for anycable-go of one test."""
    from anycable_rpc.testing import TestServer
    from anycable_rpc.testing.connect import require_cable

    with TestServer(require_cable(anycable_app), wait=anycable_wait, hop=anycable_hop) as server:
        yield server


@pytest.fixture
def cable_client(anycable_server: TestServer) -> CableClient:
    """A function that connects a client: `cable_client(cookies=…)`, in async tests `await cable_client.aconnect(…)`."""
    from anycable_rpc.testing import CableClient

    return CableClient(anycable_server)


@pytest.fixture
def broadcasts(anycable_server: TestServer) -> Broadcasts:
    """All that the cable has published in the test: `broadcasts["chat/1"]` lists the data of a stream."""
    return anycable_server.broadcasts


@pytest.hookimpl(hookwrapper=True)
def pytest_assertrepr_compare(op: str, left: object, right: object) -> Generator[None, Any, None]:
    """Show below a failed comparison what a client has received, and what was broadcast."""
    outcome = yield
    context = _context(left) or _context(right)
    if context:
        explained = [lines for lines in outcome.get_result() if lines] or [[f"{left!r} {op} {right!r}"]]
        outcome.force_result([[*lines, *context] for lines in explained])


def _context(side: object) -> list[str]:
    # A class that a program makes may have no name of a module there.
    module = str(type(side).__module__)
    if not module.startswith("anycable_rpc.testing."):
        return []
    context = getattr(side, "context", None)
    return ["", *context()] if context else []
