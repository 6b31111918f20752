"""Steps of input and output, written once for sync and for async code: a generator yields what it wants to be done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar, cast

__all__ = ["adrive", "drive"]

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")
_Result = TypeVar("_Result")


def drive(steps: Generator[_Asked, _Answer, _Result], perform: Callable[[_Asked], _Answer]) -> _Result:
    """Run the steps to their end and return their result. `perform` does what each asks for; the steps see its errors.

    Raises:
        Exception: what the steps have raised.
    """
    try:
        asked = next(steps)
        while True:
            try:
                answer = perform(asked)
            except Exception as error:
                asked = steps.throw(error)
            else:
                asked = steps.send(answer)
    except StopIteration as stop:
        return cast("_Result", stop.value)


async def adrive(
    steps: Generator[_Asked, _Answer, _Result], perform: Callable[[_Asked], Awaitable[_Answer]]
) -> _Result:
    """`drive` for async code."""
    try:
        asked = next(steps)
        while True:
            try:
                answer = await perform(asked)
            except Exception as error:
                asked = steps.throw(error)
            else:
                asked = steps.send(answer)
    except StopIteration as stop:
        return cast("_Result", stop.value)
