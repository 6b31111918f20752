"""Connection: one client, as seen during one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn
from urllib.parse import parse_qsl, urlsplit

from .callbacks import check_class
from .errors import ConfigurationError, Rejected
from .identity.identifiers import IdentifiersCodec
from .protocol import json_text
from .protocol.messages import Env
from .protocol.reply import Reply
from .state import State, lazy, refuse_replacement

if TYPE_CHECKING:
    from .cable import Cable

__all__ = ["Connection"]


def _state(connection: Connection) -> Any:
    reply = connection._anycable
    if reply.connection_state is None:
        reply.connection_state = State(connection.env.cstate)
    return reply.connection_state


class Connection:
    """The base of your connection class: who may connect, and as whom.

    An object lives for one call. Keep what must outlast the call in an identifier (set in `connect`, the same from
    then on) or in `state`.

    >>> class ChatConnection(Connection):
    ...     identified_by = ("user_id",)
    ...
    ...     def connect(self):
    ...         self.user_id = self.cookies.get("user_id") or self.reject()
    """

    identified_by: ClassVar[tuple[str, ...]] = ()
    """Names of the identifiers, in the order of their JSON; each becomes an attribute."""

    middleware: ClassVar[Sequence[Callable[..., Any]]] = ()
    """Middleware around every callback of this connection and its channels; the cable's is outside it (see `Cable`)."""

    state: Any = property(_state, refuse_replacement)
    """A mapping of JSON values that anycable-go keeps for this connection between calls (see `State`)."""

    _anycable: Reply
    """Used by the framework. All other private names are yours."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in IdentifiersCodec(cls.identified_by).names:
            _declare(cls, name)
        check_class(cls, Connection, ("connect", "disconnect"))

    def __init__(
        self,
        cable: Cable,
        env: Env,
        sid: str = "",
        identifiers: Mapping[str, Any] | None = None,
    ) -> None:
        self.cable = cable
        self.env = env
        self.sid = sid
        self._anycable = reply = Reply(env)
        if identifiers is None:
            reply.is_connecting = True
        else:
            reply.identifiers = identifiers

    def connect(self) -> Any:
        """Called when a client without a token has opened a socket: set the identifiers, or `reject()`.

        The default lets only clients with a token in (and everybody, where `identified_by` is empty).
        """
        if self.identified_by:
            self.reject()

    def disconnect(self) -> Any:
        """Called when the socket is gone, after each channel's `unsubscribed`."""

    @property
    def identifiers(self) -> Mapping[str, Any]:
        """The identifiers by name. A token may have some that are not declared here."""
        return MappingProxyType(self._anycable.identifiers)

    @property
    def url(self) -> str:
        """The URL of the client's WebSocket request. A token may be in it: keep it out of logs."""
        return self.env.url

    @lazy
    def query_params(self) -> Mapping[str, str]:
        """The parameters in the URL. Of a repeated parameter the first counts."""
        try:
            query = urlsplit(self.env.url).query
        except ValueError:
            return {}
        return dict(reversed(parse_qsl(query, keep_blank_values=True, errors="replace")))

    @lazy
    def headers(self) -> Mapping[str, str]:
        """The headers that anycable-go forwards (its option `--headers`, by default `cookie`), in lower case.

        Clients can send any value in them.
        """
        return {name: value for name, value in self.env.headers.items() if name != "REMOTE_ADDR"}

    @lazy
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name, with the values as they were sent. Of a repeated cookie the first counts."""
        pairs = [pair.partition("=") for pair in reversed(self.env.headers.get("cookie", "").split(";"))]
        return {name.strip(): value.strip() for name, equals, value in pairs if equals}

    @property
    def remote_addr(self) -> str:
        """The address of the socket's other end: the client's, or a proxy's."""
        return self.env.headers.get("REMOTE_ADDR", "")

    def reject(self, reason: str = "unauthorized", reconnect: bool = False) -> NoReturn:
        """Refuse the connection and end the callback. `reconnect` tells the client whether to try again.

        Raises:
            Rejected: always. Catching it does not let the client in.
        """
        self._anycable.rejection = rejection = Rejected(reason, reconnect)
        raise rejection

    def transmit(self, data: Any) -> None:
        """Send a message to this client, with the reply. `data` is a JSON value, sent as it is.

        Raises:
            InvalidData: it is not a JSON value.
        """
        self._anycable.transmissions.append(json_text.dumps(data))

    def close(self, reason: str | None = None, reconnect: bool = True) -> None:
        """Close the connection once the callback has ended. To refuse a client use `reject`."""
        self._anycable.disconnect(reason, reconnect)


class _Identifier:
    """The attribute of one identifier: written during `connect`, read-only from then on."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, connection: Connection | None, owner: type) -> Any:
        if connection is None:
            return self
        reply = connection._anycable
        if self._name not in reply.identifiers:
            raise AttributeError(self._missing(reply))
        return reply.identifiers[self._name]

    def __set__(self, connection: Connection, value: Any) -> None:
        reply = connection._anycable
        if not reply.is_connecting:
            raise AttributeError(
                f"{self._name!r} is an identifier: it is set when the client connects. Keep what changes in "
                "connection.state"
            )
        reply.identifiers = {**reply.identifiers, self._name: value}

    def _missing(self, reply: Reply) -> str:
        if reply.is_connecting:
            return f"the identifier {self._name!r} is not set yet"
        known = ", ".join(reply.identifiers) or "none"
        return (
            f"the connection's identifiers have no {self._name!r} (they have: {known}); was its token issued elsewhere?"
        )


def _declare(cls: type[Connection], name: Any) -> None:
    if not isinstance(name, str):
        raise ConfigurationError(f"identified_by must list strings, got {name!r}")
    if not name.isidentifier() or name.startswith("_"):
        raise ConfigurationError(f"{name!r} cannot be an identifier: it cannot be the name of an attribute")
    if hasattr(Connection, name) or name in ("cable", "env", "sid", "state"):
        raise ConfigurationError(f"{name!r} cannot be an identifier: Connection has an attribute of that name")
    if name in cls.__dict__:
        raise ConfigurationError(f"{cls.__name__}.{name} is an identifier: annotate it, but give it no value")
    setattr(cls, name, _Identifier(name))
