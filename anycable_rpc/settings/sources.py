"""The sources of settings, strongest first: flags, environment, web framework, TOML file, pyproject.toml."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, cast, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource

from ..errors import ConfigurationError, shorten
from .kinds import Kind

__all__ = ["FRAMEWORK", "chain", "described", "explain", "kind_of", "origins", "variables"]

CONFIG_VARIABLE = "ANYCABLE_RPC_CONFIG"
CONFIG_FILE = "anycable_rpc.toml"
FRAMEWORK = "framework"
_FRAMEWORK = "the framework's settings"
_SPECIAL = {
    "config": (CONFIG_VARIABLE,),
    "port": ("ANYCABLE_PORT", "PORT"),
    "redis_url": ("ANYCABLE_REDIS_URL", "REDIS_URL"),
}
_FOR_US = {"PORT": re.compile("[0-9]+"), "REDIS_URL": re.compile("(rediss?|unix)://.*")}
_PASSWORD = re.compile(r"(//|^|\s)[^/\s]*@")


def variables(name: str) -> tuple[str, ...]:
    """Return the environment variables that set the field, strongest first."""
    return _SPECIAL.get(name, (f"ANYCABLE_{name.upper()}",))


@lru_cache
def kind_of(cls: type[BaseSettings], name: str) -> Kind:
    """Return the kind of value that the field has."""
    (kind,) = (mark for mark in cls.model_fields[name].metadata if isinstance(mark, Kind))
    return kind


class Flags(InitSettingsSource):
    """The arguments of the model: the flags of a command line, or what a program gives."""

    def label(self, name: str) -> str:
        """Return the flag."""
        return f"--{name.replace('_', '-')}"


class Environment(EnvSettingsSource):
    """The environment variables of known fields. Other variables that begin with `ANYCABLE_` are anycable-go's."""

    def label(self, name: str) -> str:
        """Return the variable."""
        return self._variable(name) or f"{variables(name)[0]}__…"

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of the first variable that is set."""
        variable = self._variable(field_name)
        return (None if variable is None else self.env_vars[variable.lower()]), field_name, False

    def prepare_field_value(self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool) -> Any:
        """Leave strings to the field's own validators. `ANYCABLE_…__NAME` adds to a field that is an object."""
        if get_origin(field.annotation) is not dict:
            return value
        prefix = f"{variables(field_name)[0]}__".lower()
        added = {name[len(prefix) :]: text for name, text in self.env_vars.items() if name.startswith(prefix)}
        return _with(added, value)

    def _variable(self, name: str) -> str | None:
        return next((variable for variable in variables(name) if self._is_for_us(variable)), None)

    def _is_for_us(self, variable: str) -> bool:
        """Return whether a variable is set for us.

        Other programs use PORT and REDIS_URL too, and Kubernetes sets ANYCABLE_PORT=tcp://… for a service `anycable`.
        """
        text = self.env_vars.get(variable.lower())
        if text is None or (variable == "ANYCABLE_PORT" and text.startswith("tcp://")):
            return False
        return variable not in _FOR_US or bool(_FOR_US[variable].fullmatch(text))


def _with(added: dict[str, Any], text: str | None) -> Any:
    """Return the JSON object in the string with the additions. Another string stays: the validator refuses it."""
    try:
        given = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text
    return {**cast("dict[str, Any]", given), **added} or None if isinstance(given, dict) else text


class Framework(InitSettingsSource):
    """The values that a web framework's own settings give."""

    def __init__(self, cls: type[BaseSettings], values: Any) -> None:
        named: dict[Any, Any] = dict(cast("Any", values)) if isinstance(values, Mapping) else {None: values}
        if not all(isinstance(name, str) for name in named):
            raise ConfigurationError(f"{_FRAMEWORK} must be a dict from names of settings (strings) to their values")
        super().__init__(cls, named)

    def label(self, name: str) -> str:
        """Return the name and the fact that the framework gives it."""
        return f"{name} in {_FRAMEWORK}"


class File(InitSettingsSource):
    """A table of a TOML file."""

    def __init__(self, cls: type[BaseSettings], path: Path, *table: str) -> None:
        self._place = f"{path} [{'.'.join(table)}]" if table else str(path)
        content = _read(path)
        for name in table:
            inner = content.get(name, {})
            if not isinstance(inner, dict):
                raise ConfigurationError(f"{self._place} is not a table")
            content = cast("dict[str, Any]", inner)
        if "config" in content:
            raise ConfigurationError(f"config in {self._place}: use --config or {CONFIG_VARIABLE} instead")
        super().__init__(cls, content)

    def label(self, name: str) -> str:
        """Return the key and the file."""
        return f"{name} in {self._place}"


Source = Flags | Environment | Framework | File


def chain(cls: type[BaseSettings], values: Mapping[str, Any]) -> tuple[Source, ...]:
    """Return the sources, strongest first.

    `values` are those of the flags; under the name `framework` there may be a dict of those of a web framework.
    """
    flags = {name: value for name, value in values.items() if name != FRAMEWORK}
    named = Flags(cls, flags), Environment(cls), Framework(cls, values.get(FRAMEWORK) or {})
    return *named, *_files(cls, _config(*named))


def _config(*sources: Flags | Environment | Framework) -> tuple[str, Path] | None:
    """Return the file that the strongest source names, and the name of that source."""
    for source in sources:
        path = source().get("config")
        if isinstance(path, str) and path:
            return source.label("config"), Path(path)
    return None


def _files(cls: type[BaseSettings], named: tuple[str, Path] | None) -> Iterator[File]:
    pyproject = Path("pyproject.toml")
    if named and not _is_file(named[1]):
        raise ConfigurationError(f"{named[0]}: there is no file {shorten(str(named[1]))}")
    path = named[1] if named else Path(CONFIG_FILE)
    if _is_file(path):
        yield File(cls, path)
    if _is_file(pyproject):
        yield File(cls, pyproject, "tool", "anycable_rpc")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8, but TOML must be") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from None


def origins(cls: type[BaseSettings], values: Mapping[str, Any]) -> dict[str, str]:
    """Return the label of the strongest source for each name that a source gives."""
    return {name: source.label(name) for source in reversed(chain(cls, values)) for name in source()}


def explain(cls: type[BaseSettings], error: ValidationError, values: Mapping[str, Any]) -> str:
    """Return a line for each wrong setting: its source and the problem. Secrets are not quoted."""
    labels = origins(cls, values)
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0]) if detail["loc"] else ""
        label = f"{labels.get(name, variables(name)[0])}: " if name else ""
        lines.setdefault(name, label + _reason(cls, name, detail))
    return "\n".join(lines.values())


def _reason(cls: type[BaseSettings], name: str, detail: Mapping[str, Any]) -> str:
    if detail["type"] == "extra_forbidden":
        return f"there is no such setting{_near(name, cls.model_fields)}"
    own = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else ""
    if own or not name:
        return own
    kind = kind_of(cls, name)
    return f"must be {kind.expected}" + ("" if kind.secret else f", not {shorten(_masked(detail['input']))}")


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name.replace("-", "_").lower(), known, n=2, cutoff=0.7)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def described(settings: BaseSettings, values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and source of each setting; of a secret only whether it is set."""
    labels = origins(type(settings), values)
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        secret = kind_of(type(settings), name).secret
        yield name, ("set" if value else "not set") if secret else _shown(value), labels.get(name, "default")


def _shown(value: Any) -> str:
    match value:
        case None | "" | ():
            return "not set"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.15g}"
        case tuple():
            return ",".join(cast("tuple[str, ...]", value))
        case dict():
            return json.dumps(value) if value else "not set"
        case str() if "\n" in value:
            return "set"  # a certificate
        case _:
            return _hide(str(value))


def _masked(value: Any) -> Any:
    """Return the value without passwords. Do so before the value is shortened, which may cut a password in two."""
    return _hide(value) if isinstance(value, str) else value


def _hide(text: str) -> str:
    """Return the string without the passwords of URLs."""
    return _PASSWORD.sub(r"\1***@", text)
