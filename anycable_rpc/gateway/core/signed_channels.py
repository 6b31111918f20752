"""Channels that anycable-go serves without the app: the client names the stream (`streams/controller.go`)."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import InvalidData, InvalidSignedStream
from ...identity.signed_streams import verify_stream
from ...protocol import go_json
from ...protocol.messages import CommandResponse, EnvResponse, Status
from ...state import PRESENCE_KEY, WHISPER_KEY
from . import server_frames as frames
from .options import GatewayOptions

__all__ = ["SignedChannels"]

PUBSUB = "$pubsub"
TURBO = "Turbo::StreamsChannel"

_NAMES: Mapping[str, type] = {"stream_name": str, "signed_stream_name": str}


class SignedChannels:
    """Answers for `$pubsub` and Turbo Streams."""

    def __init__(self, options: GatewayOptions) -> None:
        self._has_public = options.has_public_streams
        self._secrets = {PUBSUB: options.streams_secret}
        if options.turbo_streams and options.turbo_streams_secret:
            self._secrets[TURBO] = options.turbo_streams_secret

    def subscribe(self, identifier: str) -> CommandResponse | None:
        """Confirm or reject a subscription; return None for a channel of the app."""
        channel = self._channel(identifier)
        if not channel:
            return None
        try:
            return self._confirm(identifier, *self._stream(channel, identifier))
        except (InvalidData, InvalidSignedStream):
            return CommandResponse(Status.FAILURE, transmissions=(frames.reject_subscription(identifier),))

    def unsubscribe(self, identifier: str) -> CommandResponse | None:
        """Stop the streams of a subscription; return None for a channel of the app."""
        return CommandResponse(Status.SUCCESS, stop_streams=True) if self._channel(identifier) else None

    def _channel(self, identifier: str) -> str:
        try:
            channel = go_json.fields(go_json.loads(identifier), {"channel": str}).get("channel", "")
        except InvalidData:
            return ""
        return channel if channel in self._secrets else ""

    def _stream(self, channel: str, identifier: str) -> tuple[str, dict[str, str]]:
        """Return the stream and the subscription's state. A signed name takes precedence over an unsigned one."""
        names = go_json.fields(go_json.loads(identifier), _NAMES)
        signed, name = names.get("signed_stream_name", ""), names.get("stream_name", "")
        if channel == PUBSUB and name and not signed:
            if not self._has_public:
                raise InvalidSignedStream("streams need a signature")
            return name, {WHISPER_KEY: name, PRESENCE_KEY: name}
        secret = self._secrets[channel]
        if not secret:  # anycable-go 1.6 then verifies with an empty key, so anybody can sign
            raise InvalidSignedStream("there is no secret to verify it with")
        stream = verify_stream(signed, secret)
        return stream, {PRESENCE_KEY: stream} if channel == PUBSUB else {}

    def _confirm(self, identifier: str, stream: str, istate: dict[str, str]) -> CommandResponse:
        return CommandResponse(
            Status.SUCCESS,
            streams=(stream,),
            transmissions=(frames.confirm_subscription(identifier),),
            env=EnvResponse(istate=istate),
        )
