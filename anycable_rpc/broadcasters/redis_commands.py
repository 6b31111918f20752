"""The commands of Redis that publish, and those that ask who listens.

A client or a pipeline takes them, sync or async.
"""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Commands", "PubSub", "Stream"]


class Commands(Protocol):
    """A way to publish."""

    channel: str

    def publish(self, client: Any, payload: str) -> Any:
        """Publish a payload. Return what the client returns: a reply, or something to await."""

    def ask(self, client: Any) -> Any:
        """Ask who listens. Return what the client returns."""

    def is_answer_of_listeners(self, answer: Any) -> bool:
        """Return whether somebody listens, by the answer to that question."""
        raise NotImplementedError

    def is_heard(self, reply: Any) -> bool | None:
        """Return whether somebody listens, by the reply to a publication. None: the reply does not say so."""
        raise NotImplementedError


class PubSub:
    """Publishing to a pub/sub channel.

    Args:
        channel: its name.
        is_cluster: a node of a cluster counts only those who are connected to itself.
    """

    def __init__(self, channel: str, is_cluster: bool) -> None:
        self.channel = channel
        self._is_cluster = is_cluster

    def publish(self, client: Any, payload: str) -> Any:
        """Publish a payload."""
        return client.execute_command("PUBLISH", self.channel, payload.encode())

    def ask(self, client: Any) -> Any:
        """Ask for the number of subscribers."""
        nodes = {"target_nodes": "all"} if self._is_cluster else {}
        return client.execute_command("PUBSUB NUMSUB", self.channel, **nodes)

    def is_answer_of_listeners(self, answer: Any) -> bool:
        """Return whether there are subscribers."""
        return any(count for _, count in answer)

    def is_heard(self, reply: Any) -> bool | None:
        """Return whether a subscriber got it."""
        return None if self._is_cluster and not int(reply) else int(reply) > 0


class Stream:
    """Adding to a stream.

    Args:
        channel: its name.
        max_len: about how many entries it keeps.
    """

    def __init__(self, channel: str, max_len: int) -> None:
        self.channel = channel
        self._max_len = max_len

    def publish(self, client: Any, payload: str) -> Any:
        """Add a payload."""
        return client.xadd(self.channel, {"payload": payload.encode()}, maxlen=self._max_len, approximate=True)

    def ask(self, client: Any) -> Any:
        """Ask for the groups that read."""
        return client.xinfo_groups(self.channel)

    def is_answer_of_listeners(self, answer: Any) -> bool:
        """Return whether a group has consumers."""
        return any(group["consumers"] for group in answer)

    def is_heard(self, reply: Any) -> bool | None:
        """Return None: an entry is kept for later."""
        return None
