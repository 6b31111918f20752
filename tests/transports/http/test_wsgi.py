"""The WSGI app: the contracts, and the cases of WSGI."""

from __future__ import annotations

import asyncio
import contextvars
import io
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from anycable_rpc import Cable, Connection
from anycable_rpc.transports.http import WSGIApp

from ...contract.http_transports import KEY, HttpContract
from ...contract.transports import Gate, cable_of
from ...support.both_ways import async_twin, settings
from ...support.http_servers import WsgiServer


def starter(twin: Callable[[type[Any]], type[Any]]) -> Any:
    def start(gate: Gate, values: Any) -> Any:
        server = WsgiServer(cable_of(gate, twin, values).wsgi(), values.rpc_pool_size)
        server.start()
        return server, server.stop

    return start


class TestWSGI(HttpContract):
    @pytest.fixture
    def start(self) -> Any:
        return starter(lambda cls: cls)


class TestWSGIWithAnEventLoop(HttpContract):
    @pytest.fixture
    def start(self) -> Any:
        return starter(async_twin)


CURRENT: contextvars.ContextVar[str] = contextvars.ContextVar("CURRENT", default="nothing")


def app_of(connection: type[Connection] = Connection, **options: Any) -> WSGIApp:
    return Cable(connection, settings=settings(http_rpc_secret=KEY), **options).wsgi()


BODY = b'{"identifiers":"{}"}'


def call(app: WSGIApp, body: bytes = BODY, **environ: Any) -> tuple[str, bytes]:
    """Return the status line and the body of the answer, to a Connect unless `PATH_INFO` says otherwise."""
    said: list[str] = []
    usual = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/connect",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": f"Bearer {KEY}",
        "HTTP_X_ANYCABLE_META_PROTOV": "v1",
        "wsgi.input": io.BytesIO(body),
    }
    chunks = app({**usual, **environ}, lambda status, headers: said.append(status))  # type: ignore[arg-type]
    return said[0], b"".join(chunks)


class Places:
    """Notes the thread, the event loop and a context variable of each callback."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bool, str]] = []

    def note(self, what: str) -> None:
        self.seen.append((what, threading.current_thread() is threading.main_thread(), CURRENT.get()))


def mixed(places: Places) -> type[Connection]:
    class Mixed(Connection):
        def connect(self) -> None:
            places.note("connect")

        async def disconnect(self) -> None:
            await asyncio.sleep(0)
            places.note("disconnect")

    return Mixed


@pytest.fixture
def python_handles_sigint() -> Iterator[None]:
    """Handle SIGINT as Python does, also where the tests run with SIGINT ignored, as in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class TestThreads:
    def test_def_callbacks_run_in_the_servers_thread_and_async_ones_on_the_loop(self) -> None:
        places = Places()
        app = app_of(mixed(places))
        token = CURRENT.set("the request")

        statuses = [call(app)[0], call(app, PATH_INFO="/disconnect")[0]]
        CURRENT.reset(token)

        assert statuses == ["200 OK"] * 2
        assert places.seen == [("connect", True, "the request"), ("disconnect", False, "the request")]

    def test_middleware_of_both_kinds_is_around_them(self) -> None:
        places = Places()

        @contextmanager
        def sync(callback: Any) -> Iterator[None]:
            places.note("sync")
            yield

        @asynccontextmanager
        async def loop(callback: Any) -> AsyncIterator[None]:
            places.note("loop")
            yield

        assert call(app_of(mixed(places), middleware=[sync, loop]))[0] == "200 OK"
        assert sorted(places.seen) == [
            ("connect", True, "nothing"),
            ("loop", False, "nothing"),
            ("sync", True, "nothing"),
        ]

    def test_a_def_callback_that_takes_longer_than_middleware_allows_ends_with_its_call(self) -> None:
        ended = threading.Event()

        @asynccontextmanager
        async def impatient(callback: Any) -> AsyncIterator[None]:
            async with asyncio.timeout(0.01) as patience:
                yield
            assert patience.expired()

        class Slow(Connection):
            def connect(self) -> None:
                assert not ended.wait(0.1)
                ended.set()

        answer = call(app_of(Slow, middleware=[impatient]))

        assert answer == ("200 OK", b'{"error_msg":"Slow.connect failed"}')
        assert ended.is_set()

    def test_all_calls_of_a_process_share_one_event_loop(self) -> None:
        loops: set[int] = set()

        class Looped(Connection):
            async def connect(self) -> None:
                loops.add(id(asyncio.get_running_loop()))

        app = app_of(Looped)
        threads = [threading.Thread(target=call, args=(app,)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

        assert len(loops) == 1

    def test_an_app_without_async_def_has_no_event_loop(self) -> None:
        before = threading.active_count()

        assert call(app_of())[0] == "200 OK"
        assert threading.active_count() == before

    @pytest.mark.usefixtures("python_handles_sigint")
    def test_an_interrupt_ends_the_call_and_not_the_event_loop(self) -> None:
        class Interrupted(Connection):
            is_interrupted = True

            def connect(self) -> None:
                if Interrupted.is_interrupted:
                    raise KeyboardInterrupt

            async def disconnect(self) -> None: ...

        app = app_of(Interrupted)

        with pytest.raises(KeyboardInterrupt):
            call(app)
        Interrupted.is_interrupted = False

        assert call(app)[0] == "200 OK"

    def test_an_exception_is_an_error_of_the_call(self) -> None:
        class Failing(Connection):
            def connect(self) -> None:
                raise RuntimeError("boom")

            async def disconnect(self) -> None:
                raise SystemExit(1)

        app = app_of(Failing)

        assert [call(app), call(app, PATH_INFO="/disconnect")] == [
            ("200 OK", b'{"error_msg":"Failing.connect failed"}'),
            ("200 OK", b'{"error_msg":"Failing.disconnect failed"}'),
        ]


def test_the_answer_to_head_has_no_body() -> None:
    assert call(app_of(), REQUEST_METHOD="HEAD") == ("405 Method Not Allowed", b"")


class TestBody:
    def test_no_length_is_no_body_where_the_server_does_not_find_its_end(self) -> None:
        status, sentence = call(app_of(), CONTENT_LENGTH="")

        assert (status[:4], sentence[:23]) == ("422 ", b"the body cannot be used")

    def test_an_end_that_the_server_finds_is_enough(self) -> None:
        length: dict[str, Any] = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}

        assert call(app_of(), **length)[0] == "200 OK"

    def test_a_body_that_is_cut_off_is_refused(self) -> None:
        assert call(app_of(), b'{"env":', CONTENT_LENGTH="500")[0].startswith("422 ")

    @pytest.mark.parametrize(
        ("length", "status"), [("-1", "422"), ("x", "422"), ("9" * 30, "200"), ("9" * 9999, "200")]
    )
    def test_a_length_that_is_none_or_untrue(self, length: str, status: str) -> None:
        assert call(app_of(), CONTENT_LENGTH=length)[0][:3] == status

    @pytest.mark.parametrize("times", [1, 4, 100])
    def test_a_body_that_is_too_large_is_read_to_its_end_or_to_four_times_the_limit(self, times: int) -> None:
        body = io.BytesIO(b"x" * 4_194_305 * times)

        status, _ = call(app_of(), body.getvalue(), **{"wsgi.input": body})

        assert status.startswith("413 ")
        assert body.tell() == min(4_194_305 * times, 4_194_304 * 4 + 2**16)
