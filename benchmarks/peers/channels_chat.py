"""The chat as the tutorial of Django Channels writes it, with a layer in Redis."""

from __future__ import annotations

import json
import os
from typing import Any

import django
from django.conf import settings

# redis-py 8 allows 100 connections. With more messages under way at once, consumers would end with an error.
HOST = {"address": os.environ["CHAT_REDIS_URL"], "max_connections": 10_000}

settings.configure(
    SECRET_KEY="for measuring",
    ALLOWED_HOSTS=["*"],
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": os.environ.get("CHAT_LAYER", "channels_redis.core.RedisChannelLayer"),
            "CONFIG": {"hosts": [HOST]},
        }
    },
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402


class Chat(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.room = f"chat_{self.scope['url_route']['kwargs']['room']}"
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        message = json.loads(text_data or "{}")
        await self.channel_layer.group_send(self.room, {"type": "chat.message", "text": message["text"]})

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps({"text": event["text"]}))


app = ProtocolTypeRouter({"websocket": URLRouter([path("ws/<str:room>", Chat.as_asgi())])})
