"""Each app as sync and async: as it is written, and with every callback an `async def`."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from anycable_rpc import Cable, Channel, Connection
from anycable_rpc.actions import is_action
from anycable_rpc.protocol.messages import Request, Response
from anycable_rpc.rpc.dispatch import respond
from anycable_rpc.settings.model import Settings
from anycable_rpc.transports import runner

CALLBACKS = ("connect", "disconnect", "subscribed", "unsubscribed")

Answer = Callable[[Request], Response]


def settings(**values: Any) -> Settings:
    """Return settings with these values."""
    return Settings(**values)


def asynchronous(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method as `async def`, with its signature and marks."""

    @functools.wraps(method)
    async def twin(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return method(*args, **kwargs)

    return twin


def async_twin(base: type[Any]) -> type[Any]:
    """Return a class like `base` whose callbacks are all `async def`."""
    names = [name for name in dir(base) if name in CALLBACKS or is_action(getattr(base, name))]
    methods: Mapping[str, Any] = {name: asynchronous(getattr(base, name)) for name in names}
    kept = {"name": base.name} if issubclass(base, Channel) and base is not Channel else {}
    return type(base.__name__, (base,), {**methods, **kept, "__module__": base.__module__})


class App:
    """A sync or async cable that is called without a transport."""

    def __init__(
        self,
        mode: str,
        connection: type[Connection] = Connection,
        channels: Iterable[type[Channel]] = (),
        **options: Any,
    ) -> None:
        self.mode = mode
        options.setdefault("settings", settings())
        if mode == "async":
            connection, channels = async_twin(connection), [async_twin(channel) for channel in channels]
        self.cable = Cable(connection, channels, **options)

    def __call__(self, request: Request, sid: str = "") -> Response:
        """Return the response to a request."""
        steps = respond(self.cable, request, sid)
        if self.mode == "async":
            return asyncio.run(runner.arun(steps, self.cable.middleware))
        return runner.run(steps, self.cable.middleware)
