"""The options of anycable-go (1.5 and 1.6) that `dev` knows and leaves without effect, spelt with dashes."""

from __future__ import annotations

__all__ = ["IGNORED", "SWITCHES"]

_VALUED = """
api-path api-port cable-ready-key cable-ready-secret config-path disconnect-mode disconnect-rate
disconnect-timeout ds-path ds-poll-interval ds-sse-ttl enats-addr enats-cluster enats-cluster-name
enats-cluster-routes enats-gateway enats-gateway-advertise enats-gateways enats-max-payload enats-server-name
enats-store-dir health-path http-broadcast-path http-broadcast-port
http-broadcast-secret http-rpc-secret hub-gopool-size jwt-id-key jwt-id-param log-format max-conn
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

_SWITCHES = """
cable-ready cable-ready-cleartext ds ds-skip-auth embed-nats enable-native-pings enable-ws-compression
enats-debug enats-trace ignore-config-path jwt-id-enforce metrics-log nats-dont-randomize-servers print-config
redis-tls-verify rpc-enable-tls rpc-tls-verify sse streams-presence streams-whisper turbo-rails-cleartext
disable-disconnect http-broadcast-cors redis-disable-cache
"""

SWITCHES = frozenset(_SWITCHES.split())
"""Those that take no value."""

IGNORED = frozenset(_VALUED.split()) | SWITCHES
"""All of them."""
