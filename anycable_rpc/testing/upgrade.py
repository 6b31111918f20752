"""The upgrade request of a test client, as an ASGI scope: the gateway reads it as it reads a browser's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict
from urllib.parse import urlencode

from ..errors import ConfigurationError
from ..gateway.core.options import GatewayOptions
from ..gateway.handshake import Handshake

__all__ = ["Upgrade", "upgrade"]

_HOST = "localhost:8080"


class Upgrade(TypedDict, total=False):
    """The parts of the request; see `TestClient`."""

    cookies: Mapping[str, str] | None
    headers: Mapping[str, str] | None
    params: Mapping[str, Any] | None
    token: str | None


def upgrade(
    options: GatewayOptions,
    sid: str,
    *,
    cookies: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    token: str | None = None,
) -> Handshake:
    """Return the request; see `TestClient` for the arguments. Without a header `X-Request-ID` the session is `sid`.

    Raises:
        ConfigurationError: there is a token, and no key to verify it with.
        ValueError: a cookie has a semicolon.
    """
    given = {name.lower(): value for name, value in (headers or {}).items()}
    query = dict(params or {})
    if token is not None:
        _check_keys(options)
        query[options.jwt_param] = token
    all_headers = {"host": _HOST, "x-request-id": sid, **given, **_cookie(cookies, given)}
    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": options.paths[0],
        "raw_path": options.paths[0].encode(),
        "query_string": urlencode(query).encode(),
        "headers": [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in all_headers.items()],
        "client": ("127.0.0.1", 50000),
        "subprotocols": ["actioncable-v1-json"],
    }
    return Handshake(scope, replace(options, headers=(*options.headers, *given)))


def _cookie(cookies: Mapping[str, str] | None, headers: Mapping[str, str]) -> dict[str, str]:
    if not cookies:
        return {}
    for name, value in cookies.items():
        _check_cookie(name, value)
    own = [headers["cookie"]] if "cookie" in headers else []
    return {"cookie": "; ".join([*own, *(f"{name}={value}" for name, value in cookies.items())])}


def _check_cookie(name: str, value: str) -> None:
    if ";" in f"{name}{value}":
        raise ValueError(f"the cookie {name} has a semicolon, which ends a cookie: encode it as the app decodes it")


def _check_keys(options: GatewayOptions) -> None:
    if not options.jwt_secrets:
        raise ConfigurationError(
            "token= needs a secret to verify it with: set ANYCABLE_SECRET, or give the cable settings that have one"
        )
