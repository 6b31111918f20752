"""The calls under way: who is let in, on what they run, and their deadlines."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from math import inf
from threading import get_ident
from time import monotonic
from types import coroutine
from typing import TYPE_CHECKING, Any, cast

from ..admission import Admission
from ..http2.grpc_framing import Refused, Status
from ..threads import Threads

if TYPE_CHECKING:
    from ..bytes_handler import BytesHandler

__all__ = ["Call", "Calls"]

logger = logging.getLogger("anycable_rpc")

_TICK = 0.002  # seconds that a deadline may be met late: a loop's clock is coarse


class Call:
    """One call: what is asked, until when, and who hears the answer (a message, or why there is none)."""

    is_over = False
    task: asyncio.Task[Any] | None = None  # once it has had to wait on the loop
    thread: int | None = None  # once it has begun there
    coroutine: Coroutine[Any, Any, bytes] | None = None  # once it has begun on the loop

    def __init__(
        self,
        stream: int,
        method: str,
        data: bytes,
        metadata: Mapping[str, str],
        timeout: float,
        answer: Callable[[int, bytes | Refused], object],
    ) -> None:
        self.stream = stream
        self.method = method
        self.data = data
        self.metadata = metadata
        self.deadline = timeout
        self.answer = answer

    @property
    def is_late(self) -> bool:
        """Whether its deadline has passed."""
        return self.deadline <= monotonic()


class Calls:
    """Serves calls with one service: `async def` apps on the loop, others on threads; `limit` of them at a time."""

    def __init__(self, handler: BytesHandler, limit: int) -> None:
        self._handler = handler
        self.admission = Admission[Call](limit, handler.threads)
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._next_deadline = inf
        self._threads = Threads(limit)
        self._let_in: list[Call] = []
        self._results: deque[tuple[Call, bytes | Refused]] = deque()
        self._is_collecting = False

    def start(self, call: Call) -> None:
        """Let it in; it begins with `go`.

        Raises:
            Refused: no call is taken any more, or just now. anycable-go tries again after either.
        """
        refusal = self.admission.enter(call, is_late=call.deadline <= 0)
        if refusal:
            raise Refused(Status[refusal.status], refusal.text)
        self._let_in.append(call)
        if call.deadline < inf:
            call.deadline += self._loop.time()
            if call.deadline < self._next_deadline:
                self._next_deadline = call.deadline
                self._loop.call_at(call.deadline + _TICK, self._expire)

    def go(self) -> None:
        """Let those begin that have been let in."""
        if self._let_in:
            calls, self._let_in = self._let_in, []
            if self._handler.is_async:
                self._begin(deque(calls))
            else:
                self._threads.submit([partial(self._work, call) for call in calls])

    def cancel(self, call: Call) -> None:
        """Nobody waits for it any more. What runs keeps its place until it ends; what has not begun gives it back."""
        call.is_over = True
        if call.task is not None:
            call.task.cancel()
        elif call.thread is None:  # it has not begun, and never will: a thread looks at is_over after it has set this
            call.data, call.metadata = b"", {}
            self._leave(call)

    def close(self) -> None:
        """Let no more calls in."""
        self.admission.close()
        self._note_idle()

    async def wait_idle(self, timeout: float) -> bool:
        """Once closed: wait until no call is under way; False when the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        return self._idle.is_set()

    def end(self) -> None:
        """Cancel what still runs."""
        for call in list(self.admission.under_way):
            self.cancel(call)
        self._threads.close()

    def _leave(self, call: Call) -> None:
        self.admission.leave(call)
        if self.admission.is_closed:
            self._note_idle()

    def _note_idle(self) -> None:
        if self.admission.is_idle():
            self._idle.set()

    def _begin(self, calls: deque[Call]) -> None:
        if calls:
            asyncio.Task(self._run(calls), loop=self._loop)

    async def _run(self, calls: deque[Call]) -> None:
        """One after the other, each in a context of its own.

        Where callbacks wait for nothing, a task for each would take longer than they do. The first that waits keeps
        this one, and those behind it get one each.
        """
        task = cast("asyncio.Task[None]", asyncio.current_task())
        while calls and not task.cancelling():  # by a callback, itself
            call = calls.popleft()
            rest = None if call.is_over else self._start(call, task)
            if rest:
                for other in calls:
                    self._begin(deque((other,)))
                await self._run_on(call, rest)
                return
        self._begin(calls)

    def _start(self, call: Call, task: asyncio.Task[None]) -> Awaitable[bytes] | None:
        """What is left of it when it has to wait."""
        context, answering = copy_context(), self._handler.ahandle(call.method, call.data, call.metadata)
        call.coroutine = answering
        try:
            waits_for = context.run(answering.send, None)
        except StopIteration as end:
            self._conclude(call, end.value)
        except BaseException as error:
            self._conclude(call, _broken(call, error))
        else:
            call.task = task
            return _rest(context, answering, waits_for)
        return None

    async def _run_on(self, call: Call, rest: Awaitable[bytes]) -> None:
        try:
            answer: bytes | Refused = await rest
        except BaseException as error:
            if call.is_over and isinstance(error, asyncio.CancelledError):
                self._leave(call)
                return
            answer = _broken(call, error)
        self._conclude(call, answer)

    def _work(self, call: Call) -> None:
        """On a thread."""
        call.thread = get_ident()
        try:
            answer: bytes | Refused = (
                b"" if call.is_over else self._handler.handle(call.method, call.data, call.metadata)
            )
        except BaseException as error:
            answer = _broken(call, error)
        self._results.append((call, answer))
        if not self._is_collecting:
            self._is_collecting = True
            with suppress(RuntimeError):  # the loop has been closed: nobody waits
                self._loop.call_soon_threadsafe(self._collect)

    def _collect(self) -> None:
        self._is_collecting = False
        while self._results:
            self._conclude(*self._results.popleft())

    def _conclude(self, call: Call, answer: bytes | Refused) -> None:
        self._leave(call)
        if not call.is_over:
            call.is_over = True
            call.answer(call.stream, answer)

    def _expire(self) -> None:
        now = self._loop.time()
        for call in [call for call in self.admission.under_way if call.deadline <= now and not call.is_over]:
            call.answer(call.stream, Refused(Status.DEADLINE_EXCEEDED, "the deadline has passed"))
            self.cancel(call)
        self._next_deadline = min((call.deadline for call in self.admission.under_way if not call.is_over), default=inf)
        if self._next_deadline < inf:
            self._loop.call_at(self._next_deadline + _TICK, self._expire)


@coroutine
def _rest(context: Context, begun: Coroutine[Any, Any, bytes], waits_for: Any) -> Generator[Any, Any, bytes]:
    """What is left of a coroutine that has begun in a context: it goes on there."""
    while True:
        try:
            step = partial(begun.send, (yield waits_for))
        except BaseException as error:
            step = partial(begun.throw, error)
        try:
            waits_for = context.run(step)
        except StopIteration as end:
            answer: bytes = end.value
            return answer


def _broken(call: Call, error: BaseException) -> Refused:
    logger.error("%s failed", call.method, exc_info=error)
    return Refused(Status.INTERNAL, f"{call.method} failed")
