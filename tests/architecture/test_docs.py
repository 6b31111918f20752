"""The pages are true: programs run, commands print what is shown, links lead somewhere, names exist."""

from __future__ import annotations

import ast
import doctest
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

import anycable_rpc
from anycable_rpc import Cable, Channel, Connection
from anycable_rpc.cli.misspelt import GO_OPTIONS
from anycable_rpc.cli.program import program
from anycable_rpc.gateway import GatewayOptions
from anycable_rpc.gateway.core.authentication import Authenticator, Decision, Identified
from anycable_rpc.protocol.messages import (
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    Env,
    Status,
)
from anycable_rpc.rpc.dispatch import respond
from anycable_rpc.settings.model import Settings
from anycable_rpc.settings.sources import variables
from anycable_rpc.transports.runner import run

from ..e2e.processes import environment
from ..gateway.verdicts import OTHER, SECRET, token
from ..support.paths import PROJECT

PAGES = sorted([PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *(PROJECT / "docs").glob("*.md")])
JWT = PROJECT / "docs" / "jwt.md"
REPORTS = '{"channel":"ReportsChannel"}'
NOT_EXECUTED = "<!-- not executed -->"
"""Stands above a block that a test cannot run."""

_BLOCK = re.compile(r"(?P<above>[^\n]*)\n+```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_ENDS_BY_ITSELF = re.compile(
    r"python -m anycable_rpc (token|version|schema|(serve |dev )?--(show-settings|version|help))\b"
)
_EXPORT = re.compile(r"export (\w+)=([\w-]+)\s*(#.*)?$")
_DISTANCE = re.compile(r"in \d+ (year|day|hour|minute)s?")


@dataclass(frozen=True)
class Block:
    """A block of code on a page; `shown` is the block of text directly below it."""

    page: Path
    line: int
    language: str
    text: str
    is_executed: bool
    shown: str | None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, *languages: str) -> list[Block]:
    source = page.read_text("utf-8")
    return [block for block in _blocks(page, source) if block.language in languages]


def _blocks(page: Path, source: str) -> Iterator[Block]:
    found = list(_BLOCK.finditer("\n" + source))
    for place, match in enumerate(found):
        after = found[place + 1] if place + 1 < len(found) else None
        is_output = after is not None and after["language"] == "text" and not _between(source, match, after).strip()
        shown = after["text"] if after is not None and is_output else None
        line = source.count("\n", 0, match.start("text"))
        yield Block(page, line, match["language"], match["text"], NOT_EXECUTED not in match["above"], shown)


def _between(source: str, one: re.Match[str], other: re.Match[str]) -> str:
    return ("\n" + source)[one.end() : other.start("language") - 3]


def exports(page: Path) -> dict[str, str]:
    """Return the variables that a page exports with a plain value; its examples run with them."""
    lines = (line for block in blocks(page, "sh") for line in block.text.splitlines())
    return {found[1]: found[2] for found in map(_EXPORT.match, lines) if found}


def runs(block: Block) -> bool:
    """Return whether a block of commands ends by itself and needs no other program."""
    lines = [line for line in block.text.splitlines() if line and not line.startswith("#")]
    return block.is_executed and all(_ENDS_BY_ITSELF.match(line) for line in lines)


def write_modules(page: Path, folder: Path) -> None:
    """Write the files that a page shows: blocks that begin with a file name."""
    for block in blocks(page, "python"):
        if found := re.match(r"# (\w+\.py)\n", block.text):
            (folder / found[1]).write_text(block.text, "utf-8")


_TEST_MODULE = re.compile(r"# test_\w+\.py\n")
_FOR_PYTEST = re.compile(r"# (test_\w+|conftest)\.py\n")
WITH_TESTS = [page for page in PAGES if any(_TEST_MODULE.match(block.text) for block in blocks(page, "python"))]
WITH_PYTHON = [page for page in PAGES if any(block.is_executed for block in blocks(page, "python"))]
COMMANDS = [block for page in PAGES for block in blocks(page, "sh") if runs(block)]


def table(page: Path, first: str) -> list[list[str]]:
    """Return the rows of the table whose first column has this title."""
    lines = page.read_text("utf-8").splitlines()
    begin = next(place for place, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = takewhile(lambda line: line.startswith("|"), lines[begin + 2 :])
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder to import modules from; the modules are unloaded afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (tmp_path / f"{name}.py").exists():
            del sys.modules[name]


@pytest.fixture
def run_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], dict[str, Any]]:
    """A function that runs the blocks of a page in order, in one namespace, and publishes only in memory."""

    def run_page(page: Path) -> dict[str, Any]:
        usual = {"ANYCABLE_SECRET": "s" * 32, "ANYCABLE_BROADCAST_ADAPTER": "memory"}
        for name, value in {**usual, **exports(page)}.items():
            monkeypatch.setenv(name, value)
        write_modules(page, folder)
        namespace: dict[str, Any] = {"__name__": page.stem}
        for block in blocks(page, "python"):
            if block.is_executed and not _FOR_PYTEST.match(block.text):
                execute(block, namespace)
        return namespace

    return run_page


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_python_runs(page: Path, run_page: Callable[[Path], dict[str, Any]]) -> None:
    assert run_page(page)["cable"].settings.broadcast_adapter == "memory"


@pytest.mark.parametrize("page", WITH_TESTS, ids=lambda page: page.name)
def test_tests_pass(page: Path, folder: Path) -> None:
    pytest.importorskip("pytest_asyncio", reason="pytest-asyncio is not installed: make test does it")
    write_modules(page, folder)
    settings = [block.text for block in blocks(page, "toml") if block.text.startswith("# pyproject.toml\n")]
    (folder / "pyproject.toml").write_text("\n".join(settings), "utf-8")
    named = [] if settings else ["-o", "anycable_app=chat:cable"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *named]
    values = {"PYTHONPATH": str(PROJECT), "ANYCABLE_SECRET": "s" * 32, "ANYCABLE_BROADCAST_ADAPTER": "memory"}

    done = subprocess.run(command, cwd=folder, env=environment(values), capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stdout
    written = sum(len(re.findall(r"def test_\w+\(", block.text)) for block in blocks(page, "python"))
    assert f"{written} passed" in done.stdout


def execute(block: Block, namespace: dict[str, Any]) -> None:
    if not block.text.lstrip().startswith(">>> "):
        code = "\n" * block.line + block.text
        exec(compile(code, str(block.page), "exec", dont_inherit=True), namespace)  # no `__future__` of this module
        return
    failures: list[str] = []
    test = doctest.DocTestParser().get_doctest(block.text, namespace, str(block), str(block.page), block.line)
    result = doctest.DocTestRunner(verbose=False).run(test, out=failures.append, clear_globs=False)
    namespace.update(test.globs)
    assert not result.failed, "".join(failures)


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_commands_print_what_is_shown(block: Block, folder: Path) -> None:
    write_modules(block.page, folder)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (folder / "bin" / "python").chmod(0o755)
    settings = {**exports(block.page), "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    settings["PYTHONPATH"] = str(PROJECT)

    command = ["sh", "-e", "-c", block.text]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    if block.shown is not None:
        assert _DISTANCE.sub("in …", done.stdout) == _DISTANCE.sub("in …", block.shown)


def test_the_pages_have_programs_and_commands() -> None:
    """Guard the tests above: each finds blocks to run."""
    assert PROJECT / "README.md" in WITH_PYTHON
    assert PROJECT / "docs" / "jwt.md" in WITH_PYTHON
    assert [page.name for page in WITH_TESTS] == ["README.md", "testing.md"]
    assert len([block for block in COMMANDS if block.shown]) >= 2


def subscribe(cable: Cable, identifiers: str) -> CommandResponse:
    response = run(respond(cable, CommandMessage("subscribe", REPORTS, identifiers), "s1"), cable.middleware)
    assert isinstance(response, CommandResponse)
    return response


class TestThePageAboutTokens:
    """The app on the page works as described. The tables are true of the gateway, which answers as anycable-go does."""

    def test_both_kinds_of_connections_are_prepared(self, run_page: Callable[[Path], dict[str, Any]]) -> None:
        cable = run_page(JWT)["cable"]
        by_cookie = ConnectionRequest(Env("http://x/cable", {"cookie": "session=s3ss10n"}))
        by_token = ConnectionRequest(Env(f"http://x/cable?jid={cable.token(user_id=42, tenant='acme')}"))

        one, other = (run(respond(cable, request), cable.middleware) for request in (by_cookie, by_token))
        reports = subscribe(cable, '{"user_id":42,"tenant":"acme"}')

        assert isinstance(one, ConnectionResponse)
        assert isinstance(other, ConnectionResponse)
        assert one.identifiers == other.identifiers == '{"user_id":42,"tenant":"acme"}'
        assert [response.env and response.env.cstate for response in (one, other)] == [{"plan": '"paid"'}, {}]
        assert (reports.status, reports.streams) == (Status.SUCCESS, ("reports/acme/paid",))
        assert reports.env is not None
        assert reports.env.cstate == {"plan": '"paid"'}

    def test_who_is_blocked_gets_nothing(self, run_page: Callable[[Path], dict[str, Any]]) -> None:
        namespace = run_page(JWT)

        refused = subscribe(namespace["cable"], '{"user_id":7,"tenant":"acme"}')

        published = [json.loads(payload)["payload"] for payload in namespace["cable"].broadcaster.payloads]
        assert (refused.status, refused.streams) == (Status.FAILURE, ())
        assert '{"type":"disconnect","reason":"blocked","reconnect":false}' in refused.transmissions
        assert published == [{"identifier": '{"user_id":7,"tenant":"acme"}', "reconnect": False}] * 10

    @pytest.mark.parametrize("row", table(JWT, "options of anycable-go"), ids=lambda row: str(row[0]))
    def test_what_anycable_go_does_by_its_options(self, row: list[str]) -> None:
        options, *cells = row
        flags = set(re.findall(r"--(\w+)", options))
        has_secret = options.startswith(("`--secret", "…"))
        switches: dict[str, Any] = dict.fromkeys(flags & {"enforce_jwt", "noauth", "public", "norpc"}, True)
        authenticator = Authenticator(GatewayOptions(jwt_secrets=(SECRET,) if has_secret else (), **switches))
        tokens = (token(), token(OTHER), "")

        seen = [authenticator.identify("s1", f"http://x/cable?jid={text}", {}) for text in tokens]

        assert [said_of(verdict) for verdict in seen] == [meant(cell, cells[0]) for cell in cells]

    def test_every_row_of_the_options_is_read(self) -> None:
        assert len(table(JWT, "options of anycable-go")) == 10


def said_of(verdict: Decision) -> str:
    sid = Identified('{"sid":"s1"}', is_anonymous=True)
    return "sid" if verdict == sid else type(verdict).__name__


def meant(cell: str, first: str) -> str:
    """Return the name of the verdict that a cell describes."""
    if cell == "the same":
        return meant(first, "")
    words = {"welcome as": "sid", "welcome": "Identified", "refused": "Denied", "`una": "Denied", "RPC Co": "AskApp"}
    return next(name for begins, name in words.items() if cell.startswith(begins))


def test_a_block_may_be_marked_as_not_executed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{NOT_EXECUTED}\n```python\n1 / 0\n```\n\n```python\n2\n```\n")

    assert [(block.line, block.is_executed) for block in blocks(page, "python")] == [(2, False), (6, True)]


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _BLOCK.sub("", "\n" + page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not target.startswith(("https://", "http://")):
            path, _, anchor = target.partition("#")
            linked = page.parent / path if path else page
            assert linked.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(linked), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_linked() -> None:
    linked = "".join(prose(page) for page in PAGES)

    assert [page.name for page in PAGES if page.name != "README.md" and page.name not in linked] == []


OF_TOOLS = ("quick", "only", "seconds", "clients", "messages", "processes", "picture")
"""The flags of the benchmarks and the fuzzer."""

OF_WEB_SERVERS = ("bind", "keep-alive", "preload", "threads")
"""The flags of gunicorn and uvicorn."""


def known_flags() -> set[str]:
    """Return all flags without dashes: anycable-go writes them with underscores, and we allow both."""
    own = {option for command in program.commands.values() for parameter in command.params for option in parameter.opts}
    names = {*Settings.model_fields, *GO_OPTIONS, *own, "help", "version", "rpc_host", "broadcast_adapter", *OF_TOOLS}
    names |= {*OF_WEB_SERVERS}
    return {re.sub("[-_]", "", name) for name in names}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_flags_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    known = known_flags()

    named = {flag: re.sub("[-_]", "", flag) for flag in re.findall(r"(?<![\w<-])--[a-z][\w-]+", text)}
    assert [flag for flag, bare in named.items() if not {bare, bare.removeprefix("no")} & known] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_exist(page: Path) -> None:
    known = {variable for name in Settings.model_fields for variable in variables(name)}
    known |= {f"ANYCABLE_{name.replace('-', '_').upper()}" for name in GO_OPTIONS}

    known.add("ANYCABLE_GO_BIN")  # for the tests and the benchmarks

    assert set(re.findall(r"\bANYCABLE_[A-Z_]*[A-Z]", page.read_text("utf-8"))) - known == set()


_OBJECTS: dict[str, list[Any]] = {
    "cable": [Cable],
    "Cable": [Cable],
    "connection": [Connection],
    "Connection": [Connection],
    "Channel": [Channel],
    "channel": [Channel],
    "self": [Connection, Channel],
    "anycable_rpc": [anycable_rpc],
}
"""The objects that a word in front of a dot stands for on the pages."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_of_the_api_exist(page: Path) -> None:
    """Check inline code, also in tables: `cable.token`, `self.query_params`."""
    for code in re.findall(r"`([^`\n]+)`", prose(page)):
        for owner, name in re.findall(rf"(?<![\w./-])({'|'.join(_OBJECTS)})\.(?!(?:toml|py)\b)([a-z_]\w*)", code):
            assert any(hasattr(of, name) or name in instance_names(of) for of in _OBJECTS[owner]), f"{owner}.{name}"


def instance_names(of: Any) -> set[str]:
    """Return the attributes that instances get from `__init__`."""
    initialiser = getattr(of, "__init__", None)
    code = getattr(initialiser, "__code__", None)
    return {*getattr(of, "__annotations__", {}), *(code.co_names if code else ())}


ARCHITECTURE = PROJECT / "docs" / "architecture.md"
PLACES = (PROJECT, PROJECT / "anycable_rpc", PROJECT / "tests")
"""The folders that the paths on the pages below start from."""


@pytest.mark.parametrize("page", [ARCHITECTURE, PROJECT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_files_and_folders_on_the_page_exist(page: Path) -> None:
    named = set(re.findall(r"`((?:[\w.-]+/)*(?:[\w-]+\.(?:py|md|toml)|[\w.-]+/))`", prose(page)))

    assert len(named) > 20
    assert [name for name in sorted(named) if not any((place / name).exists() for place in PLACES)] == []


def tree() -> dict[str, set[str]]:
    """Return the folders of the package and their modules, as the page about the architecture draws them."""
    drawn = next(block.text for block in blocks(ARCHITECTURE, "text") if block.text.startswith("anycable_rpc/"))
    folder, modules = "", dict[str, set[str]]()
    for line in drawn.splitlines()[1:]:
        if found := re.match(r"  ([\w/]+)/ ", line):
            folder = found[1]
        modules.setdefault(folder, set()).update(re.findall(r"\b\w+\.py\b", line))
    return modules


def test_the_tree_shows_the_package() -> None:
    package = PROJECT / "anycable_rpc"
    folders = {str(init.parent.relative_to(package)) for init in package.rglob("*/__init__.py")}
    drawn = tree()

    assert set(drawn) - {""} == folders
    assert {"__init__.py", "__main__.py", *drawn[""]} == {path.name for path in package.glob("*.py")}
    missing = {
        f"{folder}/{name}" for folder in drawn for name in drawn[folder] if not (package / folder / name).exists()
    }
    assert missing == set()


FORBIDDEN = (
    "It They Who Whom Whose What Those These Be How Which Whether Where When One Nothing None".split()  # noqa: SIM905
)
"""First words that do not name the thing: see the rules of the prose in CONTRIBUTING.md."""


def openings() -> Iterator[tuple[str, str]]:
    """Yield FILE:LINE and the text of each docstring in the package, and what follows main headings."""
    for path in sorted(path for path in (PROJECT / "anycable_rpc").rglob("*.py") if "_pb" not in path.parts):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                yield f"{path.relative_to(PROJECT)}:{node.lineno}", node.value.value
    for page in PAGES:
        text = re.sub(
            r"^```.*?^```$", lambda code: "\n" * code[0].count("\n"), page.read_text("utf-8"), flags=re.M | re.S
        )
        for found in re.finditer(r"^##? .+\n+(.+)", text, re.MULTILINE):
            yield f"{page.relative_to(PROJECT)}:{text.count(chr(10), 0, found.start(1)) + 1}", found[1]


def test_first_sentences_name_their_subject() -> None:
    offenders = [
        f"{place}: {text.split('.')[0].strip()}" for place, text in openings() if _first_word(text) in FORBIDDEN
    ]

    assert not offenders, "\n".join(["reword these openings:", *offenders])


def _first_word(text: str) -> str:
    found = re.match(r"\s*(\w+)", text)
    return found[1] if found else ""
