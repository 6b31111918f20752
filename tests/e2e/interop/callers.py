"""Four gRPC clients: programs that read calls as lines of JSON, and write the outcomes as lines of JSON."""

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
    """The outcome of a call: gRPC's status code, its text, the message. `more` is True for a message of a stream."""

    code: int
    text: str
    data: bytes
    more: bool = False


class Caller:
    """A running client. Every wait has a deadline."""

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
        return self.calls(1, path, data, **how)[0]

    def calls(self, times: int, path: str, data: bytes = b"", **how: Any) -> list[Answer]:
        """Make so many calls at once and return all answers, in the order of their arrival."""
        return list(self.answers(times, path, data, **how))

    def answers(self, times: int, path: str, data: bytes = b"", **how: Any) -> Iterator[Answer]:
        """Make so many calls at once and yield the answers as they arrive; calls do not wait for the first `next`."""
        number = self._ask(path=path, data=data, times=times, **how)
        return (self._answer(number) for _ in range(times))

    def stream(self, path: str, data: bytes = b"", **how: Any) -> Iterator[Answer]:
        """Start a stream at once; yield its messages, and its outcome last."""
        number = self._ask(path=path, data=data, stream=True, **how)
        return self._until_the_end(number)

    def begin_load(self, callers: int, path: str, data: bytes = b"", **how: Any) -> int:
        """Call without a pause, so many calls at a time; return the number that `end_load` needs."""
        return self._ask(path=path, data=data, times=callers, load=True, **how)

    def end_load(self, number: int) -> dict[int, int]:
        """End the load and return how often each status code came."""
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
        answer = self._next(number)
        return Answer(answer["code"], answer["text"], b64decode(answer["data"] or ""), bool(answer.get("more")))

    def _next(self, number: int) -> dict[str, Any]:
        try:
            return self._news[number].get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"no answer within {PATIENCE:g} s; exit code {self._process.poll()}") from None

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as stream:
            for line in stream:
                answer = json.loads(line)
                self._news[answer["id"]].put(answer)
