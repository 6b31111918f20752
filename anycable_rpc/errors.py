"""Every error of this package, as one tree: catch `AnyCableError` for all of them, or a leaf for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = [
    "AnyCableError",
    "BindError",
    "BroadcastFailed",
    "ConfigurationError",
    "EventLoopRunning",
    "ExpiredToken",
    "IgnoredCommand",
    "IncompatibleClient",
    "InvalidData",
    "InvalidIdentifier",
    "InvalidIdentifiers",
    "InvalidMessage",
    "InvalidParams",
    "InvalidPayload",
    "InvalidSignedStream",
    "InvalidState",
    "InvalidToken",
    "MissingIdentifiers",
    "ProtocolError",
    "Rejected",
    "RequestFailed",
    "RequestTooLarge",
    "ResponseTooLarge",
    "UnknownAction",
    "UnknownChannel",
    "UnknownOption",
]


_LONGEST_NAME = 80


class AnyCableError(Exception):
    """The root of the tree."""


class ConfigurationError(AnyCableError):
    """A setting or a declaration is wrong. The message says what to do."""


class BindError(AnyCableError):
    """The operating system refused the address that a server should listen on."""


class Rejected(AnyCableError):
    """The error that `reject()` raises. It ends the callback, and the framework answers the client."""

    def __init__(self, reason: str = "unauthorized", reconnect: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reconnect = reconnect


class UnknownOption(AnyCableError, TypeError):
    """A method was called with a keyword that it does not have."""


class InvalidData(AnyCableError, ValueError):
    """A value cannot be written as JSON (NaN, a lone surrogate, an object), or a string is not JSON."""


class InvalidMessage(InvalidData):
    """Data for a channel's subscribers is none of the messages that the channel declares (checked in development)."""


class InvalidState(InvalidData):
    """A key or a value does not fit into the state kept by the server."""


class InvalidIdentifiers(InvalidData):
    """Connection identifiers lack a declared name, have an undeclared one, or are not a JSON object."""


class ProtocolError(AnyCableError):
    """The other side broke the AnyCable protocol. `hint` is for the log of this program only."""

    hint = ""


class IncompatibleClient(ProtocolError):
    """The caller speaks another version of the RPC protocol. `versions` are those in its metadata."""

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


class InvalidParams(ProtocolError):
    """The params of a subscription do not have the type that its channel declares."""


class InvalidPayload(ProtocolError):
    """The payload of an action is malformed, lacks a parameter, or has one of a wrong type.

    `errors` has a reason by the name of each parameter that is refused. No reason holds a value of the client.
    """

    def __init__(self, message: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.errors = errors or {}


class RequestTooLarge(ProtocolError):
    """A request has more bytes than the server accepts."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the request has {size} bytes, more than the {limit} of rpc_max_call_send_size: keep less in state, or "
            "raise that setting"
        )


class ResponseTooLarge(AnyCableError):
    """The response to a call has more bytes than anycable-go accepts."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the answer has {size} bytes, more than the {limit} of rpc_max_call_recv_size: send less (a broadcast is "
            "not part of an answer), or raise that setting, here and in anycable-go"
        )


class InvalidToken(AnyCableError):
    """The token is malformed, not yet valid, or not signed with a known secret."""


class ExpiredToken(InvalidToken):
    """The token has expired."""


class MissingIdentifiers(InvalidToken):
    """The token is valid, but its `ext` claim is missing or not a string."""


class InvalidSignedStream(AnyCableError):
    """The signed stream name is malformed or signed with another secret."""


class RequestFailed(AnyCableError):
    """The request to the server at `address` failed. If `transient`, the same request may work later."""

    def __init__(self, message: str, address: str = "", transient: bool = False) -> None:
        super().__init__(message)
        self.address = address
        self.transient = transient


class BroadcastFailed(RequestFailed):
    """A publication was not accepted."""


class EventLoopRunning(AnyCableError, RuntimeError):
    """A sync verb of a test client was used inside a running event loop; `twin` is the verb to await instead."""

    def __init__(self, twin: str) -> None:
        super().__init__(
            f"an event loop is running in this thread, and the app has `async def` callbacks: write `await {twin}(…)`"
        )
        self.twin = twin


class IgnoredCommand(AnyCableError):
    """A test client sent a command that anycable-go ignores in silence: it is closed, or not subscribed."""


def near(name: object, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return the end of an error about an unknown name: `; did you mean …?`, or an empty string."""
    from difflib import get_close_matches  # imported late: most programs never need it

    if not isinstance(name, str) or len(name) > _LONGEST_NAME:  # the name of a client may be of any length
        return ""
    found = get_close_matches(name, list(known), n=2, cutoff=cutoff)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def shorten(value: object, limit: int = 80) -> str:
    """Return the value for an error message: quoted, on one line, at most `limit` characters."""
    try:
        text = repr(value)
    except Exception:  # too deeply nested or too many digits; another error is to be reported
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"
