"""One RPC under way: the callbacks that it runs, and what is said when one fails."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from ..callbacks import Callback, check_returned
from ..channel import Channel
from ..connection import Connection
from ..errors import (
    AnswerTooLarge,
    InvalidData,
    InvalidIdentifier,
    InvalidIdentifiers,
    ProtocolError,
    UnknownChannel,
    near,
    shorten,
)
from ..protocol import json_text
from ..protocol.messages import CommandMessage, ConnectionRequest, DisconnectRequest, Request, Response

if TYPE_CHECKING:
    from ..cable import Cable

__all__ = ["SERVED_BY_GATEWAY", "Call", "ServedByGateway", "Steps", "json_object"]

logger = logging.getLogger("anycable_rpc")


_SHORT = 256  # characters of an identifier that is remembered

SERVED_BY_GATEWAY = frozenset({"$pubsub", "Turbo::StreamsChannel", "CableReady::Stream"})
"""Channels of anycable-go's own: their messages and their end reach the RPC all the same."""


Steps = Generator[Callback, Any, Response]
"""Yields callbacks, is sent what they return or thrown what they raise, returns the response."""


class ServedByGateway(UnknownChannel):
    """The channel is not registered, but anycable-go's own."""


@dataclass(slots=True)
class Call:
    """What is being answered, for the log and for `error_msg`; `callback` is what runs now, or ran last."""

    cable: Cable
    request: Request
    sid: str
    identifiers: str = ""
    identifier: str = ""
    callback: Callback | None = None

    @property
    def farewell(self) -> tuple[str, ...]:
        """The message that closes the connection, if the callback has closed it."""
        return self.callback.connection._farewell if self.callback else ()

    def connection(self) -> Connection:
        """The connection of a call after Connect.

        Raises:
            ProtocolError: the identifiers are not a JSON object.
        """
        try:
            identifiers = self.cable.codec.loads(self.identifiers)
        except InvalidIdentifiers as error:
            raise ProtocolError(str(error)) from None
        return self.cable.connection_class(self.cable, self.request.env, self.sid, identifiers)

    def channel(self, connection: Connection, istate: Mapping[str, str] | None = None) -> Channel:
        """The channel that the identifier names; its state is that of the call unless another is given.

        Raises:
            InvalidIdentifier: it is not a JSON object with a text `channel`.
            UnknownChannel: nothing is registered under that name.
            ServedByGateway: so it is, but the name is one of anycable-go's own.
        """
        params = _params(self.identifier)
        name = params.pop("channel")
        channel_class = self.cable.channels.get(name)
        if channel_class is None:
            if name in SERVED_BY_GATEWAY:
                raise ServedByGateway(name)
            raise UnknownChannel(name, near(name, self.cable.channels) or _registered(self.cable.channels))
        return channel_class(connection, self.identifier, params, istate)

    def fails(self, error: Exception) -> Generator[Callback, Any, str]:
        """Log the error once and tell `on_error`, unless it is the client's; returns the `error_msg`."""
        context = {
            "sid": self.sid,
            "identifiers": self.identifiers,
            "channel": self.identifier,
            "action": self.callback.name if self.callback else "",
        }
        said = ", ".join(f"{name}={shorten(value, 200)}" for name, value in context.items() if value)
        if isinstance(error, ProtocolError):
            logger.warning("%s%s (%s)", error, error.hint, said, extra=context)
            return str(error)
        failure = f"{self.callback or _METHODS[type(self.request)]} failed"
        if isinstance(error, AnswerTooLarge):  # raised nowhere: there is no traceback
            logger.error("%s: %s (%s)", failure, error, said, extra=context)
        else:
            logger.error("%s (%s)", failure, said, exc_info=error, extra=context)
        yield from self._tell(error)
        return f"{failure}: {_explain(error)}" if self.cable.debug else failure

    def _tell(self, error: Exception) -> Generator[Callback, Any, None]:
        """`on_error` gets no callback when it was the making of the connection or the channel that failed."""
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
    """What an identifier says; each call has a dictionary of its own."""
    if len(identifier) > _SHORT:
        return _read_params(identifier)
    params = _remembered_params(identifier)
    return params.copy() if params else _read_params(identifier)


@lru_cache(1024)
def _remembered_params(identifier: str) -> dict[str, Any]:
    """Most calls are about few subscriptions; nothing where a copy would share a list or an object."""
    params = _read_params(identifier)
    return {} if any(isinstance(value, list | dict) for value in params.values()) else params


def _read_params(identifier: str) -> dict[str, Any]:
    params = json_object(identifier, InvalidIdentifier, "a subscription's identifier")
    if not isinstance(params.get("channel"), str):
        raise InvalidIdentifier("a subscription's identifier names no channel")
    return params


def json_object(text: str, error: type[ProtocolError], what: str) -> dict[str, Any]:
    """Read a JSON object; `error` is raised with what is wrong about `what`."""
    try:
        value = json_text.loads(text)
    except InvalidData as invalid:
        raise error(f"{what} is {invalid}") from None
    if not isinstance(value, dict):
        raise error(f"{what} is not a JSON object")
    return value
