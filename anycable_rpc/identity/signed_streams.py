"""Signed stream names. A client may subscribe to them without a channel."""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode

from ..errors import (
    ConfigurationError,
    InvalidSignedStream,
)
from ..protocol import go_json, json_text
from ..protocol.messages import stream_name
from .tokens import without_line_breaks

__all__ = ["sign_stream", "verify_stream"]

_PADDED_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def sign_stream(name: str, secret: str) -> str:
    """Sign a stream name: standard padded base64 of its JSON text, `--`, hex of HMAC-SHA256.

    anycable-go decodes the standard alphabet only (`streams/controller.go`).

    Raises:
        InvalidData: the name is not a string, is empty, or contains a lone surrogate.
    """
    encoded = b64encode(json_text.dumps(stream_name(name)).encode()).decode()
    return f"{encoded}--{_stream_digest(encoded, secret)}"


def verify_stream(signed: str, secret: str) -> str:
    """Verify a signed stream name and return the name.

    Raises:
        InvalidSignedStream: the signature or the signed name is invalid.
    """
    encoded, _, digest = signed.partition("--")
    if not hmac.compare_digest(digest.encode(errors="replace"), _stream_digest(encoded, secret).encode()):
        raise InvalidSignedStream("the signature of the stream name is invalid")
    try:
        name = go_json.loads_bytes(_decode_padded(encoded))
    except ValueError:
        raise InvalidSignedStream("the signed stream name is not base64 of JSON") from None
    if not isinstance(name, str) or not name:
        raise InvalidSignedStream("the signed stream name is not a non-empty string")
    return go_json.readable(name)


def _stream_digest(encoded: str, secret: str) -> str:
    if not secret:
        raise ConfigurationError("signed streams need a secret: set ANYCABLE_SECRET or ANYCABLE_STREAMS_SECRET")
    return hmac.digest(secret.encode(), encoded.encode(errors="replace"), "sha256").hex()


def _decode_padded(text: str) -> bytes:
    text = without_line_breaks(text)
    if len(text) % 4 or not _PADDED_BASE64.fullmatch(text):
        raise ValueError("not padded base64 of the standard alphabet")
    return b64decode(text)
