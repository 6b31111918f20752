"""The cost of a publication, for each broadcaster, beside the bare client library; and whether one is ever lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter, process_time
from typing import Any, Protocol, cast

from anycable_rpc.broadcasters.adapters import broadcaster_for
from anycable_rpc.publishing.payloads import publication
from anycable_rpc.settings.model import Settings

from .bare_clients import BARE, Publish
from .peers.contenders import Running, anycable, nats, redis
from .report import Goal, Report, Table
from .rounds import in_turns, ratio, spread
from .servers import SECRET, Missing, conversation, free_port, installed

__all__ = ["QUICK", "USUAL", "Plan", "run"]

Say = Callable[[str], object]
Sample = Mapping[str, Any]

NULL = "the bare library again"
ALONE, ALONE_ASYNC = "one after the other", "one after the other, async"
THREADS, TASKS = 8, 200
TEXT = " A message of about the length of what people write, neither very short nor very long, as in a chat."
"""The load generator counts messages with this text: `tail` in member.go."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The rounds, the publications of a sample, and those that are counted at the other end."""

    rounds: int
    alone: int
    together: int
    counted: int


USUAL = Plan(7, 1_000, 3_000, 100_000)
QUICK = Plan(1, 20, 50, 500)


class Both(Protocol):
    """A broadcaster that publishes from sync and from async code."""

    def publish(self, payload: str) -> None: ...
    async def apublish(self, payload: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses of anycable-go, Redis and NATS."""

    anycable: str
    redis: str = "127.0.0.1:1"
    nats: str = "127.0.0.1:1"

    def settings(self, adapter: str, max_len: int = 10_000) -> Settings:
        """Return the settings of a program that broadcasts by this adapter; a stream keeps `max_len` entries."""
        return Settings(
            secret=SECRET,
            broadcast_adapter=adapter,
            http_broadcast_url=f"http://{self.anycable}/_broadcast",
            redis_url=f"redis://{self.redis}/0",
            redisx_max_len=max_len,
            nats_servers=f"nats://{self.nats}",
        )


def run(report: Report, plan: Plan, say: Say) -> None:
    """Measure all broadcasters, each beside its bare library; then count what arrives."""
    costs, counted = list[list[str]](), list[list[str]]()
    for adapter in BARE:
        try:
            with _servers(adapter) as servers:
                costs += _costs(report, servers, adapter, plan, say)
                counted.append(_counted(report, servers, adapter, plan.counted, say))
        except Missing as missing:
            costs.append([f"{adapter}: {missing}", *[""] * (len(COSTS) - 1)])
            report.goals.append(Goal(_LOST.format(plan.counted, adapter), 0, at_most=True, note=str(missing)))
    title = f"Publishing, {plan.rounds} rounds of {plan.alone} to {plan.together} publications"
    note = "Ratios are to the bare library that sends the same publications one after the other."
    report.tables.append(Table(title, COSTS, costs, note=note))
    report.tables.append(Table(f"Publications from {TASKS} tasks that arrive", COUNTED, counted))


BETWEEN = {"redis": ("redis", redis, "--redis_url=redis://{}/0"), "nats": ("nats", nats, "--nats_servers=nats://{}")}
BETWEEN["redisx"] = BETWEEN["redis"]
"""For an adapter that is not HTTP: the package, the server, and the option of anycable-go that names the server."""


@contextmanager
def _servers(adapter: str) -> Generator[Servers]:
    """Start anycable-go that takes this adapter, and what stands between it and us."""
    port, options, addresses = free_port(), [f"--broadcast_adapter={adapter}"], dict[str, str]()
    with ExitStack() as stack:
        if adapter in BETWEEN:
            package, start, option = BETWEEN[adapter]
            installed(package, advice="make bench installs it")
            addresses[package] = stack.enter_context(start()).address
            options.append(option.format(addresses[package]))
        yield Servers(stack.enter_context(anycable(port, "--norpc", "--public", *options)).address, **addresses)


BARE_NAMES = {"http": "urllib3", "redis": "redis-py publish", "redisx": "redis-py xadd", "nats": "nats-py"}
COSTS = ["", "publications/s", "ratio", "CPU µs of a publication", "ratio"]


COUNTED = ["", "published", "arrived at a client", "lost", "twice", "a second, end to end"]
_LOST = "publications lost of {:,}, {}"


def _costs(report: Report, servers: Servers, adapter: str, plan: Plan, say: Say) -> list[list[str]]:
    seen = _side_by_side(servers, adapter, plan, say)
    bare = seen[BARE_NAMES[adapter]]
    if adapter == "http":
        what, null = "CPU of a lone publication over HTTP / a bare request of urllib3", ratio(seen[NULL], bare, "cpu")
        report.goals.append(Goal(what, 0.5, ratio(seen[ALONE], bare, "cpu"), at_most=True, note=f"null pair: {null}"))
    return [_row(f"{adapter}: {name}", of, bare) for name, of in seen.items()]


def _row(name: str, samples: Sequence[Sample], base: Sequence[Sample]) -> list[str]:
    rate, cpu = (spread([one[what] for one in samples]) for what in ("rate", "cpu"))
    return [name, str(rate), str(ratio(samples, base, "rate")), str(cpu), str(ratio(samples, base, "cpu"))]


def _side_by_side(servers: Servers, adapter: str, plan: Plan, say: Say) -> dict[str, list[Sample]]:
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner(loop_factory=_new_loop))
        threads = stack.enter_context(ThreadPoolExecutor(THREADS))
        bare = stack.enter_context(BARE[adapter](servers, runner))
        again = stack.enter_context(BARE[adapter](servers, runner))
        ours = stack.enter_context(_broadcaster(servers.settings(adapter)))
        ways: dict[str, Callable[[], Sample]] = {
            BARE_NAMES[adapter]: partial(_measured, plan.alone, bare),
            ALONE: partial(_measured, plan.alone, partial(_in_a_row, ours)),
            ALONE_ASYNC: partial(_measured, plan.alone, partial(_awaited, runner, ours, 1)),
            f"from {THREADS} threads": partial(_measured, plan.together, partial(_from_threads, threads, ours)),
            f"from {TASKS} tasks": partial(_measured, plan.together, partial(_awaited, runner, ours, TASKS)),
            NULL: partial(_measured, plan.alone, again),
        }
        for way in ways.values():
            way()
        return in_turns(ways, plan.rounds, lambda text: say(f"publish, {adapter}, {text}"))


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop as our servers have one: of uvloop, if it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@contextmanager
def _broadcaster(settings: Settings) -> Generator[Both]:
    broadcaster: Any = broadcaster_for(settings)
    yield cast("Both", broadcaster)
    broadcaster.close()


def _measured(count: int, publish: Publish) -> Sample:
    """Return publications a second and the CPU time of one, in microseconds, of all threads of this process."""
    payloads = [_payload("chat/0", number) for number in range(count)]
    began, cpu = perf_counter(), process_time()
    publish(payloads)
    seconds, busy = perf_counter() - began, process_time() - cpu
    return {"rate": count / seconds, "cpu": busy / count * 1e6}


def _payload(stream: str, number: int) -> str:
    return publication(stream, {"text": f"#{number:08}{TEXT}"})


def _in_a_row(broadcaster: Both, payloads: Sequence[str]) -> None:
    for payload in payloads:
        broadcaster.publish(payload)


def _from_threads(threads: ThreadPoolExecutor, broadcaster: Both, payloads: Sequence[str]) -> None:
    shares = [payloads[place::THREADS] for place in range(THREADS)]
    list(threads.map(partial(_in_a_row, broadcaster), shares))


def _awaited(runner: asyncio.Runner, broadcaster: Both, tasks: int, payloads: Sequence[str]) -> None:
    async def share(place: int) -> None:
        for payload in payloads[place::tasks]:
            await broadcaster.apublish(payload)

    async def together() -> None:
        await asyncio.gather(*map(share, range(tasks)))

    runner.run(together())


def _counted(report: Report, servers: Servers, adapter: str, count: int, say: Say) -> list[str]:
    """Publish from tasks, and count what comes to a client of anycable-go."""
    say(f"publish, {count:,} by {adapter} are counted")
    listener = Running([f"ws://{servers.anycable}/cable"], "actioncable")
    command = [*listener.command(1, 1), "--identifier", '{"channel":"$pubsub","stream_name":"counted/{room}"}']
    with conversation(command) as ask, asyncio.Runner(loop_factory=_new_loop) as runner:
        joined = ask("join")
        if joined.get("first_error"):
            raise RuntimeError(f"the client that counts could not join: {joined['first_error']}")
        ask(f"expect {count}")
        payloads = [_payload("counted/0", number) for number in range(count)]
        with _broadcaster(servers.settings(adapter, max_len=count)) as broadcaster:
            _awaited(runner, broadcaster, TASKS, payloads)
        arrived = ask("arrived")
    lost = arrived["expected"] - arrived["delivered"]
    report.goals.append(Goal(_LOST.format(count, adapter), 0, spread([lost]), at_most=True))
    return [
        adapter,
        *[f"{value:,.0f}" for value in (count, arrived["delivered"], lost, arrived["duplicates"])],
        f"{arrived['rate']:,.0f}",
    ]
