"""The place of a client's token, by anycable-go's rules (`identity/jwt.go`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from ..errors import ProtocolError

__all__ = ["find_token", "token_header"]

_BROKEN_QUERY = re.compile(r";|%(?![0-9A-Fa-f]{2})")
_MEANS_MORE = re.compile(r"[%;\[\]\t\r\n]")  # escapes, unreadable characters, and characters that `urlsplit` drops


def token_header(param: str) -> str:
    """Return the header that may carry the token: `x-jid` for the parameter `jid`."""
    return f"x-{param.lower()}"


def find_token(url: str, headers: Mapping[str, str], param: str) -> str:
    """Return the token in the header, or else in the URL, or else an empty string.

    Of repeated URL parameters the first counts.

    Raises:
        ProtocolError: no header has the token, and the query has a `;` or a broken escape. Go reads nothing from such a
            query, and anycable-go closes the socket as after an error.
    """
    token = headers.get(token_header(param), "")
    if token:
        return token
    # A fast path for URLs without a token: it needs no parser.
    if param not in url and url.isascii() and not _MEANS_MORE.search(url):
        return ""
    query = _query(url)
    if _BROKEN_QUERY.search(query):
        raise ProtocolError("the URL's query cannot be read: it has a ';' or a broken %-escape")
    return dict(reversed(parse_qsl(query, keep_blank_values=True))).get(param, "")


def _query(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:
        raise ProtocolError("the URL cannot be read") from None
