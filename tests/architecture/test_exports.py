"""Public names: `__all__` is what the package exports, and pages and programs use public names only."""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

import anycable_rpc

from ..support.paths import PROJECT

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
PROGRAMS = sorted(path for folder in ("app_example", "benchmarks") for path in (PROJECT / folder).rglob("*.py"))
GENERATED = "anycable_rpc._pb"
"""The stubs of gRPC, which benchmarks use as a client without this package does."""

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_DOTTED = re.compile(r"(?<![\w./-])anycable_rpc(?:\.\w+)+")
_FILES = {"anycable_rpc.toml"}


def test_all_is_what_is_exported() -> None:
    exported = {
        name
        for name, value in vars(anycable_rpc).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }

    assert {*exported, "__version__"} == set(anycable_rpc.__all__)


def test_all_is_sorted_and_has_no_name_twice() -> None:
    assert anycable_rpc.__all__ == sorted(set(anycable_rpc.__all__))


def test_a_star_import_binds_all() -> None:
    bound: dict[str, object] = {}

    exec("from anycable_rpc import *", bound)

    assert set(anycable_rpc.__all__) == bound.keys() - {"__builtins__"}
    assert set(anycable_rpc.__all__) <= set(dir(anycable_rpc))


@pytest.mark.parametrize("path", [*PAGES, *PROGRAMS], ids=lambda path: str(path.relative_to(PROJECT)))
def test_used_names_are_public(path: Path) -> None:
    assert [name for name in used_names(path) if not is_public(name)] == []


def test_names_are_found() -> None:
    """Otherwise the test above could be empty."""
    assert "anycable_rpc.Cable" in set(used_names(PROJECT / "README.md"))
    assert "anycable_rpc.RestAPI" in set(used_names(PROJECT / "docs" / "broadcasting.md"))
    assert "anycable_rpc.settings.model.Settings" in set(used_names(PROJECT / "benchmarks" / "in_process.py"))


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("anycable_rpc.Cable", True),
        ("anycable_rpc.Cable.broadcast", True),
        ("anycable_rpc.__version__", True),
        ("anycable_rpc.errors", True),
        ("anycable_rpc.errors.BindError", True),
        ("anycable_rpc.BindError", False),
        ("anycable_rpc.Cable._api", False),
        ("anycable_rpc.errors.near", False),
        ("anycable_rpc.nowhere", False),
    ],
)
def test_a_public_name_is_known_from_others(name: str, public: bool) -> None:
    assert is_public(name) is public


def used_names(path: Path) -> Iterator[str]:
    """Yield the dotted names below `anycable_rpc` that a page or a program imports or mentions."""
    text = path.read_text("utf-8")
    sources = [text] if path.suffix == ".py" else map(_without_prompts, _BLOCK.findall(text))
    found = {name for source in sources for name in _imported(source)} | set(_DOTTED.findall(text))
    return (name for name in sorted(found - _FILES) if not name.startswith(GENERATED))


def _without_prompts(block: str) -> str:
    examples = doctest.DocTestParser().get_examples(block)
    return "".join(example.source for example in examples) or block


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "anycable_rpc":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_public(dotted: str) -> bool:
    """Return whether each part of a dotted name is a module, or exported by its module, or a public attribute."""
    place: object = anycable_rpc
    path = anycable_rpc.__name__
    for part in dotted.split(".")[1:]:
        path = f"{path}.{part}"
        if _is_exported(place, part):
            place = getattr(place, part)
        elif hasattr(place, "__path__") and not part.startswith("_") and find_spec(path):
            place = import_module(path)
        else:
            return False
    return True


def _is_exported(place: object, name: str) -> bool:
    if isinstance(place, ModuleType):
        return name in getattr(place, "__all__", ())
    return hasattr(place, name) and not name.startswith("_")
