"""The settings: every name, kind and default; the one place where flags, `ANYCABLE_*` and files are read."""

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

APP = Group("App", frozenset({"serve", "dev", "token"}))
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
        ConfigurationError: a value cannot be used; the text names each one and where it came from.
    """

    model_config = SettingsConfigDict(
        env_prefix="ANYCABLE_",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    app: Annotated[Attribute, APP] = Field(None, description="the cable to serve")
    config: Annotated[File, APP] = Field(
        None, description=f"a TOML file; without it {sources.CONFIG_FILE}, where there is one"
    )
    web: Annotated[Attribute, WEB] = Field(None, description="an ASGI app to serve beside the gateway")

    rpc_host: Annotated[Address, RPC] = Field(
        "127.0.0.1:50051", description="where the RPC server listens; IPv6 in brackets"
    )
    rpc_reuse_port: Annotated[Switch, RPC_ONLY] = Field(
        False, description="let the process that follows listen on the same port before this one ends"
    )
    rpc_engine: Annotated[Engine, RPC] = Field(
        "grpcio", description="what speaks gRPC: grpcio, or asyncio, which is ours and several times as fast"
    )
    rpc_pool_size: Annotated[Count, RPC] = Field(30, description="how many calls run at a time")
    workers: Annotated[Count, RPC_ONLY] = Field(
        1, description="how many processes serve, on the port of rpc_host and the following ones"
    )
    worker_cpu_affinity: Annotated[Switch, RPC_ONLY] = Field(
        False, description="keep each worker to a core of its own (on Linux)"
    )
    http_health_port: Annotated[Port, RPC_ONLY] = Field(
        0, description="where one process that watches the workers answers /health over HTTP; 0 is nowhere"
    )
    rpc_max_connection_age: Annotated[Seconds, RPC] = Field(
        300, description="after how long anycable-go has to connect anew; 0 is never"
    )
    rpc_max_call_recv_size: Annotated[Bytes, RPC] = Field(
        MESSAGE_SIZE, description="the largest answer that anycable-go takes, in bytes; the same there"
    )
    rpc_max_call_send_size: Annotated[Bytes, RPC] = Field(
        MESSAGE_SIZE, description="the largest request that anycable-go may send, in bytes; the same there"
    )
    rpc_tls_cert: Annotated[File, RPC] = Field(None, description="a certificate, as PEM text or a file")
    rpc_tls_key: Annotated[Secret, RPC] = Field(None, description="its private key, as PEM text or a file")
    rpc_server_args: Annotated[Arguments, RPC] = Field(
        {}, description="gRPC's own channel arguments; the prefix grpc. may be left out"
    )
    rpc_stuck_timeout: Annotated[Seconds, RPC] = Field(
        30, description="after how long without a free place health says NOT_SERVING; 0 is never"
    )
    shutdown_timeout: Annotated[Seconds, RPC] = Field(30, description="how long calls may take to end")
    version_check_enabled: Annotated[Switch, RPC] = Field(
        True, description="refuse callers that speak another version of the protocol"
    )
    sid_header_enabled: Annotated[Switch, RPC] = Field(True, description="tell the client its session id")

    secret: Annotated[Secret, KEYS] = Field(None, description="the secret that the other keys come from")
    jwt_secret: Annotated[Secret, KEYS] = Field(
        None, description="signs and verifies tokens (else: secret); none switches them off"
    )
    jwt_secrets_old: Annotated[Secrets, KEYS] = Field(
        (), description="verify tokens that were signed before the key was changed; may be repeated"
    )
    jwt_ttl: Annotated[Lifetime, TOKENS] = Field(3600, description="how long tokens are valid; only none is for ever")
    jwt_param: Annotated[Parameter, TOKENS] = Field("jid", description="the URL parameter with the token")
    connect_tokens: Annotated[Switch, TOKENS] = Field(
        True, description="identify by token where anycable-go leaves that to Connect"
    )
    streams_secret: Annotated[Secret, TOKENS] = Field(None, description="signs stream names (else: secret)")
    turbo_streams_secret: Annotated[Secret, TOKENS] = Field(
        None, description="signs the streams of Turbo pages (else: streams_secret)"
    )
    broadcast_key: Annotated[Secret, TOKENS] = Field(None, description="authorizes broadcasts (else made from secret)")

    api_secret: Annotated[Secret, TOKENS] = Field(
        None, description="authorizes requests to the REST API (else made from secret)"
    )
    api_url: Annotated[WebAPI, BROADCASTING] = Field(
        None, description="where anycable-go's REST API is (else /api where broadcasts go)", repr=False
    )

    broadcast_adapter: Annotated[Text, BROADCASTING] = Field(
        "http", description="how to broadcast: http, redis, redisx (Redis Streams), nats or memory"
    )
    http_broadcast_url: Annotated[WebURL, BROADCASTING] = Field(
        None, description="where broadcasts go (else localhost: port 8080 with a key, 8090 without)", repr=False
    )
    redis_url: Annotated[RedisURL, BROADCASTING] = Field(
        "redis://localhost:6379",
        description="where Redis is; rediss:// for TLS; with commas between: a cluster; with redis_sentinels: "
        "the name of the primary as the host",
        repr=False,
    )
    redis_sentinels: Annotated[Sentinels, BROADCASTING] = Field(
        None, description="where the Sentinels are that know the primary; with commas between", repr=False
    )
    redis_channel: Annotated[Parameter, BROADCASTING] = Field(
        "__anycable__", description="the channel that anycable-go reads"
    )
    redisx_stream: Annotated[OptionalParameter, BROADCASTING] = Field(
        None, description="the stream that anycable-go reads with redisx (else: redis_channel)"
    )
    redisx_max_len: Annotated[Length, BROADCASTING] = Field(
        10_000, description="about how many entries the Redis stream keeps"
    )
    nats_servers: Annotated[ServerURLs, BROADCASTING] = Field(
        "nats://localhost:4222", description="where NATS is; with commas between", repr=False
    )
    nats_channel: Annotated[Parameter, BROADCASTING] = Field(
        "__anycable__", description="the subject that anycable-go reads"
    )

    host: Annotated[Host, GATEWAY] = Field("127.0.0.1", description="the host to listen on")
    port: Annotated[Port, GATEWAY] = Field(8080, description="the port to listen on")
    path: Annotated[Paths, GATEWAY] = Field("/cable", description="where the WebSocket is")
    enforce_jwt: Annotated[Switch, GATEWAY] = Field(False, description="refuse clients without a token")
    noauth: Annotated[Switch, GATEWAY] = Field(False, description="let everybody in, without asking the app")
    norpc: Annotated[Switch, GATEWAY] = Field(False, description="never ask the app")
    public: Annotated[Switch, GATEWAY] = Field(False, description="noauth, public-streams, and broadcasts need no key")
    public_streams: Annotated[Switch, GATEWAY] = Field(False, description="streams need no signature")
    headers: Annotated[Names, GATEWAY] = Field(("cookie",), description="headers that the app sees")
    allowed_origins: Annotated[Names, GATEWAY] = Field(
        (), description="pages that may connect, like www.example.com,*.example.io; without it all may"
    )
    ping_interval: Annotated[Seconds, GATEWAY] = Field(3, description="time between pings; 0 is never")
    pong_timeout: Annotated[Seconds, GATEWAY] = Field(
        0, description="how long clients that answer pings may be silent; 0 is for ever"
    )
    broker: Annotated[Broker, GATEWAY] = Field(
        None, description="what keeps history, presence and sessions: memory, unless it is none"
    )
    history_ttl: Annotated[Seconds, GATEWAY] = Field(300, description="how long messages are kept")
    history_limit: Annotated[Count, GATEWAY] = Field(100, description="how many messages of a stream are kept")
    sessions_ttl: Annotated[Seconds, GATEWAY] = Field(300, description="how long clients can resume their sessions")
    presence_ttl: Annotated[Seconds, GATEWAY] = Field(15, description="how long those who left are present")
    turbo_streams: Annotated[Switch, GATEWAY] = Field(False, description="serve Turbo Streams")
    show_secret: Annotated[Switch, GATEWAY] = Field(
        False, description="print the key that other processes need to broadcast"
    )

    log_level: Annotated[Level, LOG] = Field("info", description="debug, info, warn or error")
    debug: Annotated[Switch, LOG] = Field(
        False, description="log everything, and tell the other side what went wrong inside"
    )
    log_grpc: Annotated[Switch, LOG] = Field(False, description="log what gRPC does too")

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
        """Ours instead of pydantic's."""
        return sources.chain(settings_cls, init_settings())

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.rpc_tls_cert is None) != (self.rpc_tls_key is None):
            raise ValueError("TLS needs both: set rpc_tls_cert and rpc_tls_key, or neither")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """Where the WebSocket is: `path` may have several, with commas between."""
        return tuple(self.path.split(","))

    @property
    def keys(self) -> Keys:
        """The keys that these settings lead to."""
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
        ConfigurationError: a value cannot be used; the text names each one and where it came from.
    """
    return Settings(**values)
