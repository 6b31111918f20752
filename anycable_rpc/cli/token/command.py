"""The command `token`: issue a token, or explain one."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from time import time
from typing import Any, NoReturn

import click

from ...errors import AnyCableError, ConfigurationError
from ...identity.identifiers import IdentifiersCodec
from ...settings.model import Settings, load
from ...settings.warnings import warnings_for
from ..misspelt import misspelt
from ..options import SettingsCommand, flags_from, show_settings
from ..start import load_cable
from .issue import identifiers, issue

_LONGEST_TOKEN = 4 * 1024 * 1024


@click.command(
    cls=SettingsCommand,
    epilog="""\b
Examples:
  anycable-rpc token user_id=42 --ttl 10m           the string "42"
  anycable-rpc token user_id:=42 tenant:=null       the number 42, another identity
  anycable-rpc token user_id=42 --app chat:cable    with the names and in the order of the app
  anycable-rpc token --inspect - < token.txt        explain one; - keeps it out of the shell's history

Exit codes of --inspect: 0 anycable-go would let the token in, 1 it would not, 2 wrong usage.""",
)
@click.argument("words", nargs=-1, metavar="NAME=TEXT|NAME:=JSON…")
@click.option("--ttl", metavar="SECONDS", help="the lifetime: 3600, 10m, 1h30m; with none it never expires")
@click.option("--expires-at", metavar="TIME", help="the end: epoch seconds, or 2030-01-01T00:00:00Z")
@click.option("--inspect", metavar="TOKEN", help="explain this token instead; - reads it from standard input")
@click.pass_context
def token(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    ttl: str | None,
    expires_at: str | None,
    inspect: str | None,
    **values: Any,
) -> None:
    """Issue a token, and print nothing else. It needs no app; with --app the names are checked."""
    flags = flags_from(values)
    show_settings(ctx, flags)
    settings = load(**flags)
    if inspect is not None:
        if words or ttl is not None or expires_at is not None:
            raise click.UsageError("--inspect explains a token and issues none: give nothing to issue with it", ctx)
        _explain(ctx, settings, inspect, flags)
    named = identifiers(words)
    if not named and not values["app"]:
        raise click.UsageError("name an identifier, for example user_id=42", ctx)
    with redirect_stdout(sys.stderr):  # an app may print
        codec = load_cable(settings, flags).codec if values["app"] else IdentifiersCodec(named)
    try:
        issued, expires = issue(settings, codec, named, ttl, expires_at)
    except AnyCableError as error:
        raise click.UsageError(str(error), ctx) from None
    for line in (*warnings_for(settings), *misspelt(os.environ)):
        click.echo(f"warning: {line}", err=True)
    if expires is None:
        click.echo("warning: this token never expires, because its lifetime is none", err=True)
    click.echo(issued)


def _explain(ctx: click.Context, settings: Settings, word: str, flags: dict[str, Any]) -> NoReturn:
    text = _given_token(ctx, word)
    with redirect_stdout(sys.stderr):
        codec = _load_codec(settings, flags)
    from .explain import explain, keys_of

    explanation = explain(text, keys_of(settings), time(), codec)
    for line in (*warnings_for(settings), *misspelt(os.environ)):
        click.echo(f"warning: {line}", err=True)
    click.echo(str(explanation))
    ctx.exit(0 if explanation.is_welcome else 1)


def _load_codec(settings: Settings, flags: dict[str, Any]) -> IdentifiersCodec | None:
    """Return the codec of the app, if the settings name one. If it cannot be loaded, warn unless a flag names it."""
    if not settings.app:
        return None
    try:
        return load_cable(settings, flags).codec
    except ConfigurationError as error:
        if "app" in flags:
            raise
        click.echo(f"warning: the names of the app are not known: {error}", err=True)
        return None


def _given_token(ctx: click.Context, word: str) -> str:
    """Return the word; for `-` the content of standard input, without the line break at its end."""
    if word == "-":
        data = sys.stdin.buffer.read(_LONGEST_TOKEN + 1)
        word = data.decode(errors="replace").strip()
    if not word:
        raise click.UsageError("the token is empty; a server takes that for no token", ctx)
    if len(word) > _LONGEST_TOKEN:
        raise click.UsageError(f"this is longer than {_LONGEST_TOKEN} characters, so it is no token", ctx)
    return word
