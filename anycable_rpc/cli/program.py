"""The command line: `python -m anycable_rpc`, also installed as `anycable-rpc`."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from .. import __version__
from ..cable import Cable
from ..protocol.messages import PROTOCOL_VERSION
from .options import SettingsCommand, first_word, flags_from, show_settings
from .schema import schema
from .start import check_broadcaster, load_web_app, prepare, run_gateway, run_server
from .token.command import token

__all__ = ["program"]


class Program(click.Group):
    """The commands; `serve` need not be named, and options may stand before a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words, with the command put first."""
        return super().parse_args(ctx, args if args[:1] in (["-h"], ["--help"], ["--version"]) else self._ordered(args))

    def _ordered(self, args: list[str]) -> list[str]:
        commands = [command for command in self.commands.values() if isinstance(command, SettingsCommand)]
        place = first_word(args, {option for command in commands for option in command.valued()})
        if place is None or ":" in args[place]:
            return ["serve", *args]
        word = args[place]
        if word not in self.commands:
            raise click.UsageError(self._unknown(word))
        return [word, *args[:place], *args[place + 1 :]]

    def _unknown(self, word: str) -> str:
        """Return the error for a word, quoted only if it is like a command: it may be part of a secret with a space."""
        near = get_close_matches(word, self.commands, n=1)
        problem = f"{word} is not a command; did you mean {near[0]}?" if near else "there is no such command."
        return f"{problem} The commands are {', '.join(self.commands)}; an app is named as module:attr."


def _prepare(ctx: click.Context, words: tuple[str, ...], values: Mapping[str, Any]) -> Cable:
    """Load what the command line of `serve` or `dev` asks for; with `--show-settings` the command ends here."""
    if len(words) > 1 or (words and values["app"]):
        raise click.UsageError("give one app, as module:attr; quote a value that has spaces", ctx)
    flags = flags_from({**values, "app": words[0]} if words else values)
    show_settings(ctx, flags)
    return prepare(ctx.command.name or "", flags)


def _print_versions(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(_versions())
        ctx.exit()


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""\b
Examples:
  anycable-rpc chat:cable               serve the app to anycable-go
  anycable-rpc dev chat:cable           serve it to browsers, without anycable-go
  anycable-rpc token user_id=42         issue a token
  anycable-rpc schema chat:cable        print what the channels take and say
  anycable-rpc serve --show-settings    print each setting and where it came from

Each option of a command is also a variable (--rpc-host is ANYCABLE_RPC_HOST) and a key in anycable_rpc.toml and
in [tool.anycable_rpc] of pyproject.toml (rpc_host).""",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_versions,
              help="print the versions, and end")  # fmt: skip
def program() -> None:
    """The AnyCable RPC server for Python.

    Without a command it is serve: `anycable-rpc chat:cable`.
    """


@program.command(
    cls=SettingsCommand,
    epilog="""\b
Examples:
  anycable-rpc chat:cable
  anycable-rpc chat:cable --rpc-host 0.0.0.0:50051 --secret "$SECRET"
  ANYCABLE_APP=chat:cable anycable-rpc

The first SIGTERM or SIGINT lets calls under way end; the second ends them. With --workers SIGHUP replaces the
workers one at a time. Exit codes: 0 stopped, 1 crash,
2 wrong usage or an app that cannot be imported, 3 the address is refused.""",
)
@click.argument("words", nargs=-1, metavar="[MODULE:ATTR]")
@click.pass_context
def serve(ctx: click.Context, /, words: tuple[str, ...], **values: Any) -> None:
    """Serve an app to anycable-go, over gRPC."""
    cable = _prepare(ctx, words, values)
    check_broadcaster(cable)
    run_server(cable, click.echo)


@program.command(
    cls=SettingsCommand,
    epilog="""\b
Examples:
  anycable-rpc dev chat:cable
  anycable-rpc dev chat:cable --port 3334 --secret "$SECRET" --enforce-jwt

The other options of anycable-go are taken too; those that have no effect here say so.""",
)
@click.argument("words", nargs=-1, metavar="[MODULE:ATTR]")
@click.pass_context
def dev(ctx: click.Context, /, words: tuple[str, ...], **values: Any) -> None:
    """Serve an app to browsers, with a gateway in place of anycable-go, for development."""
    cable = _prepare(ctx, words, values)
    run_gateway(cable, load_web_app(cable.settings), click.echo)


program.add_command(schema)
program.add_command(token)


@program.command("version")
def print_version() -> None:
    """Print the versions of this package, Python, grpcio, protobuf and the RPC protocol."""
    click.echo(_versions())


def _versions() -> str:
    packages = ", ".join(f"{name} {_installed(name)}" for name in ("grpcio", "protobuf"))
    return (
        f"anycable-rpc {__version__} (Python {platform.python_version()}, {packages}, RPC protocol {PROTOCOL_VERSION})"
    )


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
