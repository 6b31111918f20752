"""Servers of the chat: the development gateway, or a real anycable-go with the RPC server beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache

from anycable_rpc import Cable
from anycable_rpc.settings.model import Settings
from app_example.chat import ChatConnection

from .processes import Program, free_port, python, running

SECRET = "a secret for the tests, longer than 32 bytes"
ADDRESS = r"\b(\d+\.\d+\.\d+\.\d+:\d+)"
WEB_SERVERS = {"uvicorn": "asgi", "gunicorn": "wsgi"}
"""Web servers for calls over HTTP, and the app that each serves."""
USUAL_OPTIONS = {"uvicorn": ("--no-access-log",), "gunicorn": ("--workers=2", "--threads=8", "--keep-alive=5")}
TERMINATED = -15  # uvicorn ends itself by the signal that it received


@dataclass(frozen=True)
class Chat:
    """A running chat. `version` is the version of anycable-go that the server is, or behaves like."""

    page: str
    server: str
    version: tuple[int, ...]
    programs: Mapping[str, Program] = field(default_factory=dict[str, Program])

    @property
    def socket(self) -> str:
        """The address of the WebSocket."""
        return f"ws://{self.server}/cable"

    @property
    def cable(self) -> Cable:
        """A cable as another program has it: it publishes over HTTP and issues tokens."""
        return outside(self.server)


def outside(server: str) -> Cable:
    """Return a cable in this process that publishes to a server."""
    return Cable(ChatConnection, settings=Settings(secret=SECRET, http_broadcast_url=broadcast_url(server)))


def broadcast_url(server: str) -> str:
    """Return the URL where a server takes broadcasts."""
    return f"http://{server}/_broadcast"


@contextmanager
def gateway(port: int = 0, **settings: str) -> Generator[Chat]:
    """Run the RPC server, the development gateway and the page in one process."""
    options = ["--rpc-host=127.0.0.1:0", "--host=127.0.0.1", f"--port={port}"]
    with running(python("anycable_rpc", "dev", *options), {"ANYCABLE_SECRET": SECRET, **settings}) as dev:
        dev.wait_for(rf"RPC.* listening .*?{ADDRESS}")
        server = dev.wait_for(rf"ateway.* listening .*?{ADDRESS}")[1]
        yield Chat(f"http://{server}/", server, (1, 6), {"rpc": dev, "server": dev})


@contextmanager
def anycable_go(engine: str = "grpcio") -> Generator[Chat]:
    """Run three programs: anycable-go, the RPC server beside it (or a web server, for HTTP), and the page."""
    server, rpc_host = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        if engine in WEB_SERVERS:
            rpc = stack.enter_context(running_web_server(engine, server, rpc_host))
            rpc_host = over_http(rpc_host)
        else:
            rpc = stack.enter_context(running_rpc_server(server, rpc_host, ANYCABLE_RPC_ENGINE=engine))
        go = stack.enter_context(running_anycable_go(server, rpc_host, ANYCABLE_BROKER="memory"))
        page = stack.enter_context(
            running(
                python("app_example", "--port=0", f"--cable-url=ws://{server}/cable"),
                {"ANYCABLE_SECRET": SECRET},
                ends_with=(0, TERMINATED),
            )
        )
        address = page.wait_for(rf"listening .*?{ADDRESS}")[1]
        yield Chat(f"http://{address}/", server, anycable_go_version(), {"rpc": rpc, "server": go, "page": page})


@contextmanager
def running_anycable_go(server: str, rpc_host: str, *, adapter: str = "http", **settings: str) -> Generator[Program]:
    """Run anycable-go alone, listening on `server`."""
    host, _, port = server.rpartition(":")
    options = [f"--host={host}", f"--port={port}", f"--rpc_host={rpc_host}", f"--broadcast_adapter={adapter}"]
    own = {"ANYCABLE_DISABLE_TELEMETRY": "true", "ANYCABLE_SECRET": SECRET}
    with running([anycable_go_path(), *options], {**own, **settings}) as program:
        program.wait_until_it_listens(int(port))
        yield program


@contextmanager
def running_rpc_server(server: str, rpc_host: str, **settings: str) -> Generator[Program]:
    """Run `python -m anycable_rpc` alone, publishing to `server`."""
    own = {"ANYCABLE_SECRET": SECRET, "ANYCABLE_HTTP_BROADCAST_URL": broadcast_url(server)}
    with running(python("anycable_rpc", f"--rpc-host={rpc_host}"), {**own, **settings}) as program:
        program.wait_for(rf"listening .*?{ADDRESS}")
        yield program


@contextmanager
def running_web_server(
    kind: str, server: str, address: str, *options: str, app: str = "tests.e2e.http_app", **settings: str
) -> Generator[Program]:
    """Run a web server of `WEB_SERVERS` with the chat mounted, publishing to `server`."""
    host, _, port = address.rpartition(":")
    listen = {"uvicorn": [f"--host={host}", f"--port={port}"], "gunicorn": [f"--bind={address}"]}[kind]
    own = {"ANYCABLE_SECRET": SECRET, "ANYCABLE_HTTP_BROADCAST_URL": broadcast_url(server)}
    command = python(kind, f"{app}:{WEB_SERVERS[kind]}", *listen, *(options or USUAL_OPTIONS[kind]))
    with running(command, {**own, **settings}, ends_with=(0, TERMINATED)) as program:
        program.wait_until_it_listens(int(port))
        yield program


def over_http(address: str) -> str:
    """Return the `--rpc_host` of a web server that has the chat mounted."""
    return f"http://{address}/_anycable"


def anycable_go_path() -> str:
    """Return the path of anycable-go; empty when this machine has none."""
    return os.environ.get("ANYCABLE_GO_BIN") or shutil.which("anycable-go") or ""


@cache
def anycable_go_version() -> tuple[int, ...]:
    """Return major and minor of anycable-go's version."""
    done = subprocess.run([anycable_go_path(), "--version"], capture_output=True, text=True, timeout=20, check=True)
    found = re.search(r"(\d+)\.(\d+)", done.stdout + done.stderr)
    assert found, f"anycable-go --version printed: {done.stdout}{done.stderr}"
    return int(found[1]), int(found[2])
