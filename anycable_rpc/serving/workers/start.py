"""Several worker processes on ports of their own, behind one command."""

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

__all__ = ["addresses", "serve", "where"]


def serve(load: Load, settings: Settings, say: Callable[[str], None]) -> None:
    """Serve with `settings.workers` processes until a signal comes.

    Raises:
        BindError: the system refused an address, at the start.
        ConfigurationError: a worker could not start, or the system does not keep processes to a core.
    """
    if settings.worker_cpu_affinity and not hasattr(os, "sched_setaffinity"):
        raise ConfigurationError("--worker-cpu-affinity: this system does not keep processes to a core; leave it out")
    places = addresses(settings.rpc_host, settings.workers)
    own = [settings.model_copy(update={"rpc_host": place, "workers": 1}) for place in places]
    workers = [Worker(number, load, settings) for number, settings in enumerate(own, 1)]
    Supervisor(workers, settings, say, where(places)).run()


def addresses(rpc_host: str, workers: int) -> list[str]:
    """HOST:PORT of each worker: the ports from that of `rpc_host` on, or free ones if that is 0.

    Raises:
        BindError: there is no such host here.
        ConfigurationError: there are not so many ports.
    """
    host, _, port = rpc_host.rpartition(":")
    first = int(port)
    if first + workers > 65536:
        raise ConfigurationError(f"{workers} workers from port {first} on go beyond 65535: lower the port in rpc_host")
    ports = range(first, first + workers) if first else _free_ports(host, workers)
    return [f"{host}:{port}" for port in ports]


def _free_ports(host: str, count: int) -> list[int]:
    """Ports that are free together; another program may still be faster than a worker."""
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        with ExitStack() as stack:
            place = (host.strip("[]"), 0)
            probes = [stack.enter_context(socket.create_server(place, family=family)) for _ in range(count)]
            return [probe.getsockname()[1] for probe in probes]
    except OSError as error:
        raise BindError(f"cannot listen on {host}: {error.strerror}") from None


def where(places: Sequence[str]) -> tuple[str, ...]:
    """What to tell anycable-go."""
    near = [place.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:") for place in places]
    return (
        f"ANYCABLE_RPC_HOST=grpc-list://{','.join(near)}",
        "That is for anycable-go 1.6 and later on this machine; for 1.5 and for clusters use dns:///NAME:PORT, with "
        "one worker behind each address of the name",
    )
