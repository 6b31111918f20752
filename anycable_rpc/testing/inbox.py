"""The frames that one test client has received, and how its connection has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..gateway.endings import Ending, NoClose, allows_return, reason_of
from ..protocol import json_text

__all__ = ["Frame", "Inbox"]


class Frame(NamedTuple):
    """A frame as the client has received it. `is_streamed`: a stream has delivered it, not the answer to a call."""

    text: str
    is_streamed: bool

    @property
    def value(self) -> Any:
        """The decoded JSON."""
        return json_text.loads(self.text)

    @property
    def members(self) -> Mapping[str, Any]:
        """The members of the JSON object; empty if it is another value."""
        value = self.value
        return value if isinstance(value, dict) else {}


class Inbox:
    """The receiver of a test client's frames, as the node sees it.

    Args:
        end: ends the session; it gets the reason for the log, and whether the client may resume the session.
    """

    def __init__(self, end: Callable[[str, bool], None]) -> None:
        self.frames: list[Frame] = []
        self.ending: Ending | None = None
        self._end = end

    def transmit(self, frame: str) -> None:
        """Keep a frame of a stream."""
        self.frames.append(Frame(frame, is_streamed=True))

    async def transmit_all(self, frames: Iterable[str]) -> None:
        """Keep the frames of an answer."""
        self.frames += [Frame(frame, is_streamed=False) for frame in frames]

    def close(self, ending: Ending, last_frame: str = "") -> None:
        """End the connection after `last_frame`."""
        if last_frame:
            self.frames.append(Frame(last_frame, is_streamed=False))
        self.ending = self.ending or ending
        self._end(reason_of(ending), allows_return(ending))

    def abandon(self) -> None:
        """End the connection: the client has gone."""
        self.ending = self.ending or NoClose.GONE
        self._end("the client has gone", True)
