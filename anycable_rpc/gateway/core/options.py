"""What a gateway runs with; every secret is resolved already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from ...settings.model import Settings

__all__ = ["GatewayOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """The names and defaults are anycable-go's; times are in seconds, sizes in bytes.

    Args:
        paths: where the WebSocket is.
        jwt_secrets: verify tokens; without one tokens are not looked at.
        jwt_param: the URL parameter with the token; the header is `x-` and this.
        enforce_jwt: refuse who has no token (only where there is a secret).
        noauth: let in who has no token, without asking the app.
        norpc: never ask the app.
        public: noauth, public streams, and broadcasts without a key.
        public_streams: `$pubsub` takes stream names that are not signed.
        streams_secret: verifies signed stream names; without one they are rejected.
        turbo_streams: serve `Turbo::StreamsChannel`, where there is a secret.
        turbo_streams_secret: verifies the names of its streams.
        broadcast_key: what `/_broadcast` wants to see; without one it is open to everybody.
        headers: what the app sees of the client's headers.
        allowed_origins: hosts whose pages may connect, `*` in front for any subdomain; empty allows all.
        ping_interval: 0 is never.
        command_timeout: how long the app may take to answer.
        rpc_concurrency: how many calls run at a time.
        max_message_size: of a client's frame.
        max_pending_size: of what waits for a slow client.
        write_timeout: how long one frame may take to go out.
        broker: what keeps history, presence and sessions: `memory`, or nothing does.
        history_ttl: how long a message is kept.
        history_limit: how many messages of a stream are.
        sessions_ttl: how long a session can be resumed.
        presence_ttl: how long who is gone is still present.
        pong_timeout: how long a client of the extended protocol may be silent; 0 is for ever.
        api_key: what `/api` wants to see; without one there is no `/api`, unless everything is public.
        disconnect_mode: whether the app hears of the end of a session: `auto` is if it had to do with it.
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
        """What these settings say."""
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
        """Whether a client without a token is welcome as nobody in particular."""
        return self.noauth or self.public

    @property
    def has_public_streams(self) -> bool:
        """Whether stream names need no signature."""
        return self.public_streams or self.public

    @property
    def has_api(self) -> bool:
        """Whether `/api` is there."""
        return self.public or self.api_key is not None

    @property
    def required_broadcast_key(self) -> str | None:
        """What a broadcast must show."""
        return None if self.public else self.broadcast_key
