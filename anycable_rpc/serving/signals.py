"""Signals that end the process: the first drains, the second ends at once.

The owner of the process installs them, and hands the order to stop to a server:
`serve(cable, say, stop_on_signals(30))`.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic, sleep
from types import FrameType

from .stop_order import Stop

__all__ = ["exit_if_stuck", "keep_signals", "on_signals", "stop_on_signals"]

logger = logging.getLogger("anycable_rpc")


_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_MARGIN = 0.5  # seconds beyond the shutdown timeout: first for a normal end, then to log that calls were cut
_wakeup_fd = -1  # the system writes the numbers of signals to it; -1 until `on_signals` is called


def stop_on_signals(timeout: float) -> Stop:
    """Install the signals of a process that serves; return the order that the first one gives.

    `timeout` seconds after it the process ends.
    """
    stop = Stop()
    on_signals(stop.set, timeout)
    return stop


def on_signals(stop: Callable[[], object], timeout: float) -> None:
    """Call `stop` on the first signal. End the process on the second, or when `timeout` seconds are over.

    A thread of its own does that. The main thread cannot be relied on: Python runs handlers there alone, but the
    system may wake another thread, and user code may block it. An event loop that starts afterwards takes the wake-up
    descriptor for itself: it has to call `keep_signals` first.
    """
    global _wakeup_fd
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    _wakeup_fd = writer.fileno()
    for number in _SIGNALS:
        signal.signal(number, _forward)
    _claim_wakeup_fd()
    threading.Thread(
        target=_watch, args=(reader, writer, stop, timeout), name="anycable_rpc signals", daemon=True
    ).start()


def keep_signals() -> None:
    """Take the wake-up descriptor back from an event loop, each time that it starts to run: uvloop sets its own then.

    Do nothing if another program handles the signals: `on_signals` was not called, or this is not the main thread.
    """
    if _wakeup_fd >= 0 and threading.current_thread() is threading.main_thread():
        _claim_wakeup_fd()


def exit_if_stuck(all_ended: bool) -> None:
    """End the process if a callback that does not end would keep the interpreter from exiting; else return."""
    if not all_ended:
        _warn_of_cut()
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def _claim_wakeup_fd() -> int:
    """Make the system write signals to the watching thread; return the descriptor that this replaces."""
    return signal.set_wakeup_fd(_wakeup_fd, warn_on_full_buffer=False)


def _forward(number: int, frame: FrameType | None) -> None:
    """Pass the signal to the watching thread, if the system has written it to another descriptor."""
    if _claim_wakeup_fd() != _wakeup_fd:
        os.write(_wakeup_fd, bytes([number]))


def _watch(reader: socket.socket, writer: socket.socket, stop: Callable[[], object], timeout: float) -> None:
    _await_signal(reader)
    deadline = monotonic() + timeout + _MARGIN
    stop()
    if _await_signal(reader, deadline):
        _end_at_once()
    threading.Thread(target=_warn_of_cut, daemon=True).start()
    sleep(_MARGIN)
    os._exit(0)


def _await_signal(reader: socket.socket, deadline: float = inf) -> bool:
    """Wait for a signal; return False when the deadline has passed."""
    while (rest := deadline - monotonic()) > 0:
        reader.settimeout(None if rest == inf else rest)
        with suppress(TimeoutError):
            if reader.recv(1)[0] in _SIGNALS:
                return True
    return False


def _warn_of_cut() -> None:
    logger.warning("some calls were still running when the shutdown timeout was over: they are cut")


def _end_at_once() -> None:
    """End the process without taking any lock, which somebody may hold."""
    os._exit(1)
