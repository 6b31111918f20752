"""An error in development when a channel says something that it does not declare in `messages`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from ..channel import Channel
from ..errors import InvalidData, InvalidMessage, shorten
from ..protocol import json_text
from ..typed import explain, messages_of

if TYPE_CHECKING:
    from ..cable import Cable

__all__ = ["DeclaredMessages", "check_messages"]

_MARK = "__anycable_checked__"
_MOST_STREAMS = 10_000


def check_messages(cable: Cable) -> None:
    """Make it an error to send data that the `messages` of a channel do not allow.

    `transmit` of these channels checks it, and so does each broadcast of the cable to a stream that one of them has
    started in this process. The checks are around the methods of `Channel`, so they see what an override makes of its
    arguments. Channels and cables that declare nothing pass them.
    """
    declared = {channel: adapter for channel in cable.channels.values() if (adapter := messages_of(channel))}
    if declared and cable.check_message is None:
        cable.check_message = DeclaredMessages(declared)
        _wrap("transmit", _checked_transmit)
        _wrap("stream_from", _noted_stream)


class DeclaredMessages:
    """The messages that channels declare, and the streams that carry them.

    Args:
        declared: what validates the messages of a channel, by its class.
    """

    def __init__(self, declared: dict[type[Channel], TypeAdapter[Any]]) -> None:
        self._declared = declared
        self._streams: dict[str, set[type[Channel]]] = {}

    def __call__(self, stream: str, data: Any) -> None:
        """Check the data of a broadcast.

        Raises:
            InvalidMessage: a channel that has started the stream does not declare such a message.
        """
        for channel in self._streams.get(stream, ()):
            self.check(channel, data, f"to {shorten(stream)} is broadcast")

    def check(self, channel: type[Channel], data: Any, how: str) -> None:
        """Check data that goes to subscribers of a channel: as it is, or else as the JSON that clients receive.

        Raises:
            InvalidMessage: the channel does not declare such a message.
        """
        adapter = self._declared.get(channel)
        if adapter is None:
            return
        try:
            adapter.validate_python(data, strict=True)
        except ValidationError:
            _check_json(adapter, channel, data, how)

    def note(self, channel: type[Channel], stream: str) -> None:
        """Remember that a channel has started a stream; the oldest are forgotten."""
        if len(self._streams) >= _MOST_STREAMS and stream not in self._streams:
            del self._streams[next(iter(self._streams))]
        self._streams.setdefault(stream, set()).add(channel)


def _check_json(adapter: TypeAdapter[Any], channel: type[Channel], data: Any, how: str) -> None:
    try:
        adapter.validate_json(json_text.dumps(data), strict=True)
    except InvalidData:
        return  # what sends the data says so
    except ValidationError as error:
        raise InvalidMessage(f"what {how} is none of {channel.__name__}.messages: {explain(error)}") from None


def _wrap(name: str, wrapper: Callable[[Callable[..., None]], Callable[..., None]]) -> None:
    """Put a check around a method of channels, once."""
    method = getattr(Channel, name)
    if not hasattr(method, _MARK):
        wrapped = wrapper(method)
        setattr(wrapped, _MARK, True)
        setattr(Channel, name, wrapped)


def _checked_transmit(transmit: Callable[..., None]) -> Callable[..., None]:
    @wraps(transmit)
    def checked(self: Channel, data: Any) -> None:
        if isinstance(self.cable.check_message, DeclaredMessages):
            self.cable.check_message.check(type(self), data, "is transmitted")
        transmit(self, data)

    return checked


def _noted_stream(stream_from: Callable[..., None]) -> Callable[..., None]:
    @wraps(stream_from)
    def noted(self: Channel, stream: str, whisper: bool = False) -> None:
        stream_from(self, stream, whisper)
        if isinstance(self.cable.check_message, DeclaredMessages):
            self.cable.check_message.note(type(self), stream)

    return noted
