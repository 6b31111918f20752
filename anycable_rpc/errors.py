"""Every error this package raises, as one tree: catch `AnyCableError` for all of them, or a leaf for one."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "AnswerTooLarge",
    "AnyCableError",
    "BindError",
    "BroadcastFailed",
    "ConfigurationError",
    "ExpiredToken",
    "IncompatibleClient",
    "InvalidData",
    "InvalidIdentifier",
    "InvalidIdentifiers",
    "InvalidPayload",
    "InvalidSignedStream",
    "InvalidState",
    "InvalidToken",
    "MissingIdentifiers",
    "ProtocolError",
    "Rejected",
    "RequestFailed",
    "RequestTooLarge",
    "UnknownAction",
    "UnknownChannel",
    "UnknownOption",
]


_LONGEST_NAME = 80


class AnyCableError(Exception):
    """The root of the tree."""


class ConfigurationError(AnyCableError):
    """A setting or a declaration is wrong; the text says what to do about it."""


class BindError(AnyCableError):
    """The system refused the address that a server should listen on."""


class Rejected(AnyCableError):
    """What `reject()` raises. Inside a callback it ends the callback; the framework answers for it."""

    def __init__(self, reason: str = "unauthorized", reconnect: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reconnect = reconnect


class UnknownOption(AnyCableError, TypeError):
    """A method was called with a keyword that it does not have."""


class InvalidData(AnyCableError, ValueError):
    """A value cannot be written as JSON (NaN, a lone surrogate, an object), or a text is not JSON."""


class InvalidState(InvalidData):
    """A key or a value does not fit into the state kept by the server."""


class InvalidIdentifiers(InvalidData):
    """Connection identifiers miss a declared name, have another one, or are not a JSON object."""


class ProtocolError(AnyCableError):
    """The other side sent something that the AnyCable protocol does not have; `hint` is for our own log alone."""

    hint = ""


class IncompatibleClient(ProtocolError):
    """The caller speaks another version of the RPC protocol (`versions`: what its metadata says)."""

    def __init__(self, versions: str | None) -> None:
        super().__init__(
            "Incompatible AnyCable RPC client.\nCurrent server version: v1.\n"
            f"Client supported versions: {versions or 'unknown'}."
        )
        self.versions = versions


class InvalidIdentifier(ProtocolError):
    """A subscription's identifier is not a JSON object that names a channel."""


class UnknownChannel(ProtocolError):
    """No channel of that name is registered."""

    def __init__(self, name: str, hint: str = "") -> None:
        super().__init__(f"Unknown channel: {shorten(name)}")
        self.name = name
        self.hint = hint


class UnknownAction(ProtocolError):
    """The channel has no action of that name."""

    def __init__(self, channel: str, name: object, hint: str = "") -> None:
        super().__init__(f"{channel} has no action {shorten(name)}")
        self.channel = channel
        self.name = name
        self.hint = hint


class InvalidPayload(ProtocolError):
    """What a client sent with an action is malformed, misses a parameter or has one of a wrong type."""


class RequestTooLarge(ProtocolError):
    """A request has more bytes than the server takes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the request has {size} bytes, more than the {limit} of rpc_max_call_send_size: keep less in state, or "
            "raise that setting"
        )


class AnswerTooLarge(AnyCableError):
    """What a callback has said makes an answer of more bytes than anycable-go takes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the answer has {size} bytes, more than the {limit} of rpc_max_call_recv_size: send less (a broadcast is "
            "not part of an answer), or raise that setting, here and in anycable-go"
        )


class InvalidToken(AnyCableError):
    """The token is malformed, not yet valid, or not signed with a known secret."""


class ExpiredToken(InvalidToken):
    """The token was valid once."""


class MissingIdentifiers(InvalidToken):
    """The token is valid, but its `ext` claim is missing or not a string."""


class InvalidSignedStream(AnyCableError):
    """The signed stream name is malformed or signed with another secret."""


class RequestFailed(AnyCableError):
    """The server at `address` did not do what it was asked for; if `transient`, the same may work later."""

    def __init__(self, message: str, address: str = "", transient: bool = False) -> None:
        super().__init__(message)
        self.address = address
        self.transient = transient


class BroadcastFailed(RequestFailed):
    """A publication was not accepted."""


def near(name: object, known: Iterable[str], cutoff: float = 0.6) -> str:
    """End an error about a name that is not known: `; did you mean …?`, or nothing when no other is like it."""
    from difflib import get_close_matches  # which most programs do without

    if not isinstance(name, str) or len(name) > _LONGEST_NAME:  # a client's may be as long as it likes
        return ""
    found = get_close_matches(name, list(known), n=2, cutoff=cutoff)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def shorten(value: object, limit: int = 80) -> str:
    """The value as it may stand in an error: quoted, on one line, not longer than `limit` characters."""
    try:
        text = repr(value)
    except Exception:  # nested too deeply, too many digits: the error to report is another one
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"
