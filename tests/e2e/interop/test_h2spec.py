"""The whole of h2spec, the conformance suite of HTTP/2, against the engine, with and without TLS."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

from .conftest import Serve

TABLE = '{"http2.hpack_table_size.decoder": 4096}'
"""The default size is 0, and h2spec never shrinks its table to that, which is an error (RFC 9113, 4.3.1)."""

CASES = {"generic": 44, "http2": 95, "hpack": 7}
"""The number of cases by section; one case runs with `--strict` alone."""


def test_every_case_passes(go_tools: Path, serve: Serve, tmp_path: Path) -> None:
    server = serve(f"--rpc-server-args={TABLE}")
    report = tmp_path / "report.xml"
    tls = ["--tls", "--insecure"] if server.certificate else []
    command = [str(go_tools / "h2spec"), "--strict", *tls, "--host=127.0.0.1", f"--port={server.port}"]

    done = subprocess.run([*command, f"--junit-report={report}"], capture_output=True, text=True, timeout=300)

    verdicts = list(ElementTree.parse(report).getroot().iter("testcase"))
    assert done.returncode == 0, done.stdout
    assert [case.get("classname") for case in verdicts if len(case)] == []  # neither failed nor skipped
    assert sections(verdicts) == CASES


def sections(cases: list[ElementTree.Element]) -> dict[str, int]:
    """Return the number of cases by section."""
    names = [case.get("package", "").partition("/")[0] for case in cases]
    return {name: names.count(name) for name in dict.fromkeys(names)}
