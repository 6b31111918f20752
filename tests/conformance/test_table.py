"""`docs/conformance.md` is complete: it names every scenario of the suites once, and every test here."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

from ..support.paths import PROJECT

PAGE = (PROJECT / "docs" / "conformance.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
NAMED = re.findall(r"`(test_\w+)`", PAGE)

SCENARIOS = {
    "core/ping_test.rb": 1,
    "core/welcome_test.rb": 1,
    "features/channel_state_test.rb": 2,
    "features/remote_disconnect_test.rb": 1,
    "features/server_restart_test.rb": 1,
    "request/channel_test.rb": 1,
    "request/connection_test.rb": 5,
    "request/disconnect_reasons_test.rb": 1,
    "request/disconnection_test.rb": 2,
    "streams/broadcast_test.rb": 3,
    "streams/multiple_clients_test.rb": 2,
    "streams/multiple_test.rb": 2,
    "streams/single_test.rb": 3,
    "streams/stop_test.rb": 1,
    "subscriptions/ack_test.rb": 2,
    "subscriptions/params_test.rb": 1,
    "subscriptions/perform_test.rb": 2,
    "subscriptions/transmissions_test.rb": 1,
    "etc/tests/channel_broadcast_test.rb": 1,
    "etc/tests/interceptors_test.rb": 2,
    "etc/tests/periodic_timers_test.rb": 1,
    "etc/anyt/broadcast_tests/options_test.rb": 1,
    "etc/anyt/broadcast_tests/whisper_test.rb": 1,
    "etc/anyt/broker_tests/history_test.rb": 3,
    "etc/anyt/broker_tests/restore_test.rb": 1,
    "etc/anyt/presence_tests/perform_test.rb": 1,
    "etc/anyt/presence_tests/subscribe_test.rb": 2,
    "features/broadcasts.benchfile": 1,
    "features/enats_broker.testfile": 1,
    "features/enats_clusters.testfile": 1,
    "features/file_config.testfile": 1,
    "features/goroutines.benchfile": 1,
    "features/jwt.testfile": 4,
    "features/metrics.testfile": 1,
    "features/mruby_printers.testfile": 1,
    "features/ping.testfile": 1,
    "features/ping_pong.testfile": 1,
    "features/pusher.testfile": 1,
    "features/pusher-presence.testfile": 1,
    "features/pusher-private.testfile": 1,
    "features/shutdown.testfile": 1,
    "features/sse.testfile": 4,
    "features/standalone.testfile": 2,
    "features/streams.testfile": 1,
    "features/turbo_rpc_less.testfile": 1,
}
"""The number of scenarios in each file of the suites: anyt 1.4.3 and anycable-go 1.6.16."""


def defined() -> list[str]:
    """The names of all tests of scenarios."""
    modules = [path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]
    trees = [ast.parse(path.read_text("utf-8")) for path in modules]
    functions = [node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in functions if name.startswith("test_")]


def test_every_scenario_is_listed() -> None:
    assert Counter(file for file, _, _ in ROWS) == SCENARIOS


def test_no_scenario_is_listed_twice() -> None:
    assert [scenario for scenario, number in Counter(row[:2] for row in ROWS).items() if number > 1] == []


def test_the_table_names_the_tests_and_no_others() -> None:
    assert sorted(set(NAMED)) == sorted(defined())
