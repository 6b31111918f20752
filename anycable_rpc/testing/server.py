"""The stand-in for anycable-go: the sessions of the test clients of one cable, and all that the cable publishes."""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from ..errors import EventLoopRunning, ProtocolError
from ..gateway.core.options import GatewayOptions
from ..gateway.core.publications import RoundedNumbers, read
from ..protocol.messages import Status
from ..serving.declared_messages import check_messages
from ..transports.bytes_handler import bytes_handler
from ..transports.runner import Wait
from ..transports.service import AnsweredCall, Service
from .broadcasts import Broadcasts
from .event_loop import EventLoop, Hop, Hops, here, in_own_context, is_loop_running
from .node import TestNode
from .presence import TestAPI
from .steps import PendingCall, Steps, adrive, drive, nothing

if TYPE_CHECKING:
    from ..cable import Cable

__all__ = ["TestServer"]

_Result = TypeVar("_Result")


class TestServer:
    """Does for test clients what anycable-go does for browsers: no socket, no process, no thread.

    While it is open it is the broadcaster of the cable. So clients hear what the program broadcasts, and nothing
    leaves the process. Messages that a channel does not declare are errors, as in `dev`. `close()` gives the cable its
    own broadcaster back; a `with` block does that too.

    Args:
        cable: the cable under test.
        wait: runs an `async def` callback to its end for the sync verbs: `wait(make_coroutine)` returns its result.
            The default is an event loop in the thread of the test. For Django it is
            `lambda make: async_to_sync(make)()`.
        hop: runs a `def` callback for the async verbs, if the app has both kinds: `await hop(function)` returns its
            result. The default calls it in the thread of the test.
        raise_exceptions: raise in the test what a callback has raised.

    Attributes:
        broadcasts: all that was published.
    """

    __test__ = False

    def __init__(
        self, cable: Cable, *, wait: Wait | None = None, hop: Hop | None = None, raise_exceptions: bool = True
    ) -> None:
        self.cable = cable
        self.broadcasts = Broadcasts(cable)
        self.node = TestNode(GatewayOptions.of(cable.settings))
        self.raise_exceptions = raise_exceptions
        self._loop = EventLoop()
        service = Service.of(cable)
        service.wait, service.thread_runner = wait or self._loop.wait, Hops(hop or here)
        service.observers.append(self._note_errors)
        self._handler = bytes_handler(service)
        self._rounded_numbers = RoundedNumbers()
        self._errors: list[BaseException] = []
        self._verbs = 0
        self._clients = 0
        self._before = cable.chosen_broadcaster
        self._rest_api = vars(cable).get("rest_api")
        self._check_message = cable.check_message
        check_messages(cable)
        cable.broadcaster = self
        cable.rest_api = TestAPI(self.node.broker)

    @classmethod
    def open_for(cls, cable: Cable) -> TestServer | None:
        """Return the open server of a cable, if it has one."""
        return cable.chosen_broadcaster if isinstance(cable.chosen_broadcaster, cls) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"TestServer({self.broadcasts!r})"

    def close(self) -> None:
        """Give the cable its own broadcaster back. Sessions end without a call of the app."""
        if self.cable.chosen_broadcaster is self:
            self.cable.chosen_broadcaster = self._before
            self.cable.check_message = self._check_message
            vars(self.cable).pop("rest_api", None)
            if self._rest_api is not None:
                self.cable.rest_api = self._rest_api
        self.node.abandon_all()
        self._loop.close()

    # For clients

    def next_sid(self) -> str:
        """Return the id of the next session; the same in each run of a test."""
        self._clients += 1
        return f"test-client-{self._clients}"

    def run(self, steps: Steps[_Result], twin: str, raise_exceptions: bool | None = None) -> _Result:
        """Run the steps of a verb to their end.

        Args:
            steps: a coroutine of the gateway.
            twin: the verb for async tests.
            raise_exceptions: instead of the server's.

        Raises:
            EventLoopRunning: the app has `async def` callbacks, and an event loop is running.
        """
        if self._handler.is_async and is_loop_running():
            steps.close()
            raise EventLoopRunning(twin)
        errors: list[BaseException] = []
        self._verbs += 1
        try:
            result = drive(self._to_the_end(steps), partial(self._answer, errors))
        finally:
            self._verbs -= 1
        self._raise(errors, raise_exceptions)
        return result

    async def arun(self, steps: Steps[_Result], raise_exceptions: bool | None = None) -> _Result:
        """`run` for async tests."""
        errors: list[BaseException] = []
        self._verbs += 1
        try:
            result = await adrive(self._to_the_end(steps), partial(self._aanswer, errors))
        finally:
            self._verbs -= 1
        self._raise(errors, raise_exceptions)
        return result

    # The broadcaster of the cable

    def publish(self, payload: str) -> None:
        """Execute a publication at once.

        A remote disconnect closes clients. Then the app gets its Disconnect calls, or, if a callback has published, it
        gets them at the end of the verb that runs. With a running event loop and an async app that is the next verb:
        prefer `await cable.adisconnect(…)` there.

        Raises:
            ProtocolError: anycable-go would drop it.
        """
        self._execute(payload)
        if not self._verbs and not (self._handler.is_async and is_loop_running()):
            self.run(nothing(), "cable.adisconnect")

    async def apublish(self, payload: str) -> None:
        """`publish` for async code."""
        self._execute(payload)
        if not self._verbs:
            await self.arun(nothing())

    def _execute(self, payload: str) -> None:
        publications = read(payload)
        self._rounded_numbers.check(publications)
        for publication in publications:
            self.broadcasts.publications.append(publication)
            self.node.publish(publication)

    async def _to_the_end(self, steps: Steps[_Result]) -> _Result:
        result = await steps
        await self.node.finish_disconnects()
        return result

    def _answer(self, errors: list[BaseException], call: PendingCall) -> bytes:
        data = copy_context().run(self._handler.handle, *call)
        errors += self._taken_errors()
        return data

    async def _aanswer(self, errors: list[BaseException], call: PendingCall) -> bytes:
        data = await in_own_context(self._handler.ahandle(*call))
        errors += self._taken_errors()  # of this call only: nothing else has run since its observers did
        return data

    def _taken_errors(self) -> list[BaseException]:
        errors, self._errors = self._errors, []
        return errors

    def _note_errors(self, call: AnsweredCall) -> None:
        """Keep the errors of a call: those of the app, and those of the client that it would not hear of."""
        is_unheard = call.response.status is Status.ERROR
        self._errors += [error for error in call.errors if is_unheard or not isinstance(error, ProtocolError)]

    def _raise(self, errors: list[BaseException], raise_exceptions: bool | None) -> None:
        wanted = self.raise_exceptions if raise_exceptions is None else raise_exceptions
        if errors and wanted:
            raise errors[0] if len(errors) == 1 else BaseExceptionGroup("several callbacks failed", errors)
