"""The event loop for the `async def` callbacks of a process whose web server is WSGI, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["CallerThread", "LoopThread"]

logger = logging.getLogger("anycable_rpc")

_Result = TypeVar("_Result")


class CallerThread:
    """Runs the `def` callbacks of one call in the thread that waits for its answer.

    So they see what belongs to that thread: a database connection, its transaction, a request of the web framework.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()

    async def run(self, function: Callable[[], Any]) -> Any:
        """Call a function on the thread and return its result; called on the event loop."""
        job: Future[Any] = Future()
        self._jobs.put(partial(_work, job, function))
        return await asyncio.wrap_future(job)

    def work(self) -> None:
        """Run functions until `leave`; called on the thread."""
        while (job := self._jobs.get()) is not None:
            job()

    def leave(self, _: object = None) -> None:
        """Let `work` return when all functions have run."""
        self._jobs.put(None)


class LoopThread:
    """An event loop that runs in a daemon thread until the process ends.

    A task of the app may stop it, with a `SystemExit` say. Then it runs on: each later call would wait for ever.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, name="anycable_rpc loop", daemon=True).start()

    def run(self, call: Callable[[CallerThread], Coroutine[Any, Any, _Result]]) -> _Result:
        """Run a coroutine on the event loop and return its result.

        The coroutine begins with the context variables of this thread.

        Args:
            call: makes the coroutine; it gets this thread, which runs functions meanwhile.
        """
        thread = CallerThread()
        answer = asyncio.run_coroutine_threadsafe(call(thread), self._loop)
        answer.add_done_callback(thread.leave)
        try:
            thread.work()
            return answer.result()
        except BaseException:  # a signal may interrupt this thread while it waits
            answer.cancel()
            raise

    def _run(self) -> None:
        while True:
            try:
                self._loop.run_forever()
            except BaseException:
                logger.exception("a task has stopped the event loop of the callbacks, which runs on")


def _work(job: Future[Any], function: Callable[[], Any]) -> None:
    """Run a function for the event loop. An interrupt is for this thread alone: it would end the event loop."""
    if not job.set_running_or_notify_cancel():  # a running job cannot be cancelled, and its result is dropped then
        return
    try:
        result = function()
    except Exception as error:
        job.set_exception(error)
    else:
        job.set_result(result)
