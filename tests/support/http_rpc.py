"""RPC over HTTP as anycable-go speaks it. The JSON is protobuf's own, so it is a second opinion about ours."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from anycable_rpc._pb import rpc_pb2 as pb
from anycable_rpc.protocol.messages import METHOD_NAMES, Request, Response
from anycable_rpc.transports import protobuf as wire

REQUESTS: dict[str, Any] = {
    "Connect": pb.ConnectionRequest,
    "Command": pb.CommandMessage,
    "Disconnect": pb.DisconnectRequest,
}
RESPONSES: dict[str, Any] = {
    "Connect": pb.ConnectionResponse,
    "Command": pb.CommandResponse,
    "Disconnect": pb.DisconnectResponse,
}


def encode_request(request: Request) -> bytes:
    """Return the body that anycable-go posts."""
    message = REQUESTS[METHOD_NAMES[type(request)]].FromString(wire.encode_request(request))
    return json_format.MessageToJson(message, preserving_proto_field_name=True, indent=None).encode()


def decode_response(method: str, body: bytes) -> Response:
    """Read the body of an answer."""
    message = json_format.Parse(body, RESPONSES[method]())
    return wire.decode_response(method, message.SerializeToString())


def response_fields(method: str, response: Response) -> Any:
    """Return the fields of a response as protobuf puts them into JSON, with a status as a number."""
    message = RESPONSES[method].FromString(wire.encode_response(response))
    return json_format.MessageToDict(message, preserving_proto_field_name=True, use_integers_for_enums=True)
