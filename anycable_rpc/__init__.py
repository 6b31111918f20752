"""The AnyCable RPC server for Python: connection and channel classes behind anycable-go."""

from .actions import action
from .cable import Cable
from .call import Callback
from .channel import Channel
from .connection import Connection
from .errors import (
    AnyCableError,
    BroadcastFailed,
    ConfigurationError,
    ExpiredToken,
    InvalidData,
    InvalidIdentifiers,
    InvalidPayload,
    InvalidToken,
    Rejected,
)
from .identifiers import IdentifiersCodec

__all__ = [
    "AnyCableError",
    "BroadcastFailed",
    "Cable",
    "Callback",
    "Channel",
    "ConfigurationError",
    "Connection",
    "ExpiredToken",
    "IdentifiersCodec",
    "InvalidData",
    "InvalidIdentifiers",
    "InvalidPayload",
    "InvalidToken",
    "Rejected",
    "__version__",
    "action",
]

__version__ = "0.1.0"
