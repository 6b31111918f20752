"""The options of a gateway, with all secrets resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from ...settings.model import Settings

__all__ = ["GatewayOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """Options by the names and defaults of anycable-go; times are in seconds, sizes in bytes.

    Args:
        paths: addresses of the WebSocket.
        jwt_secrets: keys to verify tokens with; without keys, tokens are not read.
        jwt_param: the URL parameter with the token; the header is `x-` and this name.
        enforce_jwt: refuse clients without a token (only if there is a key).
        noauth: accept clients without a token, and do not call Connect.
        norpc: never call the app.
        public: noauth, public streams, and broadcasts without a key.
        public_streams: `$pubsub` takes stream names that are not signed.
        streams_secret: the key to verify signed stream names with; without it they are rejected.
        turbo_streams: serve `Turbo::StreamsChannel`, if there is a key.
        turbo_streams_secret: the key to verify the names of its streams with.
        broadcast_key: the key that `/_broadcast` requires; without it anybody can broadcast.
        headers: the client's headers that the app gets.
        allowed_origins: hosts whose pages may connect, with `*` in front for any subdomain; empty allows all.
        ping_interval: between pings; 0 sends no pings.
        command_timeout: the deadline of a call of the app.
        rpc_concurrency: the number of calls that run at a time.
        max_message_size: of one frame of a client.
        max_pending_size: of the frames that wait for a slow client.
        write_timeout: the time that one frame may take to be written.
        broker: `memory` keeps history, presence and sessions; empty keeps nothing.
        history_ttl: the time that a message is kept.
        history_limit: the number of messages kept of one stream.
        sessions_ttl: the time in which a session can be resumed.
        presence_ttl: seconds that a disconnected member still counts as present.
        pong_timeout: the time that a client of the extended protocol may be silent; 0 sets no limit.
        api_key: the key that `/api` requires; without it there is no `/api`, unless `public` is set.
        disconnect_mode: whether Disconnect is called: `auto` if the app was called for the session before.
    """

    paths: tuple[str, ...] = ("/cable",)
    jwt_secrets: tuple[str, ...] = field(default=(), repr=False)
    jwt_param: str = "jid"
    enforce_jwt: bool = False
    noauth: bool = False
    norpc: bool = False
    public: bool = False
    public_streams: bool = False
    streams_secret: str | None = field(default=None, repr=False)
    turbo_streams: bool = False
    turbo_streams_secret: str | None = field(default=None, repr=False)
    broadcast_key: str | None = field(default=None, repr=False)
    headers: tuple[str, ...] = ("cookie",)
    allowed_origins: tuple[str, ...] = ()
    ping_interval: float = 3.0
    command_timeout: float = 3.0
    rpc_concurrency: int = 28
    max_message_size: int = 65536
    max_pending_size: int = 1024 * 1024
    write_timeout: float = 2.0
    broker: Literal["", "memory"] = ""
    history_ttl: float = 300.0
    history_limit: int = 100
    sessions_ttl: float = 300.0
    presence_ttl: float = 15.0
    pong_timeout: float = 0.0
    api_key: str | None = field(default=None, repr=False)
    disconnect_mode: Literal["auto", "always", "never"] = "auto"

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the options that these settings name."""
        return cls(
            paths=settings.paths,
            jwt_secrets=settings.keys.jwt_verifying,
            jwt_param=settings.jwt_param,
            enforce_jwt=settings.enforce_jwt,
            noauth=settings.noauth,
            norpc=settings.norpc,
            public=settings.public,
            public_streams=settings.public_streams,
            streams_secret=settings.keys.streams,
            turbo_streams=settings.turbo_streams,
            turbo_streams_secret=settings.keys.turbo_streams,
            broadcast_key=settings.keys.broadcast,
            headers=tuple(settings.headers),
            allowed_origins=tuple(settings.allowed_origins),
            ping_interval=settings.ping_interval,
            broker="" if settings.broker == "none" else "memory",
            history_ttl=settings.history_ttl,
            history_limit=settings.history_limit,
            sessions_ttl=settings.sessions_ttl,
            presence_ttl=settings.presence_ttl,
            pong_timeout=settings.pong_timeout,
            api_key=settings.keys.api,
        )

    @property
    def lets_everybody_in(self) -> bool:
        """Return whether clients without a token are accepted as anonymous."""
        return self.noauth or self.public

    @property
    def has_public_streams(self) -> bool:
        """Return whether stream names need no signature."""
        return self.public_streams or self.public

    @property
    def has_api(self) -> bool:
        """Return whether `/api` is served."""
        return self.public or self.api_key is not None

    @property
    def required_broadcast_key(self) -> str | None:
        """The key that a broadcast must have; None when it needs no key."""
        return None if self.public else self.broadcast_key
