"""Cable: a connection class and its channels, to serve and to broadcast with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from time import time
from typing import TYPE_CHECKING, Any

from .actions import actions_of
from .callbacks import Middleware, is_async, is_async_middleware
from .channel import Builder, Channel, builder_for
from .connection import Connection
from .errors import ConfigurationError, UnknownAction, near
from .identity import stream_names, tokens
from .identity.identifiers import IdentifiersCodec, Objects
from .identity.signed_streams import sign_stream
from .identity.token_location import find_token
from .protocol.messages import Env
from .publishing import turbo
from .publishing.publisher import Publishing
from .typed import annotations_of, check_state

if TYPE_CHECKING:
    from .broadcasters.adapters import Broadcaster
    from .broadcasters.rest_api import Presence, RestAPI
    from .settings.model import Settings
    from .transports.http.asgi import ASGIApp
    from .transports.http.wsgi import WSGIApp

__all__ = ["Cable"]


class Cable(Publishing):
    """The object that you serve and broadcast with.

    It looks for its settings on first use, in the environment and in files, so a plain script can broadcast:

    >>> cable = Cable(Connection, channels=[])
    >>> cable.settings.rpc_host
    '127.0.0.1:50051'

    Args:
        connection_class: who may connect.
        channels: the channel classes that clients may subscribe to.
        middleware: callables that take a `Callback` and return a context manager to run it in. `Rejected` passes
            through it: it is how `reject()` ends a callback, not a failure.
        on_error: called with the exception and the `Callback` that raised it (None when building the connection or
            channel failed); `def` or `async def`.
        settings: instead of those that would be found.
        broadcaster: instead of the one that the settings name.
        dialect: how to write the identifiers, where another issuer's tokens must name the same connections:
            "rails", "ruby", "js", "php", "go" or "python" (see `IdentifiersCodec`).
        objects: lets objects of your own classes be identifiers; `GlobalID` does it as Rails does. An identifier that
            names one is annotated with its class in the connection class (`user: User`).
    """

    def __init__(
        self,
        connection_class: type[Connection],
        channels: Iterable[type[Channel]] = (),
        *,
        middleware: Iterable[Middleware] = (),
        on_error: Callable[..., Any] | None = None,
        settings: Settings | None = None,
        broadcaster: Broadcaster | None = None,
        dialect: str = "canonical",
        objects: Objects | None = None,
    ) -> None:
        _check_class(connection_class, Connection, "a connection class")
        self.connection_class = connection_class
        self.channels: Mapping[str, type[Channel]] = _by_name(channels)
        types = annotations_of(connection_class, connection_class.identified_by) if objects else {}
        self.codec = IdentifiersCodec(connection_class.identified_by, dialect=dialect, objects=objects, types=types)
        self.objects = objects
        for declared in (connection_class, *self.channels.values()):
            check_state(declared)
        self.middleware = list(middleware)
        self.on_error = on_error
        self._settings = settings
        self.chosen_broadcaster = broadcaster
        self.builders: Mapping[str, Builder] = {name: builder_for(each) for name, each in self.channels.items()}
        self._actions = {channel: actions_of(channel) for channel in self.channels.values()}

    # For pages and clients

    def token(
        self,
        /,
        *,
        ttl: float | timedelta | None = None,
        expires_at: float | datetime | None = None,
        **identifiers: Any,
    ) -> str:
        """Issue a token that identifies a connection as `connect` would.

        Args:
            ttl: seconds or a timedelta; without it and `expires_at`, `ANYCABLE_JWT_TTL` (an hour).
            expires_at: epoch seconds, or a datetime with a time zone.
            identifiers: every declared one.

        Raises:
            InvalidIdentifiers: they are not those declared.
            ConfigurationError: no secret is set, or the lifetime is not positive.
        """
        if ttl is None and expires_at is None:
            ttl = self.settings.jwt_ttl
        exp = tokens.expiry(ttl, expires_at, time())
        return self._signer.sign(self.codec.dumps(identifiers), exp)

    def signed_stream_name(self, name: str) -> str:
        """Sign a stream's name, so that a client may subscribe to it without a channel (`$pubsub`)."""
        return sign_stream(name, self.settings.keys.streams or "")

    def turbo_stream_from(self, stream: Any) -> str:
        """Return the element that subscribes a page to the broadcasts of `turbo_stream`: markup, not to be escaped.

        Args:
            stream: the stream, or what it is about (see `broadcast_to`).

        Raises:
            InvalidData: it has no stream.
            ConfigurationError: there is no secret to sign its name with.
        """
        secret = self.settings.keys.turbo_streams
        if secret is None:
            raise ConfigurationError("signed streams need a secret: set ANYCABLE_SECRET")
        return turbo.turbo_stream_source(sign_stream(stream_names.name_for(stream, self.objects), secret))

    # Questions to anycable-go

    def presence(self, stream: str) -> Presence:
        """Return who is present in a stream, as anycable-go knows it (1.6 and later, with a broker).

        Raises:
            InvalidData: the stream has no name, or one with a slash, which the REST API cannot be asked about.
            RequestFailed: no answer came; the message names the address and says what to check.
        """
        return self.rest_api.presence(stream)

    async def apresence(self, stream: str) -> Presence:
        """`presence` for async code."""
        return await asyncio.to_thread(self.rest_api.presence, stream)

    # Settings and broadcaster

    @property
    def settings(self) -> Settings:
        """The settings, looked for on first use. Setting them drops all that was made from the old ones."""
        if self._settings is None:
            from .settings.model import load

            self._settings = load()
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        for cached in ("rest_api", "_signer", "_verifier", "_found_broadcaster"):
            self.__dict__.pop(cached, None)

    @property
    def broadcaster(self) -> Broadcaster:
        """The broadcaster: `chosen_broadcaster`, which was given or set, else by the settings, made on first use."""
        return self.chosen_broadcaster or self._found_broadcaster

    @broadcaster.setter
    def broadcaster(self, broadcaster: Broadcaster) -> None:
        self.chosen_broadcaster = broadcaster

    @cached_property
    def rest_api(self) -> RestAPI:
        """anycable-go's REST API; made on first use, by the settings. It may be set to another one."""
        from .broadcasters.rest_api import RestAPI

        return RestAPI(self.settings.api_address, self.settings.keys.api)

    @property
    def debug(self) -> bool:
        """True when `error_msg` may tell anycable-go's log what went wrong inside the app."""
        return self.settings.debug

    @property
    def is_async(self) -> bool:
        """True when any callback or middleware of the app is `async def`: then an event loop runs them all."""
        methods = [getattr(self.connection_class, name) for name in ("connect", "disconnect")]
        for channel, actions in self._actions.items():
            methods += [getattr(channel, name) for name in ("subscribed", "unsubscribed", *actions)]
        methods += [self.on_error] if self.on_error else []
        around = [*self.middleware, *self.connection_class.middleware]
        around += [middleware for channel in self._actions for middleware in channel.middleware]
        return any(map(is_async, methods)) or any(map(is_async_middleware, around))

    # For the RPC server

    def asgi(self, *, insecure: bool = False) -> ASGIApp:
        """Return an ASGI app that answers anycable-go's calls over HTTP, to mount in a web app.

        anycable-go calls it with `--rpc_host=http://HOST/_anycable`, where `/_anycable` is the path of the mount. Up to
        `rpc_pool_size` calls run at a time; others wait.

        Args:
            insecure: allow an app without a key. Then anybody who reaches its address may call it.

        Raises:
            ConfigurationError: there is no key (`http_rpc_secret`, or `secret` to derive it from).
        """
        from .transports.http.asgi import ASGIApp

        return ASGIApp(self, insecure=insecure)

    def wsgi(self, *, insecure: bool = False) -> WSGIApp:
        """Return a WSGI app that answers anycable-go's calls over HTTP, to mount in a web app; see `asgi`.

        `def` callbacks run in the thread that the web server has given the request, and as many calls run at a time as
        it has threads. `async def` callbacks run on one event loop in each process.
        """
        from .transports.http.wsgi import WSGIApp

        return WSGIApp(self, insecure=insecure)

    def bind(self, channel: Channel, name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with which a payload calls an action.

        Raises:
            UnknownAction: the channel has no such action.
            InvalidPayload: an argument is missing or has a wrong type.
        """
        action = self._actions[type(channel)].get(name)
        if action is None:
            raise UnknownAction(type(channel).__name__, name, self._missed(type(channel), name))
        return action.bind(payload)

    def _missed(self, channel: type[Channel], name: str) -> str:
        """Return a guess why there is no such action."""
        if callable(getattr(channel, name, None)) and not (hasattr(Channel, name) or name.startswith("_")):
            return f"; {channel.__name__}.{name} has no @action above it"
        return near(name, self._actions[channel])

    def find_token(self, env: Env) -> str:
        """Return the token of a Connect, or an empty string: there is none, or the settings leave it to anycable-go."""
        if self._verifier is None or not self.settings.connect_tokens:
            return ""
        return find_token(env.url, env.headers, self.settings.jwt_param)

    def verify_token(self, token: str) -> str:
        """Return the identifiers in a token, as a JSON string.

        Raises:
            InvalidToken: it is not valid.
            ConfigurationError: no secret is set.
        """
        if self._verifier is None:
            raise ConfigurationError("tokens need a secret: set ANYCABLE_SECRET or ANYCABLE_JWT_SECRET")
        return self._verifier.verify(token)

    @cached_property
    def _found_broadcaster(self) -> Broadcaster:
        from .broadcasters.adapters import broadcaster_for

        return broadcaster_for(self.settings)

    @cached_property
    def _signer(self) -> tokens.TokenSigner:
        return tokens.TokenSigner(self.settings.keys.jwt or "")

    @cached_property
    def _verifier(self) -> tokens.TokenVerifier | None:
        secrets = self.settings.keys.jwt_verifying
        return tokens.TokenVerifier(secrets) if secrets else None


def _check_class(value: object, base: type, what: str) -> None:
    if not isinstance(value, type) or not issubclass(value, base):
        raise ConfigurationError(f"{value!r} is not {what}: derive it from anycable_rpc.{base.__name__}")


def _by_name(channels: Iterable[type[Channel]]) -> dict[str, type[Channel]]:
    if isinstance(channels, type):
        raise ConfigurationError(f"channels takes a list of classes: write channels=[{channels.__name__}]")
    named: dict[str, type[Channel]] = {}
    for channel in channels:
        _check_class(channel, Channel, "a channel class")
        if channel is Channel:
            raise ConfigurationError("Channel itself cannot be registered: derive a class from it")
        if channel.name in named:
            raise ConfigurationError(f"two channels are called {channel.name!r}: give one of them another `name`")
        named[channel.name] = channel
    return named
