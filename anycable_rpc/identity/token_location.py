"""Where a client's token is, by anycable-go's rules (`identity/jwt.go`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from ..errors import ProtocolError

__all__ = ["find_token", "token_header"]

_BROKEN_QUERY = re.compile(r";|%(?![0-9A-Fa-f]{2})")
_MEANS_MORE = re.compile(r"[%;\[\]\t\r\n]")  # an escape, what cannot be read, what `urlsplit` drops


def token_header(param: str) -> str:
    """The header that may carry the token: `x-jid` for the parameter `jid`."""
    return f"x-{param.lower()}"


def find_token(url: str, headers: Mapping[str, str], param: str) -> str:
    """The token in the header, else in the URL (of repeated parameters the first); empty when there is none.

    Raises:
        ProtocolError: no header has it, and the query has a `;` or a broken escape: Go reads nothing from such
            a query, and anycable-go closes the socket as after an error.
    """
    token = headers.get(token_header(param), "")
    if token:
        return token
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
