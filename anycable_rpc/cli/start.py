"""From a command line to a running server: settings, app, log, start."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL
from typing import Any

import click

from ..cable import Cable
from ..errors import BindError, ConfigurationError
from ..identity.identifiers import IdentifiersCodec
from ..settings.model import Settings, load
from ..settings.sources import described, origins
from ..settings.warnings import conflicts, warnings_for
from . import find_app as loading
from .misspelt import misspelt
from .options import given
from .requirements import check_protobuf

__all__ = [
    "NotBound", "cable_of", "check_broadcaster", "codec_of", "in_new_process", "prepared", "settings_of", "started",
    "web_of",
]  # fmt: skip

logger = logging.getLogger("anycable_rpc")

_REFUSED = (EACCES, EADDRINUSE, EADDRNOTAVAIL)
_GATEWAY_PACKAGES = ("starlette", "uvicorn", "websockets")
_NO_APP = """\
which app? Name it as module:attr in one of three ways:
  on the command line   {command} chat:cable
  in the environment    ANYCABLE_APP=chat:cable
  in pyproject.toml     [tool.anycable_rpc]
                        app = "chat:cable\""""


class NotBound(click.ClickException):
    """The system refused the address."""

    exit_code = 3


def prepared(ctx: click.Context, words: tuple[str, ...], values: Mapping[str, Any]) -> tuple[Settings, Cable]:
    """The settings, and the cable that has them."""
    if len(words) > 1 or (words and values["app"]):
        raise click.UsageError("give one app, as module:attr; quote a value that has spaces", ctx)
    values = {**values, "app": words[0]} if words else values
    settings = settings_of(ctx, values)
    check_protobuf()
    if settings.log_grpc:
        os.environ.setdefault("GRPC_VERBOSITY", "DEBUG")  # read when grpc is imported
    cable = cable_of(ctx, settings, given(values))
    _set_up_logging(settings)
    cable.settings = settings
    for line in (*warnings_for(settings), *conflicts(settings, ctx.command.name or ""), *misspelt(os.environ)):
        logger.warning(line)
    return settings, cable


def in_new_process(settings: Settings) -> Cable:
    """The app, imported again by a worker; the settings name it."""
    loading.current_folder_first()
    cable = loading.load_cable(settings.app or "")
    _set_up_logging(settings)
    cable.settings = settings
    return cable


def settings_of(ctx: click.Context, values: Mapping[str, Any]) -> Settings:
    """The settings that a command's parameters lead to; with `--show-settings` the command ends here."""
    flags = given(values)
    settings = load(**flags)
    if values["show_settings"]:
        click.echo(_table(settings, flags))
        ctx.exit()
    return settings


def _table(settings: Settings, flags: Mapping[str, Any]) -> str:
    rows = list(described(settings, flags))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:{widths[0]}}  {value:{widths[1]}}  {origin}" for name, value, origin in rows)


def cable_of(ctx: click.Context, settings: Settings, flags: Mapping[str, Any]) -> Cable:
    """The app that the settings name."""
    if not settings.app:
        raise click.UsageError(_NO_APP.format(command=ctx.command_path), ctx)
    loading.current_folder_first()
    try:
        return loading.load_cable(settings.app)
    except loading.BrokenModule:
        raise
    except ConfigurationError as error:
        place = "" if "app" in flags else f"{origins(Settings, flags)['app']}: "
        raise ConfigurationError(f"{place}{error}") from None


def codec_of(ctx: click.Context, settings: Settings, flags: Mapping[str, Any]) -> IdentifiersCodec | None:
    """That of the app, if the settings name one; unless a flag does, an app that cannot be had is a warning."""
    if not settings.app:
        return None
    try:
        return cable_of(ctx, settings, flags).codec
    except ConfigurationError as error:
        if "app" in flags:
            raise
        click.echo(f"warning: the names of the app are not known: {error}", err=True)
        return None


def web_of(settings: Settings) -> loading.ASGI | None:
    """The ASGI app to serve beside the gateway; without it the start goes on."""
    if not settings.web:
        return None
    try:
        return loading.load_asgi(settings.web)
    except ConfigurationError as error:
        logger.warning("starting without the pages of %s: %s", settings.web, error, exc_info=settings.debug)
        return None


def check_broadcaster(cable: Cable) -> None:
    """An app that never broadcasts can be served nevertheless."""
    try:
        _ = cable.broadcaster
    except ConfigurationError as error:
        logger.warning("the app cannot broadcast: %s", error)


def started(start: Callable[[], None]) -> None:
    """Run a server until it ends."""
    try:
        start()
    except BindError as error:
        raise NotBound(str(error)) from None
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _GATEWAY_PACKAGES:
            raise ConfigurationError(f"{error.name} is not installed: pip install 'anycable-rpc[gateway]'") from None
        raise
    except OSError as error:
        if error.errno in _REFUSED and error.filename is None:
            raise NotBound(f"cannot listen: {error.strerror}") from None
        raise


def _set_up_logging(settings: Settings) -> None:
    """Log to stderr, unless the app has set up logging."""
    level = logging.DEBUG if settings.debug else settings.log_level.upper()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name in ("anycable_rpc", "grpc") if settings.log_grpc else ("anycable_rpc",):
        log = logging.getLogger(name)
        log.setLevel(level)
        if not log.hasHandlers():
            log.addHandler(handler)
