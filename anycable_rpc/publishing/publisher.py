"""What a cable says to clients from anywhere: broadcasts, batches of them, and remote commands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Self, Unpack

from ..errors import ConfigurationError
from ..identity import stream_names
from ..rpc.call import CALLER
from . import payloads as publications
from . import turbo
from .payloads import Meta

if TYPE_CHECKING:
    from ..broadcasters.choose import Broadcaster
    from ..identity.identifiers import IdentifiersCodec, Objects

__all__ = ["Batch", "Publishing"]

SOCKET_ID = "X-Socket-ID"
"""The header in which a page names its own connection (Action Cable and Pusher clients)."""


class Publishing:
    """The publishing side of `Cable`."""

    codec: IdentifiersCodec
    objects: Objects | None

    @property
    def broadcaster(self) -> Broadcaster:
        """What publishes."""
        raise NotImplementedError

    @broadcaster.setter
    def broadcaster(self, broadcaster: Broadcaster) -> None:
        raise NotImplementedError

    def broadcast(self, stream: str, data: Any, **meta: Unpack[Meta]) -> None:
        """Send data to everyone who has the stream. `data` is any JSON value.

        Args:
            stream: the stream's name.
            data: what subscribers receive.
            meta: `exclude_socket="…"`, the `sid` of a connection that does not (see `to_others`);
                `broadcast_type="…"`; `transient=True`.

        Raises:
            InvalidData: something cannot be written as JSON.
            UnknownOption: `meta` has another name.
            BroadcastFailed: nobody took it; the text names the address.
        """
        payload = _publication(stream, data, meta)
        if not self._wait_in_batch(payload):
            self.broadcaster.publish(payload)

    async def abroadcast(self, stream: str, data: Any, **meta: Unpack[Meta]) -> None:
        """`broadcast` for async code."""
        payload = _publication(stream, data, meta)
        if not self._wait_in_batch(payload):
            await self._apublish(payload)

    def broadcast_to(self, target: Any, data: Any, **meta: Unpack[Meta]) -> None:
        """`broadcast` to the stream of an object; a channel gives it to clients with `stream_for`.

        Args:
            target: a text, an int, a UUID, a tuple of such, or an object: `Cable(objects=…)` knows it, it has an
                attribute `stream_name`, or it is a Django model.
            data: what subscribers receive.
            meta: see `broadcast`.

        Raises:
            InvalidData: the target has no stream, or something cannot be written as JSON.
            BroadcastFailed: nobody took it; the text names the address.
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
            BroadcastFailed: nobody took it; the text names the address.
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
            BroadcastFailed: at the end of the block: nobody took it.
        """
        return Batch(self)

    @contextmanager
    def to_others(self, source: Any = None) -> Generator[None]:
        """Exclude the caller from the broadcasts in a `with` block: he knows already.

        Args:
            source: whom to exclude: a `sid`, or a web request (Django, Flask, Starlette: anything with `headers`) whose
                header `X-Socket-ID` has it; without that header nobody is excluded. By default the connection whose
                callback is running.

        Raises:
            ConfigurationError: no callback is running, or its caller is not known.
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
            BroadcastFailed: nobody took it; the text names the address.
        """
        self.broadcaster.publish(publications.remote_disconnect(self.codec.dumps(identifiers), reconnect))

    async def adisconnect(self, /, *, reconnect: bool = True, **identifiers: Any) -> None:
        """`disconnect` for async code."""
        await self._apublish(publications.remote_disconnect(self.codec.dumps(identifiers), reconnect))

    async def _apublish(self, payload: str) -> None:
        apublish = getattr(self.broadcaster, "apublish", None)
        await (apublish(payload) if apublish else asyncio.to_thread(self.broadcaster.publish, payload))

    def _wait_in_batch(self, payload: str) -> bool:
        waiting = _OPEN.get().get(self)
        return waiting is not None and waiting.add(payload)


class _Waiting:
    """What waits in a batch, from whatever thread."""

    def __init__(self) -> None:
        self._payloads: list[str] = []
        self._is_open = True
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._payloads)

    def add(self, payload: str) -> bool:
        """Take it in; False when the batch is over."""
        with self._lock:
            if self._is_open:
                self._payloads.append(payload)
            return self._is_open

    def forget(self, start: int) -> None:
        """Drop what came after so many."""
        with self._lock:
            del self._payloads[start:]

    def close(self) -> str:
        """The JSON array of what came; empty when nothing did."""
        with self._lock:
            self._is_open = False
            return f"[{','.join(self._payloads)}]" if self._payloads else ""


_OPEN: ContextVar[Mapping[Publishing, _Waiting]] = ContextVar("anycable_rpc batches", default={})  # noqa: B039 - never changed in place
_EXCLUDED: ContextVar[str | None] = ContextVar("anycable_rpc excluded", default=None)


class Batch:
    """What `Cable.batch()` returns; for one block."""

    def __init__(self, publishing: Publishing) -> None:
        self._publishing = publishing
        self._token: Token[Mapping[Publishing, _Waiting]] | None = None
        self._waiting = _Waiting()
        self._start = 0

    def __enter__(self) -> Self:
        outer = _OPEN.get()
        if self._publishing in outer:
            self._waiting = outer[self._publishing]
            self._start = len(self._waiting)
        else:
            self._token = _OPEN.set({**outer, self._publishing: self._waiting})
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        payload = self._end(failed=kind is not None)
        if payload:
            self._publishing.broadcaster.publish(payload)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        payload = self._end(failed=kind is not None)
        if payload:
            await self._publishing._apublish(payload)

    def _end(self, failed: bool) -> str:
        """What is to be published now."""
        if failed:
            self._waiting.forget(self._start)
        if self._token is None:
            return ""
        _OPEN.reset(self._token)
        self._token = None
        return self._waiting.close()


def _publication(stream: str, data: Any, meta: Meta) -> str:
    if meta.get("exclude_socket") is None:
        meta["exclude_socket"] = _EXCLUDED.get()
    return publications.publication(stream, data, **meta)


def _socket_of(source: Any) -> str | None:
    if isinstance(source, str):
        return source or None
    if source is not None:
        return _header(source) or None
    caller = CALLER.get()
    if not caller:
        why = "no callback is running here" if caller is None else "sid_header_enabled is off"
        raise ConfigurationError(f"to_others() does not know the caller, since {why}: give it a sid or a web request")
    return caller


def _header(request: Any) -> str:
    try:
        found = request.headers.get(SOCKET_ID)
    except AttributeError:
        raise ConfigurationError(
            f"to_others() takes a sid or a web request with headers, not {type(request).__name__}"
        ) from None
    return found if isinstance(found, str) else ""
