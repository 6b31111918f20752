"""Names that look like ours: those of anycable-go and others, and misspelt variables, which nobody reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..settings.model import Settings
from ..settings.sources import variables

__all__ = ["GO_OPTIONS", "GO_SWITCHES", "misspelt"]

_GO_VALUED = """
api-path api-port cable-ready-key cable-ready-secret config-path disconnect-mode disconnect-rate
disconnect-timeout ds-path ds-poll-interval ds-sse-ttl enats-addr enats-cluster enats-cluster-name
enats-cluster-routes enats-gateway enats-gateway-advertise enats-gateways enats-max-payload enats-server-name
enats-store-dir health-path http-broadcast-path http-broadcast-port
http-broadcast-secret hub-gopool-size jwt-id-key jwt-id-param log-format max-conn
max-message-size metrics-host metrics-http metrics-log-filter metrics-port metrics-rotate-interval metrics-tags
node-id ping-timestamp-precision presets proxy-cookies pubsub
pusher-api-port pusher-app-id pusher-app-key pusher-secret read-buffer-size
redis-keepalive-interval redis-tls-ca-cert-path redis-tls-client-cert-path
redis-tls-client-key-path rpc-concurrency rpc-impl rpc-request-timeout
rpc-tls-root-ca shutdown-delay sse-path ssl-cert ssl-key
stats-refresh-interval statsd-host statsd-max-packet-size statsd-prefix statsd-tags-format turbo-rails-key
write-buffer-size ws-max-pending-size ws-write-timeout
disconnect-backlog-size http-rpc-timeout metrics-log-formatter metrics-log-interval redis-sentinel-discovery-interval
redisx-group redisx-read-block-milliseconds rpc-command-timeout shutdown-pool-size
"""

_GO_SWITCHES = """
cable-ready cable-ready-cleartext ds ds-skip-auth embed-nats enable-native-pings enable-ws-compression
enats-debug enats-trace ignore-config-path jwt-id-enforce metrics-log nats-dont-randomize-servers print-config
redis-tls-verify rpc-enable-tls rpc-tls-verify sse streams-presence streams-whisper turbo-rails-cleartext
disable-disconnect http-broadcast-cors redis-disable-cache
"""

GO_SWITCHES = frozenset(_GO_SWITCHES.split())
"""The options of anycable-go (1.5 and 1.6) that have no effect here and take no value, spelt with dashes."""

GO_OPTIONS = frozenset(_GO_VALUED.split()) | GO_SWITCHES
"""All options of anycable-go that have no effect here; `dev` accepts them and says so."""

_OF_OTHERS = """
access-logs-disabled batch-broadcasts cable-ready-streams conf disable-rpc-pool-size-warning disable-telemetry embedded
fly-rpc-app-name fly-ws-app-name go-bin go-tag graphql-action graphql-channel graphql-path grpc-impl http-health-path
http-rpc http-rpc-mount-path id-param log-file memory-metrics nats-options ocpp-granular-actions ocpp-path
persistent-session-enabled poll poll-flush-interval poll-interval poll-keepalive-timeout poll-max-request-size
poll-max-requeue-size poll-path rpc-max-waiting-requests rpc-poll-period rpc-pool-keep-alive rpc-tls-root-ca
shutdown-slowdrain socket-id-header streams-key telemetry-debug telemetry-token telemetry-url use-warden-manager
websocket-url
"""
"""Other names of the Ruby SDK and of anycable-go (PRO and telemetry included)."""

_PREFIX = "ANYCABLE_"
_NAME = re.compile(rf"{_PREFIX}[A-Z0-9_]{{1,60}}", re.IGNORECASE | re.ASCII)
_KUBERNETES = re.compile(r"\w*(_SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_KUBERNETES_ADDRESS = re.compile("(tcp|udp|sctp)://.*")
_SHORT = 6  # letters: in a shorter name a second wrong letter would make another word
_MAX_NAMES = 5


def misspelt(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield at most one line about misspelt variables, with their names and without their values."""
    known = _known()
    pairs = {name.upper(): _meant(name.upper().removeprefix(_PREFIX), known) for name in _unread(environment, known)}
    found = [f"{name} (did you mean {meant}?)" for name, meant in sorted(pairs.items()) if meant]
    if found:
        more = f", and {len(found) - _MAX_NAMES} more" if len(found) > _MAX_NAMES else ""
        names = ", ".join(found[:_MAX_NAMES])
        yield f"no setting has the name of these variables, so they have no effect: {names}{more}"


def _known() -> dict[str, str]:
    """Return our names without the prefix, and the variables that they stand for."""
    return {
        spelling: variables(name)[0]
        for name in Settings.model_fields
        for spelling in (name.upper(), variables(name)[0].removeprefix(_PREFIX))
    }


def _unread(environment: Mapping[str, str], known: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables that begin like ours and that no program reads."""
    read = {
        *known.values(),
        *(f"{_PREFIX}{name.replace('-', '_').upper()}" for name in (*GO_OPTIONS, *_OF_OTHERS.split())),
    }
    for name, value in environment.items():
        upper = name.upper()
        if not _NAME.fullmatch(name) or upper in read or upper.startswith(f"{_PREFIX}RPC_SERVER_ARGS__"):
            continue
        if not value or _KUBERNETES.fullmatch(upper) or _KUBERNETES_ADDRESS.fullmatch(value):
            continue
        yield name


def _meant(name: str, known: Mapping[str, str]) -> str:
    """Return our variable that is a letter or two away, else the longest one whose name is inside, else nothing."""
    near = min(known, key=lambda ours: _distance(name, ours))
    if _distance(name, near) <= (1 if len(name) < _SHORT else 2):
        return known[near]
    inside = [ours for ours in known if f"_{ours}_" in f"_{name}_"]
    return known[max(inside, key=len)] if inside else ""


def _distance(one: str, other: str) -> int:
    """Return how many letters must be added, removed or changed; two swapped letters count once."""
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
