"""A cable whose calls say which process and thread has answered them, for web servers that fork.

A call is answered once while this module is loaded: the workers that gunicorn forks inherit its event loop and threads.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import threading

from anycable_rpc import Cable, Channel, Connection, action


def note(text: str) -> None:
    """Tell the test."""
    sys.stderr.write(f"<{text} in {os.getpid()}>\n")


class User(Connection):
    identified_by = ("name",)
    name: str

    async def connect(self) -> None:
        await asyncio.sleep(0)
        self.name = self.cookies.get("chat_name") or self.reject()


class Room(Channel):
    def subscribed(self) -> None:
        self.stream_from("room")

    @action
    def where(self) -> None:
        """Tell the process, and whether this thread is its main thread."""
        is_main = threading.current_thread() is threading.main_thread()
        self.transmit({"text": "here", "pid": os.getpid(), "main": is_main})

    @action
    async def count(self, number: int) -> None:
        await asyncio.sleep(0)
        self.transmit({"text": f"count {number}", "pid": os.getpid()})

    @action
    async def slow(self, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            self.transmit({"text": "too slow"})
        finally:
            note("slow ended")

    @action
    def blocked(self, seconds: float) -> None:
        threading.Event().wait(seconds)
        self.transmit({"text": "too slow"})
        note("blocked ended")


cable = Cable(User, channels=[Room])
asgi = cable.asgi()
wsgi = cable.wsgi()


def answer_once() -> None:
    key = cable.settings.keys.http_rpc
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/connect",
        "CONTENT_LENGTH": "2",
        "HTTP_AUTHORIZATION": f"Bearer {key}",
        "HTTP_X_ANYCABLE_META_PROTOV": "v1",
        "wsgi.input": io.BytesIO(b"{}"),
    }
    answer = b"".join(wsgi(environ, lambda status, headers: print))  # type: ignore[arg-type]
    assert answer.startswith(b'{"status":2'), answer
    note("answered once")


answer_once()
