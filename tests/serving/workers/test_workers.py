"""`--workers`: real processes that are killed, replaced and ended while calls come."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import HTTPError

import grpc
import pytest

from anycable_rpc import Cable, Connection
from anycable_rpc.errors import BindError, ConfigurationError
from anycable_rpc.protocol.messages import ConnectionRequest, ConnectionResponse
from anycable_rpc.serving.workers.process import Worker, restart_delay
from anycable_rpc.serving.workers.start import choose_addresses, connection_hint, serve
from anycable_rpc.serving.workers.supervisor import Statistics, Supervisor
from anycable_rpc.transports.protobuf import decode_response, encode_request

from ...e2e.processes import Program, environment, free_port, python
from ...support.both_ways import settings

METADATA = (("sid", "s1"), ("protov", "v1"))
PATIENCE = 30.0
APP = """
import os, time
from pathlib import Path
from anycable_rpc import Cable, Connection

class Client(Connection):
    def connect(self):
        if Path("slow").exists():
            Path("inside").touch()
            time.sleep(float(Path("slow").read_text()))
        self.transmit(os.getpid())

cable = Cable(Client)
"""


class Workers(Program):
    """The command with `--workers`."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(python("anycable_rpc", "app:cable", *options), {}, folder)

    @property
    def addresses(self) -> list[str]:
        return self.wait_for(r"^ANYCABLE_RPC_HOST=grpc-list://(\S+)$")[1].split(",")


Start = Callable[..., Workers]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "app.py").write_text(APP)
    started: list[Workers] = []

    def start(*options: str, workers: int = 2, rpc_host: str = "127.0.0.1:0") -> Workers:
        started.append(Workers(tmp_path, f"--workers={workers}", f"--rpc-host={rpc_host}", *options))
        return started[-1]

    yield start
    for program in started:
        program.stop(signal.SIGKILL)


class Caller:
    """A client that calls Connect as anycable-go does: the addresses in turn, and again after UNAVAILABLE."""

    def __init__(self, addresses: list[str]) -> None:
        retries = (
            '{"methodConfig":[{"name":[{}],"waitForReady":true,"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.1s",'
            '"maxBackoff":"1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}],'
            '"loadBalancingConfig":[{"round_robin":{}}]}'
        )
        options = [("grpc.service_config", retries), ("grpc.max_reconnect_backoff_ms", 200)]
        self.channel = grpc.insecure_channel(f"ipv4:{','.join(addresses)}", options)
        self._connect: Any = self.channel.unary_unary("/anycable.RPC/Connect")

    def pid(self) -> int:
        """Return the id of the process that answers."""
        data = self._connect(
            encode_request(ConnectionRequest()), metadata=METADATA, timeout=PATIENCE, wait_for_ready=True
        )
        response = decode_response("Connect", data)
        assert isinstance(response, ConnectionResponse)
        return int(response.transmissions[0])

    def pids(self, enough: Callable[[Counter[int]], bool]) -> Counter[int]:
        """Count the processes that answer, until that is enough."""
        counts: Counter[int] = Counter()
        deadline = monotonic() + PATIENCE
        while not enough(counts):
            assert monotonic() < deadline, counts
            counts[self.pid()] += 1
        return counts


@pytest.fixture
def caller() -> Iterator[Callable[[Workers], Caller]]:
    callers: list[Caller] = []

    def make(workers: Workers) -> Caller:
        callers.append(Caller(workers.addresses))
        return callers[-1]

    yield make
    for each in callers:
        each.channel.close()


def both(counts: Counter[int]) -> bool:
    return len(counts) == 2


def test_each_worker_answers_on_a_port_of_its_own(start: Start, caller: Callable[[Workers], Caller]) -> None:
    workers = start(workers=3)

    assert len(set(workers.addresses)) == 3
    assert len(caller(workers).pids(lambda counts: len(counts) == 3)) == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not keep processes to a core")
def test_each_worker_can_be_kept_to_a_core(start: Start, caller: Callable[[Workers], Caller]) -> None:
    cores = sorted(os.sched_getaffinity(0))
    workers = len(cores) + 1

    pids = caller(start("--worker-cpu-affinity", workers=workers)).pids(lambda counts: len(counts) == workers)

    kept = [{*map(frozenset, map(os.sched_getaffinity, threads_of(pid)))} for pid in pids]
    assert sorted(sorted(core) for (core,) in kept) == sorted([[cores[0]], *([core] for core in cores)])


def test_a_system_that_cannot_keep_a_process_on_one_core_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    lines: list[str] = []

    with pytest.raises(ConfigurationError, match=r"--worker-cpu-affinity.*leave it out"):
        serve(lambda settings: Cable(Connection, settings=settings), settings(worker_cpu_affinity=True), lines.append)
    assert lines == []


def threads_of(pid: int) -> list[int]:
    return [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]


def neighbours() -> int:
    """Find a port that is free like the next one, outside the range that systems give to clients."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000, 2):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            socket.create_server(("127.0.0.1", port + 1)).close()
            return port
    pytest.fail("no two free ports side by side")


def test_each_line_says_which_worker_wrote_it(start: Start, caller: Callable[[Workers], Caller]) -> None:
    workers = start("--log-level", "debug")
    caller(workers).pids(both)

    for number in (1, 2):
        workers.wait_for(f" DEBUG worker {number}: connected '{{}}' by RPC in ")


def test_ports_follow_one_another(start: Start) -> None:
    port = neighbours()
    program = start(rpc_host=f"127.0.0.1:{port}")

    assert program.addresses == [f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"]


def test_a_killed_worker_is_replaced_and_no_call_is_lost(start: Start, caller: Callable[[Workers], Caller]) -> None:
    program = start()
    calls = caller(program)
    victim, other = calls.pids(both)
    with ThreadPoolExecutor(4) as pool:
        done = threading.Event()
        load = [pool.submit(calls.pids, lambda _: done.is_set()) for _ in range(3)]
        try:
            os.kill(victim, signal.SIGKILL)
            program.wait_for(r"worker \d has ended \(signal 9\); the next one starts in")
            seen = calls.pids(lambda counts: len(counts.keys() - {victim, other}) == 1)
        finally:
            done.set()

    assert all(future.result() for future in load)
    assert other in seen


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_hup_replaces_every_worker_and_no_call_is_lost(
    start: Start, caller: Callable[[Workers], Caller], tmp_path: Path, keyword: str
) -> None:
    (tmp_path / "app.py").write_text(APP.replace("def", keyword))
    program = start()
    calls = caller(program)
    old = calls.pids(both).keys()
    with ThreadPoolExecutor(4) as pool:
        done = threading.Event()
        load = [pool.submit(calls.pids, lambda _: done.is_set()) for _ in range(3)]
        try:
            program.send(signal.SIGHUP)
            calls.pids(lambda counts: len(counts.keys() - old) == 2)
        finally:
            done.set()

    assert all(future.result() for future in load)
    assert calls.pids(both).keys().isdisjoint(old)
    assert not [line for line in program.lines if "has ended" in line]


def test_hup_lets_anycable_go_reconnect_before_the_next_worker_drains(start: Start) -> None:
    program = start()
    assert program.addresses

    program.send(signal.SIGHUP)
    first = starts_again(program, 1)

    assert starts_again(program, 2) - first > 2  # grpc-go tries again after a second


class ReadyWorker(Worker):
    """A worker that serves at once, without a process."""

    def start(self) -> None:
        self.is_ready = True


@pytest.mark.parametrize(
    ("signals", "expected"),
    [([], Statistics(1, 1, 0, False, None)), ([signal.SIGHUP, signal.SIGTERM], Statistics(1, 1, 0, True, None))],
    ids=["serving", "ending"],
)
def test_a_supervisor_without_work_sleeps_until_the_next_event(signals: list[int], expected: Statistics) -> None:
    supervisor = supervisor_of(ReadyWorker)
    supervisor.start()

    for number in signals:
        supervisor.on_signal(number)

    assert supervisor.statistics() == expected


def test_a_replacement_is_due_at_once_when_all_serve() -> None:
    supervisor = supervisor_of(ReadyWorker)
    supervisor.start()

    supervisor.on_signal(signal.SIGHUP)

    assert supervisor.statistics() == Statistics(1, 1, 1, False, 0)


def test_a_replacement_waits_for_the_start_without_a_deadline() -> None:
    supervisor = supervisor_of(Worker)

    supervisor.on_signal(signal.SIGHUP)

    assert supervisor.statistics() == Statistics(1, 0, 1, False, None)


def supervisor_of(kind: type[Worker]) -> Supervisor:
    chosen = settings()
    return Supervisor([kind(1, lambda settings: Cable(Connection, settings=settings), chosen)], chosen, print, [])


def starts_again(program: Workers, worker: int) -> float:
    """Wait until the worker's successor serves, and return the time."""
    deadline = monotonic() + PATIENCE
    while sum(line.startswith(f"Worker {worker}: ") for line in program.lines) < 2:
        assert monotonic() < deadline, program.lines
        sleep(0.01)
    return monotonic()


def test_hup_keeps_the_others_when_the_new_code_does_not_start(
    start: Start, caller: Callable[[Workers], Caller], tmp_path: Path
) -> None:
    program = start()
    calls = caller(program)
    old = calls.pids(both).keys()
    (tmp_path / "app.py").write_text("raise RuntimeError('broken')")

    program.send(signal.SIGHUP)
    program.wait_for("the other workers are not replaced: the new worker 1 does not start")

    assert calls.pid() in old
    (tmp_path / "app.py").write_text(APP)
    assert len(calls.pids(both).keys() - old) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_lets_calls_end(
    start: Start, caller: Callable[[Workers], Caller], tmp_path: Path, number: int
) -> None:
    program = start()
    calls = caller(program)
    (tmp_path / "slow").write_text("1")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(calls.pid)
        wait_until((tmp_path / "inside").exists)
        program.send(number)

        assert call.result(PATIENCE)
        program.expect_exit(0, PATIENCE)


def test_the_second_signal_ends_them(start: Start, caller: Callable[[Workers], Caller], tmp_path: Path) -> None:
    program = start()
    calls = caller(program)
    pids = calls.pids(both)
    (tmp_path / "slow").write_text("20")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(calls.pid)
        wait_until((tmp_path / "inside").exists)
        program.send(signal.SIGTERM)
        program.wait_for("Stopping")
        program.send(signal.SIGINT)

        program.expect_exit(1, PATIENCE)
        wait_until(lambda: not any(map(is_running, pids)))
        calls.channel.close()
        assert isinstance(call.exception(PATIENCE), Exception)


def test_workers_end_with_their_parent(start: Start, caller: Callable[[Workers], Caller]) -> None:
    program = start()
    pids = caller(program).pids(both)

    program.send(signal.SIGKILL)

    wait_until(lambda: not any(map(is_running, pids)))


def test_a_taken_port_is_an_error_of_the_start(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        program = start(rpc_host=address)

        program.expect_exit(3, PATIENCE)

    program.wait_for(f"Error: cannot listen on {address}")


def test_an_app_that_only_breaks_in_a_worker_is_an_error_of_the_start(start: Start, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(f"import multiprocessing\nassert not multiprocessing.parent_process()\n{APP}")
    program = start()

    program.expect_exit(2, PATIENCE)

    program.wait_for("Error: .*app")


def test_a_worker_that_ends_at_once_again_and_again_waits_longer_each_time(
    start: Start, caller: Callable[[Workers], Caller], tmp_path: Path
) -> None:
    program = start()
    victim = caller(program).pid()
    (tmp_path / "app.py").write_text("raise RuntimeError('broken by a deployment')")
    os.kill(victim, signal.SIGKILL)

    pauses = [program.wait_for(rf"worker \d has ended .* starts in {pause} s") for pause in ("0.5", "1.0", "2.0")]

    assert len(pauses) == 3
    program.wait_for("broken by a deployment")
    assert caller(program).pid() != victim


def test_one_health_answer_for_all(start: Start, caller: Callable[[Workers], Caller]) -> None:
    port = free_port()
    program = start(f"--http-health-port={port}")
    pids = caller(program).pids(both)

    assert health(port) == (200, "2 of 2 workers are serving\n")
    os.kill(next(iter(pids)), signal.SIGKILL)
    wait_until(lambda: health(port) == (200, "1 of 2 workers are serving\n"))
    wait_until(lambda: health(port) == (200, "2 of 2 workers are serving\n"))
    assert health(port, "/x") == (404, "health is at /health\n")


@pytest.mark.parametrize("engine", ["grpcio", "asyncio"])
def test_a_worker_whose_places_are_all_held_is_not_counted_until_one_comes_free(
    start: Start, tmp_path: Path, engine: str
) -> None:
    port = free_port()
    options = ("--rpc-pool-size=1", "--rpc-stuck-timeout=1", f"--rpc-engine={engine}")
    program = start(f"--http-health-port={port}", *options)
    address, _ = program.addresses
    (tmp_path / "slow").write_text("5")

    with grpc.insecure_channel(address) as channel:
        connect: Any = channel.unary_unary("/anycable.RPC/Connect")
        call = connect.future(encode_request(ConnectionRequest()), metadata=METADATA, timeout=0.5)

        wait_until(lambda: health(port) == (200, "1 of 2 workers are serving\n"))
        wait_until(lambda: health(port) == (200, "2 of 2 workers are serving\n"))
        assert call.exception(PATIENCE)
    program.wait_for("Client.connect has not returned")
    program.wait_for("health is NOT_SERVING")


def test_health_during_the_drain(start: Start, caller: Callable[[Workers], Caller], tmp_path: Path) -> None:
    port = free_port()
    program = start(f"--http-health-port={port}", workers=1)
    calls = caller(program)
    (tmp_path / "slow").write_text("2")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(calls.pid)
        wait_until((tmp_path / "inside").exists)
        program.send(signal.SIGTERM)
        program.wait_for("Stopping")

        assert health(port)[0] == 503
        assert call.result(PATIENCE)


@pytest.mark.parametrize("request_text", [b"\x00\xff\r\n\r\n", b"GET", b"GET /health HTTP/9.9\r\n\r\n", b"A" * 70_000])
def test_garbage_does_not_end_the_health_server(start: Start, request_text: bytes) -> None:
    port = free_port()
    program = start(f"--http-health-port={port}", workers=1)
    assert program.addresses
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as peer:
        peer.sendall(request_text)

    assert health(port)[0] == 200


def test_a_taken_port_for_health_is_an_error_of_the_start(start: Start) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        program = start(f"--http-health-port={port}")
        program.expect_exit(3, PATIENCE)

    program.wait_for(f"cannot listen on port {port} for health")


def test_ports_that_do_not_exist() -> None:
    assert choose_addresses("[::1]:65534", 2) == ["[::1]:65534", "[::1]:65535"]
    with pytest.raises(ConfigurationError, match="3 workers from port 65534 on go beyond 65535"):
        choose_addresses("127.0.0.1:65534", 3)


def test_a_host_that_is_not_here() -> None:
    with pytest.raises(BindError, match="cannot listen on"):
        choose_addresses("192.0.2.1:0", 2)


def test_the_hint_names_this_machine_for_workers_that_listen_everywhere() -> None:
    assert connection_hint(["0.0.0.0:1", "0.0.0.0:2"])[0] == "ANYCABLE_RPC_HOST=grpc-list://127.0.0.1:1,127.0.0.1:2"
    assert connection_hint(["[::]:1"])[0] == "ANYCABLE_RPC_HOST=grpc-list://[::1]:1"


def test_the_pause_is_bounded() -> None:
    assert [restart_delay(failures) for failures in (0, 1, 2, 3, 10, 10**6)] == [0, 0.5, 1, 2, 30, 30]


def test_protobuf_without_its_compiled_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    slow = {**environment({}), "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}

    for command in ("serve", "dev"):
        done = subprocess.run(
            [sys.executable, "-m", "anycable_rpc", command, "app:cable", "--rpc-host=127.0.0.1:0"],
            cwd=tmp_path, env=slow, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 2
        assert "protobuf runs without its compiled code" in done.stderr


def health(port: int, path: str = "/health") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def is_running(pid: int) -> bool:
    """Return whether the process runs: a zombie does not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, timeout=PATIENCE)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


def wait_until(happened: Callable[[], bool]) -> None:
    deadline, pause = monotonic() + PATIENCE, threading.Event()
    while not happened():
        assert monotonic() < deadline
        pause.wait(0.02)
