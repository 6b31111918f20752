"""Each scenario runs on the gateway and, if it is installed, on anycable-go: with calls over gRPC and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any

import pytest

from ..e2e.servers import anycable_go_version
from ..gateway.client import Client
from ..gateway.conftest import GATEWAY, check_version
from .servers import KINDS, Serve, Served, serving

_NUMBERS = count()


@pytest.fixture(scope="session", params=KINDS)
def shared_server(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A server of each kind with default options."""
    with serving(request.param) as server:
        yield server


@pytest.fixture
def server(shared_server: Served, request: pytest.FixtureRequest) -> Served:
    """A server with default options; other tests have used it."""
    check_version(request, shared_server.version)
    return shared_server


@pytest.fixture(params=KINDS)
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Starts servers with options of their own."""
    if request.param != GATEWAY:
        check_version(request, anycable_go_version())
    with ExitStack() as stack:

        def start(**options: Any) -> Served:
            return stack.enter_context(serving(request.param, **options))

        yield start


@pytest.fixture
def room() -> str:
    """A stream that no other test uses."""
    return f"room-{next(_NUMBERS)}"


@pytest.fixture
def ada(server: Served) -> Iterator[Client]:
    with server.welcomed() as client:
        yield client


@pytest.fixture
def grace(server: Served) -> Iterator[Client]:
    with server.welcomed() as client:
        yield client


@pytest.fixture
def mary(server: Served) -> Iterator[Client]:
    with server.welcomed() as client:
        yield client
