"""The contract of a broadcaster, which publishes the payloads of `publishing/payloads.py`."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Broadcaster"]


class Broadcaster(Protocol):
    """An object with this one method. It need not derive from this class.

    A broadcaster may also have `async def apublish(self, payload: str) -> None`. Without it, async code runs
    `publish` in a thread.
    """

    def publish(self, payload: str) -> None:
        """Publish a payload: the JSON text of a publication, of an array of publications, or of a remote command.

        The method may be called from any thread, from several at a time, after a fork, and with or without an event
        loop. It blocks for a bounded time. When it returns, the payload has been accepted.

        Raises:
            BroadcastFailed: the payload was not accepted. The message names the address and holds no secret.
        """
