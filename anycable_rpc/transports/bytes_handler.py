"""A service behind protobuf: bytes in, bytes out. Every gRPC transport calls it."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ProtocolError, RequestTooLarge, ResponseTooLarge
from ..protocol.messages import MESSAGE_SIZE, Response
from .protobuf import decode_request, encode_response
from .service import Service

__all__ = ["BytesHandler", "bytes_handler"]

_NO_LIMIT = 2**32  # bytes: no message of gRPC has more


class BytesHandler:
    """Answers `Connect`, `Command` and `Disconnect` in protobuf's encoding.

    Args:
        service: answers the requests.
        largest_request: in bytes; a larger one is an error, and no callback runs.
        largest_response: in bytes; instead of a larger one an error is sent. anycable-go would take its own "larger
            than max" for a server that is busy, and call again and again.
    """

    def __init__(
        self, service: Service, *, largest_request: int = MESSAGE_SIZE, largest_response: int = MESSAGE_SIZE
    ) -> None:
        self.is_async = service.is_async
        self.threads = service.threads
        self.refusal_observers = service.refusal_observers
        self._service = service
        self._largest_request = largest_request
        self._largest_response = largest_response

    def handle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        """Answer from this thread; for an app without `async def`."""
        try:
            request = decode_request(method, data)
        except Exception as error:
            return encode_response(self._service.failure(method, error, metadata))
        problem = self._problem(data) if len(data) > self._largest_request else None
        return self._service.answer(request, metadata, self._encode, problem)

    async def ahandle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        """Answer on the running event loop."""
        try:
            request = decode_request(method, data)
        except Exception as error:
            return encode_response(self._service.failure(method, error, metadata))
        problem = self._problem(data) if len(data) > self._largest_request else None
        return await self._service.aanswer(request, metadata, self._encode, problem)

    def _problem(self, data: bytes) -> ProtocolError:
        return RequestTooLarge(len(data), self._largest_request)

    def _encode(self, response: Response) -> bytes:
        data = encode_response(response)
        if len(data) > self._largest_response:
            raise ResponseTooLarge(len(data), self._largest_response)
        return data


def bytes_handler(service: Service) -> BytesHandler:
    """Return the handler with the sizes that the settings of the cable allow.

    gRPC's own argument for the size of requests wins over the setting; there, -1 is no limit.
    """
    settings = service.cable.settings
    arguments = {name.removeprefix("grpc."): value for name, value in settings.rpc_server_args.items()}
    largest = arguments.get("max_receive_message_length", settings.rpc_max_call_send_size)
    return BytesHandler(
        service,
        largest_request=largest if isinstance(largest, int) and largest >= 0 else _NO_LIMIT,
        largest_response=settings.rpc_max_call_recv_size,
    )
