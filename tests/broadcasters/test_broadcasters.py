"""The contract of broadcasters on those in memory and over HTTP, and the cases of each."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import subprocess
import sys
import time
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import ContextVar
from pathlib import Path
from time import monotonic
from typing import NoReturn

import pytest

from anycable_rpc.broadcasters import retries
from anycable_rpc.broadcasters.adapters import broadcaster_for
from anycable_rpc.broadcasters.http import HTTPBroadcaster
from anycable_rpc.broadcasters.memory import MemoryBroadcaster
from anycable_rpc.errors import BroadcastFailed, ConfigurationError
from anycable_rpc.settings.model import Settings

from ..contract.broadcasters import BroadcasterContract
from ..support.broadcast_server import NO_ANSWER, BroadcastServer, running
from ..support.message_servers import certificate_for
from ..support.paths import PROJECT
from ..support.publishing_ways import WAYS, publishing

KEY = "a-key-that-nobody-may-see"
OURS = "anycable_rpc.broadcasters"
BOTH_WAYS = pytest.mark.usefixtures("way")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Publish from sync and from async code."""
    with publishing(request.param, monkeypatch):
        yield request.param


class TestMemoryBroadcaster(BroadcasterContract):
    @pytest.fixture
    def broadcaster(self) -> MemoryBroadcaster:
        return MemoryBroadcaster()

    @pytest.fixture
    def arrived(self, broadcaster: MemoryBroadcaster) -> Callable[[], list[str]]:
        return lambda: broadcaster.payloads

    def test_each_listener_hears_each_payload(self) -> None:
        first: list[str] = []
        second: list[str] = []
        broadcaster = MemoryBroadcaster(first.append)

        broadcaster.publish("a")
        broadcaster.listeners.append(second.append)
        broadcaster.publish("b")

        assert (first, second) == (["a", "b"], ["b"])

    def test_a_listener_may_publish(self) -> None:
        broadcaster = MemoryBroadcaster()

        def answer(payload: str) -> None:
            if payload == "ping":
                broadcaster.publish("pong")

        broadcaster.listeners.append(answer)

        broadcaster.publish("ping")

        assert broadcaster.payloads == ["ping", "pong"]

    def test_threads_are_heard_in_the_order_that_is_remembered(self) -> None:
        heard: list[str] = []
        broadcaster = MemoryBroadcaster(heard.append)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(broadcaster.publish, map(str, range(1000))))

        assert heard == broadcaster.payloads

    def test_it_keeps_no_more_payloads_than_asked(self) -> None:
        broadcaster = MemoryBroadcaster(keep=2)

        for payload in "abc":
            broadcaster.publish(payload)

        assert broadcaster.payloads == ["b", "c"]


@pytest.fixture
def server() -> Iterator[BroadcastServer]:
    with running() as server:
        yield server


class HTTPCase:
    """A server and a broadcaster that knows its address and its key."""

    @pytest.fixture
    def broadcaster(self, server: BroadcastServer) -> Iterator[HTTPBroadcaster]:
        broadcaster = HTTPBroadcaster(server.url, KEY)
        yield broadcaster
        broadcaster.close()


class TestHTTPBroadcaster(HTTPCase, BroadcasterContract):
    @pytest.fixture
    def arrived(self, server: BroadcastServer) -> Callable[[], list[str]]:
        return lambda: server.payloads


@BOTH_WAYS
class TestRequest(HTTPCase):
    def test_it_is_a_post_of_json_with_the_key(self, server: BroadcastServer, broadcaster: HTTPBroadcaster) -> None:
        broadcaster.publish("{}")

        (request,) = server.requests
        assert (request.path, request.body) == ("/_broadcast", "{}")
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["Authorization"] == f"Bearer {KEY}"

    @pytest.mark.parametrize("key", [None, ""])
    def test_without_a_key_no_authorization_is_sent(self, server: BroadcastServer, key: str | None) -> None:
        broadcaster = HTTPBroadcaster(server.url, key)

        broadcaster.publish("{}")
        broadcaster.close()

        assert "Authorization" not in server.requests[0].headers

    @pytest.mark.parametrize(
        ("key", "sent"),
        [(None, "Basic " + b64encode(b"user:p@ss").decode()), (KEY, f"Bearer {KEY}")],
        ids=["no key", "key"],
    )
    def test_user_and_password_of_the_url_are_sent_when_there_is_no_key(
        self, server: BroadcastServer, key: str | None, sent: str
    ) -> None:
        broadcaster = HTTPBroadcaster(server.url.replace("http://", "http://user:p%40ss@"), key)

        broadcaster.publish("{}")
        broadcaster.close()

        assert server.requests[0].headers["Authorization"] == sent

    def test_the_query_is_sent_and_the_fragment_is_not(self, server: BroadcastServer) -> None:
        broadcaster = HTTPBroadcaster(server.url + "?tenant=a#there")

        broadcaster.publish("{}")
        broadcaster.close()

        assert server.requests[0].path == "/_broadcast?tenant=a"

    @pytest.mark.parametrize("status", [200, 201])
    def test_these_statuses_mean_that_the_payload_was_accepted(
        self, server: BroadcastServer, broadcaster: HTTPBroadcaster, status: int
    ) -> None:
        server.answers = [status]

        broadcaster.publish("{}")

        assert server.payloads == ["{}"]


@BOTH_WAYS
class TestConnections(HTTPCase):
    def test_one_connection_serves_one_thread(self, server: BroadcastServer, broadcaster: HTTPBroadcaster) -> None:
        for number in range(10):
            broadcaster.publish(str(number))

        assert server.connections == 1

    def test_threads_keep_their_connections(self, server: BroadcastServer, broadcaster: HTTPBroadcaster) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(broadcaster.publish, ["{}"] * 100))

        assert server.connections <= 4

    def test_a_connection_that_the_server_has_closed_is_replaced(
        self, server: BroadcastServer, broadcaster: HTTPBroadcaster
    ) -> None:
        server.hangs_up = True

        for number in range(3):
            broadcaster.publish(str(number))

        assert server.payloads == ["0", "1", "2"]
        assert server.connections == 3

    def test_a_response_with_a_body_does_no_harm(self, server: BroadcastServer, broadcaster: HTTPBroadcaster) -> None:
        server.text = b"Created" * 1000

        broadcaster.publish("a")
        broadcaster.publish("b")

        assert server.payloads == ["a", "b"]

    def test_an_answer_that_does_not_end_is_not_read(
        self, server: BroadcastServer, broadcaster: HTTPBroadcaster
    ) -> None:
        server.missing = 1

        broadcaster.publish("a")
        broadcaster.publish("b")

        assert server.payloads == ["a", "b"]

    def test_after_close_new_connections_open(self, server: BroadcastServer, broadcaster: HTTPBroadcaster) -> None:
        broadcaster.publish("a")
        broadcaster.close()
        broadcaster.publish("b")

        assert (server.payloads, server.connections) == (["a", "b"], 2)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses of a broadcaster. A fake clock advances by each pause at once."""
    made: list[float] = []

    async def asleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(retries, "sleep", made.append)
    monkeypatch.setattr(retries, "asleep", asleep)
    monkeypatch.setattr(retries, "monotonic", lambda: sum(made))
    return made


@BOTH_WAYS
@pytest.mark.usefixtures("pauses")
class TestRetries(HTTPCase):
    @pytest.mark.parametrize("status", [429, 500, 501, 502, 503, NO_ANSWER])
    def test_a_failure_like_a_restart_is_tried_again(
        self, server: BroadcastServer, broadcaster: HTTPBroadcaster, status: int
    ) -> None:
        server.answers = [status, status]

        broadcaster.publish("{}")

        assert server.payloads == ["{}"] * 3

    def test_a_server_that_starts_meanwhile_gets_the_payload(self, monkeypatch: pytest.MonkeyPatch) -> None:
        port = free_port()
        broadcaster = HTTPBroadcaster(f"http://127.0.0.1:{port}/_broadcast")
        started: list[BroadcastServer] = []

        def sleep(_: float) -> None:
            started.append(stack.enter_context(running(port)))

        async def asleep(seconds: float) -> None:
            sleep(seconds)

        monkeypatch.setattr(retries, "sleep", sleep)
        monkeypatch.setattr(retries, "asleep", asleep)
        with ExitStack() as stack:
            broadcaster.publish("{}")
            broadcaster.close()

        assert started[0].payloads == ["{}"]

    def test_the_pauses_grow_and_end_before_the_deadline(self, server: BroadcastServer, pauses: list[float]) -> None:
        broadcaster = HTTPBroadcaster(server.url, deadline=100)
        server.answers = [503] * 1000

        with pytest.raises(BroadcastFailed):
            broadcaster.publish("{}")
        broadcaster.close()

        assert pauses[:6] == [0.1, 0.2, 0.4, 0.8, 1, 1]
        assert 98 < sum(pauses) < 100

    @pytest.mark.parametrize("status", [204, 301, 400, 401, 403, 404, 413, 422])
    def test_a_permanent_failure_is_not_tried_again(
        self, server: BroadcastServer, broadcaster: HTTPBroadcaster, status: int
    ) -> None:
        server.answers = [status]

        with pytest.raises(BroadcastFailed) as caught:
            broadcaster.publish("{}")

        assert not caught.value.transient
        assert server.payloads == ["{}"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@BOTH_WAYS
class TestFailures(HTTPCase):
    @pytest.mark.parametrize(
        ("status", "sentence"),
        [
            (401, "it answered 401: the keys differ: set the same ANYCABLE_SECRET or ANYCABLE_BROADCAST_KEY"),
            (404, "it answered 404: there is no broadcast endpoint: does anycable-go run with --broadcast_adapter"),
            (422, "it answered 422: it does not accept this as a broadcast: is ANYCABLE_HTTP_BROADCAST_URL right?"),
            (418, "it answered 418: is ANYCABLE_HTTP_BROADCAST_URL right?"),
            (302, "it answered 302: it redirects"),
        ],
    )
    def test_an_answer_says_what_to_check(
        self, server: BroadcastServer, broadcaster: HTTPBroadcaster, status: int, sentence: str
    ) -> None:
        server.answers = [status]

        with pytest.raises(BroadcastFailed) as caught:
            broadcaster.publish("{}")

        assert str(caught.value).startswith(f"cannot publish to {server.url}: {sentence}")
        assert caught.value.address == server.url

    @pytest.mark.parametrize(
        ("status", "sentence"),
        [
            (501, "anycable-go could not pass it to its broker"),
            (429, "that server accepts fewer broadcasts"),
            (503, "see the log of that server"),
        ],
    )
    def test_an_answer_that_stays_ends_at_the_deadline(
        self,
        server: BroadcastServer,
        broadcaster: HTTPBroadcaster,
        pauses: list[float],
        status: int,
        sentence: str,
    ) -> None:
        server.answers = [status] * 100

        with pytest.raises(BroadcastFailed, match=f"it answered {status}: {sentence}") as caught:
            broadcaster.publish("{}")

        assert caught.value.transient
        assert len(server.requests) == len(pauses) + 1

    def test_a_refused_connection_says_so_within_the_deadline(self) -> None:
        url = f"http://127.0.0.1:{free_port()}/_broadcast"
        start = monotonic()

        with pytest.raises(BroadcastFailed, match="no connection: is anycable-go running, and is ANYCABLE") as caught:
            HTTPBroadcaster(url, deadline=0.3).publish("{}")

        assert url in str(caught.value)
        assert caught.value.transient
        assert monotonic() - start < 2

    def test_a_server_that_never_answers_is_not_waited_for(self, server: BroadcastServer) -> None:
        server.released.clear()
        broadcaster = HTTPBroadcaster(server.url, deadline=0.3)
        start = monotonic()

        with pytest.raises(BroadcastFailed, match="no answer in time: it may or may not have arrived") as caught:
            broadcaster.publish("{}")
        broadcaster.close()

        assert not caught.value.transient
        assert monotonic() - start < 2
        assert len(server.requests) == 1

    def test_a_listener_that_never_accepts_is_not_waited_for(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/_broadcast"
            start = monotonic()

            with pytest.raises(BroadcastFailed):
                HTTPBroadcaster(url, deadline=0.3).publish("x" * 2**23)

        assert monotonic() - start < 2

    @pytest.mark.usefixtures("pauses")
    def test_a_connection_that_breaks_each_time_says_so(
        self, server: BroadcastServer, broadcaster: HTTPBroadcaster
    ) -> None:
        server.answers = [NO_ANSWER] * 100

        with pytest.raises(BroadcastFailed, match="the connection broke"):
            broadcaster.publish("{}")

    def test_an_address_of_a_family_that_the_system_lacks_is_skipped(
        self, server: BroadcastServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
        missing = (255, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [missing, here])
        broadcaster = HTTPBroadcaster("http://localhost/_broadcast")

        broadcaster.publish("{}")
        broadcaster.close()

        assert server.payloads == ["{}"]

    def test_an_unknown_host_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nowhere(*_: object) -> NoReturn:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", nowhere)

        with pytest.raises(BroadcastFailed, match="no such host"):
            HTTPBroadcaster("http://anycable/_broadcast", deadline=0.01).publish("{}")


class TestAsync(HTTPCase):
    def test_the_event_loop_runs_while_the_server_thinks(
        self, server: BroadcastServer, broadcaster: HTTPBroadcaster
    ) -> None:
        server.released.clear()

        async def handler() -> None:
            publishing = asyncio.create_task(broadcaster.apublish("{}"))
            await asyncio.to_thread(server.arrived.wait, 10)
            server.released.set()
            await publishing

        asyncio.run(handler())

        assert server.payloads == ["{}"]

    def test_close_lets_a_publication_under_way_arrive_once(
        self, server: BroadcastServer, broadcaster: HTTPBroadcaster
    ) -> None:
        server.released.clear()

        async def handler() -> None:
            publishing = [asyncio.create_task(broadcaster.apublish(text)) for text in ("1", "2")]
            await asyncio.to_thread(server.arrived.wait, 10)
            broadcaster.close()
            await asyncio.sleep(0.01)
            server.released.set()
            await asyncio.gather(*publishing)

        asyncio.run(handler())

        assert server.payloads == ["1", "2"]

    def test_a_server_that_hung_up_while_the_event_loop_stood_still_costs_no_pause(
        self, server: BroadcastServer, broadcaster: HTTPBroadcaster, pauses: list[float]
    ) -> None:
        server.hangs_up = True

        with asyncio.Runner() as runner:
            runner.run(broadcaster.apublish("1"))
            time.sleep(0.2)  # the server closes the connection meanwhile
            runner.run(broadcaster.apublish("2"))

        assert (server.payloads, pauses) == (["1", "2"], [])

    def test_context_variables_are_kept(self) -> None:
        tenant: ContextVar[str] = ContextVar("tenant")
        seen: list[str] = []

        class Seeing(HTTPBroadcaster):
            def publish(self, payload: str) -> None:
                seen.append(f"{tenant.get()}: {payload}")

        async def handler() -> None:
            tenant.set("acme")
            await Seeing("http://localhost/").apublish("{}")

        asyncio.run(handler())

        assert seen == ["acme: {}"]

    def test_a_failure_is_raised_where_it_is_awaited(
        self, server: BroadcastServer, broadcaster: HTTPBroadcaster
    ) -> None:
        server.answers = [401]

        with pytest.raises(BroadcastFailed, match="the keys differ"):
            asyncio.run(broadcaster.apublish("{}"))


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("http://localhost:8090/_broadcast", "http://localhost:8090/_broadcast"),
            ("HTTPS://user:pa@Example.COM/_broadcast?token=x#y", "https://example.com/_broadcast"),
            ("http://[::1]:8090/_broadcast", "http://[::1]:8090/_broadcast"),
            ("https://example.com", "https://example.com"),
        ],
    )
    def test_the_address_has_no_credentials(self, url: str, address: str) -> None:
        assert HTTPBroadcaster(url).address == address

    @pytest.mark.parametrize(
        "url",
        [
            *("", "/", "localhost:8090/_broadcast", "localhost", "http://", "http:///_broadcast", "http://:80/"),
            *("ftp://localhost/", "redis://localhost:6379", "ws://localhost/cable", "javascript:alert(1)"),
            *("http://localhost:99999/", "http://localhost:port/", "http://[::1/", "http://ho st/", "http://h\n/"),
            *(
                "http://user:secret@/",
                "http://%zz/",
                "http://a..b/",
                "http://[::1]x/",
                "http://[v1.x]/",
                f"http://{'a' * 64}/",
                "http://\ud800/",
            ),
        ],
        ids=ascii,
    )
    def test_garbage_is_refused_at_once_and_not_repeated(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match="set ANYCABLE_HTTP_BROADCAST_URL") as caught:
            HTTPBroadcaster(url)

        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("key", [KEY + "\n", KEY + "\r\nX-Evil: 1", "ключ", KEY + "\0"], ids=ascii)
    def test_a_key_that_no_header_can_carry_is_refused_and_not_repeated(self, key: str) -> None:
        with pytest.raises(ConfigurationError, match="check ANYCABLE_BROADCAST_KEY") as caught:
            HTTPBroadcaster("http://localhost/", key)

        assert key.strip() not in str(caught.value)


@BOTH_WAYS
class TestSecrets:
    SECRETS = (KEY, "user-name", "pass-word", "query-token", "payload-text")

    def failing(self, url: str, **options: float) -> BroadcastFailed:
        url = url.replace("http://", "http://user-name:pass-word@") + "?token=query-token"
        payload = self.SECRETS[-1]
        broadcaster = HTTPBroadcaster(url, KEY, **options)
        with pytest.raises(BroadcastFailed) as caught:
            broadcaster.publish(payload)
        broadcaster.close()
        return caught.value

    def assert_clean(self, error: BroadcastFailed) -> None:
        text = "".join(traceback.format_exception(error)) + repr(error) + error.address
        assert not [secret for secret in self.SECRETS if secret in text]

    @pytest.mark.parametrize("status", [401, 404, 418, 422])
    def test_no_error_about_an_answer_shows_them(self, server: BroadcastServer, status: int) -> None:
        server.answers = [status]

        self.assert_clean(self.failing(server.url))

    def test_no_error_about_a_connection_shows_them(self) -> None:
        self.assert_clean(self.failing(f"http://127.0.0.1:{free_port()}/_broadcast", deadline=0.05))

    def test_no_error_about_silence_shows_them(self, server: BroadcastServer) -> None:
        server.released.clear()

        self.assert_clean(self.failing(server.url, deadline=0.05))

    def test_the_log_shows_payloads_only_when_debugging_and_secrets_never(
        self, server: BroadcastServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "anycable_rpc")
        server.answers = [503]
        broadcaster = HTTPBroadcaster(server.url.replace("//", "//user-name:pass-word@") + "?query-token", KEY)

        broadcaster.publish("payload-text")
        broadcaster.close()

        ours = [record for record in caplog.records if record.name == "anycable_rpc"]
        assert [record.levelname for record in ours if "payload-text" in record.getMessage()] == ["DEBUG"]
        assert [record.levelname for record in ours] == ["INFO", "DEBUG"]
        log = "".join(record.getMessage() for record in ours)
        assert not [secret for secret in self.SECRETS[:4] if secret in log]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_for(tmp_path_factory.mktemp("tls"))


@BOTH_WAYS
class TestTLS:
    @pytest.fixture
    def url(self, certificate: Path) -> Iterator[str]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with running(tls=context) as server:
            yield f"https://localhost:{server.port}/_broadcast"

    def test_an_untrusted_certificate_is_refused_without_another_try(self, url: str) -> None:
        with pytest.raises(BroadcastFailed, match=r"no trusted TLS connection: .* SSL_CERT_FILE") as caught:
            HTTPBroadcaster(url).publish("{}")

        assert not caught.value.transient

    def test_a_certificate_of_a_known_authority_is_accepted(
        self, url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        broadcaster = HTTPBroadcaster(url)

        broadcaster.publish("{}")

        broadcaster.close()

    def test_a_certificate_for_another_name_is_refused(
        self, url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

        with pytest.raises(BroadcastFailed, match="no trusted TLS connection"):
            HTTPBroadcaster(url.replace("localhost", "127.0.0.1")).publish("{}")


class TestProcesses:
    def run(self, script: str, url: str) -> None:
        lines = ["import os, sys", "from anycable_rpc.broadcasters.http import HTTPBroadcaster"]
        lines += ["broadcaster = HTTPBroadcaster(sys.argv[1])", *script.splitlines()]
        subprocess.run(
            [sys.executable, "-W", "error", "-c", "\n".join(lines), url], cwd=PROJECT, check=True, timeout=30
        )

    def test_a_plain_script_publishes_and_ends(self, server: BroadcastServer) -> None:
        self.run("broadcaster.publish('from a script')", server.url)

        assert server.payloads == ["from a script"]

    def test_a_forked_child_uses_a_connection_of_its_own(self, server: BroadcastServer) -> None:
        script = (
            "broadcaster.publish('parent')\n"
            "child = os.fork()\n"
            "broadcaster.publish('parent again' if child else 'child')\n"
            "if not child: os._exit(0)\n"
            "assert os.waitpid(child, 0)[1] == 0\n"
            "broadcaster.publish('parent at last')\n"
        )

        self.run(script, server.url)

        assert sorted(server.payloads) == ["child", "parent", "parent again", "parent at last"]
        assert server.connections == 2


class TestReplacedPublish:
    """Async code uses `publish` where only that one was replaced."""

    @pytest.fixture
    def seen(self) -> list[str]:
        return []

    def test_by_a_class_beside_the_broadcaster(self, seen: list[str]) -> None:
        class Recording:
            def publish(self, payload: str) -> None:
                seen.append(payload)

        class Both(Recording, HTTPBroadcaster): ...

        asyncio.run(Both("http://localhost/").apublish("{}"))

        assert seen == ["{}"]

    def test_on_one_object(self, seen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        broadcaster = HTTPBroadcaster("http://localhost/")
        monkeypatch.setattr(broadcaster, "publish", seen.append)

        asyncio.run(broadcaster.apublish("{}"))

        assert seen == ["{}"]

    def test_beside_apublish_which_then_counts(self, server: BroadcastServer, seen: list[str]) -> None:
        class Both(HTTPBroadcaster):
            def publish(self, payload: str) -> None:
                raise NotImplementedError

            async def apublish(self, payload: str) -> None:
                seen.append(payload)
                await super().apublish(payload)

        asyncio.run(Both(server.url).apublish("{}"))

        assert (seen, server.payloads) == (["{}"], ["{}"])


class TestChoice:
    def test_http_is_made_with_the_url_and_the_key(self) -> None:
        broadcaster = broadcaster_for(
            Settings(
                broadcast_adapter="http", http_broadcast_url="http://localhost:8090/_broadcast", broadcast_key="a key"
            )
        )

        assert isinstance(broadcaster, HTTPBroadcaster)
        assert broadcaster.address == "http://localhost:8090/_broadcast"

    def test_memory_does_not_grow_without_end(self) -> None:
        broadcaster = broadcaster_for(Settings(broadcast_adapter="memory"))

        assert isinstance(broadcaster, MemoryBroadcaster)
        for number in range(1001):
            broadcaster.publish(str(number))
        assert len(broadcaster.payloads) == 1000

    @pytest.mark.parametrize(("name", "library"), [("redis", "redis"), ("redisx", "redis"), ("nats", "nats")])
    def test_a_missing_library_is_named(self, name: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for loaded in [name for name in sys.modules if name.startswith((f"{library}.", f"{OURS}.{library}"))]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, library, None)

        with pytest.raises(ConfigurationError, match=rf"needs the package {library}: pip install .*\[{library}\]"):
            broadcaster_for(Settings(broadcast_adapter=name))

    @pytest.mark.parametrize("name", ["", "HTTP", "http,redis", "kafka"])
    def test_an_error_about_an_unknown_adapter_lists_all(self, name: str) -> None:
        with pytest.raises(
            ConfigurationError, match=f"'{name}' is unknown: .* to http or redis or redisx or nats or memory"
        ):
            broadcaster_for(Settings(broadcast_adapter=name))
