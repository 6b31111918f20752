"""The test kit without pytest."""

# ruff: noqa: PT009 - that is how these tests are written

from __future__ import annotations

import io
import unittest

import pytest

from anycable_rpc.testing import TestClient, TestServer

from ..support.both_ways import App, settings
from .chat import ChatChannel, User


class ChatTest(unittest.TestCase):
    __test__ = False
    mode = ""

    def setUp(self) -> None:
        self.cable = App(self.mode, User, [ChatChannel], settings=settings()).cable
        self.server = self.enterContext(TestServer(self.cable))

    def test_speak(self) -> None:
        chat = TestClient(self.cable, cookies={"user_id": "ann"}).subscribe("ChatChannel", room="1")

        chat.perform("speak", text="hi")

        self.assertEqual(chat.received, [{"user": "ann", "text": "hi"}])
        self.assertEqual(self.server.broadcasts, {"chat/1": [{"user": "ann", "text": "hi"}]})

    def test_a_message_says_what_there_was(self) -> None:
        chat = TestClient(self.cable, cookies={"user_id": "ann"}).subscribe("ChatChannel", room="secret")

        self.assertTrue(chat.confirmed, chat)


class AsyncChatTest(unittest.IsolatedAsyncioTestCase):
    __test__ = False
    mode = ""

    async def test_speak(self) -> None:
        cable = App(self.mode, User, [ChatChannel], settings=settings()).cable
        async with await TestClient.aconnect(cable, cookies={"user_id": "ann"}) as ann:
            chat = await ann.asubscribe("ChatChannel", room="1")
            await chat.aperform("speak", text="hi")
            self.assertEqual(chat.received, [{"user": "ann", "text": "hi"}])


@pytest.mark.parametrize("mode", ["def", "async"])
def test_in_a_test_case(mode: str) -> None:
    for case in (type("ChatTest", (ChatTest,), {"mode": mode}), type("AChatTest", (AsyncChatTest,), {"mode": mode})):
        tests = unittest.defaultTestLoader.loadTestsFromTestCase(case)
        result = unittest.TextTestRunner(io.StringIO()).run(tests)

        assert result.errors == []
        shown = [text for _, text in result.failures]
        assert all("<Subscription ChatChannel room='secret' rejected" in text for text in shown)
        assert len(shown) == (1 if case.__name__ == "ChatTest" else 0)
