"""The engine of our own as a process, with an app that does what a test asks of it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..processes import Program, python, running
from ..servers import ADDRESS


@dataclass(frozen=True)
class Served:
    """A server: where it listens, and the certificate that it shows, if any."""

    address: str
    certificate: Path | None
    program: Program

    @property
    def port(self) -> str:
        return self.address.rpartition(":")[2]


@contextmanager
def serving(pair: tuple[Path, Path] | None, *options: str, app: str = "on_a_loop") -> Generator[Served]:
    """`python -m anycable_rpc --rpc-engine=asyncio` with these options; the pair is a certificate and its key."""
    tls = [f"--rpc-tls-cert={pair[0]}", f"--rpc-tls-key={pair[1]}"] if pair else []
    command = python("anycable_rpc", f"{__package__}.app:{app}", "--rpc-engine=asyncio", "--rpc-host=127.0.0.1:0")
    with running([*command, *tls, *options], {}) as program:
        address = program.wait_for(rf"listening .*?{ADDRESS}")[1]
        yield Served(address, pair[0] if pair else None, program)
