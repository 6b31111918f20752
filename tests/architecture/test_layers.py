"""Who may import whom: the core does no I/O and looks only down; edges do not know each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..support.paths import PROJECT

PACKAGE = "anycable_rpc"
FOLDER = PROJECT / PACKAGE

CORE = (
    "errors",
    "once",
    "json_text",
    "go_json",
    "protocol",
    "transmissions",
    "dialects",
    "json_writer",
    "identifiers",
    "global_id",
    "state",
    "signing",
    "publications",
    "credentials",
    "stream_names",
    "turbo",
    "statelessness",
    "declarations",
    "actions",
    "connection",
    "channel",
    "call",
    "rpc",
    "journal",
    "hub",
    "history",
    "presences",
)
"""Each may import those before it."""

SHARED = (
    "publishing",
    "threads",
    "runner",
    "cable",
    "received",
    "wire",
    "service",
    "watching",
    "retries",
    "tls_errors",
    "http_pool",
    "http_client",
    "listening",
    "hanging_up",
)
"""Each may import the core and those before it."""

EDGES = ("settings", "broadcasters", "rest_api", "grpc_server", "http2", "http_rpc", "gateway", "contrib")
"""Each may import the core, what is shared, and itself. What is not listed here joins edges and may import all."""

CORE_THIRD_PARTY = {"jwt", "pydantic"}
INPUT_OUTPUT = {
    *("asyncio", "concurrent", "ctypes", "fcntl", "ftplib", "glob", "http", "io", "mmap", "multiprocessing", "os"),
    *("pathlib", "queue", "sched", "select", "selectors", "shutil", "signal", "smtplib", "socket"),
    *("socketserver", "sqlite3", "ssl", "subprocess", "tempfile", "_thread", "threading", "tomllib"),
    *("urllib.error", "urllib.request", "urllib.robotparser", "wsgiref", "xmlrpc"),
}


@dataclass(frozen=True)
class Import:
    """One name that a module imports."""

    name: str
    type_only: bool = False
    in_function: bool = False

    def is_in(self, packages: Iterable[str]) -> bool:
        return any(f"{self.name}.".startswith(f"{package}.") for package in packages)


def imports_of(source: str, package: str) -> list[Import]:
    return list(_visit(ast.parse(source), package, type_only=False, in_function=False))


def _visit(node: ast.AST, package: str, type_only: bool, in_function: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        for name in _names(node, package):
            yield Import(name, type_only, in_function)
    in_function = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        guarded = isinstance(node, ast.If) and _is_type_checking(node.test) and child in node.body
        yield from _visit(child, package, type_only or guarded, in_function)


def _names(node: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    parts = package.split(".")
    start = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
    base = ".".join(filter(None, [start, node.module]))
    return [f"{base}.{alias.name}" for alias in node.names]


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def broken_rules(part: str, imports: Iterable[Import]) -> list[str]:
    """What `anycable_rpc.<part>` imports and may not."""
    return [imported.name for imported in imports if not _may_import(part, imported)]


def _may_import(part: str, imported: Import) -> bool:
    if not imported.is_in([PACKAGE]):
        return part not in CORE or _is_pure(imported)
    target = imported.name.split(".")[1]
    if target == "_pb":
        return part in ("wire", "_pb")
    lazy = part == "cable" and imported.in_function
    return imported.type_only or lazy or target in _reach(part, target)


def _is_pure(imported: Import) -> bool:
    if imported.is_in(sys.stdlib_module_names):
        return not imported.is_in(INPUT_OUTPUT)
    return imported.is_in(CORE_THIRD_PARTY)


def _reach(part: str, target: str) -> Iterable[str]:
    if part in CORE:
        return CORE[: CORE.index(part)]
    if part in SHARED:
        return CORE + SHARED[: SHARED.index(part)]
    return {*CORE, *SHARED, part} if part in EDGES else {target}


def modules() -> list[Path]:
    return sorted(FOLDER.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_module_imports_only_what_it_may(path: Path) -> None:
    parts = path.relative_to(FOLDER).with_suffix("").parts
    package = ".".join((PACKAGE, *parts[:-1]))

    broken = broken_rules(parts[0], imports_of(path.read_text("utf-8"), package))

    assert broken == []


def test_only_wire_touches_the_generated_code() -> None:
    users = {
        path.name
        for path in FOLDER.glob("*.py")
        for imported in imports_of(path.read_text("utf-8"), PACKAGE)
        if imported.is_in([f"{PACKAGE}._pb"])
    }

    assert users == {"wire.py"}


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("state", "import os"),
        ("state", "import os.path"),
        ("state", "from os import path"),
        ("state", "from urllib import request"),
        ("state", "import urllib.request"),
        ("state", "def f():\n    import socket"),
        ("state", "async def f():\n    from concurrent.futures import Executor"),
        ("state", "try:\n    import ssl\nexcept ImportError: ..."),
        ("state", "class A:\n    import asyncio"),
        ("state", "import grpc"),
        ("state", "from google.protobuf import message"),
        ("state", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import grpc"),
        ("state", "from .connection import Connection"),
        ("state", "from . import connection"),
        ("state", "from anycable_rpc.connection import Connection"),
        ("state", "import anycable_rpc.connection"),
        ("state", "from anycable_rpc import Cable"),
        ("state", "from .state import State"),
        ("state", "if not TYPE_CHECKING:\n    from .rpc import respond"),
        ("state", "if TYPE_CHECKING: ...\nelse:\n    from .rpc import respond"),
        ("state", "def f():\n    from .rpc import respond"),
        ("rpc", "from .cable import Cable"),
        ("rpc", "from .wire import METHODS"),
        ("runner", "from .cable import Cable"),
        ("service", "from ._pb import rpc_pb2"),
        ("cable", "from .settings import load"),
        ("grpc_server", "from .settings import Settings"),
        ("grpc_server", "from .gateway.app import Gateway"),
        ("settings", "def f():\n    from .broadcasters import broadcaster_for"),
        ("settings", "from .cli import main"),
    ],
)
def test_what_is_not_allowed_is_noticed(part: str, source: str) -> None:
    assert len(broken_rules(part, imports_of(source, PACKAGE))) == 1


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("state", "import json, re, logging, urllib.parse, collections.abc"),
        ("state", "from jwt.utils import base64url_encode"),
        ("state", "from . import json_text, errors"),
        ("state", "if TYPE_CHECKING:\n    from .cable import Cable"),
        ("state", "if typing.TYPE_CHECKING:\n    from .cable import Cable"),
        ("wire", "from ._pb import rpc_pb2"),
        ("runner", "import asyncio, threading\nfrom .rpc import respond"),
        ("cable", "def f():\n    from .settings import load"),
        ("service", "from . import cable, runner, wire"),
        ("grpc_server", "import grpc\nfrom .service import Service"),
        ("settings", "from . import signing\nfrom .settings import sources"),
        ("cli", "from . import settings, broadcasters, gateway, grpc_server"),
    ],
)
def test_what_is_allowed_is_not(part: str, source: str) -> None:
    assert broken_rules(part, imports_of(source, PACKAGE)) == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("from ..errors import AnyCableError", "anycable_rpc.errors.AnyCableError"),
        ("from .base import Broadcaster", "anycable_rpc.broadcasters.base.Broadcaster"),
        ("from .. import errors", "anycable_rpc.errors"),
    ],
)
def test_an_import_inside_a_folder_is_understood(source: str, name: str) -> None:
    assert imports_of(source, f"{PACKAGE}.broadcasters") == [Import(name)]


def test_importing_the_package_loads_no_server() -> None:
    script = f"import sys, {PACKAGE}; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)

    loaded = done.stdout.split()
    assert PACKAGE in loaded
    assert {"grpc", "uvicorn", "starlette", "google.protobuf", "urllib3", "click"}.isdisjoint(loaded)


def test_a_server_that_listens_has_not_loaded_what_calls_may_do_without() -> None:
    script = """
import sys
from anycable_rpc import Cable, Connection
from anycable_rpc.http2 import Server
from anycable_rpc.serving import broadcasting, service_of
from anycable_rpc.settings import Settings
import anycable_rpc.cli.main, asyncio

settings = Settings(secret="s" * 32, rpc_host="127.0.0.1:0")
cable = Cable(Connection)
cable.settings = settings

async def main():
    server = Server(service_of(cable, settings), settings)
    await server.start()
    print(*broadcasting(cable))
    await server.stop(1)

asyncio.run(main())
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)

    said, loaded = done.stdout.splitlines()
    assert said == "Broadcasts go to http://localhost:8080/_broadcast (HTTPBroadcaster)"
    assert {"anycable_rpc.transports.asyncio.server", "anycable_rpc.cli.main"} <= set(loaded.split())
    assert {"grpc", "jwt", "urllib3", "http.client", "html", "uvicorn"}.isdisjoint(loaded.split())
