"""The AnyCable RPC server for Python: connection and channel classes behind anycable-go."""

from .actions import action
from .broadcasters.memory import MemoryBroadcaster
from .broadcasters.rest_api import Presence, RestAPI
from .cable import Cable
from .callbacks import Callback
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
    RequestFailed,
)
from .identity.global_id import GlobalID
from .identity.identifiers import IdentifiersCodec
from .state import State

__all__ = [
    "AnyCableError",
    "BroadcastFailed",
    "Cable",
    "Callback",
    "Channel",
    "ConfigurationError",
    "Connection",
    "ExpiredToken",
    "GlobalID",
    "IdentifiersCodec",
    "InvalidData",
    "InvalidIdentifiers",
    "InvalidPayload",
    "InvalidToken",
    "MemoryBroadcaster",
    "Presence",
    "Rejected",
    "RequestFailed",
    "RestAPI",
    "State",
    "__version__",
    "action",
]

__version__ = "0.1.0"
