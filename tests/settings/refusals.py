"""Settings that are refused, and secrets that must not be shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anycable_rpc import ConfigurationError
from anycable_rpc.settings.model import load

SENTINEL = "s3ntinel-of-a-secret"
LONG = "k" * 32
SECRETS: tuple[str, ...] = (
    "secret",
    "jwt_secret",
    "jwt_secrets_old",
    "streams_secret",
    "turbo_streams_secret",
    "broadcast_key",
    "http_rpc_secret",
    "api_secret",
    "rpc_tls_key",
)


def refusal(**values: Any) -> str:
    """Return the error for these settings."""
    with pytest.raises(ConfigurationError) as caught:
        load(**values)
    return str(caught.value)


def pyproject(folder: Path, text: str) -> None:
    """Write settings into pyproject.toml."""
    (folder / "pyproject.toml").write_text(f"[tool.anycable_rpc]\n{text}\n")
