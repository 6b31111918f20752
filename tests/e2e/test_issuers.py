"""Tokens of other languages, end to end: a connection keeps the identifiers byte for byte as the issuer wrote them.

With the dialect of the issuer, Connect and remote disconnects use the same bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64decode
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from anycable_rpc import Cable
from anycable_rpc.settings.model import Settings

from . import servers
from .client import Client
from .issuers.app import IssuersConnection
from .processes import free_port
from .servers import SECRET, broadcast_url

HERE = Path(__file__).parent / "issuers"
REMOTE = {"type": "disconnect", "reason": "remote", "reconnect": False}

VALUES: dict[str, dict[str, Any]] = {
    "plain": {"user": 42, "tenant": "acme"},
    "unicode": {"user": "Zoë Ωмега 日本 \U0001f600", "tenant": "\u2028\u2029\ufeff\x7f"},
    "markup": {"user": "<b>R&D</b>", "tenant": "a/b"},
    "escapes": {"user": '"quoted" \\ back', "tenant": "\t\n\r\b\f\x00\x1f"},
    "nested": {"user": {"id": 1, "tags": ["é", {"of": None}], "none": []}, "tenant": [[1, [2]], {"z": 1, "a": 2}]},
    "nothing": {"user": None, "tenant": False},
    "empty": {"user": "", "tenant": []},
    "floats": {"user": 1.5, "tenant": [0.1, 100.0, -0.0, 1e21, 2.5e-7, 12345678.9, 1e15, 0.0001]},
    "integers": {"user": 2**53 - 1, "tenant": -(2**53) + 1},
}


@dataclass(frozen=True)
class Issuer:
    """A program that writes a token for each line of JSON; `program` is the fixture that names its interpreter."""

    name: str
    dialect: str
    program: str
    arguments: tuple[str, ...]


ISSUERS = [
    Issuer("@anycable/serverless-js", "js", "node_issuer", ("../js/issuer.mjs", "@anycable/serverless-js")),
    Issuer("jsonwebtoken", "js", "node_issuer", ("../js/issuer.mjs", "jsonwebtoken")),
    Issuer("ruby-jwt", "ruby", "ruby", ("issuer.rb",)),
    Issuer("ruby-jwt with ActiveSupport", "rails", "ruby", ("issuer.rb", "rails")),
    Issuer("PHP", "php", "php", ("issuer.php",)),
    Issuer("PyJWT", "python", "python", ("issuer.py",)),
]


@dataclass(frozen=True)
class Served:
    """A server with the app: the address of its WebSocket, and a cable as another program has it."""

    socket: str
    cable: Cable


@pytest.fixture(scope="module", params=ISSUERS, ids=lambda issuer: issuer.name)
def issuer(request: pytest.FixtureRequest) -> Issuer:
    found: Issuer = request.param
    return found


@pytest.fixture(scope="module")
def python() -> str:
    return sys.executable


@pytest.fixture(scope="module")
def node_issuer(node: str, node_clients: Path) -> str:
    return node


@pytest.fixture(scope="module")
def tokens(issuer: Issuer, request: pytest.FixtureRequest) -> dict[str, str]:
    """The tokens that the issuer writes, one for each of `VALUES`."""
    lines = "".join(json.dumps(values) + "\n" for values in VALUES.values())
    command = [request.getfixturevalue(issuer.program), *issuer.arguments]
    settings = {**os.environ, "SECRET": SECRET}
    done = subprocess.run(command, cwd=HERE, env=settings, input=lines, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(zip(VALUES, done.stdout.split(), strict=True))


@pytest.fixture(scope="module", params=["gateway", "anycable_go"])
def served(issuer: Issuer, tokens: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Served]:
    """The app with the dialect of the issuer, served by the gateway and by anycable-go."""
    if request.param == "anycable_go":
        request.getfixturevalue("anycable_go_binary")
    app = {
        "ANYCABLE_APP": "tests.e2e.issuers.app:cable",
        "ANYCABLE_CONNECT_TOKENS": "off",  # so that only the server itself can let a token in
        "DIALECT": issuer.dialect,
    }
    with SERVERS[request.param](app) as server:
        settings = Settings(secret=SECRET, http_broadcast_url=broadcast_url(server))
        yield Served(f"ws://{server}/cable", Cable(IssuersConnection, settings=settings, dialect=issuer.dialect))


@contextmanager
def gateway(settings: dict[str, str]) -> Generator[str]:
    with servers.gateway(0, **settings) as chat:
        yield chat.server


@contextmanager
def anycable_go(settings: dict[str, str]) -> Generator[str]:
    server, rpc_host = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with servers.running_rpc_server(server, rpc_host, **settings), servers.running_anycable_go(server, rpc_host):
        yield server


SERVERS: dict[str, Callable[[dict[str, str]], Any]] = {"gateway": gateway, "anycable_go": anycable_go}


@pytest.mark.parametrize("kind", VALUES)
def test_a_token_and_connect_give_the_same_bytes(
    served: Served, issuer: Issuer, tokens: dict[str, str], kind: str
) -> None:
    values, token = VALUES[kind], tokens[kind]
    written = ext(token)
    by_connect = f"{served.socket}?as={quote(json.dumps(values))}"

    for client in (Client(served.socket, token=token), Client(by_connect)):
        with client:
            client.wait_for_type("welcome")
            assert text_of(client) == written
            served.cable.disconnect(**values, reconnect=False)
            assert client.wait_for_type("disconnect") == REMOTE
            assert client.closed()[0] == 1000


def ext(token: str) -> str:
    """Return the claim `ext` of a token as the issuer wrote it."""
    payload = token.split(".")[1]
    claims: dict[str, str] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims["ext"]


def text_of(client: Client) -> str:
    """Return the identifiers string that the server sends with a command."""
    client.send("subscribe", '{"channel":"WhoChannel"}')
    text: str = client.wait_for(lambda frame: "message" in frame)["message"]
    return text
