"""Find the app that `module:attr` names."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, cast

from ..cable import Cable
from ..errors import ConfigurationError, shorten

__all__ = ["ASGI", "BrokenModule", "current_folder_first", "find_asgi", "find_cable"]

ASGI = Callable[..., Any]
"""An ASGI application."""

_BEGINS_TOKEN = "eyJ"  # noqa: S105 - no secret
"""The base64 of `{"`. A word that begins with it is a token for `--inspect`, and is not quoted."""
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class BrokenModule(ConfigurationError):
    """The module of the app raised while it was imported; `__cause__` is what it raised."""


def current_folder_first() -> None:
    """Put the current folder first on `sys.path`; the console script does not do so by itself."""
    folder = str(Path.cwd())
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)


def find_cable(name: str) -> Cable:
    """Return the cable at `module:attr`; without `attr` it is `cable`, or the only one in the module.

    Raises:
        ConfigurationError: there is no cable; the message says what is there instead.
    """
    module, attribute = _split(name, "cable")
    cables = {key: value for key, value in vars(module).items() if isinstance(value, Cable)}
    found = _attribute(module, attribute, cables) if attribute else _only(module, cables)
    if not isinstance(found, Cable):
        raise ConfigurationError(f"{name} is of type {type(found).__name__}, not a Cable{_list(cables)}")
    return found


def find_asgi(name: str) -> ASGI:
    """Return the ASGI app at `module:attr`; without `attr` it is `app`.

    Raises:
        ConfigurationError: there is no ASGI app.
    """
    module, attribute = _split(name, "app")
    found = _attribute(module, attribute or "app", {})
    if not callable(found):
        raise ConfigurationError(f"{name} is of type {type(found).__name__}, not an ASGI app")
    return cast("ASGI", found)


def _split(name: str, example: str) -> tuple[ModuleType, str]:
    module, _, attribute = name.partition(":")
    if "/" in module or "\\" in module or module.endswith(".py"):
        dotted = re.sub(r"[/\\]+", ".", module.removesuffix(".py")).strip(".")
        raise ConfigurationError(f"{shorten(name)} is a file; name its module: {dotted}:{attribute or example}")
    if not _DOTTED.fullmatch(module) or (attribute and not _DOTTED.fullmatch(attribute)):
        quoted = "this" if _BEGINS_TOKEN in name else shorten(name)
        raise ConfigurationError(f"{quoted} is not module:attr, for example chat:{example}")
    return _import(module), attribute


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise ConfigurationError(_not_found(error.name)) from None
        raise _broken(name, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(name, error) from error


def _broken(name: str, error: BaseException) -> BrokenModule:
    error.__traceback__ = _frames_of_the_app(error.__traceback__)
    return BrokenModule(f"cannot import {name}: {type(error).__name__}: {error}")


def _frames_of_the_app(frames: TracebackType | None) -> TracebackType | None:
    """Drop our own frames and those of the import system, which come first and explain nothing."""
    while frames and frames.tb_frame.f_code.co_filename.startswith((__file__, importlib.__file__, "<frozen importlib")):
        frames = frames.tb_next
    return frames


def _not_found(name: str) -> str:
    package, _, last = name.rpartition(".")
    folders: Iterable[str] = getattr(sys.modules[package], "__path__", ()) if package else [os.getcwd()]
    place = f"the package {package}" if package else f"the current folder ({Path.cwd()})"
    near = get_close_matches(last, [module for folder in folders for module in _modules(Path(folder))])
    return f"there is no module {last} in {place}{_did_you_mean(near)}"


def _modules(folder: Path) -> list[str]:
    entries = folder.iterdir() if folder.is_dir() else ()
    return [entry.stem for entry in entries if entry.suffix == ".py" or entry.is_dir()]


def _attribute(module: ModuleType, path: str, cables: dict[str, Cable]) -> Any:
    value: Any = module
    for name in path.split("."):
        if not hasattr(value, name):
            near = get_close_matches(name, [*cables, *dir(value)], n=1)
            place = module.__name__ if value is module else f"{module.__name__}:{path.rpartition(f'.{name}')[0]}"
            raise ConfigurationError(f"there is no {name} in {place}{_did_you_mean(near)}{_list(cables)}")
        value = getattr(value, name)
    return value


def _only(module: ModuleType, cables: dict[str, Cable]) -> Cable:
    if "cable" in cables:
        return cables["cable"]
    if len(set(map(id, cables.values()))) == 1:
        return next(iter(cables.values()))
    if not cables:
        raise ConfigurationError(f"there is no Cable in {module.__name__}: make one, cable = Cable(…)")
    raise ConfigurationError(f"which cable in {module.__name__}? Name one as module:attr{_list(cables)}")


def _did_you_mean(near: list[str]) -> str:
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _list(cables: Iterable[str]) -> str:
    names = ", ".join(cables)
    return f" (cables there: {names})" if names else ""
