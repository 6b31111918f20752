"""Which calls the grpcio servers let in, and the threads that they run on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from ..threads import Threads
from ..watch import Refusals

if TYPE_CHECKING:
    from ..service import Service

_LOOK = 0.01  # seconds between looks at whether calls have ended
_Refusal = tuple[grpc.StatusCode, str]


class _Call:
    """A call that has a place; the other attributes are there once it has begun."""

    __slots__ = ("context", "coroutine", "thread")

    def __init__(self) -> None:
        self.thread: int | None = None
        self.coroutine: Coroutine[Any, Any, bytes] | None = None
        self.context: Any = None

    @property
    def is_late(self) -> bool:
        """Whether its deadline has passed."""
        return self.context is not None and self.context.time_remaining() == 0


class _Admission:
    """Counts the calls under way, and refuses those beyond the limit or after the end."""

    def __init__(self, limit: int, service: Service) -> None:
        self.limit = limit
        self.refusals = Refusals(limit)
        self.under_way: set[_Call] = set()  # changed without a lock, which threads would wait for: one alone adds
        self._threads = service.threads
        self._closed = False

    def enter(self) -> _Call | _Refusal:
        """Let a call in, until `leave`, or return what to refuse it with; anycable-go tries again then."""
        if self._closed:
            return grpc.StatusCode.UNAVAILABLE, "the server is shutting down"
        if len(self.under_way) >= self.limit or self._threads.busy >= self.limit:  # by calls that were cut
            return grpc.StatusCode.RESOURCE_EXHAUSTED, self.refusals.add()
        call = _Call()
        self.under_way.add(call)
        if not self._closed:
            return call
        self.leave(call)
        return self.enter()

    def leave(self, call: _Call) -> None:
        """The call has ended."""
        self.under_way.discard(call)

    def close(self) -> None:
        """Let no more calls in."""
        self._closed = True

    def is_idle(self) -> bool:
        """Whether no call is under way."""
        return not self.under_way

    def wait_idle(self, timeout: float) -> bool:
        """Once closed: wait until no call is under way; False when the time is over."""
        deadline = monotonic() + timeout
        while not self.is_idle():
            if monotonic() > deadline:
                return False
            sleep(_LOOK)
        return True


class _Executor:
    """Threads, with what grpcio uses of a ThreadPoolExecutor; calls are let in before they wait for one."""

    def __init__(self, most: int, admission: _Admission) -> None:
        self._admission = admission
        self._threads = Threads(most)
        self._refusing = Threads(1)
        self._here = threading.local()
        self._ended: Future[None] = Future()
        self._ended.set_result(None)

    @property
    def admitted(self) -> _Call | _Refusal:
        """The call that runs on this thread, or what to refuse it with."""
        admitted: _Call | _Refusal = self._here.admitted
        return admitted

    def submit(self, function: Callable[..., object], /, *args: Any) -> Future[None]:
        """Run it soon. What is returned tells nothing: grpcio only counts with it, for a limit that is not used."""
        admitted = self._admission.enter()
        if isinstance(admitted, _Call):
            self._threads.submit((partial(self._serve, admitted, function, *args),))
        else:
            self._refusing.submit((partial(self._refuse, admitted, function, *args),))
        return self._ended

    def _serve(self, call: _Call, function: Callable[..., object], *args: Any) -> None:
        self._here.admitted = call
        try:
            function(*args)
        finally:
            self._admission.leave(call)

    def _refuse(self, refusal: _Refusal, function: Callable[..., object], *args: Any) -> None:
        self._here.admitted = refusal
        function(*args)
