"""The health service (`grpc.health.v1`): Check returns the state, Watch sends it again whenever it changes."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from ...protocol.messages import SERVICE
from ..http2.grpc_framing import GrpcError, GrpcStatus

__all__ = ["CHECK", "WATCH", "Health"]

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"

_NAMES = ("", SERVICE)
_SERVING = HealthCheckResponse(status=HealthCheckResponse.SERVING).SerializeToString()
_NOT_SERVING = HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING).SerializeToString()
_UNKNOWN = HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN).SerializeToString()


class Health:
    """The health of the server (the empty name) and of its service, which is the same. Messages are serialised."""

    def __init__(self) -> None:
        self._state = _SERVING
        self._has_ended = False
        self._watchers: dict[object, Callable[[bytes], object]] = {}

    def check(self, request: bytes) -> bytes:
        """Return the state of a service.

        Raises:
            GrpcError: there is no such service, or the request is malformed.
        """
        if _name(request) not in _NAMES:
            raise GrpcError(GrpcStatus.NOT_FOUND, "no such service")
        return self._state

    def watch(self, request: bytes, watcher: object, send: Callable[[bytes], object]) -> None:
        """Send the state of a service to a watcher now, and whenever it changes until `unwatch`.

        Raises:
            GrpcError: the request is malformed.
        """
        if _name(request) not in _NAMES:
            send(_UNKNOWN)
            return
        self._watchers[watcher] = send
        send(self._state)

    def unwatch(self, watcher: object) -> None:
        """Forget a watcher; unknown ones are ignored."""
        self._watchers.pop(watcher, None)

    def end(self) -> None:
        """Report NOT_SERVING for good: the server shuts down."""
        self.turn(False)
        self._has_ended = True

    def turn(self, is_serving: bool) -> None:
        """Report SERVING or NOT_SERVING from now on; after `end` this does nothing."""
        if self._has_ended:
            return
        self._state = _SERVING if is_serving else _NOT_SERVING
        for send in list(self._watchers.values()):  # a copy: a watcher may leave while it is sent to
            send(self._state)


def _name(request: bytes) -> str:
    try:
        return HealthCheckRequest.FromString(request).service
    except DecodeError:
        raise GrpcError(GrpcStatus.INTERNAL, "malformed HealthCheckRequest") from None
