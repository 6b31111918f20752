"""A client on grpcio that makes the calls it reads as lines of JSON: on threads, or (`aio`) on an event loop.

`python -m tests.e2e.interop.python_client {sync,aio} ADDRESS [CERTIFICATE]`; see callers.py.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio

Asked = dict[str, Any]
STOPPED: set[int] = set()
OUTPUT = threading.Lock()


def say(
    asked: Asked, code: grpc.StatusCode = grpc.StatusCode.OK, text: str = "", data: bytes = b"", **more: Any
) -> None:
    answer = {"id": asked["id"], "code": code.value[0], "text": text, "data": b64encode(data).decode(), **more}
    with OUTPUT:
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


def options(asked: Asked) -> dict[str, Any]:
    pairs = [(key, value.encode() if key.endswith("-bin") else value) for key, value in asked["metadata"]]
    compression = grpc.Compression.Gzip if asked["gzip"] else grpc.Compression.NoCompression
    return {"metadata": pairs, "timeout": asked["timeout"], "compression": compression}


class OnThreads:
    """The synchronous client."""

    def __init__(self, address: str, trusted: grpc.ChannelCredentials | None) -> None:
        self._channel = grpc.secure_channel(address, trusted) if trusted else grpc.insecure_channel(address)

    def serve(self) -> None:
        for line in sys.stdin:
            asked = json.loads(line)
            if asked["stop"]:
                STOPPED.add(asked["stop"])
            elif asked["load"] or asked["stream"]:
                threading.Thread(
                    target=self._load if asked["load"] else self._stream, args=(asked,), daemon=True
                ).start()
            else:
                for _ in range(asked["times"]):
                    self._call(asked)

    def _call(self, asked: Asked) -> None:
        call: Any = self._channel.unary_unary(asked["path"])
        future = call.future(b64decode(asked["data"]), **options(asked))
        future.add_done_callback(lambda done: say(asked, done.code(), done.details(), _result(done)))
        if asked["cancel"]:
            threading.Timer(asked["cancel"], future.cancel).start()

    def _stream(self, asked: Asked) -> None:
        stream: Any = cast(Any, self._channel.unary_stream(asked["path"]))(b64decode(asked["data"]), **options(asked))
        if asked["cancel"]:
            threading.Timer(asked["cancel"], stream.cancel).start()
        try:
            for message in stream:
                say(asked, data=message, more=True)
        except grpc.RpcError:
            pass  # the code says it
        say(asked, stream.code(), stream.details())

    def _load(self, asked: Asked) -> None:
        counts: Counter[int] = Counter()
        threads = [threading.Thread(target=self._one_of_load, args=(asked, counts)) for _ in range(asked["times"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        say(asked, counts=counts)

    def _one_of_load(self, asked: Asked, counts: Counter[int]) -> None:
        call: Any = self._channel.unary_unary(asked["path"])
        while asked["id"] not in STOPPED:
            try:
                call(b64decode(asked["data"]), **options(asked))
                code = 0
            except grpc.RpcError as error:
                code = error.code().value[0]
            with OUTPUT:
                counts[code] += 1


def _result(done: Any) -> bytes:
    if done.code() is not grpc.StatusCode.OK:
        return b""
    result: bytes = done.result()
    return result


class OnALoop:
    """The asyncio client."""

    def __init__(self, address: str, trusted: grpc.ChannelCredentials | None) -> None:
        self._channel = grpc.aio.secure_channel(address, trusted) if trusted else grpc.aio.insecure_channel(address)
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            if asked["stop"]:
                STOPPED.add(asked["stop"])
            elif asked["load"]:
                self._begin(self._load, asked)
            else:
                for _ in range(asked["times"]):
                    self._begin(self._stream if asked["stream"] else self._call, asked)

    def _begin(self, act: Callable[[Asked], Awaitable[None]], asked: Asked) -> None:
        task = asyncio.ensure_future(act(asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, asked: Asked) -> None:
        call: Any = cast(Any, self._channel.unary_unary(asked["path"]))(b64decode(asked["data"]), **options(asked))
        if asked["cancel"]:
            asyncio.get_running_loop().call_later(asked["cancel"], call.cancel)
        code = await call.code()
        say(asked, code, await call.details(), await call if code is grpc.StatusCode.OK else b"")

    async def _stream(self, asked: Asked) -> None:
        stream: Any = cast(Any, self._channel.unary_stream(asked["path"]))(b64decode(asked["data"]), **options(asked))
        if asked["cancel"]:
            asyncio.get_running_loop().call_later(asked["cancel"], stream.cancel)
        try:
            async for message in stream:
                say(asked, data=message, more=True)
        except (grpc.RpcError, asyncio.CancelledError):
            pass  # the code says it
        say(asked, await stream.code(), await stream.details())

    async def _load(self, asked: Asked) -> None:
        counts: Counter[int] = Counter()
        await asyncio.gather(*(self._one_of_load(asked, counts) for _ in range(asked["times"])))
        say(asked, counts=counts)

    async def _one_of_load(self, asked: Asked, counts: Counter[int]) -> None:
        while asked["id"] not in STOPPED:
            call: Any = cast(Any, self._channel.unary_unary(asked["path"]))(b64decode(asked["data"]), **options(asked))
            counts[(await call.code()).value[0]] += 1


def main(kind: str, address: str, certificate: str = "") -> None:
    trusted = grpc.ssl_channel_credentials(Path(certificate).read_bytes()) if certificate else None
    if kind == "sync":
        OnThreads(address, trusted).serve()
    else:
        asyncio.run(_on_a_loop(address, trusted))


async def _on_a_loop(address: str, trusted: grpc.ChannelCredentials | None) -> None:
    await OnALoop(address, trusted).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
