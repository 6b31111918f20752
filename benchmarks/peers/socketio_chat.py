"""The chat as python-socketio's pages write it, in one process, or in several that Redis connects."""

from __future__ import annotations

import os

import socketio

redis_url = os.environ.get("CHAT_REDIS_URL")
server = socketio.AsyncServer(
    async_mode="asgi", client_manager=socketio.AsyncRedisManager(redis_url) if redis_url else None
)
app = socketio.ASGIApp(server)


@server.event
async def join(sid: str, data: dict[str, str]) -> None:
    await server.enter_room(sid, data["room"])


@server.event
async def speak(sid: str, data: dict[str, str]) -> None:
    await server.emit("message", {"text": data["text"]}, room=data["room"])
