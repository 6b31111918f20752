"""Environment variables that look like ours and are read by nobody: they are misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..settings.model import Settings
from ..settings.sources import variables
from .go_options import IGNORED

__all__ = ["misspelt"]

_OF_OTHERS = """
access-logs-disabled batch-broadcasts cable-ready-streams conf disable-rpc-pool-size-warning disable-telemetry embedded
fly-rpc-app-name fly-ws-app-name go-bin go-tag graphql-action graphql-channel graphql-path grpc-impl http-health-path
http-rpc http-rpc-mount-path id-param log-file memory-metrics nats-options ocpp-granular-actions ocpp-path
persistent-session-enabled poll poll-flush-interval poll-interval poll-keepalive-timeout poll-max-request-size
poll-max-requeue-size poll-path rpc-max-waiting-requests rpc-poll-period rpc-pool-keep-alive rpc-tls-root-ca
shutdown-slowdrain socket-id-header streams-key telemetry-debug telemetry-token telemetry-url use-warden-manager
websocket-url
"""
"""Names of the Ruby SDK and of anycable-go (PRO and telemetry included) that are no options of anycable-go itself."""

_PREFIX = "ANYCABLE_"
_NAME = re.compile(rf"{_PREFIX}[A-Z0-9_]{{1,60}}", re.IGNORECASE | re.ASCII)
_KUBERNETES = re.compile(r"\w*(_SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_KUBERNETES_ADDRESS = re.compile("(tcp|udp|sctp)://.*")
_SHORT = 6  # of so short a name a second letter makes another word
_MOST = 5


def misspelt(environment: Mapping[str, str]) -> Iterator[str]:
    """At most one line, with the names and without the values."""
    known = _known()
    pairs = {name.upper(): _meant(name.upper().removeprefix(_PREFIX), known) for name in _unread(environment, known)}
    found = [f"{name} (did you mean {meant}?)" for name, meant in sorted(pairs.items()) if meant]
    if found:
        more = f", and {len(found) - _MOST} more" if len(found) > _MOST else ""
        yield f"no setting has the name of these variables, so they have no effect: {', '.join(found[:_MOST])}{more}"


def _known() -> dict[str, str]:
    """Our names without the prefix, and the variables that they stand for."""
    return {
        spelling: variables(name)[0]
        for name in Settings.model_fields
        for spelling in (name.upper(), variables(name)[0].removeprefix(_PREFIX))
    }


def _unread(environment: Mapping[str, str], known: Mapping[str, str]) -> Iterator[str]:
    """What begins as our variables do and belongs to nobody."""
    read = {
        *known.values(),
        *(f"{_PREFIX}{name.replace('-', '_').upper()}" for name in (*IGNORED, *_OF_OTHERS.split())),
    }
    for name, value in environment.items():
        upper = name.upper()
        if not _NAME.fullmatch(name) or upper in read or upper.startswith(f"{_PREFIX}RPC_SERVER_ARGS__"):
            continue
        if not value or _KUBERNETES.fullmatch(upper) or _KUBERNETES_ADDRESS.fullmatch(value):
            continue
        yield name


def _meant(name: str, known: Mapping[str, str]) -> str:
    """The variable of ours that is a letter or two away, else the longest one whose name is inside; or nothing."""
    near = min(known, key=lambda ours: _distance(name, ours))
    if _distance(name, near) <= (1 if len(name) < _SHORT else 2):
        return known[near]
    inside = [ours for ours in known if f"_{ours}_" in f"_{name}_"]
    return known[max(inside, key=len)] if inside else ""


def _distance(one: str, other: str) -> int:
    """How many letters must be added, removed or changed; two that have changed places count once."""
    if abs(len(one) - len(other)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        before, last, row = row, before, [place]
        for end, wanted in enumerate(other, 1):
            cost = min(before[end] + 1, row[-1] + 1, before[end - 1] + (letter != wanted))
            if last and end > 1 and letter == other[end - 2] and wanted == one[place - 2]:
                cost = min(cost, last[end - 2] + 1)
            row.append(cost)
    return row[-1]
