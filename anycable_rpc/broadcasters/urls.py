"""URLs of Redis and NATS as logs and errors may show them: without user, password and parameters."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from ..errors import ConfigurationError

__all__ = ["host_and_port", "parse"]


def parse(url: str, schemes: Collection[str], default_port: int, usage: str) -> SplitResult:
    """Split a URL, with only `host:port` as its network location.

    Raises:
        ConfigurationError: the URL cannot be used. The message is `usage`, since the URL may hold a password.
    """
    try:
        parts = urlsplit(url)
        place = host_and_port(parts, default_port)
    except ValueError:
        raise ConfigurationError(usage) from None
    if parts.scheme not in schemes or (parts.scheme == "unix") == bool(place) or not url.isprintable() or " " in url:
        raise ConfigurationError(usage)
    return parts._replace(netloc=place)


def host_and_port(parts: SplitResult, default_port: int) -> str:
    """Return `host:port`, with brackets around an IPv6 address, or an empty string for a URL without a host.

    Raises:
        ValueError: the port is not a number from 0 to 65535.
    """
    host, port = parts.hostname or "", parts.port or default_port
    return f"{f'[{host}]' if ':' in host else host}:{port}" if host else ""
