"""Publishing to clients from anywhere in a program: broadcasts, batches of them, and remote disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Unpack

from ..errors import ConfigurationError
from ..identity import stream_names
from . import payloads, turbo
from .batch import Batch, collect
from .caller import CALLER
from .payloads import Meta

if TYPE_CHECKING:
    from ..broadcasters.adapters import Broadcaster
    from ..identity.identifiers import IdentifiersCodec, Objects

__all__ = ["Publishing"]

SOCKET_ID = "X-Socket-ID"
"""The header in which a page names its own connection (Action Cable and Pusher clients)."""


class Publishing:
    """The publishing side of `Cable`."""

    codec: IdentifiersCodec
    objects: Objects | None
    check_message: Callable[[str, Any], object] | None = None
    """Called with the stream and the data of each broadcast, before it is written; in development it may raise."""

    @property
    def broadcaster(self) -> Broadcaster:
        """The broadcaster that takes the payloads."""
        raise NotImplementedError

    @broadcaster.setter
    def broadcaster(self, broadcaster: Broadcaster) -> None:
        raise NotImplementedError

    def broadcast(self, stream: str, data: Any, **meta: Unpack[Meta]) -> None:
        """Send data to everyone who has the stream. `data` is any JSON value.

        Pydantic models, dataclasses, dates, UUIDs, decimals and enums are written as pydantic writes them.

        Args:
            stream: the stream's name.
            data: what subscribers receive.
            meta: `exclude_socket="…"`, the `sid` of a connection that does not (see `to_others`);
                `broadcast_type="…"`; `transient=True`.

        Raises:
            InvalidData: something cannot be written as JSON.
            UnknownOption: `meta` has another name.
            BroadcastFailed: no server has accepted it; the message names the address.
        """
        payload = self._publication(stream, data, meta)
        if not collect(self, payload):
            self._publish(payload)

    async def abroadcast(self, stream: str, data: Any, **meta: Unpack[Meta]) -> None:
        """`broadcast` for async code."""
        payload = self._publication(stream, data, meta)
        if not collect(self, payload):
            await self._apublish(payload)

    def broadcast_to(self, target: Any, data: Any, **meta: Unpack[Meta]) -> None:
        """`broadcast` to the stream of an object; a channel gives it to clients with `stream_for`.

        Args:
            target: a string, an int, a UUID, a tuple of such, or an object: `Cable(objects=…)` knows it, it has an
                attribute `stream_name`, or it is a Django model.
            data: what subscribers receive.
            meta: see `broadcast`.

        Raises:
            InvalidData: the target has no stream, or something cannot be written as JSON.
            BroadcastFailed: no server has accepted it; the message names the address.
        """
        self.broadcast(stream_names.name_for(target, self.objects), data, **meta)

    async def abroadcast_to(self, target: Any, data: Any, **meta: Unpack[Meta]) -> None:
        """`broadcast_to` for async code."""
        name = stream_names.name_for(target, self.objects)
        await self.abroadcast(name, data, **meta)

    def turbo_stream(
        self,
        stream: Any,
        action: str,
        target: str | None = None,
        html: str = "",
        *,
        targets: str | None = None,
        **attributes: str | bool | None,
    ) -> None:
        """Broadcast a Turbo Stream, to pages subscribed with `Turbo::StreamsChannel` and a signed stream name.

        Args:
            stream: the stream, or what it is about (see `broadcast_to`).
            action: append, prepend, replace, update, remove, before, after or refresh.
            target: the id of the element to change.
            html: trusted markup: escape in it what users wrote.
            targets: instead of `target`, a CSS selector.
            attributes: others of the element, such as `method="morph"`.

        Raises:
            InvalidData: there is no such action, it has too few or too many targets, or the stream has no name.
            UnknownOption: an attribute has the name of an option of `broadcast`, or nearly that of another argument.
            BroadcastFailed: no server has accepted it; the message names the address.
        """
        self.broadcast_to(stream, turbo.turbo_stream(action, target, html, targets, attributes))

    async def aturbo_stream(
        self,
        stream: Any,
        action: str,
        target: str | None = None,
        html: str = "",
        *,
        targets: str | None = None,
        **attributes: str | bool | None,
    ) -> None:
        """`turbo_stream` for async code."""
        await self.abroadcast_to(stream, turbo.turbo_stream(action, target, html, targets, attributes))

    def batch(self) -> Batch:
        """Collect the broadcasts of a block, `with` or `async with`, and publish them as one, in their order.

        Nothing is published when the block raises. A batch inside another joins it. Tasks and threads that the block
        starts and waits for join too (threads with a copy of its context); what they broadcast after its end is
        published at once. Remote disconnects do not wait.

        Raises:
            BroadcastFailed: at the end of the block: no server has accepted it.
        """
        return Batch(self, self._publish, self._apublish)

    @contextmanager
    def to_others(self, source: Any = None) -> Generator[None]:
        """Skip the client that has triggered the broadcasts in a `with` block: it knows already.

        Args:
            source: the client to skip: a `sid`, or a web request (Django, Flask, Starlette: anything with `headers`)
                whose header `X-Socket-ID` has it. Without that header no client is skipped. The default is the
                connection whose callback is running.

        Raises:
            ConfigurationError: no callback is running, or its connection is not known.
        """
        token = _EXCLUDED.set(_socket_of(source))
        try:
            yield
        finally:
            _EXCLUDED.reset(token)

    def disconnect(self, /, *, reconnect: bool = True, **identifiers: Any) -> None:
        """Close the connections with these identifiers; give every declared one.

        Raises:
            InvalidIdentifiers: they are not those declared.
            BroadcastFailed: no server has accepted it; the message names the address.
        """
        self._publish(payloads.remote_disconnect(self.codec.dumps(identifiers), reconnect))

    async def adisconnect(self, /, *, reconnect: bool = True, **identifiers: Any) -> None:
        """`disconnect` for async code."""
        await self._apublish(payloads.remote_disconnect(self.codec.dumps(identifiers), reconnect))

    def _publication(self, stream: str, data: Any, meta: Meta) -> str:
        if self.check_message is not None:
            self.check_message(stream, data)
        if meta.get("exclude_socket") is None:
            meta["exclude_socket"] = _EXCLUDED.get()
        return payloads.publication(stream, data, **meta)

    def _publish(self, payload: str) -> None:
        """Publish a JSON string. Every broadcast, batch and remote disconnect ends here. A subclass may override it."""
        self.broadcaster.publish(payload)

    async def _apublish(self, payload: str) -> None:
        """`_publish` for async code."""
        apublish = getattr(self.broadcaster, "apublish", None)
        await (apublish(payload) if apublish else asyncio.to_thread(self.broadcaster.publish, payload))


_EXCLUDED: ContextVar[str | None] = ContextVar("anycable_rpc excluded", default=None)


def _socket_of(source: Any) -> str | None:
    if isinstance(source, str):
        return source or None
    if source is not None:
        return _header(source) or None
    caller = CALLER.get()
    if not caller:
        why = "no callback is running here" if caller is None else "sid_header_enabled is off"
        raise ConfigurationError(f"to_others() does not know whom to skip, since {why}: give it a sid or a web request")
    return caller


def _header(request: Any) -> str:
    try:
        found = request.headers.get(SOCKET_ID)
    except AttributeError:
        raise ConfigurationError(
            f"to_others() takes a sid or a web request with headers, not {type(request).__name__}"
        ) from None
    return found if isinstance(found, str) else ""
