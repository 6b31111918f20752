"""Finding the app that `module:attr` names, and the errors when it is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .commands import Servers, refused, run


class TestFindingTheApp:
    def test_there_are_three_ways_to_name_it(self) -> None:
        message = refused("dev")

        for text in (
            "anycable-rpc dev chat:cable",
            "ANYCABLE_APP=chat:cable",
            "[tool.anycable_rpc]",
            'app = "chat:cable"',
        ):
            assert text in message

    @pytest.mark.parametrize(
        ("source", "name"),
        [
            ("cable = Cable(Connection)", "app"),
            ("cable = Cable(Connection)", "app:cable"),
            ("cable = Cable(Connection)", "app:"),
            ("main = Cable(Connection)", "app"),
            ("main = again = Cable(Connection)", "app"),
            ("cable = Cable(Connection); other = Cable(Connection)", "app"),
            ("cable = 5; other = Cable(Connection)", "app"),
            ("class Site: cable = Cable(Connection)", "app:Site.cable"),
        ],
    )
    def test_it_is_found(self, source: str, name: str, folder: Path, servers: Servers) -> None:
        (folder / "app.py").write_text(f"from anycable_rpc import Cable, Connection\n{source}")

        result = run("serve", name)

        assert result.exit_code == 0, result.output
        assert len(servers.started) == 1

    def test_in_a_package(self, folder: Path, servers: Servers) -> None:
        (folder / "site").mkdir()
        (folder / "shop").mkdir()
        (folder / "shop" / "chat.py").write_text("from chat import cable")

        assert run("shop.chat:cable").exit_code == 0
        assert len(servers.started) == 1

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("chta:cable", "there is no module chta in the current folder ({}); did you mean chat?"),
            ("zzz:cable", "there is no module zzz in the current folder ({})"),
            ("chat.inner:cable", "there is no module inner in the package chat"),
            ("shop.caht:cable", "there is no module caht in the package shop; did you mean chat?"),
            ("chat:cabel", "there is no cabel in chat; did you mean cable? (cables there: cable)"),
            ("chat:cable.codce", "there is no codce in chat:cable; did you mean codec? (cables there: cable)"),
            ("chat:ChatConnection", "chat:ChatConnection is of type type, not a Cable (cables there: cable)"),
            ("chat.py:cable", "'chat.py:cable' is a file; name its module: chat:cable"),
            ("shop/chat.py:x", "'shop/chat.py:x' is a file; name its module: shop.chat:x"),
            ("./chat.py:", "'./chat.py:' is a file; name its module: chat:cable"),
            (":cable", "':cable' is not module:attr, for example chat:cable"),
            ("chat:cable:x", "'chat:cable:x' is not module:attr"),
            (".chat:cable", "'.chat:cable' is not module:attr"),
            ("chat..x:cable", "'chat..x:cable' is not module:attr"),
            ("cha t:cable", "'cha t:cable' is not module:attr"),
            ("1:2", "'1:2' is not module:attr"),
            ("dns://x:cable", "'dns://x:cable' is not module:attr"),
            ("json:dumps", "json:dumps is of type function, not a Cable"),
            ("two:x", "there is no x in two (cables there: one, other)"),
            ("two:", "which cable in two? Name one as module:attr (cables there: one, other)"),
            ("json:", "there is no Cable in json: make one, cable = Cable(…)"),
            ("é:ü", "there is no module é in the current folder ({})"),
            ("x" * 5000 + ":y", "there is no module xxx"),
        ],
    )  # fmt: skip
    def test_it_is_not_found(self, name: str, expected: str, folder: Path) -> None:
        (folder / "shop").mkdir()
        (folder / "shop" / "chat.py").write_text("")
        (folder / "two.py").write_text(
            "from anycable_rpc import Cable, Connection\none, other = Cable(Connection), Cable(Connection)"
        )

        assert f"Error: {expected.format(folder)}" in refused("serve", name)

    def test_the_error_says_who_named_it(self, folder: Path) -> None:
        assert "Error: ANYCABLE_APP: there is no module zzz" in refused(ANYCABLE_APP="zzz")
        (folder / "pyproject.toml").write_text("[tool.anycable_rpc]\napp = 'zzz'")
        assert "Error: app in pyproject.toml [tool.anycable_rpc]: there is no module zzz" in refused()

    @pytest.mark.parametrize(
        ("source", "error"),
        [
            ("import missing_library", "ModuleNotFoundError: No module named 'missing_library'"),
            ("from chat import nothing", "ImportError: cannot import name 'nothing' from 'chat'"),
            ("def f():\n    1 / 0\nf()", "ZeroDivisionError: division by zero"),
            ("x = (", "SyntaxError: '(' was never closed (broken.py, line 1)"),
            ("raise SystemExit(5)", "SystemExit: 5"),
            ("from anycable_rpc import Cable\nCable(5)", "ConfigurationError: 5 is not a connection class"),
        ],
    )
    def test_a_broken_module_is_shown_with_its_own_frames(self, source: str, error: str, folder: Path) -> None:
        (folder / "broken.py").write_text(source)

        message = refused("broken:cable")

        assert f"Error: cannot import broken: {error}" in message
        assert f'File "{folder}/broken.py", line ' in message
        assert "importlib" not in message
        assert "find_app.py" not in message

    def test_a_module_that_shadows_one_of_the_path(self, folder: Path, servers: Servers) -> None:
        sys.path.insert(0, str(folder / "elsewhere"))
        (folder / "elsewhere").mkdir()
        (folder / "elsewhere" / "mine.py").write_text("raise RuntimeError")
        (folder / "mine.py").write_text("from chat import cable")

        assert run("mine:cable").exit_code == 0
        assert sys.path[0] == str(folder)
