"""A call under way: the objects that it builds, and the report when a callback fails."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from ..callbacks import Callback, check_returned
from ..channel import Channel
from ..connection import Connection
from ..errors import (
    InvalidData,
    InvalidIdentifier,
    InvalidIdentifiers,
    ProtocolError,
    ResponseTooLarge,
    UnknownChannel,
    near,
    shorten,
)
from ..protocol import json_text
from ..protocol.log_lines import subscription
from ..protocol.messages import CommandMessage, ConnectionRequest, DisconnectRequest, Request, Response
from ..protocol.reply import Reply, reply_of

if TYPE_CHECKING:
    from ..cable import Cable

__all__ = ["SERVED_BY_GATEWAY", "Call", "ServedByGateway", "Steps", "json_object"]

logger = logging.getLogger("anycable_rpc")


_SHORT = 256  # characters of an identifier that is remembered

SERVED_BY_GATEWAY = frozenset({"$pubsub", "Turbo::StreamsChannel", "CableReady::Stream"})
"""Channels that anycable-go serves itself. Their messages and their end reach the RPC server all the same."""


Steps = Generator[Callback, Any, Response]
"""The steps of a call: they yield callbacks and return the response.

The runner sends the result of a callback in, or throws its exception in.
"""


class ServedByGateway(UnknownChannel):
    """The channel is not registered here because anycable-go serves it itself."""


class Call:
    """A call under way.

    Attributes:
        identifiers: the connection's identifiers as anycable-go keeps them: a JSON string, empty in a Connect.
        identifier: the subscription that is handled now; empty when the call is about none.
        callback: the callback that runs now, or ran last.
        reply: what the callbacks ask for; set once there is a connection.
        errors: the errors that were reported.
    """

    reply: Reply
    __slots__ = ("cable", "callback", "errors", "identifier", "identifiers", "reply", "request", "sid")

    def __init__(self, cable: Cable, request: Request, sid: str, identifiers: str = "", identifier: str = "") -> None:
        self.cable = cable
        self.request = request
        self.sid = sid
        self.identifiers = identifiers
        self.identifier = identifier
        self.callback: Callback | None = None
        self.errors: tuple[Exception, ...] = ()

    def begin(self) -> Connection:
        """Return the connection of a Connect."""
        connection = self.cable.connection_class(self.cable, self.request.env, self.sid)
        self.reply = reply_of(connection)
        return connection

    def build_connection(self) -> Connection:
        """Return the connection of a call after Connect.

        Raises:
            ProtocolError: the identifiers are not a JSON object.
        """
        try:
            identifiers = self.cable.codec.loads(self.identifiers)
        except InvalidIdentifiers as error:
            raise ProtocolError(str(error)) from None
        connection = self.cable.connection_class(self.cable, self.request.env, self.sid, identifiers)
        self.reply = reply_of(connection)
        return connection

    def failed_reply(self) -> Reply:
        """Return the reply of a call that has failed: only the end of the connection is left of it."""
        reply = self.reply if hasattr(self, "reply") else Reply(self.request.env)
        reply.discard()
        return reply

    def build_channel(self, connection: Connection, istate: Mapping[str, str] | None = None) -> Channel:
        """Return the channel that the identifier names.

        It writes the call's reply. With a state of its own (in a Disconnect) it writes a reply that is not sent.

        Raises:
            InvalidIdentifier: the identifier is not a JSON object with a string `channel`.
            UnknownChannel: no channel is registered under that name.
            ServedByGateway: the channel is not registered here because anycable-go serves it itself.
            InvalidParams: the params do not have the type that the channel declares.
        """
        params = _params(self.identifier)
        name = params.pop("channel")
        build = self.cable.builders.get(name)
        if build is None:
            if name in SERVED_BY_GATEWAY:
                raise ServedByGateway(name)
            raise UnknownChannel(name, near(name, self.cable.channels) or _registered(self.cable.channels))
        return build(connection, self.identifier, params, istate)

    def report(self, error: Exception) -> Generator[Callback, Any, str]:
        """Log the error once, and tell `on_error` unless it is the client's error; return the `error_msg`."""
        self.errors = (*self.errors, error)
        context = {
            "sid": self.sid,
            "identifiers": self.identifiers,
            "channel": subscription(self.identifier) if self.identifier else "",
            "action": self.callback.name if self.callback else "",
        }
        shown = {name: value if name == "channel" else shorten(value, 200) for name, value in context.items() if value}
        details = ", ".join(f"{name}={value}" for name, value in shown.items())
        if isinstance(error, ProtocolError):
            logger.warning("%s%s (%s)", error, error.hint, details, extra=context)
            return str(error)
        failure = f"{self.callback or _METHODS[type(self.request)]} failed"
        if isinstance(error, ResponseTooLarge):  # raised nowhere: there is no traceback
            logger.error("%s: %s (%s)", failure, error, details, extra=context)
        else:
            logger.error("%s (%s)", failure, details, exc_info=error, extra=context)
        yield from self._tell(error)
        return f"{failure}: {_explain(error)}" if self.cable.debug else failure

    def _tell(self, error: Exception) -> Generator[Callback, Any, None]:
        """Run `on_error`. It gets no callback when building the connection or the channel has failed."""
        if self.cable.on_error is None:
            return
        connection = self.callback.connection if self.callback else Connection(self.cable, self.request.env, self.sid)
        try:
            callback = Callback("on_error", partial(self.cable.on_error, error, self.callback), connection)
            returned = yield callback
            if returned is not None:
                check_returned(callback, returned)
        except Exception as failure:
            logger.error("on_error failed itself", exc_info=failure)


def _registered(channels: Mapping[str, object]) -> str:
    names = ", ".join(channels) or "none"
    return f"; the cable's channels: {names if len(names) <= _SHORT else names[: _SHORT - 1] + '…'}"


_METHODS = {ConnectionRequest: "Connect", CommandMessage: "Command", DisconnectRequest: "Disconnect"}


def _explain(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _params(identifier: str) -> dict[str, Any]:
    """Return the members of a subscription's identifier; each call has a dictionary of its own."""
    if len(identifier) > _SHORT:
        return _read_params(identifier)
    params = _remembered_params(identifier)
    return params.copy() if params else _read_params(identifier)


@lru_cache(1024)
def _remembered_params(identifier: str) -> dict[str, Any]:
    """Return the members of an identifier, or an empty dict where a shallow copy would share a list or an object.

    Most calls are about few subscriptions: this saves reading the JSON.
    """
    params = _read_params(identifier)
    return {} if any(isinstance(value, list | dict) for value in params.values()) else params


def _read_params(identifier: str) -> dict[str, Any]:
    params = json_object(identifier, InvalidIdentifier, "a subscription's identifier")
    if not isinstance(params.get("channel"), str):
        raise InvalidIdentifier("a subscription's identifier names no channel")
    return params


def json_object(text: str, error: type[ProtocolError], what: str) -> dict[str, Any]:
    """Return a JSON object that a client has sent; raise `error` when `what` is not one."""
    try:
        value = json_text.loads(text)
    except InvalidData as invalid:
        raise error(f"{what} is {invalid}") from None
    if not isinstance(value, dict):
        raise error(f"{what} is not a JSON object")
    return value
