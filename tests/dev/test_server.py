"""`python -m anycable_rpc dev` as a process: the lines that it prints, and its end. The chat is in tests/e2e."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from time import time

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from anycable_rpc.identity.keys import BROADCAST_KEY, derive_key
from anycable_rpc.identity.tokens import TokenSigner

APP = """
    import sys
    from anycable_rpc import Cable, Channel, Connection, action

    class Visitor(Connection):
        identified_by = ("user",)

        def connect(self):
            self.user = None

        def disconnect(self):
            sys.stdout.write("gone\\n")

    class Room(Channel):
        def subscribed(self):
            if not self.params["room"]:
                self.reject()
            self.stream_from(f"room/{self.params['room']}")

        @action
        def speak(self, text):
            self.cable.broadcast(f"room/{self.params['room']}", text)

    cable = Cable(Visitor, channels=[Room])

    async def broken(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async def web(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    return tmp_path


def dev(folder: Path, *options: str, **variables: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANYCABLE_")} | variables
    command = [sys.executable, "-u", "-m", "anycable_rpc", "dev", "app:cable", "--rpc-host", "127.0.0.1:0", *options]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = dev(folder, "--port", "0", "--web", "app:web")
    assert process.stdout is not None
    address = ""
    for line in process.stdout:
        if "Gateway is listening on" in line:
            address = re.findall(r"ws://\S+", line)[0]
        if line.startswith("Open"):
            break
    yield process, address
    process.kill()
    process.wait()
    process.stdout.close()


def test_shutdown_tells_clients_and_the_app_and_exits_with_0(
    running: tuple[subprocess.Popen[str], str],
) -> None:
    process, address = running
    frames: list[str] = []
    with connect(address, proxy=None) as client:
        frames.append(str(client.recv(10)))
        process.send_signal(signal.SIGTERM)
        frames += [str(frame) for frame in client]
        closed = client.protocol.close_rcvd
    output, _ = process.communicate(timeout=20)

    assert '"type":"welcome"' in frames[0]
    assert frames[-1] == '{"type":"disconnect","reason":"server_restart","reconnect":true}'
    assert closed is not None
    assert (closed.code, closed.reason) == (1001, "Server restart")
    assert "gone" in output
    assert process.returncode == 0


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_a_keyboard_interrupt_that_a_callback_raises_does_not_end_it(folder: Path, keyword: str) -> None:
    app = APP.replace(
        "def connect(self):\n            self.user = None", f"{keyword} connect(self): raise KeyboardInterrupt"
    )
    (folder / "app.py").write_text(textwrap.dedent(app))
    process = dev(folder, "--port", "0")
    assert process.stdout is not None
    line = next(line for line in process.stdout if "Gateway is listening on" in line)
    address = re.findall(r"ws://\S+", line)[0]

    for _ in range(2):
        with connect(address, proxy=None) as client, pytest.raises(ConnectionClosedError, match="Auth Error"):
            client.recv(10)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)

    assert "Visitor.connect raised KeyboardInterrupt" in output
    assert process.returncode == 0


def test_a_web_application_that_does_not_start_ends_it_with_code_1(folder: Path) -> None:
    process = dev(folder, "--port", "0", "--web", "app:broken")
    output, _ = process.communicate(timeout=20)

    assert process.returncode == 1
    assert "the web application did not start" in output


def output_at_start(folder: Path, *options: str, **variables: str) -> str:
    """Return the lines until it serves."""
    process = dev(folder, "--port", "0", "--web", "app:web", *options, **variables)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Open"):
            break
    process.kill()
    process.wait()
    process.stdout.close()
    return "".join(lines)


SECRET = "a secret of this test, that is not short"


def test_the_start_says_how_others_broadcast_without_the_key(folder: Path) -> None:
    output = output_at_start(folder, "--secret", SECRET)

    assert re.search(
        r"^To broadcast from other processes: export ANYCABLE_HTTP_BROADCAST_URL=http://127.0.0.1:\d+/_broadcast "
        r"ANYCABLE_BROADCAST_KEY=… \(with the key in place of …: --show-secret prints it\)$",
        output,
        re.MULTILINE,
    )
    assert SECRET not in output
    assert derive_key(SECRET, BROADCAST_KEY) not in output


def test_without_a_key_the_address_is_enough(folder: Path) -> None:
    output = output_at_start(folder, "--host", "0.0.0.0")

    assert re.search(r"export ANYCABLE_HTTP_BROADCAST_URL=http://127.0.0.1:\d+/_broadcast$", output, re.MULTILINE)


def test_another_process_can_broadcast_with_the_variables_that_are_printed(folder: Path) -> None:
    process = dev(folder, "--port", "0", "--secret", SECRET, "--show-secret", ANYCABLE_BROADCAST_ADAPTER="redis")
    assert process.stdout is not None
    line = next(line for line in process.stdout if line.startswith("To broadcast"))
    exported = dict(word.split("=", 1) for word in line.split("export ")[1].split())
    program = 'from app import cable; cable.broadcast("s", "a payload")'
    usual = {name: value for name, value in os.environ.items() if not name.startswith("ANYCABLE_")}

    subprocess.run([sys.executable, "-c", program], cwd=folder, env={**usual, **exported}, check=True, timeout=20)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)

    assert exported["ANYCABLE_BROADCAST_KEY"] == derive_key(SECRET, BROADCAST_KEY)
    assert "broadcast to 's', receivers: 0" in output
    assert "a payload" not in output


COUNTING_APP = """
    from anycable_rpc import Cable, Channel, Connection, action

    class Room(Channel):
        def subscribed(self):
            self.stream_from("room")
            self.presence_join("me")

        @action
        def count(self):
            self.transmit(self.cable.presence("room").total)

    cable = Cable(Connection, channels=[Room])
"""


def test_the_app_asks_this_gateway_who_is_present(folder: Path) -> None:
    (folder / "app.py").write_text(textwrap.dedent(COUNTING_APP))
    process = dev(folder, "--port", "0", "--secret", SECRET)
    assert process.stdout is not None
    address = next(re.findall(r"ws://\S+", line)[0] for line in process.stdout if "Gateway is listening on" in line)
    identifier = json.dumps({"channel": "Room"})

    with connect(address, proxy=None) as client:
        client.send(json.dumps({"command": "subscribe", "identifier": identifier}))
        client.send(json.dumps({"command": "message", "identifier": identifier, "data": '{"action":"count"}'}))
        messages = (frame.get("message") for frame in map(json.loads, client) if frame.get("type") != "ping")
        answer = next(message for message in messages if isinstance(message, int))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)

    assert answer == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANYCABLE_BROADCAST_ADAPTER", "redis"),
        ("ANYCABLE_HTTP_BROADCAST_URL", "http://user:hush@example.test/_broadcast"),
        ("ANYCABLE_WORKERS", "2"),
        ("ANYCABLE_HTTP_HEALTH_PORT", "9000"),
    ],
)
def test_an_ignored_setting_is_a_warning(folder: Path, name: str, value: str) -> None:
    output = output_at_start(folder, **{name: value})

    assert f"dev ignores {name}" in output
    assert "hush" not in output


def test_each_event_is_a_line_without_token_or_payload(folder: Path) -> None:
    token = TokenSigner(SECRET).sign('{"user":1}', int(time()) + 60)
    process = dev(folder, "--port", "0", "--secret", SECRET)
    assert process.stdout is not None
    address = next(re.findall(r"ws://\S+", line)[0] for line in process.stdout if "Gateway is listening on" in line)
    room = json.dumps({"channel": "Room", "room": 7, "invitation_token": "hush"})
    closed = json.dumps({"channel": "Room", "room": 0})

    def send(client: ClientConnection, command: str, identifier: str, **rest: str) -> str:
        client.send(json.dumps({"command": command, "identifier": identifier, **rest}))
        while (text := str(client.recv(10))).startswith('{"type":"ping"'):
            pass
        return text

    with connect(address, proxy=None) as client:
        client.recv(10)
        send(client, "subscribe", room)
        send(client, "subscribe", closed)
        send(client, "message", room, data=json.dumps({"action": "speak", "text": "a payload"}))
    for query in (f"?jid={token}", "?jid=a.b.c"):
        with connect(address + query, proxy=None) as client:
            client.recv(10)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)

    happened = re.sub(r"\d+\.\d ms|sid=\S+\]", "#", output)
    for line in (
        """connected '{"user":null}' by RPC [#""",
        "subscribed to Room (room: 7, invitation_token: …), streaming room/7 in # [#",
        "rejected Room (room: 0) in # [#",
        "broadcast to 'room/7', receivers: 1",
        "performed speak on Room (room: 7, invitation_token: …) in # [#",
        """disconnected '{"user":null}': the client has gone [#""",
        """connected '{"user":1}' by token [#""",
        "refused (unauthorized): the token's header is not base64url [#",
    ):
        assert f" INFO {line}\n" in happened, output
    assert not re.search("hush|a payload|a.b.c|" + re.escape(token), output)


def test_a_port_in_use_ends_it_with_code_3(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = dev(folder, "--port", str(taken.getsockname()[1]))
        output, _ = process.communicate(timeout=20)

    assert process.returncode == 3
    assert "Address already in use" in output
    assert "--port" in output
