"""Whether the installed protobuf is new enough: one that is not fails on import, with an error that helps nobody."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires, version

from ..errors import ConfigurationError

__all__ = ["check_protobuf"]

_PACKAGES = ("anycable-rpc", "grpcio-health-checking")
"""Those with code that protoc has generated."""

_AT_LEAST = re.compile(r"protobuf\b[^;]*>=\s*([\d.]+)")


def check_protobuf() -> None:
    """Compare protobuf with what the packages say that they need.

    Raises:
        ConfigurationError: protobuf is missing or too old; the text says for whom.
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
    """The lowest version of protobuf that the package allows; 0 where it does not say."""
    try:
        needs = requires(package) or []
    except PackageNotFoundError:
        needs = []
    return next((found[1] for found in map(_AT_LEAST.match, needs) if found), "0")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)[:3]]
