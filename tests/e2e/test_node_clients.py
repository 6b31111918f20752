"""The JavaScript clients of AnyCable and of Rails, in Node, through the gateway and through anycable-go."""

from __future__ import annotations

import os
from pathlib import Path
from time import time
from urllib.parse import quote

import pytest

from .processes import Program
from .servers import Chat, broadcast_url

PATIENCE = 60
ANYCABLE = [
    "unauthorized",
    "welcome",
    "rejected",
    "subscribed",
    "performed",
    "broadcast",
    "whispered",
    "reconnected",
    "closed",
]
RAILS = ["subscribed", "rejected", "performed", "broadcast", "resubscribed", "closed"]


@pytest.mark.parametrize("way", ["cookie", "param", "header", "sub-protocol"])
def test_anycable_core(chat: Chat, node: str, node_clients: Path, way: str) -> None:
    if way in ("header", "sub-protocol") and chat.version < (1, 6):
        pytest.skip(f"anycable-go {'.'.join(map(str, chat.version))} takes no token by {way}: that came with 1.6")
    steps = ANYCABLE if way == "cookie" else [*ANYCABLE, "refreshed"]
    assert run(chat, [node, str(node_clients / "core.mjs")], way) == steps


@pytest.mark.parametrize("way", ["cookie", "param"])
def test_rails_actioncable(chat: Chat, node: str, node_clients: Path, way: str) -> None:
    steps = RAILS if way == "cookie" else [*RAILS, "expired"]
    assert run(chat, [node, str(node_clients / "actioncable.mjs")], way) == steps


def run(chat: Chat, command: list[str], way: str) -> list[str]:
    """Run a client to its end and return the steps that it completed."""
    client = Program(command, scenario(chat, way))
    client.expect_exit(0, PATIENCE)
    return [line.removeprefix("ok ") for line in client.lines if line.startswith("ok ")]


def scenario(chat: Chat, way: str) -> dict[str, str]:
    """Return the environment of the script. The names hold the process id: a remote disconnect hits no other run."""
    user, other = f"Ada {way} {os.getpid()}", f"Grace {way} {os.getpid()}"
    return {
        "SOCKET": chat.socket,
        "BROADCAST": broadcast_url(chat.server),
        "BROADCAST_KEY": chat.cable.settings.keys.broadcast or "",
        "WAY": way,
        "USER_NAME": user,
        "COOKIE": f"chat_name={quote(user)}",
        "TOKEN": chat.cable.token(user=user),
        "EXPIRED_TOKEN": chat.cable.token(user=user, expires_at=time() - 60),
        "OTHER_COOKIE": f"chat_name={quote(other)}",
        "OTHER_TOKEN": chat.cable.token(user=other),
    }
