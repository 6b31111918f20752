"""Objects that belong to one event loop."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from itertools import count

import pytest

from anycable_rpc.broadcasters.per_loop import PerLoop

from ..support.paths import PROJECT


class Made:
    """Numbered objects, and the numbers of those that are closed."""

    def __init__(self) -> None:
        self.closed: list[int] = []
        self._numbers = count(1)
        self.per_loop: PerLoop[int] = PerLoop(lambda: next(self._numbers), self._close)

    async def _close(self, number: int) -> None:
        await asyncio.sleep(0)
        self.closed.append(number)


@pytest.fixture
def made() -> Made:
    return Made()


def test_an_event_loop_has_one_and_closes_it_when_it_ends(made: Made) -> None:
    async def main() -> None:
        assert [await made.per_loop.get(), await made.per_loop.get()] == [1, 1]
        assert made.closed == []

    asyncio.run(main())
    assert made.closed == [1]


def test_each_event_loop_has_its_own(made: Made) -> None:
    assert [asyncio.run(made.per_loop.get()), asyncio.run(made.per_loop.get())] == [1, 2]
    assert made.closed == [1, 2]


def test_event_loops_of_threads_have_their_own(made: Made) -> None:
    together = threading.Barrier(5)

    async def main() -> int:
        number = await made.per_loop.get()
        await asyncio.to_thread(together.wait)
        return number

    numbers: list[int] = []
    threads = [threading.Thread(target=lambda: numbers.append(asyncio.run(main()))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers) == sorted(made.closed) == [1, 2, 3, 4, 5]


def test_close_closes_that_of_a_running_event_loop_which_may_use_it_again(made: Made) -> None:
    async def main() -> None:
        await made.per_loop.get()
        made.per_loop.close()
        assert await made.per_loop.get() == 1
        while not made.closed:
            await asyncio.sleep(0)
        assert made.closed == [1]

    asyncio.run(main())
    assert made.closed == [1, 1]


def test_an_event_loop_that_was_closed_without_an_end_is_forgotten(made: Made) -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(made.per_loop.get())
    loop.close()
    made.per_loop.close()

    assert asyncio.run(made.per_loop.get()) == 2
    gc.collect()
    assert made.closed == [2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_its_own_and_leaves_that_of_its_parent_alone() -> None:
    script = """
import asyncio, os
from tests.broadcasters.test_per_loop import Made

made = Made()

async def main():
    assert await made.per_loop.get() == 1
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        assert (await made.per_loop.get(), made.closed) == (1, [])
    else:
        made.per_loop.close()
        ok = (asyncio.run(made.per_loop.get()), made.closed) == (2, [2])
        os._exit(0 if ok else 1)

asyncio.run(main())
assert made.closed == [1]
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=PROJECT, check=True, timeout=30)
