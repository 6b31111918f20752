"""The keys that a program uses: each from its own setting, else derived from `secret`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from ..identity import keys

if TYPE_CHECKING:
    from .model import Settings

__all__ = ["OFF", "Keys"]

OFF = "none"
"""The value that switches a key off, as in anycable-go."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a program as plain strings; None where a key is not set or is switched off with `none`."""

    _settings: Settings

    @property
    def jwt(self) -> str | None:
        """The key that signs tokens."""
        return _plain(self._settings.jwt_secret or self._settings.secret)

    @property
    def jwt_verifying(self) -> tuple[str, ...]:
        """The keys that verify tokens: first the one that signs, then old ones. Empty when nothing signs."""
        current = self.jwt
        old = map(SecretStr.get_secret_value, self._settings.jwt_secrets_old)
        return (current, *(secret for secret in old if secret != OFF)) if current else ()

    @property
    def streams(self) -> str | None:
        """The key that signs the names of streams."""
        return _plain(self._settings.streams_secret or self._settings.secret)

    @property
    def turbo_streams(self) -> str | None:
        """The key that signs the streams of Turbo pages."""
        settings = self._settings
        return _plain(settings.turbo_streams_secret or settings.streams_secret or settings.secret)

    @property
    def broadcast(self) -> str | None:
        """The key that authorizes broadcasts over HTTP."""
        return self._own_or_derived(self._settings.broadcast_key, keys.BROADCAST_KEY)

    @property
    def api(self) -> str | None:
        """The key that authorizes requests to the REST API."""
        return self._own_or_derived(self._settings.api_secret, keys.API_KEY)

    @property
    def http_rpc(self) -> str | None:
        """The key that authorizes anycable-go's calls over HTTP."""
        return self._own_or_derived(self._settings.http_rpc_secret, keys.HTTP_RPC_KEY)

    def _own_or_derived(self, own: SecretStr | None, purpose: str) -> str | None:
        if own:
            return _plain(own)
        secret = _plain(self._settings.secret)
        return keys.derive_key(secret, purpose) if secret else None


def _plain(secret: SecretStr | None) -> str | None:
    text = secret.get_secret_value() if secret else OFF
    return None if text == OFF else text
