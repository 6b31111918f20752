"""Broadcasts from anywhere: batches, and all but the caller."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from anycable_rpc import Cable, Channel, ConfigurationError, Connection, action
from anycable_rpc.errors import InvalidData, InvalidIdentifiers, UnknownOption
from anycable_rpc.protocol.messages import CommandMessage, Env
from anycable_rpc.rpc.dispatch import respond
from anycable_rpc.transports.runner import arun, run

from ..support.both_ways import settings


class User(Connection):
    identified_by = ("user",)


class Recorder:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.payloads: list[Any] = []

    def publish(self, payload: str) -> None:
        self.payloads.append(json.loads(payload))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def cable(recorder: Recorder) -> Cable:
    return Cable(User, settings=settings(), broadcaster=recorder)


def one(stream: str, data: str = "1", **meta: Any) -> dict[str, Any]:
    return {"stream": stream, "data": data, **({"meta": meta} if meta else {})}


class TestBroadcastTo:
    def test_the_stream_is_the_objects(self, cable: Cable, recorder: Recorder) -> None:
        cable.broadcast_to(("room", 5), 1, exclude_socket="s", transient=True)
        asyncio.run(cable.abroadcast_to(("room", 6), 1))

        assert recorder.payloads == [one("room:5", exclude_socket="s", transient=True), one("room:6")]


class TestUnknownOptions:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("exclude", "a broadcast has no option exclude; did you mean exclude_socket?"),
            ("exclude_sockets", "did you mean exclude_socket?"),
            ("socket_id", r"no option socket_id \(there are exclude_socket, broadcast_type, transient\)"),
            ("type", "no option type"),
            ("transcient", "did you mean transient?"),
        ],
    )
    def test_a_misspelt_one_is_an_error_and_nothing_is_sent(
        self, cable: Cable, recorder: Recorder, name: str, said: str
    ) -> None:
        meta: Any = {name: "x"}
        for publish in (cable.broadcast, cable.broadcast_to):
            with pytest.raises(UnknownOption, match=said):
                publish("a", {}, **meta)
        for apublish in (cable.abroadcast, cable.abroadcast_to):
            with pytest.raises(UnknownOption, match=said):
                asyncio.run(apublish("a", {}, **meta))

        assert recorder.payloads == []

    def test_a_type_checker_sees_it(self, cable: Cable) -> None:
        """mypy, which reads the tests too, would say if one of these comments had nothing to do."""
        with pytest.raises(UnknownOption):
            cable.broadcast("a", {}, exclude="x")  # type: ignore[call-arg]
        with pytest.raises(InvalidData):
            cable.broadcast_to("a", {}, transient="yes")  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["exclude_socket", "exclude", "transient", "broadcast_type"])
    def test_those_of_a_broadcast_are_no_attributes_of_an_element(
        self, cable: Cable, recorder: Recorder, name: str
    ) -> None:
        attributes: Any = {name: "x"}

        with pytest.raises(UnknownOption, match=f"turbo_stream has no option {name}: .*to_others"):
            cable.turbo_stream("room", "refresh", **attributes)
        with pytest.raises(UnknownOption, match=f"turbo_stream has no option {name}: .*to_others"):
            asyncio.run(cable.aturbo_stream("room", "refresh", **attributes))

        assert recorder.payloads == []

    @pytest.mark.parametrize(("name", "meant"), [("htm", "html"), ("tagret", "target"), ("target_s", "targets")])
    def test_a_misspelt_argument_is_no_attribute_of_an_element(self, cable: Cable, name: str, meant: str) -> None:
        attributes: Any = {name: "x"}

        with pytest.raises(UnknownOption, match=f"no option {name}; did you mean .*{meant}"):
            cable.turbo_stream("room", "update", "a", **attributes)

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("userid", r"\(missing: user; unknown: userid\); declared: user; did you mean user\?"),
            ("recconect", "did you mean reconnect?"),
        ],
    )
    def test_a_misspelt_identifier_is_an_error_with_the_near_name(self, cable: Cable, name: str, said: str) -> None:
        identifiers: Any = {name: 1}
        cable.settings = settings(secret="a secret that is longer than 32 bytes")

        with pytest.raises(InvalidIdentifiers, match=said):
            cable.disconnect(**identifiers)
        with pytest.raises(InvalidIdentifiers, match="did you mean"):
            cable.token(ttl=1, **identifiers)


class TestBatch:
    def test_it_is_one_array_in_order(self, cable: Cable, recorder: Recorder) -> None:
        with cable.batch():
            for stream in ("b", "a", "b"):
                cable.broadcast(stream, 1)
            assert recorder.payloads == []

        assert recorder.payloads == [[one("b"), one("a"), one("b")]]

    def test_async_code_has_it_too(self, cable: Cable, recorder: Recorder) -> None:
        async def work() -> None:
            async with cable.batch():
                await cable.abroadcast("a", 1)
                cable.broadcast("b", 1)
                await asyncio.gather(*(cable.abroadcast(str(number), 1) for number in range(3)))

        asyncio.run(work())

        assert recorder.payloads == [[one(stream) for stream in ("a", "b", "0", "1", "2")]]

    def test_nothing_is_sent_when_the_block_raises(self, cable: Cable, recorder: Recorder) -> None:
        async def fails() -> None:
            async with cable.batch():
                await cable.abroadcast("b", 1)
                raise ZeroDivisionError

        with suppress(ZeroDivisionError), cable.batch():
            cable.broadcast("a", 1)
            raise ZeroDivisionError
        with pytest.raises(ZeroDivisionError):
            asyncio.run(fails())
        cable.broadcast("after", 1)

        assert recorder.payloads == [one("after")]

    def test_nothing_is_sent_for_nothing(self, cable: Cable, recorder: Recorder) -> None:
        with cable.batch():
            pass

        assert recorder.payloads == []

    def test_an_inner_one_joins_the_outer(self, cable: Cable, recorder: Recorder) -> None:
        with cable.batch():
            cable.broadcast("a", 1)
            with cable.batch():
                cable.broadcast("b", 1)
            with suppress(ZeroDivisionError), cable.batch():
                cable.broadcast("lost", 1)
                raise ZeroDivisionError
            cable.broadcast("c", 1)

        assert recorder.payloads == [[one("a"), one("b"), one("c")]]

    def test_remote_disconnects_do_not_wait(self, cable: Cable, recorder: Recorder) -> None:
        with cable.batch():
            cable.broadcast("a", 1)
            cable.disconnect(user=1)

        assert [type(payload) for payload in recorder.payloads] == [dict, list]

    def test_two_cables_do_not_mix(self, cable: Cable, recorder: Recorder) -> None:
        other = Recorder()
        second = Cable(User, settings=settings(), broadcaster=other)
        with cable.batch():
            second.broadcast("b", 1)
            cable.broadcast("a", 1)

        assert (recorder.payloads, other.payloads) == ([[one("a")]], [one("b")])

    def test_a_thread_without_the_context_does_not_join(self, cable: Cable, recorder: Recorder) -> None:
        with cable.batch():
            thread = threading.Thread(target=cable.broadcast, args=("thread", 1))
            thread.start()
            thread.join()
            cable.broadcast("block", 1)

        assert recorder.payloads == [one("thread"), [one("block")]]

    def test_a_task_that_outlives_the_block_publishes_at_once(self, cable: Cable, recorder: Recorder) -> None:
        async def work() -> None:
            ended = asyncio.Event()

            async def later() -> None:
                cable.broadcast("in time", 1)
                await ended.wait()
                await cable.abroadcast("late", 1)

            async with cable.batch():
                task = asyncio.create_task(later())
                await asyncio.sleep(0)
            ended.set()
            await task

        asyncio.run(work())

        assert recorder.payloads == [[one("in time")], one("late")]


class Talk(Channel):
    @action
    def say(self) -> None:
        with self.cable.to_others():
            self.cable.broadcast("a", 1)
            self.cable.broadcast("b", 1, exclude_socket="other")
        self.cable.broadcast("c", 1)


class AsyncTalk(Channel):
    name = "Talk"

    @action
    async def say(self) -> None:
        with self.cable.to_others():
            await self.cable.abroadcast("a", 1)


SAY = CommandMessage("message", '{"channel":"Talk"}', '{"user":1}', '{"action":"say"}', Env("", {}))


class TestToOthers:
    def test_in_a_callback_it_is_the_caller(self, recorder: Recorder) -> None:
        cable = Cable(User, [Talk], settings=settings(), broadcaster=recorder)
        expected = [one("a", exclude_socket="me"), one("b", exclude_socket="other"), one("c")]

        run(respond(cable, SAY, "me"))
        asyncio.run(arun(respond(cable, SAY, "me")))

        assert recorder.payloads == expected * 2

    def test_in_an_async_callback_too(self, recorder: Recorder) -> None:
        cable = Cable(User, [AsyncTalk], settings=settings(), broadcaster=recorder)

        async def both() -> None:
            await asyncio.gather(arun(respond(cable, SAY, "one")), arun(respond(cable, SAY, "two")))

        asyncio.run(both())

        assert recorder.payloads == [one("a", exclude_socket="one"), one("a", exclude_socket="two")]

    @pytest.mark.parametrize(
        ("source", "meta"),
        [
            ("sid", {"exclude_socket": "sid"}),
            ("", {}),
            (SimpleNamespace(headers={"X-Socket-ID": "sid"}), {"exclude_socket": "sid"}),
            (SimpleNamespace(headers={}), {}),
            (SimpleNamespace(headers={"X-Socket-ID": ""}), {}),
        ],
    )
    def test_elsewhere_it_is_who_is_named(
        self, cable: Cable, recorder: Recorder, source: Any, meta: dict[str, Any]
    ) -> None:
        with cable.to_others(source):
            cable.broadcast("a", 1)
        cable.broadcast("b", 1)

        assert recorder.payloads == [one("a", **meta), one("b")]

    def test_starlette_requests_are_understood(self, cable: Cable, recorder: Recorder) -> None:
        from starlette.requests import Request

        request = Request({"type": "http", "headers": [(b"x-socket-id", b"sid")]})
        with cable.to_others(request):
            cable.broadcast("a", 1)

        assert recorder.payloads == [one("a", exclude_socket="sid")]

    @pytest.mark.parametrize("source", [5, b"sid", object(), SimpleNamespace(headers=None)])
    def test_what_cannot_name_anybody_is_refused(self, cable: Cable, source: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"takes a sid or a web request"), cable.to_others(source):
            pass

    def test_outside_of_a_callback_it_has_to_be_named(self, cable: Cable) -> None:
        with pytest.raises(ConfigurationError, match="no callback is running here"), cable.to_others():
            pass

    def test_without_sids_nobody_can_be_excluded(self, recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
        cable = Cable(User, [Talk], settings=settings(), broadcaster=recorder)

        run(respond(cable, SAY, ""))

        assert recorder.payloads == []
        assert "sid_header_enabled is off" in caplog.text


class TestOneWayOut:
    """A subclass sees every publication in one place, sync and async."""

    class Seen(Cable):
        def __init__(self) -> None:
            super().__init__(Connection)
            self.payloads: list[str] = []

        def _publish(self, payload: str) -> None:
            self.payloads.append(payload)

        async def _apublish(self, payload: str) -> None:
            self.payloads.append(f"a:{payload}")

    def test_sync(self) -> None:
        cable = self.Seen()
        cable.broadcast("a", 1)
        cable.broadcast_to("b", 2)
        cable.turbo_stream("c", "refresh")
        cable.disconnect()
        with cable.batch():
            cable.broadcast("d", 4)
            cable.broadcast("e", 5)

        streams = ['{"stream":"a"', '{"stream":"b"', '{"stream":"c"', '{"command":"disconnect"', '[{"stream":"d"']
        assert [payload[: len(start)] for payload, start in zip(cable.payloads, streams, strict=True)] == streams

    def test_async(self) -> None:
        cable = self.Seen()

        async def publish() -> None:
            await cable.abroadcast("a", 1)
            await cable.abroadcast_to("b", 2)
            await cable.aturbo_stream("c", "refresh")
            await cable.adisconnect()
            async with cable.batch():
                await cable.abroadcast("d", 4)

        asyncio.run(publish())

        streams = ['a:{"stream":"a"', 'a:{"stream":"b"', 'a:{"stream":"c"', 'a:{"command":"dis', 'a:[{"stream":"d"']
        assert [payload[: len(start)] for payload, start in zip(cable.payloads, streams, strict=True)] == streams
