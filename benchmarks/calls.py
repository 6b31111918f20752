"""The requests of the measurements, of the size that anycable-go sends for a small chat."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path

from anycable_rpc.protocol.messages import (
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    Env,
    EnvResponse,
    Request,
    Response,
    Status,
)
from anycable_rpc.transports.protobuf import encode_request, encode_response

__all__ = ["COOKIE", "IDENTIFIER", "IDENTIFIERS", "MESSAGE", "REQUESTS", "RESPONSES", "method_of", "write_calls"]

COOKIE = "user_id=42; theme=dark; _session=c2Vzc2lvbiBvZiBhIHVzdWFsIGxlbmd0aCwgc2lnbmVkIGFuZCBlbmNvZGVk"
IDENTIFIER = '{"channel":"Chat","room":"1"}'
MESSAGE = json.dumps({"action": "speak", "text": "A message of about the length of what people write. " * 3})
ENV = Env(
    "http://localhost:8080/cable?version=2&tab=7",
    {
        "cookie": COOKIE,
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0",
        "REMOTE_ADDR": "127.0.0.1",
    },
)
IDENTIFIERS = '{"user_id":"42"}'
REQUESTS: dict[str, Request] = {
    "Connect": ConnectionRequest(ENV),
    "subscribe": CommandMessage("subscribe", IDENTIFIER, IDENTIFIERS, env=ENV),
    "message": CommandMessage("message", IDENTIFIER, IDENTIFIERS, MESSAGE, ENV),
}
RESPONSES: dict[str, Response] = {
    "Connect": ConnectionResponse(Status.SUCCESS, IDENTIFIERS, ('{"type":"welcome"}',), env=EnvResponse()),
    "subscribe": CommandResponse(
        Status.SUCCESS,
        streams=("chat/1",),
        transmissions=('{"identifier":"{\\"channel\\":\\"Chat\\"}","type":"confirm_subscription"}',),
        env=EnvResponse(),
    ),
    "message": CommandResponse(
        Status.SUCCESS, transmissions=('{"identifier":"{}","message":{"text":"hello"}}',), env=EnvResponse()
    ),
}
"""The answers of the bare servers."""


def method_of(request: Request) -> str:
    """Return the RPC method of a request: Connect or Command."""
    return "Connect" if isinstance(request, ConnectionRequest) else "Command"


def json_of(request: Request) -> str:
    """Return a request as anycable-go posts it over HTTP: without empty fields."""
    fields = request._asdict()
    env = {name: value for name, value in request.env._asdict().items() if value}
    return json.dumps({name: value for name, value in {**fields, "env": env}.items() if value})


def write_calls(path: Path, names: Iterable[str] = REQUESTS) -> Path:
    """Write the file of calls for the Go programs and return its path."""
    calls = [
        {
            "name": name,
            "method": method_of(REQUESTS[name]),
            "data": base64.b64encode(encode_request(REQUESTS[name])).decode(),
            "json": base64.b64encode(json_of(REQUESTS[name]).encode()).decode(),
            "answer": base64.b64encode(encode_response(RESPONSES[name])).decode(),
        }
        for name in names
    ]
    path.write_text(json.dumps(calls))
    return path
