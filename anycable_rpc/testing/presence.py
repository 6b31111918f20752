"""The REST API of the test server: who is present, as `cable.presence` asks it."""

from __future__ import annotations

from typing import Any

from ..broadcasters.rest_api import Presence, PresenceRecord, RestAPI
from ..gateway.core.broker import Broker
from ..protocol import json_text
from ..protocol.messages import stream_name

__all__ = ["TestAPI", "present_in"]


class TestAPI(RestAPI):
    """Answers from the memory of the test server."""

    __test__ = False

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def presence(self, stream: str) -> Presence:
        """Return who is present in a stream."""
        present = present_in(self._broker, stream_name(stream))
        return Presence(len(present), tuple(PresenceRecord(id_, info) for id_, info in present.items()))


def present_in(broker: Broker, stream: str) -> dict[str, Any]:
    """Return the ids that are present in a stream, each with its info (None without any)."""
    found = json_text.loads(broker.presence_info(stream) or "{}")
    return {record["id"]: record.get("info") for record in found.get("records", ())}
