"""The distributions: the source has what make, the tests and the links of the README need, the wheel the plugin."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from ..support.paths import PROJECT

FOLDERS = (".ci", "anycable_rpc", "app_example", "benchmarks", "docs", "examples", "protos", "tests")
MADE_LATER = {"node_modules", "__pycache__", "bin", ".hypothesis"}

pytest.importorskip("hatchling", reason="hatchling is not installed: make test does it")


def build(kind: str, folder: Path) -> Path:
    """Return the archive of a distribution, `sdist` or `wheel`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, timeout=120)
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files in the archive, as they are called inside its folder."""
    with tarfile.open(build("sdist", tmp_path_factory.mktemp("dist"))) as content:
        return {name.partition("/")[2] for name in content.getnames()}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_is_there_as_a_whole(folder: str, packed: set[str]) -> None:
    files = (file.relative_to(PROJECT) for file in (PROJECT / folder).rglob("*") if file.is_file())
    needed = {str(file) for file in files if not MADE_LATER & set(file.parts)}

    assert {name for name in needed - packed if not name.endswith((".pyc", "fuzz-found.hex"))} == set()


def test_so_are_the_files_beside_them(packed: set[str]) -> None:
    pages = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"}

    assert {"Makefile", "pyproject.toml", ".gitignore", *pages} <= packed


def test_what_make_puts_beside_them_is_not(packed: set[str]) -> None:
    assert [name for name in packed if re.search(r"(^|/)(\.venv|node_modules|__pycache__|\.git/)", name)] == []


def test_relative_links_of_the_readme_lead_into_it(packed: set[str]) -> None:
    targets = re.findall(r"\]\(([^)\s#]+)", (PROJECT / "README.md").read_text("utf-8"))

    assert {target for target in targets if "://" not in target} <= packed


def test_the_wheel_has_the_package_and_the_plugin_of_pytest(tmp_path: Path) -> None:
    with zipfile.ZipFile(build("wheel", tmp_path)) as wheel:
        (entry_points,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
        top = {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" not in name}

        assert top == {"anycable_rpc", "pytest_anycable_rpc.py"}
        assert "[pytest11]\nanycable_rpc = pytest_anycable_rpc\n" in wheel.read(entry_points).decode()
