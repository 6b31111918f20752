"""An app whose clients say who they are, and are told by which text they are known."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from anycable_rpc import Cable, Channel, Connection, IdentifiersCodec


class IssuersConnection(Connection):
    """A client that came with a foreign token, or with the same values in the URL."""

    identified_by = ("user", "tenant")
    user: Any
    tenant: Any

    def connect(self) -> None:
        values = json.loads(self.query_params["as"])
        self.user, self.tenant = values["user"], values["tenant"]


class WhoChannel(Channel):
    """Tells the connection's text."""

    def subscribed(self) -> None:
        self.transmit(self.connection.identifiers["text"])


class Witness(IdentifiersCodec):
    """Shows the text as the server sent it, under a name of its own."""

    def loads(self, text: str) -> Mapping[str, Any]:
        return {**super().loads(text), "text": text}


cable = Cable(IssuersConnection, channels=[WhoChannel], dialect=os.environ.get("DIALECT", "canonical"))
cable.codec = Witness(cable.codec.names, dialect=cable.codec.dialect)
