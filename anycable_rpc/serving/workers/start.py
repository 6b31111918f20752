"""The start of several worker processes, each on a port of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ...errors import BindError, ConfigurationError
from .process import Load, Worker
from .supervisor import Supervisor

if TYPE_CHECKING:
    from ...settings.model import Settings

__all__ = ["choose_addresses", "connection_hint", "serve"]


def serve(load: Load, settings: Settings, say: Callable[[str], None]) -> None:
    """Serve with `settings.workers` processes until a signal comes.

    Raises:
        BindError: the system refused an address, at the start.
        ConfigurationError: a worker could not start, or the system cannot keep a process on one core.
    """
    if settings.worker_cpu_affinity and not hasattr(os, "sched_setaffinity"):
        raise ConfigurationError("--worker-cpu-affinity: this system cannot keep a process on one core; leave it out")
    addresses = choose_addresses(settings.rpc_host, settings.workers)
    own = [settings.model_copy(update={"rpc_host": address, "workers": 1}) for address in addresses]
    workers = [Worker(number, load, settings) for number, settings in enumerate(own, 1)]
    Supervisor(workers, settings, say, connection_hint(addresses)).run()


def choose_addresses(rpc_host: str, workers: int) -> list[str]:
    """Return HOST:PORT for each worker: the ports from that of `rpc_host` on, or free ones if that is 0.

    Raises:
        BindError: the host is not one of this machine.
        ConfigurationError: there are fewer ports than workers.
    """
    host, _, port = rpc_host.rpartition(":")
    first = int(port)
    if first + workers > 65536:
        raise ConfigurationError(f"{workers} workers from port {first} on go beyond 65535: lower the port in rpc_host")
    ports = range(first, first + workers) if first else _free_ports(host, workers)
    return [f"{host}:{port}" for port in ports]


def _free_ports(host: str, count: int) -> list[int]:
    """Find ports that are free at the same time. Another program may still take one before a worker does."""
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        with ExitStack() as stack:
            address = (host.strip("[]"), 0)
            probes = [stack.enter_context(socket.create_server(address, family=family)) for _ in range(count)]
            return [probe.getsockname()[1] for probe in probes]
    except OSError as error:
        raise BindError(f"cannot listen on {host}: {error.strerror}") from None


def connection_hint(addresses: Sequence[str]) -> tuple[str, ...]:
    """Return the lines that say how anycable-go connects to workers at these addresses."""
    near = [address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:") for address in addresses]
    return (
        f"ANYCABLE_RPC_HOST=grpc-list://{','.join(near)}",
        "That is for anycable-go 1.6 and later on this machine; for 1.5 and for clusters use dns:///NAME:PORT, with "
        "one worker behind each address of the name",
    )
