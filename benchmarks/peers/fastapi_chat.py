"""The chat as FastAPI's pages about WebSockets write it: the sockets of each room in a dict of this process."""

from __future__ import annotations

from collections import defaultdict

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
rooms: defaultdict[str, set[WebSocket]] = defaultdict(set)


@app.websocket("/ws/{room}")
async def chat(socket: WebSocket, room: str) -> None:
    await socket.accept()
    members = rooms[room]
    members.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for member in list(members):
                await member.send_text(text)
    except WebSocketDisconnect:
        pass
    finally:
        members.discard(socket)
