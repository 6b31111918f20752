"""The steps of a verb: the gateway's coroutines, which stop only where the app is called.

So no event loop is needed to run them: `drive` answers each call in this thread, `adrive` awaits its answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Any, NamedTuple, TypeVar

__all__ = ["PendingCall", "Steps", "adrive", "drive", "nothing"]

_Result = TypeVar("_Result")

Steps = Coroutine[Any, Any, _Result]


class PendingCall(NamedTuple):
    """A call of the app, in protobuf's bytes. To await it is to yield it to whoever drives the coroutine."""

    method: str
    request: bytes
    metadata: Mapping[str, str]

    def __await__(self) -> Generator[PendingCall, bytes, bytes]:
        return (yield self)


def drive(steps: Steps[_Result], answer: Callable[[PendingCall], bytes]) -> _Result:
    """Run the steps to their end in this thread; `answer` answers each call."""
    try:
        call = steps.send(None)
        while True:
            call = steps.send(answer(call))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def adrive(steps: Steps[_Result], answer: Callable[[PendingCall], Awaitable[bytes]]) -> _Result:
    """Run the steps to their end on the running event loop."""
    try:
        call = steps.send(None)
        while True:
            call = steps.send(await answer(call))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def nothing() -> None:
    """Take no step."""
