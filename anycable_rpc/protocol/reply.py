"""The reply of one call: connection and channel objects write it, and it becomes the response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..errors import Rejected
from . import transmissions
from .messages import UNCHANGED, CommandResponse, ConnectionResponse, Env, EnvResponse, PresenceResponse, Status

__all__ = ["Reply", "reply_of"]


class _Changing(Protocol):
    """A state that knows its changes (see `State`)."""

    def changes(self) -> dict[str, str]: ...


class Reply:
    """The things that the callbacks of one call have asked for.

    Attributes:
        transmissions: frames for the client, as JSON strings, in order.
        disconnect_frame: the frame that closes the connection, once a callback has closed it; one of `transmissions`.
        rejection: the error by which a callback has rejected the client; it counts also when the app catches it.
        streams: names of the streams to start, in order.
        stopped_streams: names of the streams to stop; they stop before others start.
        stop_all: True when all streams of the subscription stop first.
        presence: who joins or leaves.
        identifiers: the connection's identifiers by name; `connect` sets them.
        is_connecting: True while `connect` runs: identifiers may be set.
        connection_state: the connection's state, once the app has read it.
        channel_state: the subscription's state, once the app has read it.
        marks: stream names for the reserved keys of the subscription's state (`$w`, `$p`), as the call sets them.
    """

    disconnect_frame = ""
    rejection: Rejected | None = None
    stop_all = False
    presence: PresenceResponse | None = None
    is_connecting = False
    identifiers: Mapping[str, Any] = {}
    streams: dict[str, None] = {}  # noqa: RUF012 - replaced while it is empty: most calls start no stream
    stopped_streams: dict[str, None] = {}  # noqa: RUF012 - the same
    marks: dict[str, str] = {}  # noqa: RUF012 - the same
    connection_state: _Changing | None = None
    channel_state: _Changing | None = None

    def __init__(self, env: Env, istate: Mapping[str, str] | None = None) -> None:
        """Begin an empty reply.

        Args:
            env: the request's; its `istate` is the subscription's state unless another is given.
            istate: the subscription's state, where that of `env` is nested (in a Disconnect).
        """
        self._env = env
        self._istate = istate
        self.transmissions: list[str] = []

    @property
    def istate(self) -> Mapping[str, str]:
        """The subscription's state before the call."""
        return self._env.istate if self._istate is None else self._istate

    def mark(self, key: str) -> str:
        """Return the stream name under a reserved key of the subscription's state, or an empty string."""
        return self.marks[key] if key in self.marks else self.istate.get(key, "")

    def set_mark(self, key: str, stream: str) -> None:
        """Put a stream name, or an empty string, under a reserved key of the subscription's state."""
        self.marks = self.marks or {}
        self.marks[key] = stream

    def start_stream(self, stream: str) -> None:
        """Start a stream; it no longer counts as stopped."""
        self.streams = self.streams or {}
        self.streams[stream] = None
        if self.stopped_streams:
            self.stopped_streams.pop(stream, None)

    def stop_stream(self, stream: str) -> None:
        """Stop a stream, whether this call or an earlier one has started it."""
        self.stopped_streams = self.stopped_streams or {}
        self.stopped_streams[stream] = None
        if self.streams:
            self.streams.pop(stream, None)

    def stop_all_streams(self) -> None:
        """Stop all streams of the subscription; those that are started later in the call are kept."""
        self.streams, self.stopped_streams = {}, {}
        self.stop_all = True

    def disconnect(self, reason: str | None, reconnect: bool) -> None:
        """Close the connection after the call. Only the first time counts."""
        if not self.disconnect_frame:
            self.disconnect_frame = transmissions.disconnect(reason, reconnect)
            self.transmissions.append(self.disconnect_frame)

    def discard(self) -> None:
        """Drop everything but the end of the connection: a callback has failed, or the response is too large."""
        self.transmissions = [self.disconnect_frame] if self.disconnect_frame else []
        self.connection_state = self.channel_state = None

    def accept(self, identifiers: str, sid: str) -> ConnectionResponse:
        """Return the response to Connect that lets the client in, with a welcome.

        Raises:
            InvalidState: a value of the connection's state is not a JSON value.
        """
        return ConnectionResponse(
            Status.SUCCESS,
            identifiers,
            transmissions=(*self.transmissions, transmissions.welcome(sid)),
            env=self._changes(),
        )

    def refuse(self) -> ConnectionResponse:
        """Return the response to Connect that keeps the client out."""
        return ConnectionResponse(Status.FAILURE, transmissions=tuple(self.transmissions))

    def command_response(self) -> CommandResponse:
        """Return the response to a Command that has succeeded. After `disconnect` no stream is started.

        Raises:
            InvalidState: a value of a state is not a JSON value.
        """
        if self.disconnect_frame:
            return CommandResponse(
                Status.SUCCESS,
                disconnect=True,
                stop_streams=True,
                transmissions=tuple(self.transmissions),
                env=self._changes(of_channel=True),
            )
        streams = tuple(self.streams) if self.streams else ()
        stopped = tuple(self.stopped_streams) if self.stopped_streams else ()
        sent, env = tuple(self.transmissions), self._changes(of_channel=True)
        # Fast path: without keywords it takes half as long to build (0.2 instead of 0.4 µs).
        return CommandResponse(Status.SUCCESS, False, self.stop_all, streams, sent, "", env, stopped, self.presence)

    def rejected(self, identifier: str, error_msg: str = "") -> CommandResponse:
        """Return the response that rejects a subscription.

        It has no streams, state or presence: anycable-go would apply them to a rejected subscription too.
        """
        return CommandResponse(
            Status.FAILURE,
            disconnect=bool(self.disconnect_frame),
            stop_streams=True,
            transmissions=(*self.transmissions, transmissions.reject_subscription(identifier)),
            error_msg=error_msg,
            env=UNCHANGED,
        )

    def unsubscribed(self) -> CommandResponse:
        """Return the response to an unsubscribe: all streams stop, and the subscription's state ends with it.

        Raises:
            InvalidState: a value of the connection's state is not a JSON value.
        """
        return CommandResponse(
            Status.SUCCESS,
            disconnect=bool(self.disconnect_frame),
            stop_streams=True,
            transmissions=tuple(self.transmissions),
            env=self._changes(),
        )

    def _changes(self, of_channel: bool = False) -> EnvResponse:
        if self.connection_state is None and self.channel_state is None and not self.marks:
            return UNCHANGED
        cstate = self.connection_state.changes() if self.connection_state is not None else {}
        istate = self._istate_changes() if of_channel else {}
        return EnvResponse(cstate, istate) if cstate or istate else UNCHANGED

    def _istate_changes(self) -> dict[str, str]:
        changes = self.channel_state.changes() if self.channel_state is not None else {}
        if self.marks:
            before = self.istate
            changes |= {key: name for key, name in self.marks.items() if name != before.get(key, "")}
        return changes


def reply_of(owner: Any) -> Reply:
    """Return the reply that a connection or a channel writes."""
    reply: Reply = owner._anycable
    return reply
