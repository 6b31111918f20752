"""The drain: a server refuses new calls, and the calls under way end.

The order to drain comes from `stop_order.py`. Each server does its part in `stop(grace)`: `transports/grpcio/server.py`
and `transports/asyncio/server.py`. With several workers `workers/supervisor.py` tells each of them to drain.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic

from ..transports.service import Service

__all__ = ["drain"]


async def drain(service: Service, stop: Callable[[float], Awaitable[bool]], grace: float) -> bool:
    """Stop a server, and wait for callbacks whose calls were cancelled.

    Args:
        service: runs the callbacks.
        stop: the server's; see `RPCServer`.
        grace: seconds for both together.

    Returns:
        False when some calls or callbacks are still running at the deadline.
    """
    deadline = monotonic() + grace
    answered = await stop(grace)
    return await service.threads.wait_idle(deadline - monotonic()) and answered
