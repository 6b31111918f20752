"""An app that responds as its callers tell it to, and records its calls."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anycable_rpc.protocol.messages import (
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    EnvResponse,
    PresenceResponse,
    Request,
    Response,
    Status,
)
from anycable_rpc.transports.protobuf import decode_request, encode_response

PATIENCE = 10.0
LAST = '{"channel":"$pubsub"}'
"""An identifier to subscribe to after other commands, to see that they are done: a stream without a name is rejected,
by the server, or by the app, which then does not record it."""
WELCOME = ConnectionResponse(Status.SUCCESS, '{"from":"rpc"}', ('{"type":"welcome"}',))


@dataclass(frozen=True)
class Call:
    """A call of the app."""

    method: str
    request: Any
    metadata: Mapping[str, str]


@dataclass
class ScriptedApp:
    """The response to Connect is `connect`. The client writes the response to a command under `answer`: in the
    identifier when it subscribes and unsubscribes, in the data when it performs. There it has the fields of
    `CommandResponse`, with names of states; without it the response is a plain success.

    `times` makes each transmission so many times as long, `raise` makes the call fail, and `wait` makes it wait for
    `released`.
    """

    connect: ConnectionResponse = WELCOME
    connect_waits: bool = False
    released: threading.Event = field(default_factory=threading.Event)
    _calls: list[Call] = field(default_factory=list[Call])
    _news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def calls(self) -> list[Call]:
        """The calls, in their order."""
        with self._news:
            return list(self._calls)

    def forget(self) -> None:
        """Reset the app."""
        self.connect = WELCOME
        with self._news:
            self._calls.clear()

    def requests(self, method: str) -> list[Any]:
        """Return the requests of one method."""
        return [call.request for call in self.calls if call.method == method]

    def wait_for(self, method: str, number: int = 1) -> list[Any]:
        """Wait until a method was called so often; return its requests."""
        with self._news:
            met = self._news.wait_for(lambda: len(self._of(method)) >= number, PATIENCE)
        assert met, f"{method} was not called {number} times; the calls were {self.calls}"
        return self.requests(method)

    async def rpc(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        """Answer on an event loop, as `Service.ahandle` does."""
        answer = self._note(method, decode_request(method, data), metadata)
        if isinstance(answer, _Waiting):
            await asyncio.to_thread(self.released.wait, PATIENCE)
            answer = answer.response
        return encode_response(answer)

    def answer(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        """Answer in a thread, as a gRPC server does."""
        answer = self._note(method, decode_request(method, data), metadata)
        if isinstance(answer, _Waiting):
            self.released.wait(PATIENCE)
            answer = answer.response
        return encode_response(answer)

    def _note(self, method: str, request: Request, metadata: Mapping[str, str]) -> Response | _Waiting:
        if isinstance(request, CommandMessage) and request.identifier == LAST:
            return CommandResponse(Status.FAILURE, transmissions=(_usual(request, Status.FAILURE),))
        with self._news:
            self._calls.append(Call(method, request, metadata))
            self._news.notify_all()
        return self._respond(request)

    def _of(self, method: str) -> list[Call]:
        return [call for call in self._calls if call.method == method]

    def _respond(self, request: Request) -> Response | _Waiting:
        match request:
            case ConnectionRequest():
                return _Waiting(self.connect) if self.connect_waits else self.connect
            case CommandMessage():
                script = _script(request)
                response = _command_response(request, script)
                return _Waiting(response) if script.get("wait") else response
            case DisconnectRequest():
                return DisconnectResponse(Status.SUCCESS)


@dataclass(frozen=True)
class _Waiting:
    response: Response


def _script(request: CommandMessage) -> dict[str, Any]:
    try:
        params = json.loads(request.data or request.identifier)
    except ValueError:
        return {}
    script: dict[str, Any] = params.get("answer", {}) if isinstance(params, dict) else {}
    script = script.get(request.command, script)
    if script.get("raise"):
        raise RuntimeError("the app has failed, as it was told to")
    return script


def _command_response(request: CommandMessage, script: Mapping[str, Any]) -> CommandResponse:
    status = Status[script.get("status", "SUCCESS")]
    transmissions = script.get("transmissions", [_usual(request, status)] if request.command == "subscribe" else [])
    states = EnvResponse(script.get("cstate", {}), script.get("istate", {}))
    return CommandResponse(
        status,
        disconnect=script.get("disconnect", False),
        stop_streams=script.get("stop_streams", request.command == "unsubscribe"),
        streams=tuple(script.get("streams", ())),
        stopped_streams=tuple(script.get("stopped_streams", ())),
        transmissions=tuple(text * script.get("times", 1) for text in transmissions),
        env=states,
        presence=PresenceResponse(**script["presence"]) if "presence" in script else None,
    )


def _usual(request: CommandMessage, status: Status) -> str:
    type_ = "confirm_subscription" if status is Status.SUCCESS else "reject_subscription"
    return json.dumps({"identifier": request.identifier, "type": type_})
