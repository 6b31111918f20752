from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from anycable_rpc.gateway.app_calls import WithoutApp
from anycable_rpc.gateway.asgi import drop_error
from anycable_rpc.gateway.core.session import Session
from anycable_rpc.gateway.endings import Close, Ending, NoClose
from anycable_rpc.gateway.outbox import Outbox, size_of
from anycable_rpc.protocol.messages import CommandResponse, ConnectionResponse, DisconnectResponse, Status


def drain(outbox: Outbox, send: Callable[[Any], Awaitable[None]] | None = None) -> tuple[Ending, list[Any]]:
    """Return the ending, and the frames that were written."""
    written: list[Any] = []

    async def write(event: Any) -> None:
        written.append(event.get("text") or (event["code"], event["reason"]))

    return asyncio.run(outbox.drain(send or write)), written


def test_waiting_frames_are_written_before_the_end() -> None:
    outbox = Outbox(100, 1)
    assert outbox.put("a")
    assert outbox.put("b")
    outbox.end(Close(1000, "why"), "c")
    assert outbox.put("too late")
    outbox.end(Close(1001), "too late")

    assert drain(outbox) == (Close(1000, "why"), ["a", "b", "c", (1000, "why")])


def test_an_end_without_a_close_frame() -> None:
    outbox = Outbox(100, 1)
    outbox.put("a")
    outbox.end(NoClose.DROP)

    assert drain(outbox) == (NoClose.DROP, ["a"])


def test_for_a_client_that_is_gone_nothing_is_written() -> None:
    outbox = Outbox(100, 1)
    outbox.put("a")
    outbox.end(Close(1000))
    outbox.abandon()

    assert drain(outbox) == (NoClose.GONE, [])


def test_frame_is_refused_when_the_waiting_ones_reach_the_limit() -> None:
    outbox = Outbox(10, 1)

    assert [outbox.put(text) for text in ("éé", "12345", "6" * 1000, "")] == [True, True, True, False]


def test_there_is_room_after_writing_or_after_the_end() -> None:
    async def scenario() -> list[bool]:
        outbox, may_write = Outbox(4, 10), asyncio.Event()

        async def send(event: Any) -> None:
            await may_write.wait()

        outbox.put("full")
        waiting = asyncio.create_task(outbox.wait_for_room())
        await asyncio.sleep(0)
        seen = [waiting.done()]
        draining = asyncio.create_task(outbox.drain(send))
        await waiting
        outbox.put("full again")
        outbox.end(Close(1000))
        await outbox.wait_for_room()
        outbox.abandon()
        await outbox.wait_for_room()
        may_write.set()
        await draining
        return seen

    assert asyncio.run(asyncio.wait_for(scenario(), 5)) == [False]


def test_there_is_room_when_the_client_was_too_slow() -> None:
    async def scenario() -> Ending:
        outbox = Outbox(4, 0.01)
        for text in ("a", "full"):
            outbox.put(text)
        waiting = asyncio.create_task(outbox.wait_for_room())
        ending = await outbox.drain(lambda event: asyncio.sleep(10))
        await waiting
        return ending

    assert asyncio.run(asyncio.wait_for(scenario(), 5)) is NoClose.DROP


def test_written_frames_free_their_room() -> None:
    async def scenario() -> list[bool]:
        outbox, written = Outbox(4, 1), asyncio.Event()

        async def send(event: Any) -> None:
            written.set()

        draining = asyncio.create_task(outbox.drain(send))
        accepted: list[bool] = []
        for _ in range(3):
            written.clear()
            accepted.append(outbox.put("full"))
            await written.wait()
        outbox.abandon()
        await draining
        return accepted

    assert asyncio.run(scenario()) == [True, True, True]


def test_client_that_reads_nothing_is_dropped() -> None:
    async def hang(event: Any) -> None:
        await asyncio.Event().wait()

    outbox = Outbox(100, 0.01)
    outbox.put("a")
    outbox.end(Close(1000))

    assert drain(outbox, hang) == (NoClose.DROP, [])


def test_client_that_has_gone() -> None:
    async def fail(event: Any) -> None:
        raise ConnectionResetError

    outbox = Outbox(100, 1)
    outbox.put("a")

    assert drain(outbox, fail) == (NoClose.GONE, [])


@pytest.mark.parametrize(("text", "size"), [("", 0), ("abc", 3), ("é", 2), ("\U0001f44b", 4), ("\ud800", 1)])
def test_size_of(text: str, size: int) -> None:
    assert size_of(text) == size


def test_a_connection_can_be_dropped_under_other_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(drop_error(), OSError)
    monkeypatch.setitem(sys.modules, "uvicorn.protocols.utils", None)
    assert isinstance(drop_error(), ConnectionResetError)


def test_without_an_app_clients_and_subscriptions_are_refused() -> None:
    calls, session = WithoutApp(), Session("s1")
    unauthorized = '{"type":"disconnect","reason":"unauthorized","reconnect":false}'
    rejected = '{"type":"reject_subscription","identifier":"A"}'

    assert asyncio.run(calls.connect(session)) == ConnectionResponse(Status.FAILURE, transmissions=(unauthorized,))
    assert asyncio.run(calls.command("s1", session.command("subscribe", "A"))) == CommandResponse(
        Status.FAILURE, transmissions=(rejected,)
    )
    assert asyncio.run(calls.command("s1", session.command("message", "A"))) == CommandResponse(Status.ERROR)
    assert asyncio.run(calls.disconnect("s1", session.disconnect())) == DisconnectResponse(Status.SUCCESS)
