"""The same test cases for sync and for async code that publishes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from anycable_rpc.broadcasters.grouped import GroupedBroadcaster

__all__ = ["WAYS", "publishing"]

WAYS = ("sync", "async")


@contextmanager
def publishing(way: str, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """While this lasts, `publish` is `apublish` in an event loop that stays, if the way is `async`.

    Other threads than the one of the test publish as always.
    """
    if way == "sync":
        yield
        return
    publish, close, owner = GroupedBroadcaster.publish, GroupedBroadcaster.close, threading.get_ident()
    with asyncio.Runner() as runner:

        def awaited(self: GroupedBroadcaster, payload: str) -> None:
            if threading.get_ident() == owner:
                runner.run(self.apublish(payload))
            else:
                publish(self, payload)

        def closed(self: GroupedBroadcaster) -> None:
            close(self)
            runner.run(asyncio.sleep(0.01))  # an event loop closes its own connections, as soon as it runs

        with monkeypatch.context() as patch:
            patch.setattr(GroupedBroadcaster, "publish", awaited)
            patch.setattr(GroupedBroadcaster, "close", closed)
            yield
