"""The command `schema`: what the channels of an app take and say."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from typing import Any

import click

from ..settings.model import load
from .options import SettingsCommand, flags_from, show_settings
from .start import load_cable

__all__ = ["schema"]


@click.command(
    cls=SettingsCommand,
    epilog="""\b
Examples:
  anycable-rpc schema chat:cable > asyncapi.json
  anycable-rpc schema chat:cable --typescript > channels.d.ts""",
)
@click.argument("words", nargs=-1, metavar="[MODULE:ATTR]")
@click.option("--typescript", is_flag=True, help="print types for @anycable/core instead of AsyncAPI")
@click.option("--title", metavar="TEXT", help="the name of the app in the document (default: its module)")
@click.option("--app-version", metavar="TEXT", default="1", help="its version in the document")
@click.pass_context
def schema(
    ctx: click.Context, /, words: tuple[str, ...], typescript: bool, title: str | None, app_version: str, **values: Any
) -> None:
    """Print what the channels take and say: an AsyncAPI 3 document, or TypeScript."""
    if len(words) > 1 or (words and values["app"]):
        raise click.UsageError("give one app, as module:attr; quote a value that has spaces", ctx)
    flags = flags_from({**values, "app": words[0]} if words else values)
    show_settings(ctx, flags)
    settings = load(**flags)
    from ..schema import asyncapi, describe
    from ..schema import typescript as written_in_typescript

    with redirect_stdout(sys.stderr):  # an app may print
        cable = load_cable(settings, flags)
        cable.settings = settings
        description = describe(cable)
    if typescript:
        click.echo(written_in_typescript(description), nl=False)
    else:
        document = asyncapi(description, title or (settings.app or "").partition(":")[0], app_version)
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
