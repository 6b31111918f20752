"""The test client's side of a connection: it sends frames as a browser does, and keeps what it receives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import IgnoredCommand
from ..gateway.conversation import Conversation
from ..gateway.core.session import Session
from ..protocol import json_text
from ..protocol.messages import Response
from .inbox import Inbox
from .steps import Steps

if TYPE_CHECKING:
    from ..gateway.handshake import Handshake
    from .server import TestServer

__all__ = ["Wire"]

_Result = TypeVar("_Result")


class Wire:
    """The conversation of a client with the test server.

    Args:
        server: the test server.
        handshake: the client's upgrade request.
        raise_exceptions: raise what a callback has raised; None leaves it to the server.
    """

    def __init__(self, server: TestServer, handshake: Handshake, raise_exceptions: bool | None) -> None:
        self.server = server
        self.conversation = Conversation(server.node, handshake)
        self.inbox = Inbox(lambda reason, may_return: self.conversation.end(reason, may_return=may_return))
        self._raise_exceptions = raise_exceptions
        server.node.opened(self.session, self.inbox)

    @property
    def session(self) -> Session:
        """The session, as anycable-go keeps it."""
        return self.conversation.session

    @property
    def answer(self) -> Response | None:
        """The last response of the app to this client."""
        return self.server.node.pending_calls.answers.get(self.session.sid)

    def run(self, steps: Steps[_Result], twin: str) -> _Result:
        """Run the steps of a verb to their end."""
        return self.server.run(steps, twin, self._raise_exceptions)

    async def arun(self, steps: Steps[_Result]) -> _Result:
        """`run` for async tests."""
        return await self.server.arun(steps, self._raise_exceptions)

    async def send(self, command: str, identifier: str, **rest: Any) -> Response | None:
        """Send a command, and return the response of the app if it was called.

        Raises:
            InvalidData: something cannot be written as JSON.
            IgnoredCommand: the connection has ended.
        """
        if self.conversation.has_ended:
            raise IgnoredCommand(f"the connection has ended, so nobody gets the command {command}")
        before = self.answer
        await self.conversation.receive(json_text.dumps({"command": command, "identifier": identifier, **rest}))
        return None if self.answer is before else self.answer
