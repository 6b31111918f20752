"""Command-line options made from the fields of the settings: the model has their names, kinds and errors."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from itertools import islice
from logging import getLogger
from typing import Any, cast

import click

from ..errors import BindError, ConfigurationError
from ..settings.kinds import Group
from ..settings.model import Settings, load
from ..settings.sources import described, kind_of, variables
from .find_app import BrokenModule
from .misspelt import GO_OPTIONS, GO_SWITCHES
from .start import AppNotNamed

__all__ = ["SettingOption", "SettingsCommand", "first_word", "flags_from", "show_settings"]

logger = getLogger("anycable_rpc")


class NotBound(click.ClickException):
    """The system refused the address."""

    exit_code = 3


class SettingOption(click.Option):
    """A field of the settings as a flag. Its string goes to the model unchanged."""

    def __init__(self, name: str) -> None:
        field = Settings.model_fields[name]
        self.kind = kind_of(Settings, name)
        (self.group,) = (mark for mark in field.metadata if isinstance(mark, Group))
        self.about = field.description or ""
        self.usual: Any = field.default
        self.is_switch = not self.kind.name
        super().__init__([_flag(name), name], multiple=self.kind.several)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return the flag with its kind of value, and what it is for."""
        flag = f"--[no-]{self.opts[0][2:]}" if self.is_switch else f"{self.opts[0]} {self.kind.name}"
        return flag, f"{self.about}  [{self._default()}{variables(self.name or '')[0]}]"

    def _default(self) -> str:
        usual = ",".join(self.usual) if self.kind.several else self.usual
        if self.is_switch:
            usual = "on" if usual else ""
        return f"default: {usual}; " if usual else ""


class IgnoredOption(click.Option):
    """An option of anycable-go that has no effect here; it warns of that."""

    def __init__(self, name: str) -> None:
        super().__init__([f"--{name}"], multiple=True, hidden=True, expose_value=False, callback=_warn)
        self.is_switch = name in GO_SWITCHES


class SettingsCommand(click.Command):
    """A command with the flags of the settings that name it."""

    def __init__(self, name: str, **rest: Any) -> None:
        super().__init__(name, **rest)
        show = click.Option(
            ["--show-settings"], is_flag=True, help="print each setting and where it came from, and end"
        )
        self.params += [*map(SettingOption, _fields(name)), show]
        if name == "dev":
            self.params += map(IgnoredOption, GO_OPTIONS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options, with `--a_b` for `--a-b`. A switch stands alone, has a value, or is `--no-…`."""
        try:
            return super().parse_args(ctx, list(self._canonical(args)))
        except click.NoSuchOption as error:
            raise click.UsageError(_whose(error), ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and turn each error into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click ends quietly when the reader of the output has gone, as `head` does
        except BindError as error:
            raise NotBound(str(error)) from None
        except AppNotNamed:
            raise click.UsageError(str(AppNotNamed(ctx.command_path)), ctx) from None
        except ConfigurationError as error:
            if isinstance(error, BrokenModule):
                click.echo("".join(traceback.format_exception(error.__cause__)), err=True)
            raise click.UsageError(str(error), ctx) from None
        except Exception as error:
            click.echo(f"{ctx.command_path} crashed: {type(error).__name__}: {error}", err=True)
            logger.critical("crashed", exc_info=error)
            ctx.exit(1)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options under the titles of their groups."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record:
                title = option.group.title if isinstance(option, SettingOption) else "Options"
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def valued(self) -> set[str]:
        """Return the options that take the next word as their value."""
        options = [option for option in self.params if isinstance(option, click.Option) and not option.is_flag]
        return {option.opts[0] for option in options} - self._switches()

    def _switches(self) -> set[str]:
        options = (option for option in self.params if isinstance(option, SettingOption | IgnoredOption))
        return {option.opts[0] for option in options if option.is_switch}

    def _canonical(self, args: list[str]) -> Iterator[str]:
        """Yield the words with each option spelt as click knows it, and a value for each switch."""
        # click has `--x/--no-x` and `token_normalize_func`, but no switch that may stand alone and may have a value
        valued, switches, words = self.valued(), self._switches(), iter(args)
        for word in words:
            name, equals, value = _parts(word)
            positive = name.replace("--no-", "--", 1)
            if word == "--" or not word.startswith("--"):
                yield word
                yield from words if word == "--" else ()
            elif not equals and name in switches:
                yield f"{name}=true"
            elif not equals and positive in switches:
                yield f"{positive}=false"
            else:
                yield name + equals + value
                yield from islice(words, not equals and name in valued)


def first_word(args: list[str], valued: set[str]) -> int | None:
    """Return the index of the first word that is neither an option nor the value of one."""
    words = iter(enumerate(args))
    for place, word in words:
        name, equals, _ = _parts(word)
        if word == "--":
            return None
        if not word.startswith("-"):
            return place
        if not equals and name in valued:
            next(words, None)
    return None


def show_settings(ctx: click.Context, flags: Mapping[str, Any]) -> None:
    """Print each setting with its source and end the command, if `--show-settings` is given."""
    if ctx.params["show_settings"]:
        rows = list(described(load(**flags), flags))
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        for name, value, origin in rows:
            click.echo(f"{name:{widths[0]}}  {value:{widths[1]}}  {origin}")
        ctx.exit()


def flags_from(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings among a command's parameters that are on the command line."""
    return {
        name: list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value
        for name, value in values.items()
        if name in Settings.model_fields and value is not None and value != ()
    }


def _fields(command: str) -> list[str]:
    groups = {name: field.metadata for name, field in Settings.model_fields.items()}
    return [
        name for name, marks in groups.items() if any(isinstance(m, Group) and command in m.commands for m in marks)
    ]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _parts(word: str) -> tuple[str, str, str]:
    name, equals, value = word.partition("=")
    return name.replace("_", "-"), equals, value


def _warn(ctx: click.Context, option: click.Parameter, value: tuple[str, ...]) -> None:
    if value:
        click.echo(f"warning: {option.opts[0]} is an option of anycable-go that has no effect here yet", err=True)


def _whose(error: click.NoSuchOption) -> str:
    """Return a message that says to whom the unknown option belongs: another command, anycable-go, or nobody."""
    name = error.option_name
    switches = {f"no_{field}" for field in _fields("dev") if not kind_of(Settings, field).name}
    if name[2:].replace("-", "_") in switches | {*_fields("dev")}:
        return f"{name} is an option of the command dev"
    if name[2:] in GO_OPTIONS:
        return f"{name} is an option of anycable-go"
    return error.format_message()
