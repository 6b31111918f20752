"""Warnings about settings that are valid: weak keys, and settings that take away the effect of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ..identity.keys import MINIMUM_SECRET_BYTES

if TYPE_CHECKING:
    from .model import Settings

__all__ = ["conflicts", "warnings_for"]

_SERVER_ARGUMENTS = """
absolute_max_metadata_size authorization_policy_provider census compression_enabled_algorithms_bitset
default_compression_algorithm default_compression_level dscp enable_channelz expand_wildcard_addrs
experimental.tcp_max_read_chunk_size experimental.tcp_min_read_chunk_size experimental.tcp_read_chunk_size
experimental.tcp_tx_zerocopy_enabled experimental.tcp_tx_zerocopy_max_simultaneous_sends
experimental.tcp_tx_zerocopy_send_bytes_threshold http2.ack_pings http2.bdp_probe
http2.hpack_table_size.decoder http2.hpack_table_size.encoder http2.initial_sequence_number http2.lookahead_bytes
http2.max_frame_size http2.max_ping_strikes http2.max_pings_without_data
http2.min_ping_interval_without_data_ms http2.min_recv_ping_interval_without_data_ms http2.min_time_between_pings_ms
http2.ping_timeout_ms http2.settings_timeout http2.write_buffer_size
keepalive_permit_without_calls keepalive_time_ms keepalive_timeout_ms max_allowed_incoming_connections
max_channel_trace_event_memory_per_node max_concurrent_streams max_connection_age_grace_ms max_connection_age_ms
max_connection_idle_ms max_metadata_size max_receive_message_length max_send_message_length minimal_stack
optimization_target per_message_compression per_message_decompression resource_quota server.max_pending_requests
server.max_pending_requests_hard_limit server_handshake_timeout_ms server_max_unrequested_time_in_server
so_reuseport tcp_receive_buffer_size tsi.max_frame_size
"""

_GRPC_ARGUMENTS = frozenset(_SERVER_ARGUMENTS.split())
"""The channel arguments that a gRPC server reads (`grpc_types.h`, `channel_arg_names.h`), without the prefix."""

Conflict = tuple[Callable[["Settings"], bool], str]
"""A function that returns whether settings have the conflict, and the warning."""


def _has_no_token_secret(settings: Settings) -> bool:
    return not settings.keys.jwt_verifying


def _is_set(settings: Settings, *names: str) -> bool:
    return not settings.model_fields_set.isdisjoint(names)


_GATEWAY_CONFLICTS: tuple[Conflict, ...] = (
    (
        lambda s: s.enforce_jwt and _has_no_token_secret(s),
        "enforce_jwt has no effect without a secret for tokens: set secret or jwt_secret",
    ),
    (
        lambda s: s.enforce_jwt and (s.noauth or s.public) and not _has_no_token_secret(s),
        "noauth and public do not let clients in without a token, because enforce_jwt refuses them: leave one out",
    ),
    (
        lambda s: s.norpc and not (s.noauth or s.public) and _has_no_token_secret(s),
        "with norpc and no secret for tokens every client is refused: set secret, jwt_secret or noauth",
    ),
    (
        lambda s: s.turbo_streams and s.keys.turbo_streams is None,
        "turbo_streams has no effect without a secret: set secret, streams_secret or turbo_streams_secret",
    ),
    (
        lambda s: s.pong_timeout > 0 and not s.ping_interval,
        "with a pong_timeout and a ping_interval of 0 clients are closed, since there is no ping to answer: "
        "set ping_interval",
    ),
    (
        lambda s: s.broker == "nats",
        "the broker is memory here: dev keeps history and presence in its own process, and nats is for anycable-go",
    ),
    (
        lambda s: s.broker == "none" and _is_set(s, "history_ttl", "history_limit", "sessions_ttl", "presence_ttl"),
        "history_ttl, history_limit, sessions_ttl and presence_ttl have no effect while broker is none",
    ),
)

_SERVER_CONFLICTS: tuple[Conflict, ...] = (
    (
        lambda s: s.debug and _is_set(s, "log_level") and s.log_level != "debug",
        "log_level has no effect, because debug logs everything: leave one out",
    ),
    (
        lambda s: s.log_grpc and s.rpc_engine == "asyncio",
        "log_grpc has no effect: the engine asyncio does not use gRPC's library",
    ),
)

_BY_COMMAND = {"serve": _SERVER_CONFLICTS, "dev": (*_SERVER_CONFLICTS, *_GATEWAY_CONFLICTS)}


def conflicts(settings: Settings, command: str) -> Iterator[str]:
    """Yield a line for each conflict among the settings that the command uses."""
    yield from (text for applies, text in _BY_COMMAND[command] if applies(settings))
    if settings.rpc_engine == "grpcio":  # the engine asyncio refuses what it does not know
        yield from filter(None, map(_unknown, settings.rpc_server_args))


def _unknown(argument: str) -> str:
    bare = argument.removeprefix("grpc.").lower()
    if bare in _GRPC_ARGUMENTS:
        return ""
    near = get_close_matches(bare, sorted(_GRPC_ARGUMENTS), n=1)
    hint = f"did you mean {near[0]}?" if near else "see docs/grpcio.md"
    return f"rpc_server_args: {argument[:60]!r} is no argument of a gRPC server, so it has no effect; {hint}"


def warnings_for(settings: Settings) -> list[str]:
    """Return a line for each key that is too short, and for old keys that have no effect."""
    warnings = [
        f"{name} is shorter than {MINIMUM_SECRET_BYTES} bytes, so tokens can be forged by guessing it: "
        "make a longer one, for example with `openssl rand -hex 32`"
        for name, secrets in _verifying(settings).items()
        if any(len(secret.encode()) < MINIMUM_SECRET_BYTES for secret in secrets)
    ]
    if settings.jwt_secrets_old and not settings.keys.jwt_verifying:
        warnings.append("jwt_secrets_old has no effect: there is no jwt_secret and no secret")
    return warnings


def _verifying(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the keys that verify tokens, by the name of the setting that they are from."""
    secrets = settings.keys.jwt_verifying
    current = "jwt_secret" if settings.jwt_secret else "secret"
    return {current: secrets[:1], "jwt_secrets_old": secrets[1:]}
