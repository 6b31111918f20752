"""The facts of a client's upgrade request, read from an ASGI scope."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from ..identity.token_location import token_header
from .core.options import GatewayOptions

if TYPE_CHECKING:
    from .asgi import Scope

__all__ = ["SUBPROTOCOLS", "Handshake", "header", "in_origin_form", "is_allowed", "route_path"]

EXTENDED = "actioncable-v1-ext-json"
SUBPROTOCOLS = ("actioncable-v1-json", EXTENDED)
"""The sub-protocols by precedence: as in anycable-go, the server's order decides, not the client's."""

_TOKEN_PREFIX = "anycable-token."  # noqa: S105 - no secret
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_SID = re.compile(r"[\x20-\x7e]{1,128}", re.ASCII)
_ABSOLUTE = re.compile(rb"(?i:https?|wss?)://(?:[^/@]*@)?([^/]*)")
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,9}", re.ASCII)


@dataclass(frozen=True)
class Handshake:
    """An upgrade request, seen through the options."""

    scope: Scope
    options: GatewayOptions

    @cached_property
    def sid(self) -> str:
        """The session's id: the client's X-Request-ID, as in anycable-go, or a random one.

        anycable-go accepts any value. Here the value must be printable ASCII (other characters cannot travel as gRPC
        metadata) of up to 128 characters, and it is escaped wherever it is written.
        """
        given = header(self.scope, "x-request-id")
        return given if _SID.fullmatch(given) else "".join(secrets.choice(_ALPHABET) for _ in range(21))

    @cached_property
    def url(self) -> str:
        """The URL for the app: with the scheme http or https, and escaped as in the request."""
        scheme = "https" if self.scope.get("scheme") == "wss" else "http"
        path = (self.scope.get("raw_path") or b"").decode("latin-1") or self.scope["path"]
        query = self.scope.get("query_string", b"").decode("latin-1")
        return f"{scheme}://{header(self.scope, 'host')}{path}{'?' if query else ''}{query}"

    @cached_property
    def headers(self) -> dict[str, str]:
        """The headers for the app, and the token, if a header or a sub-protocol has one.

        Bytes that are not UTF-8 become lone surrogates, and the request that holds them cannot be encoded: an error.
        """
        found = {name: header(self.scope, name) for name in map(str.lower, self.options.headers) if name != "host"}
        if self.options.jwt_secrets:
            name = token_header(self.options.jwt_param)
            found[name] = header(self.scope, name) or self._offered_token
        client = self.scope.get("client")
        return {**{name: value for name, value in found.items() if value}, "REMOTE_ADDR": client[0] if client else ""}

    @cached_property
    def subprotocol(self) -> str | None:
        """The negotiated sub-protocol; None is allowed."""
        return next((name for name in SUBPROTOCOLS if name in self.scope.get("subprotocols", ())), None)

    @property
    def unknown_subprotocols(self) -> list[str]:
        """The offered sub-protocols, if the gateway knows none of them; a token among them is masked."""
        if self.subprotocol:
            return []
        offered: list[str] = list(self.scope.get("subprotocols", ()))
        return [f"{_TOKEN_PREFIX}…" if name.startswith(_TOKEN_PREFIX) else name for name in offered]

    @property
    def is_extended(self) -> bool:
        """Return whether the client speaks the extended protocol: it answers pings and can resume a session."""
        return self.subprotocol == EXTENDED

    @cached_property
    def earlier_sid(self) -> str:
        """The id of the session that the client wants to resume; empty when it wants to resume no session."""
        wanted = header(self.scope, "x-anycable-restore-sid") or self._query.get("sid", "")
        return wanted if self.is_extended else ""

    @cached_property
    def ping_interval(self) -> float:
        """Seconds between pings: `?pi=` of the URL, else the option; 0 or less sends no pings."""
        given = self._query.get("pi", "")
        return int(given) if _WHOLE_NUMBER.fullmatch(given) else self.options.ping_interval

    @cached_property
    def ping_precision(self) -> str:
        """The unit of the time in a ping, by `?ptp=`."""
        return self._query.get("ptp", "")

    @cached_property
    def _query(self) -> dict[str, str]:
        return dict(parse_qsl(self.scope.get("query_string", b"").decode("latin-1")))

    @property
    def _offered_token(self) -> str:
        names = map(str.strip, header(self.scope, "sec-websocket-protocol").split(","))
        return next((name.removeprefix(_TOKEN_PREFIX) for name in names if name.startswith(_TOKEN_PREFIX)), "")


def header(scope: Scope, name: str) -> str:
    """Return the first header of this name; empty when there is no such header."""
    raw = name.encode()
    values: Iterable[bytes] = (value for key, value in scope["headers"] if key.lower() == raw)
    return next(iter(values), b"").decode("utf-8", "surrogateescape")


def route_path(scope: Scope) -> str:
    """Return the path, relative to the mount point of this app."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def in_origin_form(scope: Scope) -> Scope:
    """Return the scope with a path as target. The host of a target that is a URL is the Host (RFC 9112, 3.2.2)."""
    root = scope.get("root_path", "")
    target = scope.get("raw_path") or scope.get("path", "").encode()
    match = _ABSOLUTE.match(target.removeprefix(root.encode()))
    if match is None:
        return scope
    raw_path = target.removeprefix(root.encode())[match.end() :] or b"/"
    others = [(name, value) for name, value in scope["headers"] if name.lower() != b"host"]
    return {
        **scope,
        "path": root + unquote(raw_path.decode("latin-1")),
        "raw_path": root.encode() + raw_path,
        "headers": [(b"host", match[1]), *others],
    }


def is_allowed(origin: str, allowed: tuple[str, ...]) -> bool:
    """Return whether a page of this origin may connect."""
    try:
        host = urlsplit(origin.lower()).netloc.rpartition("@")[2]
    except ValueError:
        return False
    hosts = map(str.lower, allowed)
    return any(host.endswith(name[1:]) if name.startswith("*") else host == name for name in hosts)
