"""Check that protobuf is new enough: an older one would fail on import with an error that does not say so."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires, version

from ..errors import ConfigurationError

__all__ = ["check_protobuf"]

_PACKAGES = ("anycable-rpc", "grpcio-health-checking")
"""The packages with code that protoc has generated."""

_AT_LEAST = re.compile(r"protobuf\b[^;]*>=\s*([\d.]+)")


def check_protobuf() -> None:
    """Compare the installed protobuf with what the packages declare that they need.

    Raises:
        ConfigurationError: protobuf is missing or too old; the message names the package that needs it.
    """
    try:
        import google.protobuf
    except ImportError:
        raise ConfigurationError("protobuf is not installed: pip install protobuf") from None
    installed = google.protobuf.__version__
    for package in _PACKAGES:
        needed = _needed_by(package)
        if _numbers(installed) < _numbers(needed):
            raise ConfigurationError(
                f"protobuf {installed} is too old for {package} {version(package)}, which needs {needed} or later: "
                "pip install --upgrade protobuf"
            )


def _needed_by(package: str) -> str:
    """Return the lowest version of protobuf that the package allows; 0 if it declares none."""
    try:
        needs = requires(package) or []
    except PackageNotFoundError:
        needs = []
    return next((found[1] for found in map(_AT_LEAST.match, needs) if found), "0")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)[:3]]
