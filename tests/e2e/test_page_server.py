"""`python -m app_example`: the page alone, also without npm packages, secret or port."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from playwright.sync_api import Browser, expect

from ..support.paths import PROJECT
from .processes import Program, free_port, python, running
from .servers import ADDRESS, SECRET, TERMINATED
from .visitor import Visitor

WITH_SECRET = {"ANYCABLE_SECRET": SECRET}
_open = build_opener(ProxyHandler({})).open


@contextmanager
def page_server(settings: Mapping[str, str], *options: str, folder: Path = PROJECT) -> Generator[str]:
    """Run the server on a free port and yield its address."""
    command = python("app_example", "--port=0", *options)
    with running(command, settings, folder, ends_with=(0, TERMINATED)) as program:
        yield f"http://{program.wait_for(rf'listening .*?{ADDRESS}')[1]}"


def ask(url: str, body: object = None) -> tuple[int, str]:
    """Send a GET, or a POST when there is a body; return status and body of the response."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with _open(Request(url, data, {"Content-Type": "application/json"}), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ([], "ws://127.0.0.1:8080/cable"),
        (["--cable-url=wss://cable.example.com/ws"], "wss://cable.example.com/ws"),
        (["--cable-url=ws://{host}:9000/cable"], "ws://127.0.0.1:9000/cable"),
    ],
)
def test_the_page_names_the_socket(options: list[str], address: str) -> None:
    with page_server(WITH_SECRET, *options) as server:
        status, html = ask(server + "/")
        assert status == 200
        assert f'<meta name="cable-url" content="{address}">' in html


def test_the_sockets_address_may_come_from_the_environment() -> None:
    with page_server({"ANYCABLE_WEBSOCKET_URL": 'wss://x.example/?a="b"&c'}) as server:
        assert '<meta name="cable-url" content="wss://x.example/?a=&quot;b&quot;&amp;c">' in ask(server + "/")[1]


@pytest.mark.parametrize("path", ["/sign-in", "/token"])
@pytest.mark.parametrize(
    "body", [{}, [], 5, {"name": ""}, {"name": "  "}, {"name": "x" * 31}, {"name": "a\nb"}, {"name": "\ud800"}]
)
def test_a_name_that_is_none_is_refused(with_secret: str, path: str, body: object) -> None:
    status, text = ask(with_secret + path, body)
    assert (status, json.loads(text)) == (422, {"error": "A name has one to 30 visible characters."})


@pytest.fixture(scope="module")
def with_secret() -> Iterator[str]:
    with page_server(WITH_SECRET) as server:
        yield server


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/modules/nothing.js", "/static/../chat.py", "/static/%2e%2e/chat.py", "/modules/%2e%2e/package.json"],
)
def test_only_the_pages_own_files_are_served(with_secret: str, path: str) -> None:
    assert ask(with_secret + path)[0] == 404


def test_without_a_secret_there_is_no_way_in_by_token(page_packages: None, browser: Browser) -> None:
    with page_server({}) as server:
        status, text = ask(server + "/token", {"name": "Ada"})
        assert status == 501
        assert "ANYCABLE_SECRET" in json.loads(text)["error"]
        visitor = Visitor.arrive(browser, server)
        expect(visitor.page.locator("input[value=token]")).to_be_disabled()
        expect(visitor.page.locator("#token-hint")).to_contain_text("ANYCABLE_SECRET")
        visitor.leave()


def test_without_the_npm_packages_the_page_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "app_example", tmp_path / "app_example", ignore=shutil.ignore_patterns("node_modules"))
    with page_server({**WITH_SECRET, "PYTHONPATH": str(PROJECT)}, folder=tmp_path) as server:
        assert ask(server + "/modules/@anycable/web/index.js")[0] == 404
        visitor = Visitor.arrive(browser, server)
        expect(visitor.page.get_by_text("make install")).to_be_visible()
        expect(visitor.page.locator("#door")).to_be_hidden()
        visitor.leave()


def test_a_port_in_use_is_said() -> None:
    port = free_port()
    with page_server(WITH_SECRET, f"--port={port}"):
        second = Program(python("app_example", f"--port={port}"), WITH_SECRET)
        second.expect_exit(1, seconds=20)
        assert len(second.lines) == 1
        assert second.lines[0].startswith("Error: Address already in use")
