"""The broadcasts of a test, by stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InvalidData
from ..gateway.core.publications import Publication
from ..gateway.core.session import Broadcast, RemoteDisconnect
from ..identity import stream_names
from ..protocol import json_text
from .recorded import Recorded

if TYPE_CHECKING:
    from ..cable import Cable

__all__ = ["Broadcasts"]


class Broadcasts(Mapping[Any, list[Any]]):
    """All that a cable has published, whoever has heard it. `broadcasts["chat/1"]` lists the data of one stream.

    A stream is given by name, or by the object that `broadcast_to` takes. One without broadcasts has an empty list.

    Attributes:
        publications: broadcasts and remote disconnects, in order, with their options (`exclude_socket`, …).
    """

    def __init__(self, cable: Cable) -> None:
        self.publications: list[Publication] = []
        self._cable = cable

    def __getitem__(self, stream: Any) -> list[Any]:
        name = stream_names.name_for(stream, self._cable.objects)
        return Recorded(self._by_stream().get(name, []), self.context)

    def __contains__(self, stream: object) -> bool:
        return bool(self[stream])

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_stream())

    def __len__(self) -> int:
        return len(self._by_stream())

    def __repr__(self) -> str:
        return f"Broadcasts({self._by_stream()!r})"

    @property
    def disconnects(self) -> list[dict[str, Any]]:
        """The identifiers that were remotely disconnected, in order."""
        found = [each.identifiers for each in self.publications if isinstance(each, RemoteDisconnect)]
        return Recorded([dict(self._cable.codec.loads(identifiers)) for identifiers in found], self.context)

    def clear(self) -> None:
        """Forget what was published so far."""
        self.publications.clear()

    def _by_stream(self) -> dict[str, list[Any]]:
        streams: dict[str, list[Any]] = {}
        for publication in self.publications:
            if isinstance(publication, Broadcast):
                streams.setdefault(publication.stream, []).append(_value(publication.data))
        return streams

    def context(self) -> list[str]:
        """Return what pytest shows below a comparison that has failed."""
        streams = [f"  {stream!r}: {data!r}" for stream, data in self._by_stream().items()]
        lines = ["broadcasts to each stream:", *streams] if streams else ["nothing was broadcast"]
        closed = list(self.disconnects)
        return [*lines, f"remote disconnects: {closed!r}"] if closed else lines


def _value(data: str) -> Any:
    try:
        return json_text.loads(data)
    except InvalidData:  # published by other means than `broadcast`; subscribers receive the string
        return data
