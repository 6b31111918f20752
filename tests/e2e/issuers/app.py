"""An app whose clients bring their identifiers, and are told the identifiers string that names them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from anycable_rpc import Cable, Channel, Connection, IdentifiersCodec


class IssuersConnection(Connection):
    """A client with a token of another issuer, or with the same values in the URL."""

    identified_by = ("user", "tenant")
    user: Any
    tenant: Any

    def connect(self) -> None:
        values = json.loads(self.query_params["as"])
        self.user, self.tenant = values["user"], values["tenant"]


class WhoChannel(Channel):
    """A channel that transmits the identifiers string of its connection."""

    def subscribed(self) -> None:
        self.transmit(self.connection.identifiers["text"])


class Witness(IdentifiersCodec):
    """A codec that adds the identifiers string, as the server sent it, under the name `text`."""

    def loads(self, text: str) -> Mapping[str, Any]:
        return {**super().loads(text), "text": text}


cable = Cable(IssuersConnection, channels=[WhoChannel], dialect=os.environ.get("DIALECT", "canonical"))
cable.codec = Witness(cable.codec.names, dialect=cable.codec.dialect)
