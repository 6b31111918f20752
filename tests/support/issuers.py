"""The JSON that the languages of the issuers write, where they are installed.

`python -m tests.support.issuers` records it in `tests/data/dialects.json`. That needs Node, Ruby with ActiveSupport,
PHP and Go.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

from .paths import DATA

__all__ = ["ISSUERS", "RECORDED", "missing", "write"]

RECORDED = DATA / "dialects.json"
PROGRAMS = DATA / "issuers"

ISSUERS = {
    "js": ["node", str(PROGRAMS / "js.mjs")],
    "ruby": ["ruby", str(PROGRAMS / "ruby.rb")],
    "rails": ["ruby", str(PROGRAMS / "ruby.rb"), "rails"],
    "php": ["php", str(PROGRAMS / "php.php")],
    "go": ["go", "run", str(PROGRAMS / "go.go")],
    "python": [sys.executable],
}
"""By dialect, the command that writes each line of JSON again."""

VERSIONS = {
    "js": ["node", "-p", "`Node ${process.versions.node}`"],
    "ruby": ["ruby", "-rjson", "-e", 'puts "Ruby #{RUBY_VERSION}, json #{JSON::VERSION}"'],
    "rails": ["ruby", "-ractive_support", "-e", 'puts "ActiveSupport #{ActiveSupport.version}"'],
    "php": ["php", "-r", "echo 'PHP ', PHP_VERSION;"],
    "go": ["go", "env", "GOVERSION"],
    "python": [sys.executable, "--version"],
}


def missing(dialect: str) -> str:
    """Return why the issuer cannot run here, or an empty string."""
    program = ISSUERS[dialect][0]
    if not shutil.which(program):
        return f"{program} is not installed: CONTRIBUTING.md says how to get it"
    if dialect == "rails" and subprocess.run(["ruby", "-ractive_support", "-e", ""], capture_output=True).returncode:
        return "ActiveSupport is not installed: apt-get install ruby-activesupport"
    return ""


def write(dialect: str, values: list[Any]) -> list[str | None]:
    """Return the JSON of the issuer for each value, or None for a value that it refuses."""
    if dialect == "python":
        return [json.dumps(value) for value in values]
    lines = "".join(json.dumps(value) + "\n" for value in values)
    done = subprocess.run(ISSUERS[dialect], input=lines.encode(), capture_output=True, check=True, timeout=120)
    texts = done.stdout.decode().removesuffix("\n").split("\n")
    assert len(texts) == len(values), done.stderr
    return [None if text == "!" else text for text in texts]


def _record() -> None:
    recorded = json.loads(RECORDED.read_text("utf-8"))
    for dialect, command in VERSIONS.items():
        version = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        recorded["versions"][dialect] = version.strip()
    for sample in recorded["samples"]:
        sample["texts"] = {dialect: write(dialect, [sample["value"]])[0] for dialect in ISSUERS}
    RECORDED.write_text(_one_sample_a_line(recorded), "utf-8")


def _one_sample_a_line(recorded: dict[str, Any]) -> str:
    head = ",\n".join(f" {json.dumps(key)}: {json.dumps(recorded[key])}" for key in ("about", "versions"))
    samples = ",\n".join(f"  {json.dumps(sample)}" for sample in recorded["samples"])
    return f'{{\n{head},\n "samples": [\n{samples}\n ]\n}}\n'


if __name__ == "__main__":
    _record()
