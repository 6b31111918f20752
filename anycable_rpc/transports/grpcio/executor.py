"""The threads that grpcio runs calls on, and the calls that have a place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any

import grpc
import grpc.aio

from ..admission import Admission, Refusal
from ..threads import Threads

__all__ = ["Executor", "GrpcioCall", "refuse_with"]


class GrpcioCall:
    """A call that has a place; its attributes are set once it has begun."""

    __slots__ = ("context", "coroutine", "thread")

    def __init__(self) -> None:
        self.thread: int | None = None
        self.coroutine: Coroutine[Any, Any, bytes] | None = None
        self.context: Any = None

    @property
    def is_late(self) -> bool:
        """True when its deadline has passed."""
        return self.context is not None and self.context.time_remaining() == 0


def refuse_with(refusal: Refusal) -> tuple[grpc.StatusCode, str]:
    """Return a refusal as the arguments of a context's `abort`."""
    return grpc.StatusCode[refusal.status], refusal.text


class Executor:
    """A thread pool with the part of ThreadPoolExecutor that grpcio uses.

    grpcio submits every call that arrives. A pool of its own would queue those beyond the limit without end, so a call
    gets its place here, before it waits for a thread; a refused one is answered by a thread that does nothing else.
    """

    def __init__(self, size: int, admission: Admission[GrpcioCall]) -> None:
        self._admission = admission
        self._threads = Threads(size)
        self._refusing = Threads(1)
        self._of_this_thread = threading.local()
        self._done: Future[None] = Future()
        self._done.set_result(None)

    @property
    def admitted(self) -> GrpcioCall | Refusal:
        """The call that runs on this thread, or what to refuse it with."""
        admitted: GrpcioCall | Refusal = self._of_this_thread.admitted
        return admitted

    def submit(self, function: Callable[..., object], /, *args: Any) -> Future[None]:
        """Run it soon. The returned future is always done: grpcio only counts with it, for a limit that is not set."""
        call = GrpcioCall()
        refusal = self._admission.enter(call)
        if refusal is None:
            self._threads.submit((partial(self._serve, call, function, *args),))
        else:
            self._refusing.submit((partial(self._refuse, refusal, function, *args),))
        return self._done

    def _serve(self, call: GrpcioCall, function: Callable[..., object], *args: Any) -> None:
        self._of_this_thread.admitted = call
        try:
            function(*args)
        finally:
            self._admission.leave(call)

    def _refuse(self, refusal: Refusal, function: Callable[..., object], *args: Any) -> None:
        self._of_this_thread.admitted = refusal
        function(*args)
