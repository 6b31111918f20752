"""Publishing with a POST to anycable-go's `/_broadcast` (anycable-go `broadcast/http.go`)."""

from __future__ import annotations

from .http_carriers import PostingBroadcaster, Refusal, may_be_about_content
from .http_problems import CHECK_SERVER_LOG, COMMON_ADVICE
from .http_url import ErrorTexts, Target
from .retries import DEADLINE

__all__ = ["HTTPBroadcaster"]

_CHECK_ADDRESS = (
    "is ANYCABLE_HTTP_BROADCAST_URL right? With a key or a secret anycable-go takes broadcasts on its main "
    "port (8080), without one on 8090"
)
_TEXTS = ErrorTexts(
    "broadcasts",
    "ANYCABLE_HTTP_BROADCAST_URL",
    "ANYCABLE_BROADCAST_KEY",
    "http://localhost:8090/_broadcast",
    _CHECK_ADDRESS,
)
_STATUS_ADVICE = COMMON_ADVICE | {
    401: "the keys differ: set the same ANYCABLE_SECRET or ANYCABLE_BROADCAST_KEY on both sides",
    404: "there is no broadcast endpoint: does anycable-go run with --broadcast_adapter=http, and " + _CHECK_ADDRESS,
    413: "it is too large for that server",
    422: f"it does not accept this as a broadcast: {_CHECK_ADDRESS}",
    429: "that server accepts fewer broadcasts at a time",
    501: "anycable-go could not pass it to its broker: see anycable-go's log",
}


class HTTPBroadcaster(PostingBroadcaster):
    """A broadcaster with kept connections, for any thread, with or without an event loop, also after a fork.

    Publications that come while others are on their way leave together, as one JSON array. After a failure that looks
    like a restart (no connection, 429, 5xx) it tries again until the deadline, so a payload may arrive twice. It does
    not repeat a request that was sent and not answered. TLS certificates are verified against the system's authorities,
    or those in the file that `SSL_CERT_FILE` names.

    Args:
        url: where anycable-go accepts broadcasts, for example `http://localhost:8090/_broadcast`.
        key: sent as `Authorization: Bearer`.
        deadline: seconds that `publish` may take in all (the system may take longer to look up a host).

    Raises:
        ConfigurationError: the URL or the key cannot be used.
    """

    def __init__(self, url: str, key: str | None = None, *, deadline: float = DEADLINE) -> None:
        target = Target.parse(url, key, _TEXTS)
        super().__init__(target, target.path, _TEXTS, _refusal, deadline)


def _refusal(status: int) -> Refusal | None:
    if status in (200, 201):
        return None
    advice = _STATUS_ADVICE.get(status, CHECK_SERVER_LOG if status >= 500 else _CHECK_ADDRESS)
    return Refusal(f"it answered {status}: {advice}", status == 429 or status >= 500, may_be_about_content(status))
