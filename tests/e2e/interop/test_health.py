"""Health as a cluster asks for it, with grpc-health-probe."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from ..processes import SHUTDOWN
from .callers import COMMAND, RESOURCE_EXHAUSTED
from .conftest import Serve
from .servers import Served, calling
from .test_calls import message, waiting

HEALTHY, NO_CONNECTION, NO_ANSWER, UNHEALTHY = 0, 2, 3, 4  # its exit codes


def probed(go_tools: Path, server: Served, service: str = "") -> tuple[int, str]:
    """Run the probe and return its exit code and its output."""
    tls = ["-tls", f"-tls-ca-cert={server.certificate}"] if server.certificate else []
    command = [str(go_tools / "grpc-health-probe"), f"-addr={server.name}", f"-service={service}", *tls]
    done = subprocess.run([*command, "-rpc-timeout=10s"], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize("service", ["", "anycable.RPC"])
def test_a_server_that_runs_is_healthy(go_tools: Path, shared_server: Served, service: str) -> None:
    assert probed(go_tools, shared_server, service) == (HEALTHY, "status: SERVING\n")


def test_a_service_that_is_not_there(go_tools: Path, shared_server: Served) -> None:
    code, output = probed(go_tools, shared_server, "other.Service")

    assert code == NO_ANSWER
    assert "NotFound" in output


def test_a_server_that_drains_is_not(go_tools: Path, serve: Serve) -> None:
    server = serve("--rpc-pool-size=1")
    with calling(server, [str(go_tools / "interop")]) as caller:
        answers = caller.answers(2, COMMAND, waiting(4))
        assert next(answers).code == RESOURCE_EXHAUSTED  # now the other one is under way
        server.program.send(signal.SIGTERM)
        while (probe := probed(go_tools, server))[0] == HEALTHY:
            pass

        assert probe == (UNHEALTHY, 'service unhealthy (responded with "NOT_SERVING")\n')
        assert message(next(answers)) == "waited"
        server.program.expect_exit(0, seconds=SHUTDOWN)
        assert probed(go_tools, server)[0] == NO_CONNECTION
