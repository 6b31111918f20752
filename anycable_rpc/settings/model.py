"""The settings: every name, kind and default. Flags, `ANYCABLE_*` and files are read here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ..errors import ConfigurationError
from ..protocol.messages import MESSAGE_SIZE
from . import sources
from .keys import Keys
from .kinds import (
    Address,
    Arguments,
    Attribute,
    Broker,
    Bytes,
    Count,
    Engine,
    File,
    Group,
    Host,
    Length,
    Level,
    Lifetime,
    Names,
    OptionalParameter,
    Parameter,
    Paths,
    Port,
    RedisURL,
    Seconds,
    Secret,
    Secrets,
    Sentinels,
    ServerURLs,
    Switch,
    Text,
    WebAPI,
    WebURL,
)

__all__ = ["Settings", "load"]

APP = Group("App", frozenset({"serve", "dev", "token", "schema"}))
WEB = Group("App", frozenset({"dev"}))
RPC = Group("RPC server", frozenset({"serve", "dev"}))
RPC_ONLY = Group("RPC server", frozenset({"serve"}))
KEYS = Group("Keys", frozenset({"serve", "dev", "token"}))
TOKENS = Group("Keys", frozenset({"serve", "dev"}))
BROADCASTING = Group("Broadcasting", frozenset({"serve", "dev"}))
GATEWAY = Group("Gateway (the names are anycable-go's)", frozenset({"dev"}))
LOG = Group("Log", frozenset({"serve", "dev"}))


class Settings(BaseSettings):
    """The settings of a program.

    Sources, strongest first: the arguments (flags of a command line become arguments), the environment, the web
    framework's own settings (the argument `framework`, a dict with the names of these fields), the TOML file,
    `[tool.anycable_rpc]` of pyproject.toml in the current folder, the defaults.

    Raises:
        ConfigurationError: a value cannot be used; the message names each one and where it came from.
    """

    model_config = SettingsConfigDict(
        env_prefix="ANYCABLE_",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    app: Annotated[Attribute, APP] = Field(None, description="the cable to serve")
    config: Annotated[File, APP] = Field(None, description=f"a TOML file (else {sources.CONFIG_FILE}, if there is one)")
    web: Annotated[Attribute, WEB] = Field(None, description="an ASGI app to serve beside the gateway")

    rpc_host: Annotated[Address, RPC] = Field(
        "127.0.0.1:50051", description="the address that the RPC server listens on; IPv6 in brackets"
    )
    rpc_reuse_port: Annotated[Switch, RPC_ONLY] = Field(
        False, description="let the next process listen on the same port before this one ends"
    )
    rpc_engine: Annotated[Engine, RPC] = Field(
        "grpcio",
        description="the engine that speaks gRPC: grpcio, or asyncio, which is our own and several times as fast",
    )
    rpc_pool_size: Annotated[Count, RPC] = Field(30, description="the number of calls that run at a time")
    workers: Annotated[Count, RPC_ONLY] = Field(
        1, description="the number of processes; they listen on the port of rpc_host and the following ones"
    )
    worker_cpu_affinity: Annotated[Switch, RPC_ONLY] = Field(
        False, description="keep each worker on a core of its own (Linux only)"
    )
    http_health_port: Annotated[Port, RPC_ONLY] = Field(
        0, description="the port where one /health over HTTP answers for all workers; 0 is none"
    )
    rpc_max_connection_age: Annotated[Seconds, RPC] = Field(
        300, description="the time after which anycable-go has to connect again; 0 is never"
    )
    rpc_max_call_recv_size: Annotated[Bytes, RPC] = Field(
        MESSAGE_SIZE, description="the largest response that anycable-go accepts, in bytes; set the same value there"
    )
    rpc_max_call_send_size: Annotated[Bytes, RPC] = Field(
        MESSAGE_SIZE, description="the largest request that anycable-go may send, in bytes; set the same value there"
    )
    rpc_tls_cert: Annotated[File, RPC] = Field(None, description="a certificate: PEM or a file")
    rpc_tls_key: Annotated[Secret, RPC] = Field(None, description="its private key: PEM or a file")
    rpc_server_args: Annotated[Arguments, RPC] = Field(
        {}, description="gRPC's own channel arguments; the prefix grpc. may be left out"
    )
    rpc_stuck_timeout: Annotated[Seconds, RPC] = Field(
        30, description="the time without a free place after which health is NOT_SERVING; 0 is never"
    )
    shutdown_timeout: Annotated[Seconds, RPC] = Field(30, description="the time that calls under way have to end")
    version_check_enabled: Annotated[Switch, RPC] = Field(
        True, description="refuse callers that speak another version of the protocol"
    )
    sid_header_enabled: Annotated[Switch, RPC] = Field(True, description="tell the client its session id")
    report_invalid_payloads: Annotated[Switch, RPC] = Field(
        True, description="tell the client which parameters of an action its payload lacks"
    )

    secret: Annotated[Secret, KEYS] = Field(None, description="the secret that the other keys are derived from")
    jwt_secret: Annotated[Secret, KEYS] = Field(
        None, description="signs and verifies tokens (else: secret); none switches them off"
    )
    jwt_secrets_old: Annotated[Secrets, KEYS] = Field(
        (), description="verify tokens that were signed before jwt_secret was changed; may be repeated"
    )
    jwt_ttl: Annotated[Lifetime, TOKENS] = Field(
        3600, description="the lifetime of tokens; with none they never expire"
    )
    jwt_param: Annotated[Parameter, TOKENS] = Field("jid", description="the URL parameter with the token")
    connect_tokens: Annotated[Switch, TOKENS] = Field(
        True, description="let Connect accept tokens that anycable-go does not check itself"
    )
    streams_secret: Annotated[Secret, TOKENS] = Field(None, description="signs stream names (else: secret)")
    turbo_streams_secret: Annotated[Secret, TOKENS] = Field(
        None, description="signs the streams of Turbo pages (else: streams_secret)"
    )
    broadcast_key: Annotated[Secret, TOKENS] = Field(
        None, description="authorizes broadcasts (else derived from secret)"
    )

    http_rpc_secret: Annotated[Secret, TOKENS] = Field(
        None, description="authorizes calls over HTTP, where the app is mounted (else derived from secret)"
    )
    api_secret: Annotated[Secret, TOKENS] = Field(
        None, description="authorizes requests to the REST API (else derived from secret)"
    )
    api_url: Annotated[WebAPI, BROADCASTING] = Field(
        None,
        description="the URL of anycable-go's REST API (else /api on the server that takes broadcasts)",
        repr=False,
    )

    broadcast_adapter: Annotated[Text, BROADCASTING] = Field(
        "http", description="the way to broadcast: http, redis, redisx (Redis Streams), nats or memory"
    )
    http_broadcast_url: Annotated[WebURL, BROADCASTING] = Field(
        None,
        description="the URL that takes broadcasts (else on localhost: port 8080 with a key, 8090 without)",
        repr=False,
    )
    redis_url: Annotated[RedisURL, BROADCASTING] = Field(
        "redis://localhost:6379",
        description="the URL of Redis; rediss:// for TLS; several URLs with commas are a cluster; with redis_sentinels "
        "the host is the name of the primary",
        repr=False,
    )
    redis_sentinels: Annotated[Sentinels, BROADCASTING] = Field(
        None, description="the Sentinels that know the primary, with commas between", repr=False
    )
    redis_channel: Annotated[Parameter, BROADCASTING] = Field(
        "__anycable__", description="the channel that anycable-go reads"
    )
    redisx_stream: Annotated[OptionalParameter, BROADCASTING] = Field(
        None, description="the stream that anycable-go reads with redisx (else: redis_channel)"
    )
    redisx_max_len: Annotated[Length, BROADCASTING] = Field(
        10_000, description="the number of entries that the Redis stream keeps, approximately"
    )
    nats_servers: Annotated[ServerURLs, BROADCASTING] = Field(
        "nats://localhost:4222", description="the URLs of NATS, with commas between", repr=False
    )
    nats_channel: Annotated[Parameter, BROADCASTING] = Field(
        "__anycable__", description="the subject that anycable-go reads"
    )

    host: Annotated[Host, GATEWAY] = Field("127.0.0.1", description="the host to listen on")
    port: Annotated[Port, GATEWAY] = Field(8080, description="the port to listen on")
    path: Annotated[Paths, GATEWAY] = Field("/cable", description="the path of the WebSocket")
    enforce_jwt: Annotated[Switch, GATEWAY] = Field(False, description="refuse clients without a token")
    noauth: Annotated[Switch, GATEWAY] = Field(False, description="accept every client without asking the app")
    norpc: Annotated[Switch, GATEWAY] = Field(False, description="never ask the app")
    public: Annotated[Switch, GATEWAY] = Field(False, description="noauth, public-streams, and broadcasts need no key")
    public_streams: Annotated[Switch, GATEWAY] = Field(False, description="streams need no signature")
    headers: Annotated[Names, GATEWAY] = Field(("cookie",), description="headers that the app sees")
    allowed_origins: Annotated[Names, GATEWAY] = Field(
        (), description="hosts of pages that may connect, like www.example.com,*.example.io (else all may)"
    )
    ping_interval: Annotated[Seconds, GATEWAY] = Field(3, description="the time between pings; 0 is never")
    pong_timeout: Annotated[Seconds, GATEWAY] = Field(
        0, description="the time that clients that answer pings may be silent; 0 is forever"
    )
    broker: Annotated[Broker, GATEWAY] = Field(
        None, description="keeps history, presence and sessions: memory, or none to keep nothing"
    )
    history_ttl: Annotated[Seconds, GATEWAY] = Field(300, description="the time that messages are kept")
    history_limit: Annotated[Count, GATEWAY] = Field(
        100, description="the number of messages that are kept of each stream"
    )
    sessions_ttl: Annotated[Seconds, GATEWAY] = Field(
        300, description="the time that clients can resume their sessions"
    )
    presence_ttl: Annotated[Seconds, GATEWAY] = Field(
        15, description="the time that a disconnected client still counts as present"
    )
    turbo_streams: Annotated[Switch, GATEWAY] = Field(False, description="serve Turbo Streams")
    show_secret: Annotated[Switch, GATEWAY] = Field(
        False, description="print the key that other processes need to broadcast"
    )

    log_level: Annotated[Level, LOG] = Field("info", description="debug, info, warn or error")
    debug: Annotated[Switch, LOG] = Field(False, description="log everything, and put internal errors into responses")
    log_grpc: Annotated[Switch, LOG] = Field(False, description="show the log of gRPC too")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigurationError(sources.explain(type(self), error, values)) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return our sources in place of pydantic's."""
        return sources.chain(settings_cls, init_settings())

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.rpc_tls_cert is None) != (self.rpc_tls_key is None):
            raise ValueError("TLS needs both: set rpc_tls_cert and rpc_tls_key, or neither")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the WebSocket: `path` may have several, with commas between."""
        return tuple(self.path.split(","))

    @property
    def keys(self) -> Keys:
        """The keys that follow from these settings."""
        return Keys(self)

    @property
    def api_address(self) -> str:
        """The URL of the REST API: `api_url`, else `/api` on the server that takes broadcasts."""
        if self.api_url or not self.http_broadcast_url:
            return self.api_url or "http://localhost:8080/api"
        return urlsplit(self.http_broadcast_url)._replace(path="/api", query="", fragment="").geturl()

    @property
    def broadcast_address(self) -> str:
        """The URL that takes broadcasts. Without a key anycable-go takes them on a port of their own."""
        port = 8080 if self.keys.broadcast else 8090
        return self.http_broadcast_url or f"http://localhost:{port}/_broadcast"

    @property
    def redis_stream(self) -> str:
        """The Redis stream for publications: anycable-go 1.6 has an option of its own for it, 1.5 has not."""
        return self.redisx_stream or self.redis_channel


def load(**values: Any) -> Settings:
    """Find the settings.

    >>> load(framework={"rpc_host": "0.0.0.0:50051"}, debug=True).rpc_host
    '0.0.0.0:50051'

    Args:
        values: what flags say, or a program: stronger than all that is found. Under the name `framework` there may be
            a dict of what a web framework's own settings say: stronger than files, weaker than the environment.

    Raises:
        ConfigurationError: a value cannot be used; the message names each one and where it came from.
    """
    return Settings(**values)
