"""The rules of the endpoint: address, method, key and size, before a call is read."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ...errors import ConfigurationError, ProtocolError, RequestTooLarge
from ...protocol.messages import Request
from .json_codec import decode_request

if TYPE_CHECKING:
    from ...cable import Cable

__all__ = ["JSON_HEADERS", "PATHS", "Endpoint", "HTTPError", "Head"]

logger = logging.getLogger("anycable_rpc")

Headers = tuple[tuple[str, str], ...]

PATHS: Mapping[str, str] = {"connect": "Connect", "command": "Command", "disconnect": "Disconnect"}
"""The last segments of the three addresses, and the call that each one is for."""

JSON_HEADERS: Headers = (("content-type", "application/json"),)
_DIGITS, _HUGE = 20, 10**20  # `int` refuses thousands of digits
_SPACES = " \t"
_TEXT_HEADERS: Headers = (("content-type", "text/plain; charset=utf-8"),)
_NO_KEY = (
    "RPC over HTTP needs a key: set ANYCABLE_SECRET or ANYCABLE_HTTP_RPC_SECRET, the same as for anycable-go. "
    "With insecure=True anybody who reaches the address may call your app"
)
_NOT_FOUND = "this address takes no calls: anycable-go calls …/connect, …/command and …/disconnect"
_WRONG_KEY = (
    "the key is missing or wrong: give anycable-go and the app the same ANYCABLE_HTTP_RPC_SECRET, "
    "or the same ANYCABLE_SECRET"
)


class HTTPError(Exception):
    """A call is not answered: the status, a sentence for the body, and headers."""

    def __init__(self, status: int, sentence: str, *headers: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.status = status
        self.body = f"{sentence}\n".encode()
        self.headers: Headers = (*_TEXT_HEADERS, *headers)


class Head(NamedTuple):
    """The parts of an HTTP request that stand before its body; strings are as on the wire, one character a byte.

    `length` is that of the body, where the caller says so.
    """

    method: str
    path: str
    authorization: str = ""
    sid: str = ""
    protov: str = ""
    length: str = ""

    @property
    def size(self) -> int | None:
        """The length in bytes; None where the caller does not say one."""
        if not self.length.isdecimal():
            return None
        return int(self.length) if len(self.length) < _DIGITS else _HUGE

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata of the call: `sid` and `protov`, as over gRPC."""
        return {"sid": _readable(self.sid), "protov": self.protov}


class Body:
    """Collects the body of a call, up to the largest size.

    A body that is up to four times as large is read to its end and dropped. A server that answers earlier closes the
    connection, and anycable-go would take that for a failure that passes, and send the body again and again.
    """

    def __init__(self, method: str, largest: int) -> None:
        self._method = method
        self._largest = largest
        self._size = 0
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Append the next bytes.

        Raises:
            HTTPError: 413.
        """
        self._size += len(data)
        if self._size > 4 * self._largest:
            raise self._too_large()
        if self._size <= self._largest:
            self._data += data
        else:
            self._data.clear()

    def whole(self) -> bytes:
        """Return the body, at its end.

        Raises:
            HTTPError: 413.
        """
        if self._size > self._largest:
            raise self._too_large()
        return bytes(self._data)

    def _too_large(self) -> HTTPError:
        return _refused(413, self._method, RequestTooLarge(self._size, self._largest))


class Endpoint:
    """Decides which HTTP requests are calls, and reads them.

    Args:
        key: the key that anycable-go sends; None lets everybody in.
        largest: the largest body, in bytes.
    """

    def __init__(self, key: str | None, largest: int) -> None:
        self._largest = largest
        # HTTP has no spaces at the end of a header: anycable-go drops those of a key
        self._authorization = f"Bearer {key.rstrip(_SPACES)}".encode() if key else None

    @classmethod
    def of(cls, cable: Cable, *, insecure: bool) -> Endpoint:
        """Return the endpoint that the settings of a cable describe.

        Raises:
            ConfigurationError: there is no key, and `insecure` does not allow that.
        """
        key = cable.settings.keys.http_rpc
        if key is None and not insecure:
            raise ConfigurationError(_NO_KEY)
        return cls(key, cable.settings.rpc_max_call_send_size)

    def admit(self, head: Head) -> str:
        """Return the method that a request calls: `Connect`, `Command` or `Disconnect`.

        Raises:
            HTTPError: 404, 405 or 401.
        """
        method = PATHS.get(head.path.rpartition("/")[2])
        if method is None:
            raise HTTPError(404, _NOT_FOUND)
        if head.method != "POST":
            raise HTTPError(405, "use the method POST", ("allow", "POST"))
        if not self._knows(head.authorization):
            raise HTTPError(401, _WRONG_KEY, ("www-authenticate", "Bearer"))
        return method

    def body(self, method: str) -> Body:
        """Return what collects the body of a call."""
        return Body(method, self._largest)

    def read(self, method: str, body: bytes) -> Request:
        """Return the request in a body.

        Raises:
            HTTPError: 422.
        """
        try:
            return decode_request(method, body)
        except ProtocolError as error:
            raise _refused(422, method, error) from None

    def _knows(self, authorization: str) -> bool:
        """Compare the keys in constant time."""
        expected = self._authorization
        return expected is None or hmac.compare_digest(authorization.encode("latin-1", "replace"), expected)


def _refused(status: int, method: str, error: ProtocolError) -> HTTPError:
    logger.warning("%s: %s", method, error)
    return HTTPError(status, str(error))


def _readable(header: str) -> str:
    """Return a header as UTF-8: anycable-go passes on the sid that a client has chosen."""
    return header if header.isascii() else header.encode("latin-1", "replace").decode("utf-8", "replace")
