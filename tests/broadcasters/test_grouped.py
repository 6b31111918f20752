"""The base of the broadcasters over a network."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

import pytest

from anycable_rpc.broadcasters.grouped import GroupedBroadcaster
from anycable_rpc.broadcasters.http import HTTPBroadcaster
from anycable_rpc.broadcasters.trips import Outcomes

THREADS = 8


class Counted:
    """A carrier that records what it sends."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send_one(self, payload: str, seconds: float) -> None:
        self.sent.append(payload)

    def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        self.sent += payloads
        return [None] * len(payloads)

    def close(self) -> None: ...


class Slow(GroupedBroadcaster):
    """A broadcaster whose carriers are made by all threads at the same time."""

    def __init__(self) -> None:
        super().__init__("nowhere")
        self.carriers: list[Counted] = []
        self._all = Barrier(THREADS)
        self._lock = Lock()

    def _carrier(self) -> Counted:
        self._all.wait(30)
        with self._lock:
            self.carriers.append(Counted())
            return self.carriers[-1]


def test_threads_that_publish_for_the_first_time_share_one_carrier() -> None:
    broadcaster = Slow()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(broadcaster.publish, map(str, range(THREADS))))

    (used,) = [carrier for carrier in broadcaster.carriers if carrier.sent]
    assert sorted(used.sent) == sorted(map(str, range(THREADS)))
    assert len(broadcaster.carriers) == THREADS


def test_a_payload_that_cannot_be_encoded_is_an_error_of_its_own() -> None:
    broadcaster = HTTPBroadcaster("http://localhost/")

    with pytest.raises(UnicodeEncodeError):
        broadcaster.publish("\ud800")
    with pytest.raises(UnicodeEncodeError):
        asyncio.run(broadcaster.apublish("\ud800"))
