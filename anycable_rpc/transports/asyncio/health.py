"""The health service (`grpc.health.v1`): one state, asked by Check and told by Watch."""

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
_NOBODY = HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN).SerializeToString()


class Health:
    """What is said of the server (the empty name) and of its service; serialised messages come and go."""

    def __init__(self) -> None:
        self._now = _SERVING
        self._has_ended = False
        self._watchers: dict[object, Callable[[bytes], object]] = {}

    def check(self, request: bytes) -> bytes:
        """The state of a service.

        Raises:
            GrpcError: there is no such service.
        """
        if _name(request) not in _NAMES:
            raise GrpcError(GrpcStatus.NOT_FOUND, "no such service")
        return self._now

    def watch(self, request: bytes, watcher: object, tell: Callable[[bytes], object]) -> None:
        """Tell the watcher the state of a service now, and when it changes.

        Raises:
            GrpcError: this is no request.
        """
        if _name(request) not in _NAMES:
            tell(_NOBODY)
            return
        self._watchers[watcher] = tell
        tell(self._now)

    def leave(self, watcher: object) -> None:
        """It does not want to know any more."""
        self._watchers.pop(watcher, None)

    def end(self) -> None:
        """From now on, nothing is served."""
        self.turn(False)
        self._has_ended = True

    def turn(self, is_serving: bool) -> None:
        """From now on, the server serves or does not; after the end it never does."""
        if self._has_ended:
            return
        self._now = _SERVING if is_serving else _NOT_SERVING
        for tell in list(self._watchers.values()):
            tell(self._now)


def _name(request: bytes) -> str:
    try:
        return HealthCheckRequest.FromString(request).service
    except DecodeError:
        raise GrpcError(GrpcStatus.INTERNAL, "this is no HealthCheckRequest") from None
