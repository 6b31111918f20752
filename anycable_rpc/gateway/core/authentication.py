"""Authentication: a client is identified by its token, by the options, or by the app (anycable-go `identity/`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import time

from ...errors import AnyCableError, ExpiredToken, InvalidToken, MissingIdentifiers, ProtocolError
from ...identity.token_location import find_token
from ...identity.tokens import TokenVerifier
from ...protocol.json_text import dumps
from .options import GatewayOptions

__all__ = ["AskApp", "Authenticator", "Decision", "Denied", "Failed", "Identified"]


@dataclass(frozen=True, slots=True)
class Identified:
    """The client may connect, without a question to the app. `is_anonymous`: every client may."""

    identifiers: str
    is_anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Denied:
    """The client may not connect; it is told the reason, and not to reconnect. `detail` is for the log."""

    reason: str
    detail: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """The client cannot be identified: the connection ends as after an error. `detail` is for the log."""

    detail: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class AskApp:
    """The app has to decide, by Connect."""


Decision = Identified | Denied | Failed | AskApp

_BY_ERROR: tuple[tuple[type[AnyCableError], Callable[[str], Decision]], ...] = (
    (ExpiredToken, partial(Denied, "token_expired")),
    (MissingIdentifiers, Failed),
    (InvalidToken, partial(Denied, "unauthorized")),
    (ProtocolError, Failed),
)
"""The first row that fits the error decides."""

_NO_TOKEN = "there is no token, and with --norpc the app is not called"  # noqa: S105 - no secret


class Authenticator:
    """Decides by the request alone. If the request has a token, the token decides, valid or not."""

    def __init__(self, options: GatewayOptions, clock: Callable[[], float] = time) -> None:
        self._options = options
        self._enforces = options.enforce_jwt
        self._verifier = TokenVerifier(options.jwt_secrets, clock) if options.jwt_secrets else None

    def identify(self, sid: str, url: str, headers: Mapping[str, str]) -> Decision:
        """Return the decision; `headers` holds the token if a header or a sub-protocol has brought one."""
        return self._by_token(url, headers) or self._without_token(sid)

    def _by_token(self, url: str, headers: Mapping[str, str]) -> Decision | None:
        if self._verifier is None:
            return None
        try:
            token = find_token(url, headers, self._options.jwt_param)
            if token:
                return Identified(self._verifier.verify(token))
        except AnyCableError as error:
            return next(decision for kind, decision in _BY_ERROR if isinstance(error, kind))(str(error))
        return Denied("unauthorized", "there is no token, and --enforce-jwt requires one") if self._enforces else None

    def _without_token(self, sid: str) -> Decision:
        if self._options.lets_everybody_in:
            return Identified(f'{{"sid":{dumps(sid)}}}', is_anonymous=True)
        return Denied("unauthorized", _NO_TOKEN) if self._options.norpc else AskApp()
