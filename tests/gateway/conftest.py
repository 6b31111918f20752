"""`serve` starts a server under test: the gateway, and for the cases that ask for both, anycable-go.

A test or a row of its table that older versions of anycable-go cannot pass says so: `since((1, 6), "why")`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from ..e2e.servers import anycable_go_path, anycable_go_version
from .scripted import ScriptedApp
from .servers import Serve, Server, running_anycable_go, running_gateway

GATEWAY, ANYCABLE_GO = "gateway", "anycable-go"
KINDS = [GATEWAY, ANYCABLE_GO] if anycable_go_path() else [GATEWAY]


@pytest.fixture(params=KINDS)
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Starts servers under test, and stops them at the end. For cases that are the same on both."""
    if request.param == ANYCABLE_GO:
        check_version(request, anycable_go_version())
    with ExitStack() as stack:
        yield partial(_start, stack, request.param)


@pytest.fixture(scope="session")
def shared_gateway() -> Iterator[Server]:
    """A gateway with default options, for many tests."""
    with ExitStack() as stack:
        yield _start(stack, GATEWAY)


@pytest.fixture(scope="session", params=KINDS)
def shared_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of each kind with default options, for many tests."""
    with ExitStack() as stack:
        is_gateway = request.param == GATEWAY
        yield request.getfixturevalue("shared_gateway") if is_gateway else _start(stack, request.param)


@pytest.fixture
def server(shared_server: Server, request: pytest.FixtureRequest) -> Server:
    """A server with default options, whose app has no calls yet."""
    check_version(request, shared_server.version)
    shared_server.app.forget()
    return shared_server


@pytest.fixture
def gateway_server(shared_gateway: Server) -> Server:
    """A gateway with default options, whose app has no calls yet: for cases in which anycable-go differs."""
    shared_gateway.app.forget()
    return shared_gateway


@pytest.fixture
def serve_gateway() -> Iterator[Serve]:
    """Starts gateways only: for cases in which anycable-go differs."""
    with ExitStack() as stack:
        yield partial(_start, stack, GATEWAY)


def check_version(request: pytest.FixtureRequest, version: tuple[int, ...]) -> None:
    """Skip a test that is not for this version."""
    for mark in request.node.iter_markers("since"):
        since, reason = mark.args
        if version < since:
            pytest.skip(f"anycable-go {'.'.join(map(str, version))}: {reason}")


def _start(stack: ExitStack, kind: str, app: ScriptedApp | None = None, **options: Any) -> Server:
    app = app or ScriptedApp()
    if kind == ANYCABLE_GO:
        return stack.enter_context(running_anycable_go(app, **options))
    return stack.enter_context(running_gateway(app, **options))[0]
