"""The asyncio engine as a process, with an app that the tests call."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..processes import Program, python, running
from ..servers import ADDRESS
from .callers import Caller


@dataclass(frozen=True)
class Served:
    """A running server: its address, and its certificate, if any."""

    address: str
    certificate: Path | None
    program: Program

    @property
    def name(self) -> str:
        """The address that the certificate is for."""
        return f"localhost:{self.port}"

    @property
    def port(self) -> str:
        return self.address.rpartition(":")[2]


@contextmanager
def serving(
    pair: tuple[Path, Path] | None, *options: str, app: str = "on_a_loop", rpc_host: str = "127.0.0.1:0"
) -> Generator[Served]:
    """Run `python -m anycable_rpc --rpc-engine=asyncio` with these options; `pair` is a certificate and its key."""
    tls = [f"--rpc-tls-cert={pair[0]}", f"--rpc-tls-key={pair[1]}"] if pair else []
    command = python("anycable_rpc", f"{__package__}.app:{app}", "--rpc-engine=asyncio", "--rpc-host=127.0.0.1:0")
    with running([*command, *tls, *options], {}) as program:
        address = program.wait_for(rf"listening .*?{ADDRESS}")[1]
        yield Served(address, pair[0] if pair else None, program)


def calling(server: Served, client: list[str]) -> Caller:
    """Start a client with the address of the server, and the certificate to trust."""
    return Caller([*client, server.name, *([str(server.certificate)] if server.certificate else [])])
