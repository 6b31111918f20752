"""Keys derived from the application secret."""

from __future__ import annotations

import hmac

__all__ = ["API_KEY", "BROADCAST_KEY", "HTTP_RPC_KEY", "MINIMUM_SECRET_BYTES", "derive_key"]

BROADCAST_KEY = "broadcast-cable"
"""The purpose that the key for `/_broadcast` is derived from."""

API_KEY = "api-cable"
"""The purpose that the key for the REST API is derived from."""

HTTP_RPC_KEY = "rpc-cable"
"""The purpose that the key for RPC over HTTP is derived from."""

MINIMUM_SECRET_BYTES = 32
"""HMAC-SHA256 wants a key as long as its output (RFC 7518, section 3.2)."""


def derive_key(secret: str, purpose: str) -> str:
    """Derive a key from the application secret: hex of HMAC-SHA256 (anycable-go, anycable-rb `config.rb`)."""
    return hmac.digest(secret.encode(), purpose.encode(), "sha256").hex()
