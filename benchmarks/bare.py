"""`python -m benchmarks.bare HOST:PORT`: a grpcio server that only reads and writes the messages."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from anycable_rpc._pb import rpc_pb2 as pb
from anycable_rpc.protocol.messages import SERVICE
from anycable_rpc.settings.model import Settings
from anycable_rpc.transports.grpcio.server import options

CONNECTED: dict[str, Any] = {"status": 1, "identifiers": '{"user_id":"42"}', "transmissions": ['{"type":"welcome"}']}
DONE: dict[str, Any] = {"status": 1, "transmissions": ['{"identifier":"{}","type":"confirm_subscription"}']}


def connect(request: Any, context: Any) -> Any:
    return pb.ConnectionResponse(**CONNECTED)


def command(request: Any, context: Any) -> Any:
    return pb.CommandResponse(**DONE)


def main(address: str) -> None:
    """Serve until the process ends."""
    settings = Settings()
    server = grpc.server(ThreadPoolExecutor(settings.rpc_pool_size), options=options(settings))
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Connect": grpc.unary_unary_rpc_method_handler(
            connect, pb.ConnectionRequest.FromString, pb.ConnectionResponse.SerializeToString
        ),
        "Command": grpc.unary_unary_rpc_method_handler(
            command, pb.CommandMessage.FromString, pb.CommandResponse.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port(address)
    server.start()
    sys.stdout.write(f"listening on {address.rpartition(':')[0]}:{port}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
