"""Signals that end the process: the first drains, the second ends at once."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic, sleep
from types import FrameType

__all__ = ["claim_wakeup_fd", "on_signals", "stop_event", "warn_of_cut"]

logger = logging.getLogger("anycable_rpc")


_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_MARGIN = 0.5  # seconds beyond the shutdown timeout for the end itself, and then for the log to say so
_wakeup_fd = -1  # the system writes the numbers of signals to it


def on_signals(stop: Callable[[], object], timeout: float) -> None:
    """Call `stop` on the first signal. End the process on the second, or when `timeout` seconds are over.

    A thread of its own does that. The main thread cannot be relied on: Python runs handlers there alone, but the
    system may wake another thread, and user code may block it. An event loop must be running before this is called:
    loops set the wake-up descriptor too.
    """
    global _wakeup_fd
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    _wakeup_fd = writer.fileno()
    for number in _SIGNALS:
        signal.signal(number, _forward)
    claim_wakeup_fd()
    threading.Thread(
        target=_watch, args=(reader, writer, stop, timeout), name="anycable_rpc signals", daemon=True
    ).start()


def claim_wakeup_fd() -> int:
    """Make the system write signals to the watching thread; return the descriptor that this replaces.

    Call it on the main thread, each time that an event loop starts to run: uvloop sets a descriptor of its own then.
    """
    return signal.set_wakeup_fd(_wakeup_fd, warn_on_full_buffer=False)


def _forward(number: int, frame: FrameType | None) -> None:
    """Pass the signal to the watching thread, if the system has written it to another descriptor."""
    if claim_wakeup_fd() != _wakeup_fd:
        os.write(_wakeup_fd, bytes([number]))


def _watch(reader: socket.socket, writer: socket.socket, stop: Callable[[], object], timeout: float) -> None:
    _await_signal(reader)
    deadline = monotonic() + timeout + _MARGIN
    stop()
    if _await_signal(reader, deadline):
        _end_at_once()
    threading.Thread(target=warn_of_cut, daemon=True).start()
    sleep(_MARGIN)
    os._exit(0)


def _await_signal(reader: socket.socket, deadline: float = inf) -> bool:
    """Wait for a signal; False when the deadline has passed."""
    while (rest := deadline - monotonic()) > 0:
        reader.settimeout(None if rest == inf else rest)
        with suppress(TimeoutError):
            if reader.recv(1)[0] in _SIGNALS:
                return True
    return False


def stop_event(timeout: float) -> asyncio.Event:
    """An event of the running loop that the first signal sets; `timeout` seconds later the process ends."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    on_signals(lambda: loop.call_soon_threadsafe(event.set), timeout)
    return event


def warn_of_cut() -> None:
    logger.warning("some calls were still running when the shutdown timeout was over: they are cut")


def _end_at_once() -> None:
    """Without any lock: somebody may hold it."""
    os._exit(1)
