"""Channel: one subscription of one connection, as seen during one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from pydantic import ValidationError

from .actions import is_action
from .callbacks import check_class
from .errors import ConfigurationError, InvalidData, InvalidParams, Rejected
from .identity import stream_names
from .protocol import json_text, transmissions
from .protocol.messages import PresenceResponse, stream_name
from .protocol.reply import Reply, reply_of
from .state import PRESENCE_KEY, WHISPER_KEY, State, refuse_replacement
from .typed import explain, params_of

if TYPE_CHECKING:
    from .cable import Cable
    from .connection import Connection

__all__ = ["Builder", "Channel", "builder_for"]

_OWN = frozenset({"connection", "identifier", "middleware", "name", "params", "state"})


def _state(channel: Channel) -> Any:
    reply = channel._anycable
    if reply.channel_state is None:
        reply.channel_state = State(reply.istate)
    return reply.channel_state


class Channel:
    """The base of your channel classes.

    An object lives for one call: keep in `state` what must outlast it. `stream_from`, `transmit` and the like write the
    reply, which leaves when the callback has returned.

    >>> class ChatChannel(Channel):
    ...     def subscribed(self):
    ...         self.stream_from(f"chat/{self.params['room']}")
    """

    name: ClassVar[str]
    """The name that clients subscribe to; by default that of the class. A subclass does not inherit it."""

    middleware: ClassVar[Sequence[Callable[..., Any]]] = ()
    """Middleware around this channel's callbacks; the cable's and the connection's are outside it (see `Cable`)."""

    state: Any = property(_state, refuse_replacement)
    """A mapping of JSON values that anycable-go keeps for this subscription between calls (see `State`).

    A subclass may annotate it with a TypedDict, for type checkers.
    """

    params: Any
    """The parameters that the client has subscribed with: a dict of JSON values.

    With an annotation in a subclass (`params: RoomParams`, a pydantic model, a TypedDict or a dataclass) they are
    validated and converted. A client that subscribes with others is rejected.
    """

    messages: ClassVar[Any]
    """The types of what the channel says to its clients, if a subclass declares them: `messages = Said | Left`.

    In development `transmit` and broadcasts to the channel's streams refuse other data. The schema has them.
    """

    _anycable: Reply
    """Used by the framework. All other private names are yours."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__
        for name in dir(cls):
            if is_action(getattr(cls, name)) and (hasattr(Channel, name) or name in _OWN or name.startswith("_")):
                raise ConfigurationError(
                    f"{cls.__name__}.{name} cannot be an action: Channel has that attribute, or it is private"
                )
        if not isinstance(cls.name, str) or not cls.name:
            raise ConfigurationError(f"{cls.__name__}.name must be a non-empty string: clients subscribe to it")
        check_class(cls, Channel, ("subscribed", "unsubscribed"))

    def __init__(
        self,
        connection: Connection,
        identifier: str,
        params: Mapping[str, Any],
        istate: Mapping[str, str] | None = None,
    ) -> None:
        self.connection = connection
        self.identifier = identifier
        self.params = params
        self._anycable = reply_of(connection) if istate is None else Reply(connection.env, istate)

    @property
    def cable(self) -> Cable:
        """The cable that the channel is registered with."""
        return self.connection.cable

    def subscribed(self) -> Any:
        """Called when a client subscribes; `reject()` refuses it."""

    def unsubscribed(self) -> Any:
        """Called when the client unsubscribes or its socket is gone."""

    def stream_from(self, stream: str, whisper: bool = False) -> None:
        """Deliver to this client what is broadcast to the stream, from now on.

        With `whisper` the client may whisper to the stream: anycable-go then delivers its messages to the others
        without a call to this server. One stream of a subscription can have that; the last one counts.
        """
        stream_name(stream)
        reply = self._anycable
        reply.start_stream(stream)
        if whisper:
            reply.set_mark(WHISPER_KEY, stream)

    def stream_for(self, target: Any, whisper: bool = False) -> None:
        """`stream_from` for the stream of an object, to which `cable.broadcast_to(target, …)` broadcasts.

        Raises:
            InvalidData: the target has no stream (see `Cable.broadcast_to`).
        """
        self.stream_from(stream_names.name_for(target, self.cable.objects), whisper)

    def stop_stream_for(self, target: Any) -> None:
        """Stop the stream of an object."""
        self.stop_stream_from(stream_names.name_for(target, self.cable.objects))

    def stop_stream_from(self, stream: str) -> None:
        """Stop a stream, whether it was started now or earlier."""
        stream_name(stream)
        reply = self._anycable
        reply.stop_stream(stream)
        if reply.mark(WHISPER_KEY) == stream:
            reply.set_mark(WHISPER_KEY, "")

    def stop_all_streams(self) -> None:
        """Stop all streams of this subscription; those started afterwards are kept."""
        reply = self._anycable
        reply.stop_all_streams()
        if reply.mark(WHISPER_KEY):
            reply.set_mark(WHISPER_KEY, "")

    def transmit(self, data: Any) -> None:
        """Send data to this subscriber, with the reply. `data` is any JSON value.

        Pydantic models, dataclasses, dates, UUIDs, decimals and enums are written as pydantic writes them.

        Raises:
            InvalidData: it cannot be written as JSON.
        """
        self._anycable.transmissions.append(transmissions.message(self.identifier, data))

    def reject(self) -> NoReturn:
        """Refuse the subscription and end the callback. In an action it only ends the action.

        Raises:
            Rejected: always. Catching it does not confirm the subscription.
        """
        self._anycable.rejection = rejection = Rejected("rejected")
        raise rejection

    @property
    def presence_id(self) -> Any:
        """The id that joins by default: the values of the connection's identifiers, sorted and joined with `:`."""
        return ":".join(sorted(str(value) for value in self.connection.identifiers.values()))

    @property
    def presence_info(self) -> Any:
        """A JSON value that the others see of this member, by default None."""
        return None

    def presence_join(self, id: Any = None, info: Any = None, *, stream: str | None = None) -> None:  # noqa: A002 - the protocol's name
        """Add a member to the presence of a stream (anycable-go 1.6 and later, with a broker).

        The default stream is the first one started in this call, else the one joined before.
        """
        reply = self._anycable
        stream = stream or next(iter(reply.streams), None) or reply.mark(PRESENCE_KEY)
        if not stream:
            raise ConfigurationError("presence_join() needs a stream: call stream_from() first or give stream=…")
        self.stream_from(stream)
        reply.set_mark(PRESENCE_KEY, stream)
        info = self.presence_info if info is None else info
        encoded = "" if info is None else json_text.dumps(info)
        reply.presence = PresenceResponse("join", _presence_id(self.presence_id if id is None else id), encoded)

    def presence_leave(self, id: Any = None) -> None:  # noqa: A002 - the protocol's name
        """Remove a member from the presence of the stream that was joined."""
        presence_id = _presence_id(self.presence_id if id is None else id)
        self._anycable.presence = PresenceResponse("leave", presence_id)


Builder = Callable[..., Channel]
"""Makes a channel of a connection, an identifier, the params and perhaps a state, as `Channel.__init__` does."""


def builder_for(channel_class: type[Channel]) -> Builder:
    """Return what makes the channel of a call. For a channel that declares no type of its params it is the class.

    Raises:
        ConfigurationError: the params have a type that cannot be resolved or validated.
    """
    adapter = params_of(channel_class)
    if adapter is None:
        return channel_class
    read = adapter.validator.validate_python

    def build(
        connection: Connection, identifier: str, params: Mapping[str, Any], istate: Mapping[str, str] | None = None
    ) -> Channel:
        try:
            typed = read(params)
        except ValidationError as error:
            raise InvalidParams(f"{channel_class.__name__}.params: {explain(error)}") from None
        return channel_class(connection, identifier, typed, istate)

    return build


def _presence_id(value: object) -> str:
    text = str(value)
    if not text:
        raise InvalidData("a presence id must not be empty")
    json_text.dumps(text)
    return text
