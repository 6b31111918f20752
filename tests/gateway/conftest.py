"""`serve` starts a server under test: the gateway, and for the cases that ask for both, anycable-go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from .scripted import ScriptedApp
from .servers import Serve, Server, anycable_go_path, running_anycable_go, running_gateway

GATEWAY, ANYCABLE_GO = "gateway", "anycable-go"
KINDS = [GATEWAY, ANYCABLE_GO] if anycable_go_path() else [GATEWAY]


@pytest.fixture(params=KINDS)
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Starts servers under test; they are stopped at the end. For what is the same on both."""
    with ExitStack() as stack:
        yield partial(_start, stack, request.param)


@pytest.fixture(scope="session")
def shared_gateway() -> Iterator[Server]:
    """One gateway with the usual options, for many tests."""
    with ExitStack() as stack:
        yield _start(stack, GATEWAY)


@pytest.fixture(scope="session", params=KINDS)
def shared_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server of each kind with the usual options, for many tests."""
    with ExitStack() as stack:
        is_gateway = request.param == GATEWAY
        yield request.getfixturevalue("shared_gateway") if is_gateway else _start(stack, request.param)


@pytest.fixture
def server(shared_server: Server) -> Server:
    """A server with the usual options, that has not been asked anything yet."""
    shared_server.app.forget()
    return shared_server


@pytest.fixture
def gateway_server(shared_gateway: Server) -> Server:
    """A gateway with the usual options, that has not been asked anything yet: for what anycable-go does otherwise."""
    shared_gateway.app.forget()
    return shared_gateway


@pytest.fixture
def serve_gateway() -> Iterator[Serve]:
    """Starts gateways only: for what anycable-go does otherwise."""
    with ExitStack() as stack:
        yield partial(_start, stack, GATEWAY)


def _start(stack: ExitStack, kind: str, app: ScriptedApp | None = None, **options: Any) -> Server:
    app = app or ScriptedApp()
    if kind == ANYCABLE_GO:
        return stack.enter_context(running_anycable_go(app, **options))
    return stack.enter_context(running_gateway(app, **options))[0]
