"""A client of a cable, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, Unpack

from ..channel import Channel
from ..errors import ConfigurationError, InvalidIdentifiers
from ..gateway.endings import AUTH_ERROR, AUTH_FAILED
from ..state import State
from .recorded import Recorded
from .server import TestServer
from .subscription import Subscription
from .upgrade import Upgrade, upgrade
from .wire import Wire

if TYPE_CHECKING:
    from ..cable import Cable
    from ..protocol.messages import Response
    from ..transports.runner import Wait
    from .broadcasts import Broadcasts
    from .event_loop import Hop

__all__ = ["TestClient"]

_PROTOCOL = frozenset({"welcome", "disconnect", "confirm_subscription", "reject_subscription"})


class TestClient:
    """A client that connects when it is made. It is let in, or `rejected`.

    Each verb runs the app's callbacks in this thread and returns when they have run. Requests and responses go through
    protobuf's bytes, and the rules of anycable-go are those of the development gateway.

    >>> from anycable_rpc import Cable, Connection
    >>> with TestClient(Cable(Connection)) as client:
    ...     client.rejected, client.identifiers
    (False, {})

    Clients of one cable share a `TestServer`: one that is open, else the first client opens one. The end of that
    client's `with` block closes it.

    Args:
        cable: the cable under test.
        cookies: by name, as the browser sends them.
        headers: passed to the app, as anycable-go passes those that its `--headers` names.
        params: parameters in the URL.
        token: a token, verified as anycable-go does it: then `connect` does not run.
        raise_exceptions: raise what a callback has raised; False gives its answer instead (see `answer`).
        wait: see `TestServer`; only for the client that opens it.
        hop: see `TestServer`; only for the client that opens it.

    Raises:
        EventLoopRunning: see `aconnect`.
        ConfigurationError: there is a token, and no key to verify it with.
        ValueError: a cookie has a semicolon.
        Exception: what `connect` has raised.
    """

    __test__ = False  # pytest collects other classes whose names begin like this

    def __init__(
        self,
        cable: Cable,
        *,
        raise_exceptions: bool | None = None,
        wait: Wait | None = None,
        hop: Hop | None = None,
        **request: Unpack[Upgrade],
    ) -> None:
        self._open(cable, raise_exceptions, wait, hop, request)
        try:
            self._wire.run(self._wire.conversation.start(), "TestClient.aconnect")
        except BaseException:
            self._close_server()
            raise

    @classmethod
    async def aconnect(
        cls,
        cable: Cable,
        *,
        raise_exceptions: bool | None = None,
        wait: Wait | None = None,
        hop: Hop | None = None,
        **request: Unpack[Upgrade],
    ) -> Self:
        """Return a client that has connected; for async tests."""
        client = cls.__new__(cls)
        cls._open(client, cable, raise_exceptions, wait, hop, request)
        await cls._start(client)
        return client

    # Verbs

    def subscribe(self, channel: str | type[Channel], /, **params: Any) -> Subscription:
        """Subscribe to a channel, by name or class, and return the subscription: confirmed or rejected.

        Raises:
            IgnoredCommand: the connection has ended, or the client has this subscription already.
            EventLoopRunning: see `asubscribe`.
            Exception: what `subscribed` has raised.
        """
        subscription = Subscription(self._wire, _name(channel), params)
        self._wire.run(subscription.start(), "client.asubscribe")
        return subscription

    async def asubscribe(self, channel: str | type[Channel], /, **params: Any) -> Subscription:
        """`subscribe` for async tests."""
        subscription = Subscription(self._wire, _name(channel), params)
        await self._wire.arun(subscription.start())
        return subscription

    def disconnect(self) -> None:
        """Close the connection: the callbacks `unsubscribed` and `disconnect` run. On a closed one it does nothing."""
        self._wire.run(self._leave(), "client.adisconnect")

    async def adisconnect(self) -> None:
        """`disconnect` for async tests."""
        await self._wire.arun(self._leave())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.disconnect()
        finally:
            self._close_server()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.adisconnect()
        finally:
            self._close_server()

    # What became of it

    @property
    def rejected(self) -> bool:
        """True when the client was not let in."""
        return self._wire.inbox.ending in (AUTH_FAILED, AUTH_ERROR)

    @property
    def closed(self) -> bool:
        """True when the connection has ended, whoever has ended it."""
        return self._wire.conversation.has_ended or self._wire.inbox.ending is not None

    @property
    def reason(self) -> str | None:
        """The reason that the client was told for its end: `unauthorized`, `token_expired`, `remote`, or the app's."""
        return self._last_words.get("reason")

    @property
    def reconnect(self) -> bool | None:
        """True when the client was told that it may reconnect; None when it was told nothing."""
        return self._last_words.get("reconnect")

    @property
    def identifiers(self) -> dict[str, Any]:
        """The identifiers of the connection by name; empty for a rejected client.

        Raises:
            InvalidIdentifiers: a token has brought others than those of a JSON object.
        """
        return {} if self.rejected else dict(self.server.cable.codec.loads(self._wire.session.identifiers))

    @property
    def state(self) -> dict[str, Any]:
        """The state that anycable-go keeps for the connection."""
        return dict(State(self._wire.session.cstate))

    @property
    def sid(self) -> str:
        """The id of the session, for `exclude_socket` and `to_others`."""
        return self._wire.session.sid

    @property
    def answer(self) -> Response | None:
        """The last response of the app; None when it was not called."""
        return self._wire.answer

    @property
    def transmissions(self) -> list[Any]:
        """The messages that `Connection.transmit` has sent, in order."""
        frames = (frame for frame in self._wire.inbox.frames if not frame.is_streamed)
        return Recorded([frame.value for frame in frames if not _is_protocol(frame.members)], self._lines)

    @property
    def frames(self) -> list[Any]:
        """All that the client has received, decoded, in order."""
        return Recorded([frame.value for frame in self._wire.inbox.frames], self._lines)

    @property
    def server(self) -> TestServer:
        """The test server, which the clients of the cable share."""
        return self._wire.server

    @property
    def broadcasts(self) -> Broadcasts:
        """All that the cable has published."""
        return self.server.broadcasts

    def __repr__(self) -> str:
        return f"<TestClient {self._who} {self._status}, transmissions={list(self.transmissions)!r}>"

    # How

    def _open(
        self, cable: Cable, raise_exceptions: bool | None, wait: Wait | None, hop: Hop | None, request: Upgrade
    ) -> None:
        server = TestServer.open_for(cable)
        if server and (wait or hop):
            raise ConfigurationError("this cable's test server is open already: give wait and hop to that one")
        self._has_opened = server is None
        server = server or TestServer(cable, wait=wait, hop=hop)
        try:
            handshake = upgrade(server.node.options, server.next_sid(), **request)
        except Exception:
            if self._has_opened:
                server.close()
            raise
        self._wire = Wire(server, handshake, raise_exceptions)

    async def _start(self) -> None:
        try:
            await self._wire.arun(self._wire.conversation.start())
        except BaseException:
            self._close_server()
            raise

    async def _leave(self) -> None:
        self._wire.inbox.abandon()

    def _close_server(self) -> None:
        if self._has_opened:
            self.server.close()

    @property
    def _last_words(self) -> Mapping[str, Any]:
        frames = (frame.members for frame in reversed(self._wire.inbox.frames))
        return next((members for members in frames if members.get("type") == "disconnect"), {})

    @property
    def _who(self) -> str:
        try:
            return repr(self.identifiers)
        except InvalidIdentifiers:
            return repr(self._wire.session.identifiers)

    @property
    def _status(self) -> str:
        if not self.closed:
            return "connected"
        return f"{'rejected' if self.rejected else 'closed'} ({self.reason or 'without a reason'})"

    def _lines(self) -> list[str]:
        frames = [f"  {frame.text}" for frame in self._wire.inbox.frames]
        return [f"client {self._who}: {self._status}", "its frames:", *frames]


def _is_protocol(members: Mapping[str, Any]) -> bool:
    return members.get("type") in _PROTOCOL or ("identifier" in members and "message" in members)


def _name(channel: str | type[Channel]) -> str:
    return channel if isinstance(channel, str) else channel.name
