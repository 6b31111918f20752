"""The layers of the package: which part may import which. The pure parts do no input or output."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..support.paths import PROJECT

PACKAGE = "anycable_rpc"
FOLDER = PROJECT / PACKAGE
FOLDERS = {path.name for path in FOLDER.iterdir() if (path / "__init__.py").exists()}
FILES = {path.stem for path in FOLDER.glob("*.py")}

PURE = ("errors", "protocol", "identity", "callbacks", "state", "typed", "actions", "connection", "channel", "rpc")
"""No input or output, no concurrency; each may import those before it."""

API = ("publishing", "cable")
"""May import what is pure, and those before; `cable` imports edges inside its methods."""

EDGES = ("broadcasters", "settings", "transports", "gateway", "observability")
"""May import the above and themselves, never each other …"""

SHARED = {"gateway": ("transports.protobuf", "transports.service", "transports.bytes_handler")}
"""… but for what is named here."""

PROGRAMS = ("schema", "serving", "dev", "cli", "contrib", "testing")
"""May import all."""

ALSO_PURE = (
    *("gateway.core", "transports.http.json_codec", "transports.http.endpoint", "transports.http2"),
    *("broadcasters.group_commit", "broadcasters.http_messages"),
)
"""No input or output here either."""

ALONE = ("transports.http2",)
"""Imports nothing else of the package: it could be a library of its own."""

PURE_THIRD_PARTY = {"jwt", "pydantic", "pydantic_core", "hpack"}
INPUT_OUTPUT = {
    *("asyncio", "concurrent", "ctypes", "fcntl", "ftplib", "glob", "http", "io", "mmap", "multiprocessing", "os"),
    *("pathlib", "queue", "sched", "select", "selectors", "shutil", "signal", "smtplib", "socket"),
    *("socketserver", "sqlite3", "ssl", "subprocess", "tempfile", "_thread", "threading", "tomllib"),
    *("urllib.error", "urllib.request", "urllib.robotparser", "wsgiref", "xmlrpc"),
}


@dataclass(frozen=True)
class Import:
    """A name that a module imports."""

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


def broken_rules(module: str, imports: Iterable[Import]) -> list[str]:
    """Return what `anycable_rpc.<module>` imports and may not."""
    return [imported.name for imported in imports if not _may_import(module, imported)]


def _may_import(module: str, imported: Import) -> bool:
    if not imported.is_in([PACKAGE]):
        return not _is_in(module, (*PURE, *ALSO_PURE)) or _is_pure(imported)
    target = imported.name.removeprefix(f"{PACKAGE}.")
    part, target_part = module.split(".")[0], target.split(".")[0]
    if target_part == "_pb":
        return _is_in(module, ("transports.protobuf", "_pb"))
    if _is_in(module, ALONE):
        return _is_in(target, ALONE)
    lazy = part == "cable" and imported.in_function
    return imported.type_only or lazy or target_part in _reach(part) or _is_in(target, SHARED.get(part, ()))


def _is_in(module: str, places: Iterable[str]) -> bool:
    return any(f"{module}.".startswith(f"{place}.") for place in places)


def _is_pure(imported: Import) -> bool:
    if imported.is_in(sys.stdlib_module_names):
        return not imported.is_in(INPUT_OUTPUT)
    return imported.is_in(PURE_THIRD_PARTY)


def _reach(part: str) -> Iterable[str]:
    if part in PURE:
        return PURE[: PURE.index(part) + (part in FOLDERS)]
    if part in API:
        return (*PURE, *API[: API.index(part) + (part in FOLDERS)])
    return {*PURE, *API, part} if part in EDGES else FOLDERS | FILES | {"__version__"}


def modules() -> list[Path]:
    return sorted(FOLDER.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(FOLDER).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_in(path: Path) -> list[Import]:
    return imports_of(path.read_text("utf-8"), ".".join((PACKAGE, *path.relative_to(FOLDER).parts[:-1])))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_module_imports_only_what_it_may(path: Path) -> None:
    assert broken_rules(name_of(path), imports_in(path)) == []


def test_every_part_has_a_layer() -> None:
    api = {"__init__", "__main__"}

    assert FOLDERS - {"_pb"} <= {*PURE, *API, *EDGES, *PROGRAMS}
    assert FILES - api <= {*PURE, *API}


def test_no_module_imports_itself_by_way_of_others() -> None:
    names = {f"{PACKAGE}.{name_of(path)}".rstrip("."): path for path in modules()}
    targets = {
        name: {_module_in(imported.name, names) for imported in imports_in(path) if _runs_at_import(imported)}
        - {name, ""}
        for name, path in names.items()
    }

    assert _circles(targets) == []


def _runs_at_import(imported: Import) -> bool:
    return not (imported.type_only or imported.in_function)


def _module_in(name: str, names: Iterable[str]) -> str:
    """Return the longest module name that an imported name begins with; a package's own `__init__` aside."""
    return max(
        (known for known in names if f"{name}.".startswith(f"{known}.") and known != PACKAGE), key=len, default=""
    )


def _circles(targets: Mapping[str, set[str]]) -> list[str]:
    """Return the modules that are left when those without imports are taken away, again and again."""
    left = dict(targets)
    while free := [name for name, imported in left.items() if not imported & left.keys()]:
        for name in free:
            del left[name]
    return sorted(left)


@pytest.mark.parametrize(
    ("module", "source"),
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
        ("state", "if not TYPE_CHECKING:\n    from .rpc.dispatch import respond"),
        ("state", "if TYPE_CHECKING: ...\nelse:\n    from .rpc.dispatch import respond"),
        ("state", "def f():\n    from .rpc.dispatch import respond"),
        ("rpc.command", "from .cable import Cable"),
        ("rpc.command", "from .transports.protobuf import METHODS"),
        ("publishing.publisher", "from .cable import Cable"),
        ("transports.service", "from ._pb import rpc_pb2"),
        ("transports.service", "from .settings.model import load"),
        ("cable", "from .settings.model import load"),
        ("transports.grpcio.server", "from .settings.model import Settings"),
        ("transports.grpcio.server", "from .gateway.app import Gateway"),
        ("settings.model", "def f():\n    from .broadcasters.adapters import broadcaster_for"),
        ("settings.model", "from .cli.program import program"),
        ("gateway.node", "from .transports.runner import run"),
        ("gateway.core.hub", "import asyncio"),
        ("transports.http2.streams", "import socket"),
        ("transports.http2.streams", "from .errors import AnyCableError"),
        ("transports.http2.streams", "from .transports.threads import Threads"),
    ],
)
def test_what_is_not_allowed_is_noticed(module: str, source: str) -> None:
    assert len(broken_rules(module, imports_of(source, PACKAGE))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("state", "import json, re, logging, urllib.parse, collections.abc"),
        ("state", "from jwt.utils import base64url_encode"),
        ("state", "from . import errors\nfrom .protocol import json_text"),
        ("state", "if TYPE_CHECKING:\n    from .cable import Cable"),
        ("state", "if typing.TYPE_CHECKING:\n    from .cable import Cable"),
        ("transports.protobuf", "from ._pb import rpc_pb2"),
        ("transports.runner", "import asyncio, threading\nfrom .rpc.dispatch import respond"),
        ("cable", "def f():\n    from .settings.model import load"),
        ("transports.service", "from . import cable\nfrom .transports import runner, protobuf"),
        ("transports.grpcio.server", "import grpc\nfrom .transports.service import Service"),
        ("transports.http2.streams", "import hpack\nfrom .transports.http2 import frames"),
        ("settings.model", "from .identity import keys\nfrom .settings import sources"),
        ("gateway.app_calls", "from .transports import protobuf"),
        ("gateway.app", "from .transports.service import Service"),
        ("cli.program", "from . import settings, broadcasters, gateway, transports"),
    ],
)
def test_what_is_allowed_is_not(module: str, source: str) -> None:
    assert broken_rules(module, imports_of(source, PACKAGE)) == []


def test_a_circle_is_noticed() -> None:
    assert _circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


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
    assert {"grpc", "uvicorn", "starlette", "google.protobuf", "http.client", "click"}.isdisjoint(loaded)


def test_an_app_over_http_loads_no_grpc() -> None:
    """Check also what a fork would suffer from."""
    script = """
import asyncio, sys, threading
from anycable_rpc import Cable, Connection
from anycable_rpc.settings.model import Settings

cable = Cable(Connection, settings=Settings(secret="s" * 32))
apps = cable.asgi(), cable.wsgi()
print(threading.active_count(), *sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)

    threads, *loaded = done.stdout.split()
    assert threads == "1"
    assert {"grpc", "google.protobuf", "urllib3", "uvicorn", "starlette"}.isdisjoint(loaded)


def test_a_server_that_listens_has_not_loaded_what_calls_may_do_without() -> None:
    script = """
import sys
from anycable_rpc import Cable, Connection
from anycable_rpc.transports.asyncio import Server
from anycable_rpc.serving.lines import broadcast_lines
from anycable_rpc.serving.server import service_of
from anycable_rpc.settings.model import Settings
import anycable_rpc.cli.program, asyncio

settings = Settings(secret="s" * 32, rpc_host="127.0.0.1:0")
cable = Cable(Connection)
cable.settings = settings

async def main():
    server = Server(service_of(cable))
    await server.start()
    print(*broadcast_lines(cable))
    await server.stop(1)

asyncio.run(main())
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)

    line, loaded = done.stdout.splitlines()
    assert line == "Broadcasts go to http://localhost:8080/_broadcast (HTTPBroadcaster)"
    assert {"anycable_rpc.transports.asyncio.server", "anycable_rpc.cli.program"} <= set(loaded.split())
    assert {"grpc", "jwt", "urllib3", "http.client", "html", "uvicorn"}.isdisjoint(loaded.split())
