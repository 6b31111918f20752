"""An app whose channels declare all that a schema can show."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from anycable_rpc import Cable, Channel, Connection, action
from anycable_rpc.settings.model import Settings


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class RoomParams(TypedDict):
    room: int


class SearchParams(BaseModel):
    """The words and the page of a search."""

    words: list[str] = []
    page: int = Field(default=1, alias="the page")


class Point(BaseModel):
    x: int
    y: int = 0


class Said(BaseModel):
    """A message */ of
    somebody."""

    type: Literal["said"] = "said"
    text: str
    at: datetime
    point: Point | None = None
    colours: list[Colour] = []


class Left(TypedDict):
    type: Literal["left"]
    user: UUID
    pair: tuple[int, str]
    more: dict[str, int]


class Circle(BaseModel):
    kind: Literal["circle"]


class Square(BaseModel):
    kind: Literal["square"]


class Record(BaseModel):
    """Has the name of a type of TypeScript."""

    price: Decimal
    shape: Annotated[Circle | Square, Field(discriminator="kind")]


class ChatChannel(Channel):
    """The messages of a room."""

    params: RoomParams
    messages = Annotated[Said | Left, Field(discriminator="type")]

    @action
    def speak(self, text: Annotated[str, Field(max_length=5)], point: Point | None = None) -> None:
        """Say something."""

    @action
    def arrive(self) -> None: ...

    @action
    def paint(self, colour: Colour = Colour.RED) -> None: ...

    @action
    def anything(self, value) -> None: ...  # type: ignore[no-untyped-def]

    @action
    def whole(self, data: dict[str, int]) -> None: ...

    @action
    def both(self, data: Point, times: int) -> None: ...


class Search(Channel):
    name = "Admin::Search"
    params: SearchParams
    messages = Record | int

    @action
    def subscribe(self) -> None: ...


class Plain(Channel):
    pass


cable = Cable(Connection, channels=[ChatChannel, Search, Plain], settings=Settings())


def cable_of(*channels: type[Channel], **settings: Any) -> Cable:
    """Return a cable with these channels."""
    return Cable(Connection, channels=channels, settings=Settings(**settings))
