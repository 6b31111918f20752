"""The contract: what publishes the payloads of `publications.py`."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Broadcaster"]


class Broadcaster(Protocol):
    """Anything with this one method; derive from nothing.

    A broadcaster may also have `async def apublish(self, payload: str) -> None`. Without it, async code runs
    `publish` in a thread.
    """

    def publish(self, payload: str) -> None:
        """Hand over a payload: the JSON text of a publication, of an array of them, or of a remote command.

        It may be called from any thread, several at a time, after a fork, with or without an event loop; it
        waits for a bounded time, and when it returns the payload has been accepted.

        Raises:
            BroadcastFailed: it has not; the text names the address, and holds no secret.
        """
