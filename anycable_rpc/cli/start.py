"""From settings to a running server: app, log, warnings, start. No click: other programs can start a server too."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL
from typing import Any

from ..cable import Cable
from ..errors import BindError, ConfigurationError
from ..settings.model import Settings, load
from ..settings.sources import origins
from ..settings.warnings import conflicts, warnings_for
from .find_app import ASGI, BrokenModule, current_folder_first, find_asgi, find_cable
from .misspelt import misspelt
from .requirements import check_protobuf

__all__ = [
    "AppNotNamed",
    "check_broadcaster",
    "load_cable",
    "load_in_worker",
    "load_web_app",
    "prepare",
    "run_gateway",
    "run_server",
]

logger = logging.getLogger("anycable_rpc")

_REFUSED = (EACCES, EADDRINUSE, EADDRNOTAVAIL)
_GATEWAY_PACKAGES = ("starlette", "uvicorn", "websockets")
_NO_APP = """\
which app? Name it as module:attr in one of three ways:
  on the command line   {command} chat:cable
  in the environment    ANYCABLE_APP=chat:cable
  in pyproject.toml     [tool.anycable_rpc]
                        app = "chat:cable\""""


class AppNotNamed(ConfigurationError):
    """No setting names the app; `command` is the name of the command line in the message."""

    def __init__(self, command: str = "anycable-rpc") -> None:
        super().__init__(_NO_APP.format(command=command))


def prepare(command: str, flags: Mapping[str, Any]) -> Cable:
    """Load the settings and the app that they name, set up the log, and log a warning for each doubtful setting.

    Args:
        command: `serve` or `dev`: the settings that it uses are checked for conflicts.
        flags: settings that are stronger than the environment and files; `framework` is allowed too (`load`).

    Returns:
        The cable, which has the settings.

    Raises:
        ConfigurationError: a setting cannot be used, the app cannot be imported, or protobuf is too old.
    """
    settings = load(**flags)
    check_protobuf()
    if settings.log_grpc:
        os.environ.setdefault("GRPC_VERBOSITY", "DEBUG")  # read when grpc is imported
    cable = load_cable(settings, flags)
    _set_up_logging(settings)
    cable.settings = settings
    for line in (*warnings_for(settings), *conflicts(settings, command), *misspelt(os.environ)):
        logger.warning(line)
    return cable


def load_cable(settings: Settings, flags: Mapping[str, Any]) -> Cable:
    """Import the app that the settings name. `flags` are those that the settings were loaded with.

    Raises:
        AppNotNamed: they name none.
        ConfigurationError: it cannot be imported; the message says which source has named it, unless that is a flag.
    """
    if not settings.app:
        raise AppNotNamed
    current_folder_first()
    try:
        return find_cable(settings.app)
    except BrokenModule:
        raise
    except ConfigurationError as error:
        source = "" if "app" in flags else f"{origins(Settings, flags)['app']}: "
        raise ConfigurationError(f"{source}{error}") from None


def load_in_worker(settings: Settings) -> Cable:
    """Import the app again, in the new process of a worker."""
    current_folder_first()
    cable = find_cable(settings.app or "")
    _set_up_logging(settings)
    cable.settings = settings
    return cable


def load_web_app(settings: Settings) -> ASGI | None:
    """Import the ASGI app to serve beside the gateway. If that fails, log a warning and return None."""
    if not settings.web:
        return None
    try:
        return find_asgi(settings.web)
    except ConfigurationError as error:
        logger.warning("starting without the pages of %s: %s", settings.web, error, exc_info=settings.debug)
        return None


def check_broadcaster(cable: Cable) -> None:
    """Log a warning if the app cannot broadcast. It is served nevertheless: it may never want to."""
    try:
        _ = cable.broadcaster
    except ConfigurationError as error:
        logger.warning("the app cannot broadcast: %s", error)


def run_server(cable: Cable, say: Callable[[str], None]) -> None:
    """Serve the cable to anycable-go until a signal stops this process; with several workers, in processes of theirs.

    Raises:
        BindError: the system refused an address.
        ConfigurationError: a setting cannot be used, or a worker did not start.
    """
    settings = cable.settings
    with _errors_of_the_start():
        if settings.workers > 1 or settings.worker_cpu_affinity or settings.http_health_port:
            from ..serving.workers.start import serve as run_workers

            run_workers(load_in_worker, settings, say)
        else:
            from ..serving.server import serve
            from ..serving.signals import exit_if_stuck, stop_on_signals

            exit_if_stuck(serve(cable, say, stop_on_signals(settings.shutdown_timeout)))


def run_gateway(cable: Cable, web: ASGI | None, say: Callable[[str], None]) -> None:
    """Serve the cable to browsers, and `web` beside it, until a signal stops this process.

    Raises:
        BindError: the system refused an address.
        ConfigurationError: a setting cannot be used, or a package of the extra `gateway` is missing.
    """
    with _errors_of_the_start():
        from ..dev.server import run
        from ..serving.signals import exit_if_stuck, stop_on_signals

        exit_if_stuck(run(cable, web, say, stop_on_signals(cable.settings.shutdown_timeout)))


@contextmanager
def _errors_of_the_start() -> Iterator[None]:
    """Raise this package's errors in place of the system's where an address is refused or a package is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _GATEWAY_PACKAGES:
            raise ConfigurationError(f"{error.name} is not installed: pip install 'anycable-rpc[gateway]'") from None
        raise
    except OSError as error:
        if error.errno in _REFUSED and error.filename is None:
            raise BindError(f"cannot listen: {error.strerror}") from None
        raise


def _set_up_logging(settings: Settings) -> None:
    """Set the level, and log to stderr unless the app has set up logging."""
    level = logging.DEBUG if settings.debug else settings.log_level.upper()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name in ("anycable_rpc", "grpc") if settings.log_grpc else ("anycable_rpc",):
        log = logging.getLogger(name)
        log.setLevel(level)
        if not log.hasHandlers():
            log.addHandler(handler)
