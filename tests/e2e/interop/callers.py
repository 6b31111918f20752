"""gRPC clients of four makes: programs that read calls as JSON in lines, and say in the same way how they ended."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Any, Self

from ...support.paths import PROJECT
from ..processes import environment

PATIENCE = 60.0
METADATA = (("sid", "s1"), ("protov", "v1"))
CONNECT, COMMAND, DISCONNECT = (f"/anycable.RPC/{method}" for method in ("Connect", "Command", "Disconnect"))
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
OK, CANCELLED, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND = 0, 1, 3, 4, 5
RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 8, 12, 13, 14


@dataclass(frozen=True)
class Answer:
    """How a call has ended: gRPC's number, the text with it, the message. `more` is a message of a stream."""

    code: int
    text: str
    data: bytes
    more: bool = False


class Caller:
    """A client that runs. Every wait has a deadline."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, cwd=PROJECT, env=environment({}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._numbers = count(1)
        self._news: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def call(self, path: str, data: bytes = b"", **how: Any) -> Answer:
        """Call once."""
        return self.calls(1, path, data, **how)[0]

    def calls(self, times: int, path: str, data: bytes = b"", **how: Any) -> list[Answer]:
        """Call so many times at once; all the answers, in the order in which they came."""
        return list(self.answers(times, path, data, **how))

    def answers(self, times: int, path: str, data: bytes = b"", **how: Any) -> Iterator[Answer]:
        """The same, as they come. The calls are made before the first is asked for."""
        number = self._ask(path=path, data=data, times=times, **how)
        return (self._answer(number) for _ in range(times))

    def stream(self, path: str, data: bytes = b"", **how: Any) -> Iterator[Answer]:
        """What comes, the end last. The call is made before the first is asked for."""
        number = self._ask(path=path, data=data, stream=True, **how)
        return self._until_the_end(number)

    def begin_load(self, callers: int, path: str, data: bytes = b"", **how: Any) -> int:
        """Call all the time, so many at a time; `end_load` takes the number."""
        return self._ask(path=path, data=data, times=callers, load=True, **how)

    def end_load(self, number: int) -> dict[int, int]:
        """How often each code came."""
        self._ask(stop=number)
        return {int(code): times for code, times in self._next(number)["counts"].items()}

    def _ask(self, **how: Any) -> int:
        number = next(self._numbers)
        self._news[number] = queue.SimpleQueue()
        asked: dict[str, Any] = {
            "path": "",
            "data": b"",
            "metadata": METADATA,
            "timeout": PATIENCE / 2,
            "cancel": 0,
            "gzip": False,
        }
        asked |= {"times": 1, "stream": False, "load": False, "stop": 0, **how, "id": number}
        asked["data"] = b64encode(asked["data"]).decode()
        assert self._process.stdin
        self._process.stdin.write(f"{json.dumps(asked)}\n")
        self._process.stdin.flush()
        return number

    def _until_the_end(self, number: int) -> Iterator[Answer]:
        while (answer := self._answer(number)).more:
            yield answer
        yield answer

    def _answer(self, number: int) -> Answer:
        said = self._next(number)
        return Answer(said["code"], said["text"], b64decode(said["data"] or ""), bool(said.get("more")))

    def _next(self, number: int) -> dict[str, Any]:
        try:
            return self._news[number].get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"no answer within {PATIENCE:g} s; exit code {self._process.poll()}") from None

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as stream:
            for line in stream:
                said = json.loads(line)
                self._news[said["id"]].put(said)
