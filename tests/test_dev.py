"""`python -m anycable_rpc dev` as a process: what it says, and how it ends. The chat through it is in tests/e2e."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

APP = """
    import sys
    from anycable_rpc import Cable, Connection

    class Visitor(Connection):
        def disconnect(self):
            sys.stdout.write("gone\\n")

    cable = Cable(Visitor)

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


def dev(folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANYCABLE_")}
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


def test_at_the_end_clients_are_told_the_app_hears_of_it_and_the_exit_code_is_0(
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


@pytest.mark.parametrize("colour", ["def", "async def"])
def test_a_keyboard_interrupt_that_a_callback_raises_does_not_end_it(folder: Path, colour: str) -> None:
    callback = f"class Visitor(Connection):\n        {colour} connect(self):\n            raise KeyboardInterrupt\n"
    (folder / "app.py").write_text(textwrap.dedent(APP.replace("class Visitor(Connection):", callback)))
    process = dev(folder, "--port", "0")
    assert process.stdout is not None
    said = next(line for line in process.stdout if "Gateway is listening on" in line)
    address = re.findall(r"ws://\S+", said)[0]

    for _ in range(2):
        with connect(address, proxy=None) as client:
            assert not any('"welcome"' in str(frame) for frame in client)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)

    assert "Visitor.connect raised KeyboardInterrupt" in output
    assert process.returncode == 0


def test_a_web_application_that_does_not_start_ends_it_with_code_1(folder: Path) -> None:
    process = dev(folder, "--port", "0", "--web", "app:broken")
    output, _ = process.communicate(timeout=20)

    assert process.returncode == 1
    assert "the web application did not start" in output


def test_a_port_in_use_ends_it_with_code_3(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = dev(folder, "--port", str(taken.getsockname()[1]))
        output, _ = process.communicate(timeout=20)

    assert process.returncode == 3
    assert "Address already in use" in output
    assert "--port" in output
