"""`python -m anycable_rpc` as a process: signals, drain, exit codes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, Queue
from time import monotonic
from typing import Any, Self

import grpc
import pytest

from anycable_rpc import Cable, Connection
from anycable_rpc.protocol.messages import CommandMessage, ConnectionRequest, Env, Status
from anycable_rpc.serving.server import serve, service_of
from anycable_rpc.serving.stop_order import Stop
from anycable_rpc.settings.model import Settings
from anycable_rpc.transports.bytes_handler import bytes_handler
from anycable_rpc.transports.protobuf import decode_response, encode_request

METADATA = (("sid", "s1"), ("protov", "v1"))
LOCAL = (("grpc.use_local_subchannel_pool", 1),)  # a connection for each channel
APP = """
    import asyncio, sys, time
    from anycable_rpc import Cable, Channel, Connection

    class Wait(Channel):
        {keyword} subscribed(self):
            sys.stdout.write("inside\\n")
            sys.stdout.flush()
            {sleep}(float(self.params["seconds"]))

    cable = Cable(Connection, [Wait])
"""
VARIANTS = {
    "async app with def callbacks": {
        "keyword": "async def unsubscribed(self): ...\n        def",
        "sleep": "time.sleep",
    },
    "def": {"keyword": "def", "sleep": "time.sleep"},
    "async def": {"keyword": "async def", "sleep": "await asyncio.sleep"},
    "async def that blocks the loop": {"keyword": "async def", "sleep": "time.sleep"},
}


class Process:
    """A server in a process of its own; `wait_for` waits for a line that it prints."""

    def __init__(self, folder: Path, *options: str, dev: bool = False) -> None:
        name = ["dev", "app:cable"] if dev else ["app:cable"]
        command = [sys.executable, "-m", "anycable_rpc", *name, "--rpc-host", "127.0.0.1:0", *options]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment() | {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        )
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.address = self.wait_for("listening").split("listening on ")[1].split()[0]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def wait_for(self, word: str) -> str:
        lines: list[str] = []
        while not lines or word not in lines[-1]:
            try:
                lines.append(self._lines.get(timeout=20))
            except Empty:
                raise AssertionError(f"{word!r} was not printed, but {lines}") from None
        return lines[-1]

    def subscribe(self, seconds: float, timeout: float = 20) -> Any:
        request = CommandMessage("subscribe", f'{{"channel":"Wait","seconds":{seconds}}}', "{}")
        with grpc.insecure_channel(self.address) as channel:
            call: Any = channel.unary_unary("/anycable.RPC/Command")
            return call(encode_request(request), metadata=METADATA, timeout=timeout)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        code = self.process.wait(20)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def rest(self) -> list[str]:
        """Return the lines since the last one that was waited for."""
        return [self._lines.get() for _ in range(self._lines.qsize())]


class Load:
    """Clients that call as fast as they are answered, until the block ends; counts the answers by their status."""

    def __init__(self, address: str, clients: int) -> None:
        self.codes: Counter[grpc.StatusCode] = Counter()
        self._answered = threading.Semaphore(0)
        self._over = threading.Event()
        self._channels = [grpc.insecure_channel(address, LOCAL) for _ in range(4)]
        self._threads = [threading.Thread(target=self._call, args=(n,)) for n in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)
        for channel in self._channels:
            channel.close()

    def wait_for(self, answers: int) -> None:
        for _ in range(answers):
            assert self._answered.acquire(timeout=20)

    def _call(self, number: int) -> None:
        call: Any = self._channels[number % len(self._channels)].unary_unary("/anycable.RPC/Connect")
        while not self._over.is_set():
            try:
                call(b"", metadata=METADATA, timeout=10)
                self.codes[grpc.StatusCode.OK] += 1
            except grpc.RpcError as error:
                self.codes[error.code()] += 1
            self._answered.release()


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ANYCABLE_")}


@pytest.fixture(params=["grpcio", "asyncio"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["def", "async def", "async def that blocks the loop"])
def start(request: pytest.FixtureRequest, tmp_path: Path, engine: str) -> Iterator[Callable[..., Process]]:
    (tmp_path / "app.py").write_text(textwrap.dedent(APP.format(**VARIANTS[request.param])))
    started: list[Process] = []

    def start(*options: str) -> Process:
        started.append(Process(tmp_path, "--rpc-engine", engine, *options))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()
        assert server.process.stdout is not None
        server.process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_lets_calls_end(start: Callable[..., Process], number: int) -> None:
    server = start()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(server.subscribe, 0.5)
        server.wait_for("inside")
        server.signal(number)

        assert call.result(20)
    assert server.ended() == 0


def test_the_second_signal_ends_them(start: Callable[..., Process]) -> None:
    server = start()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(server.subscribe, 15)
        server.wait_for("inside")
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGINT)  # another one, since two alike may be delivered as one

        assert server.ended() == 1
        assert isinstance(call.exception(20), grpc.RpcError)


@pytest.mark.parametrize("start", ["def", "async def"], indirect=True)
def test_what_does_not_end_in_time_is_cut(start: Callable[..., Process]) -> None:
    server = start("--shutdown-timeout", "0.2")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(server.subscribe, 15)
        server.wait_for("inside")
        server.signal(signal.SIGTERM)

        assert server.wait_for("cut")
        assert server.ended() == 0
        assert isinstance(call.exception(20), grpc.RpcError)


@pytest.mark.parametrize("start", ["def", "async def"], indirect=True)
def test_calls_that_meet_the_end_are_refused_or_lose_their_connection(start: Callable[..., Process]) -> None:
    """anycable-go retries after either, but not after CANCELLED, which is how gRPC ends calls."""
    codes: set[grpc.StatusCode] = set()
    for _ in range(3):  # one end in three or so cancels nobody by luck
        server = start()
        with Load(server.address, 32) as load:
            load.wait_for(200)
            server.signal(signal.SIGTERM)

            assert server.ended() == 0
        codes |= set(load.codes)

    assert grpc.StatusCode.OK in codes
    assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}


@pytest.mark.parametrize("start", ["async app with def callbacks"], indirect=True)
def test_a_callback_that_outlives_its_call_does_not_keep_the_process(start: Callable[..., Process]) -> None:
    server = start("--shutdown-timeout", "0.5")
    with pytest.raises(grpc.RpcError):
        server.subscribe(30, timeout=0.5)
    server.signal(signal.SIGTERM)

    assert server.wait_for("cut")
    assert server.ended() == 0


@pytest.mark.parametrize(
    ("library", "options", "line"),
    [
        ("http", [], "Broadcasts go to http://localhost:8090/_broadcast (HTTPBroadcaster)"),
        (
            "redis",
            ["--broadcast-adapter=redis", "--redis-url=redis://:a-password@127.0.0.1:9/1"],
            "Broadcasts go to redis://127.0.0.1:9/1, channel __anycable__ (RedisBroadcaster)",
        ),
        (
            "nats",
            ["--broadcast-adapter=nats", "--nats-servers=nats://me:a-password@127.0.0.1:9", "--nats-channel=mine"],
            "Broadcasts go to nats://127.0.0.1:9, channel mine (NATSBroadcaster)",
        ),
    ],
)
def test_the_start_says_where_broadcasts_go(tmp_path: Path, library: str, options: list[str], line: str) -> None:
    pytest.importorskip(library, reason=f"this adapter needs the package {library}: pip install '.[{library}]'")
    (tmp_path / "app.py").write_text("from anycable_rpc import Cable, Connection\ncable = Cable(Connection)\n")
    process = Process(tmp_path, *options)

    try:
        assert process.wait_for("Broadcasts").strip() == line
    finally:
        process.process.terminate()
        with process.process:
            process.process.wait(20)


def test_a_successor_may_listen_on_the_same_port_before_its_predecessor_ends(tmp_path: Path, engine: str) -> None:
    (tmp_path / "app.py").write_text("from anycable_rpc import Cable, Connection\ncable = Cable(Connection)\n")
    options = ("--rpc-reuse-port", "--rpc-engine", engine)
    old = Process(tmp_path, *options)
    with Load(old.address, 4) as load:
        load.wait_for(50)
        new = Process(tmp_path, *options, "--rpc-host", old.address)
        old.signal(signal.SIGTERM)
        ended = old.ended()
        load.wait_for(200)
        refused = load.codes[grpc.StatusCode.UNAVAILABLE]
        load.wait_for(200)
    new.signal(signal.SIGTERM)

    assert (ended, new.ended()) == (0, 0)
    assert load.codes[grpc.StatusCode.UNAVAILABLE] == refused
    assert set(load.codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


STUBBORN = {
    "ignores its cancellation": """
        async def subscribed(self):
            print("inside", flush=True)
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass""",
    "blocks the loop": """
        async def subscribed(self):
            print("inside", flush=True)
            while True:
                pass""",
    "never returns": """
        def subscribed(self):
            print("inside", flush=True)
            time.sleep(60)""",
    "leaves a thread behind": """
        async def subscribed(self):
            asyncio.ensure_future(asyncio.to_thread(time.sleep, 60))
            print("inside", flush=True)""",
    "leaves an async generator behind": """
        async def subscribed(self):
            self.cable.left = left()
            await anext(self.cable.left)
            print("inside", flush=True)""",
}
STUBBORN_APP = """
    import asyncio, time
    from anycable_rpc import Cable, Channel, Connection

    async def left():
        try:
            yield
        finally:
            await asyncio.sleep(60)

    class Wait(Channel):{callback}

    cable = Cable(Connection, [Wait])
"""


@pytest.mark.parametrize("command", ["serve", "dev", "workers"])
@pytest.mark.parametrize("callback", STUBBORN)
def test_the_process_ends_when_the_time_is_over_whatever_callbacks_do(
    tmp_path: Path, engine: str, callback: str, command: str
) -> None:
    (tmp_path / "app.py").write_text(textwrap.dedent(STUBBORN_APP.format(callback=STUBBORN[callback])))
    more = {"serve": [], "dev": ["--port=0"], "workers": ["--workers=2"]}[command]
    server = Process(tmp_path, "--shutdown-timeout=1", "--rpc-engine", engine, *more, dev=command == "dev")
    channel = grpc.insecure_channel(server.address)
    call: Any = channel.unary_unary("/anycable.RPC/Command")
    request = encode_request(CommandMessage("subscribe", '{"channel":"Wait"}', "{}"))
    under_way = call.future(request, metadata=METADATA, timeout=20)
    server.wait_for("inside")
    began = monotonic()

    server.signal(signal.SIGTERM)

    assert server.ended() == 0
    assert monotonic() - began < 5
    under_way.cancel()
    channel.close()


RAISING_APP = """
    import asyncio
    from anycable_rpc import Cable, Channel, Connection

    async def fails(error):
        raise error

    class Raise(Channel):
        {keyword} subscribed(self):
            error = {error}
            {statement}

    cable = Cable(Connection, [Raise])
"""


@pytest.mark.parametrize(
    ("keyword", "statement"),
    [
        ("def", "raise error"),
        ("async def unsubscribed(self): ...\n        def", "raise error"),
        ("async def", "raise error"),
        ("async def", "await asyncio.ensure_future(fails(error))"),
    ],
)
@pytest.mark.parametrize("error", ["KeyboardInterrupt()", "SystemExit(3)", "BaseException()"])
def test_whatever_a_callback_raises_the_client_is_answered_and_the_server_stays(
    tmp_path: Path, engine: str, keyword: str, statement: str, error: str
) -> None:
    app = RAISING_APP.format(keyword=keyword, statement=statement, error=error)
    (tmp_path / "app.py").write_text(textwrap.dedent(app))
    server = Process(tmp_path, "--rpc-engine", engine)
    request = encode_request(CommandMessage("subscribe", '{"channel":"Raise"}', "{}"))

    with grpc.insecure_channel(server.address) as channel:
        call: Any = channel.unary_unary("/anycable.RPC/Command")
        answers = [call(request, metadata=METADATA, timeout=3) for _ in range(2)]
    server.signal(signal.SIGINT)

    assert all(b"reject_subscription" in answer for answer in answers)
    assert server.ended() == 0


def test_a_signal_that_the_system_tells_another_descriptor_is_heard_once() -> None:
    """For a moment an event loop that goes on after a SystemExit in a task has its own descriptor set."""
    script = """
        import os, signal, socket, sys, threading, time
        from anycable_rpc.serving.signals import on_signals

        stopped = threading.Event()
        on_signals(stopped.set, 60)
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        os.kill(os.getpid(), signal.SIGTERM)
        is_stopped = stopped.wait(5)
        time.sleep(0.2)  # a second signal would end the process with 1
        sys.exit(0 if is_stopped else 2)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=20).returncode == 0


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_a_server_runs_on_a_thread_where_signals_are_somebody_elses(engine: str, keyword: str) -> None:
    def handle(number: int, frame: object) -> None:
        raise AssertionError(number)

    before = signal.signal(signal.SIGTERM, handle), signal.set_wakeup_fd(-1)
    lines, stop = Queue[str](), Stop()
    cable = connecting_cable(keyword, Settings(rpc_host="127.0.0.1:0", rpc_engine=engine))
    try:
        with ThreadPoolExecutor(1) as pool:
            server = pool.submit(serve, cable, lines.put, stop)
            address = lines.get(timeout=20).split("listening on ")[1].split()[0]
            with grpc.insecure_channel(address, LOCAL) as channel:
                call: Any = channel.unary_unary("/anycable.RPC/Connect")
                answer = decode_response("Connect", call(encode_request(ConnectionRequest()), metadata=METADATA))
            stop.set()
            stop.set()

            assert server.result(20)
        owner = signal.getsignal(signal.SIGTERM), signal.set_wakeup_fd(-1)
    finally:
        signal.signal(signal.SIGTERM, before[0])
    assert answer.status is Status.SUCCESS
    assert owner == (handle, -1)
    assert [lines.get().split()[0] for _ in range(lines.qsize())] == ["Broadcasts", "Stopping:"]


def test_an_order_that_is_given_before_the_start_is_kept(engine: str) -> None:
    stop, lines = Stop(), Queue[str]()
    stop.set()

    assert serve(connecting_cable("async def", Settings(rpc_host="127.0.0.1:0", rpc_engine=engine)), lines.put, stop)
    assert [lines.get().split()[0] for _ in range(lines.qsize())] == ["RPC", "Broadcasts", "Stopping:"]


def test_a_server_on_a_thread_says_when_a_callback_does_not_end_and_returns() -> None:
    script = """
        import asyncio, os, threading
        from anycable_rpc import Cable, Connection
        from anycable_rpc.protocol.messages import ConnectionRequest
        from anycable_rpc.serving.server import serve
        from anycable_rpc.serving.stop_order import Stop
        from anycable_rpc.settings.model import Settings
        from anycable_rpc.transports.protobuf import encode_request
        import grpc

        stop, settings = Stop(), Settings(rpc_host="127.0.0.1:0", shutdown_timeout=0.2)

        class Stubborn(Connection):
            async def connect(self):
                stop.set()
                while True:
                    try:
                        await asyncio.sleep(60)
                    except asyncio.CancelledError:
                        pass

        def say(line):
            if "listening" in line:
                channel = grpc.insecure_channel(line.split("listening on ")[1].split()[0])
                connect = channel.unary_unary("/anycable.RPC/Connect")
                calls.append(connect.future(encode_request(ConnectionRequest()), metadata=(("protov", "v1"),)))

        calls, results = [], []
        thread = threading.Thread(target=lambda: results.append(serve(Cable(Stubborn, settings=settings), say, stop)))
        thread.start()
        thread.join(20)
        print(results, flush=True)
        os._exit(0)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=40)

    assert done.stdout == "[False]\n", done.stderr


def connecting_cable(keyword: str, settings: Settings) -> Cable:
    class Client(Connection):
        def connect(self) -> None: ...

    class AsyncClient(Connection):
        async def connect(self) -> None: ...

    return Cable(Client if keyword == "def" else AsyncClient, settings=settings)


def test_without_uvloop_a_traceback_is_the_users_own(tmp_path: Path, engine: str) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['uvloop'] = None\n")
    app = RAISING_APP.format(keyword="async def", statement="raise error", error="ValueError('mine')")
    (tmp_path / "app.py").write_text(textwrap.dedent(app))
    server = Process(tmp_path, "--rpc-engine", engine)
    request = encode_request(CommandMessage("subscribe", '{"channel":"Raise"}', "{}"))

    with grpc.insecure_channel(server.address) as channel:
        call: Any = channel.unary_unary("/anycable.RPC/Command")
        call(request, metadata=METADATA, timeout=3)
    server.signal(signal.SIGTERM)
    server.ended()

    output = "".join(server.rest())
    assert "ValueError: mine" in output
    assert "ModuleNotFoundError" not in output


def test_at_debug_each_call_is_a_line(start: Callable[..., Process]) -> None:
    server = start("--log-level", "debug")

    server.subscribe(0)
    line = server.wait_for(" DEBUG ")

    assert re.search(r" DEBUG subscribed to Wait \(seconds: 0\) in \d+\.\d ms \[sid=s1\]$", line)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Status.ERROR),
        ({"rpc_max_call_send_size": 200}, Status.SUCCESS),
        ({"rpc_server_args": {"grpc.max_receive_message_length": 200}}, Status.SUCCESS),
        ({"rpc_server_args": {"max_receive_message_length": -1}}, Status.SUCCESS),
    ],
)
def test_grpc_arguments_limit_requests_in_place_of_the_setting(values: dict[str, Any], expected: Status) -> None:
    chosen = Settings(**{"rpc_max_call_send_size": 100, **values})
    handler = bytes_handler(service_of(Cable(Connection, settings=chosen)))
    request = encode_request(ConnectionRequest(Env("x" * 150, {})))

    answer = decode_response("Connect", handler.handle("Connect", request, dict(METADATA)))

    assert answer.status is expected
