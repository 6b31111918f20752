"""The calls under way: admission, where they run, and their deadlines."""

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
from ..http2.grpc_framing import GrpcError, GrpcStatus
from ..threads import Threads

if TYPE_CHECKING:
    from ..bytes_handler import BytesHandler

__all__ = ["CallQueue", "PendingCall"]

logger = logging.getLogger("anycable_rpc")

_TICK = 0.002  # seconds that a deadline may be met late, because an event loop's clock is coarse


class PendingCall:
    """A call: the request, its deadline, and `answer`, which is called with a message or an error.

    `timeout` is in seconds. Once the call is admitted, `deadline` is a time of the event loop's clock.
    """

    is_over = False  # answered, or nobody waits for the answer any more
    task: asyncio.Task[Any] | None = None  # on the event loop, once the call has suspended
    thread: int | None = None  # on a thread, once the call has begun
    coroutine: Coroutine[Any, Any, bytes] | None = None  # on the event loop, once the call has begun

    def __init__(
        self,
        stream: int,
        method: str,
        data: bytes,
        metadata: Mapping[str, str],
        timeout: float,
        answer: Callable[[int, bytes | GrpcError], object],
    ) -> None:
        self.stream = stream
        self.method = method
        self.data = data
        self.metadata = metadata
        self.deadline = timeout
        self.answer = answer

    @property
    def is_late(self) -> bool:
        """Return whether the deadline has passed."""
        return self.deadline <= monotonic()


class CallQueue:
    """Run the calls of one service, up to `limit` at a time: `async def` apps on the event loop, others on threads."""

    def __init__(self, handler: BytesHandler, limit: int) -> None:
        self._handler = handler
        self.admission = Admission[PendingCall](limit, handler.threads, handler.refusal_observers)
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._next_deadline = inf
        self._threads = Threads(limit)
        self._admitted: list[PendingCall] = []  # but not started
        self._results: deque[tuple[PendingCall, bytes | GrpcError]] = deque()  # from threads
        self._is_collecting = False

    def admit(self, call: PendingCall) -> None:
        """Give a call one of the places; it runs after `start_admitted`.

        Raises:
            GrpcError: the call is refused. anycable-go tries again unless the deadline has passed.
        """
        refusal = self.admission.enter(call, is_late=call.deadline <= 0)
        if refusal:
            raise GrpcError(GrpcStatus[refusal.status], refusal.text)
        self._admitted.append(call)
        if call.deadline < inf:
            call.deadline += self._loop.time()
            # one timer for the earliest deadline: calls have their deadlines in nearly the order in which they come
            if call.deadline < self._next_deadline:
                self._next_deadline = call.deadline
                self._loop.call_at(call.deadline + _TICK, self._expire)

    def start_admitted(self) -> None:
        """Start the calls that were admitted since the last time: those of one read start together."""
        if self._admitted:
            calls, self._admitted = self._admitted, []
            if self._handler.is_async:
                self._create_task(deque(calls))
            else:
                self._threads.submit([partial(self._work, call) for call in calls])

    def cancel(self, call: PendingCall) -> None:
        """Cancel a call. One that runs keeps its place until it ends; one that has not begun gives it back now."""
        call.is_over = True
        if call.task is not None:
            call.task.cancel()
        elif call.thread is None:  # not begun, and it never will: a thread sets `thread` first and then reads `is_over`
            call.data, call.metadata = b"", {}  # it may wait for long in the queue of the threads
            self._leave(call)

    def close(self) -> None:
        """Admit no more calls."""
        self.admission.close()
        self._note_idle()

    async def wait_idle(self, timeout: float) -> bool:
        """Wait until no call is under way; return False when `timeout` seconds are over. Close first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        return self._idle.is_set()

    def cancel_all(self) -> None:
        """Cancel the calls that are still under way."""
        for call in list(self.admission.under_way):
            self.cancel(call)
        self._threads.close()

    def _leave(self, call: PendingCall) -> None:
        self.admission.leave(call)
        if self.admission.is_closed:
            self._note_idle()

    def _note_idle(self) -> None:
        if self.admission.is_idle():
            self._idle.set()

    def _create_task(self, calls: deque[PendingCall]) -> None:
        if calls:
            asyncio.Task(self._run(calls), loop=self._loop)

    async def _run(self, calls: deque[PendingCall]) -> None:
        """Run calls one after the other in this task, each in its own contextvars context.

        This is the fast path for callbacks that do not suspend: creating a task for each call would take longer than
        they do. The first call that suspends keeps this task, and each call after it gets a task of its own.
        """
        task = cast("asyncio.Task[None]", asyncio.current_task())
        while calls and not task.cancelling():  # a callback may cancel its own task
            call = calls.popleft()
            rest = None if call.is_over else self._start(call, task)
            if rest:
                for other in calls:
                    self._create_task(deque((other,)))
                await self._finish(call, rest)
                return
        self._create_task(calls)

    def _start(self, call: PendingCall, task: asyncio.Task[None]) -> Awaitable[bytes] | None:
        """Run a call until it ends or suspends. Answer it in the first case, return the rest of it in the second."""
        context, answering = copy_context(), self._handler.ahandle(call.method, call.data, call.metadata)
        call.coroutine = answering
        try:
            waits_for = context.run(answering.send, None)
        except StopIteration as end:
            self._answer(call, end.value)
        except BaseException as error:
            self._answer(call, _internal_error(call, error))
        else:
            call.task = task
            return _resume(context, answering, waits_for)
        return None

    async def _finish(self, call: PendingCall, rest: Awaitable[bytes]) -> None:
        try:
            answer: bytes | GrpcError = await rest
        except BaseException as error:
            if call.is_over and isinstance(error, asyncio.CancelledError):
                self._leave(call)
                return
            answer = _internal_error(call, error)
        self._answer(call, answer)

    def _work(self, call: PendingCall) -> None:
        """Run a call on a thread, and let the event loop answer it."""
        call.thread = get_ident()
        try:
            answer: bytes | GrpcError = (
                b"" if call.is_over else self._handler.handle(call.method, call.data, call.metadata)
            )
        except BaseException as error:
            answer = _internal_error(call, error)
        self._results.append((call, answer))
        # the event loop is woken once for all results until it has collected them: waking it is a system call
        if not self._is_collecting:
            self._is_collecting = True
            with suppress(RuntimeError):  # the event loop is closed: nobody waits for the answer
                self._loop.call_soon_threadsafe(self._collect)

    def _collect(self) -> None:
        self._is_collecting = False  # before the results: a thread that adds one from now on wakes the loop again
        while self._results:
            self._answer(*self._results.popleft())

    def _answer(self, call: PendingCall, answer: bytes | GrpcError) -> None:
        self._leave(call)
        if not call.is_over:
            call.is_over = True
            call.answer(call.stream, answer)

    def _expire(self) -> None:
        """Answer and cancel the calls whose deadline has passed, and set the timer for the next deadline."""
        now = self._loop.time()
        for call in [call for call in self.admission.under_way if call.deadline <= now and not call.is_over]:
            call.answer(call.stream, GrpcError(GrpcStatus.DEADLINE_EXCEEDED, "the deadline has passed"))
            self.cancel(call)
        self._next_deadline = min((call.deadline for call in self.admission.under_way if not call.is_over), default=inf)
        if self._next_deadline < inf:
            self._loop.call_at(self._next_deadline + _TICK, self._expire)


@coroutine
def _resume(context: Context, begun: Coroutine[Any, Any, bytes], waits_for: Any) -> Generator[Any, Any, bytes]:
    """Continue a coroutine that has begun in a context, in that context.

    A task runs its coroutine in the task's own context, so `await begun` would leave the context in which it began.
    """
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


def _internal_error(call: PendingCall, error: BaseException) -> GrpcError:
    logger.error("%s failed", call.method, exc_info=error)
    return GrpcError(GrpcStatus.INTERNAL, f"{call.method} failed")
