"""Broadcasters and TLS: secrets are never sent unencrypted, and each error says how to fix it."""

from __future__ import annotations

import asyncio
import ssl
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from anycable_rpc.broadcasters import retries
from anycable_rpc.broadcasters.http import HTTPBroadcaster
from anycable_rpc.broadcasters.nats import NATSBroadcaster
from anycable_rpc.broadcasters.redis import RedisBroadcaster, RedisStreamsBroadcaster
from anycable_rpc.broadcasters.rest_api import RestAPI
from anycable_rpc.errors import BroadcastFailed

from ..support.broadcast_server import BroadcastServer
from ..support.broadcast_server import running as http_running
from ..support.message_servers import (
    Eavesdropper,
    Server,
    Subscriber,
    certificate_for,
    nats_server,
    redis_server,
    running,
)
from ..support.publishing_ways import WAYS, publishing

SECRET = "a-password-that-nobody-may-see"
INFO = b'INFO {"server_id":"x","version":"2.9.0","max_payload":1048576%s}\r\n'
Made = HTTPBroadcaster | RedisBroadcaster | RedisStreamsBroadcaster | NATSBroadcaster | RestAPI


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_for(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True, params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Publish from sync and from async code."""
    with publishing(request.param, monkeypatch):
        yield request.param


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses before further tries."""
    made: list[float] = []

    def pause(seconds: float) -> None:
        made.append(seconds)
        sleep(seconds)

    async def apause(seconds: float) -> None:
        made.append(seconds)
        await asyncio.sleep(seconds)

    monkeypatch.setattr(retries, "sleep", pause)
    monkeypatch.setattr(retries, "asleep", apause)
    return made


def failure_of(broadcaster: Made, payload: str = "the payload") -> BroadcastFailed:
    with pytest.raises(BroadcastFailed) as caught:
        broadcaster.publish(payload)
    broadcaster.close()
    return caught.value


@pytest.fixture
def tls_nats(tmp_path: Path, certificate: Path) -> Iterator[Server]:
    tls = f'tls {{ cert_file: "{certificate}", key_file: "{certificate}" }}'
    with running(nats_server(tmp_path, users=tls)) as server:
        yield server


@pytest.fixture
def tls_redis(tmp_path: Path, certificate: Path) -> Iterator[Server]:
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(certificate), "--tls-auth-clients", "no"]
    with running(redis_server(tmp_path, *files, tls=True)) as server:
        yield server


@pytest.fixture
def tls_http(certificate: Path) -> Iterator[BroadcastServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with http_running(tls=context) as server:
        yield server


class TestNothingInTheClear:
    @pytest.mark.parametrize("offer", [b"", b',"tls_required":false,"auth_required":true', b',"tls_available":false'])
    def test_nats_is_told_nothing_where_somebody_has_taken_tls_out_of_its_greeting(self, offer: bytes) -> None:
        between = Eavesdropper(INFO % offer)

        failure = failure_of(NATSBroadcaster(f"tls://user:{SECRET}@127.0.0.1:{between.port}"))

        between.close()
        assert between.heard == b""
        assert "offers no TLS" in str(failure)
        assert not failure.transient
        assert SECRET not in "".join(traceback.format_exception(failure))

    def test_a_real_nats_without_tls_is_refused(self, tmp_path: Path) -> None:
        with running(nats_server(tmp_path)) as server:
            subscriber = Subscriber(server.port, "__anycable__")

            failure = failure_of(NATSBroadcaster(f"tls://user:{SECRET}@127.0.0.1:{server.port}"))

            assert "offers no TLS" in str(failure)
            assert subscriber.payloads() == []
            subscriber.close()

    def test_nats_that_offers_tls_without_demanding_it_gets_only_tls(self) -> None:
        offering = Eavesdropper(INFO % b',"tls_available":true')

        failure_of(NATSBroadcaster(f"tls://user:{SECRET}@127.0.0.1:{offering.port}", deadline=1))

        offering.close()
        assert offering.heard.startswith(b"\x16\x03")
        assert b"CONNECT" not in offering.heard
        assert SECRET.encode() not in offering.heard

    @pytest.mark.parametrize("made", [RedisBroadcaster, RedisStreamsBroadcaster])
    def test_redis_is_told_nothing_outside_of_tls(self, made: type[RedisBroadcaster]) -> None:
        between = Eavesdropper(b"+OK\r\n" * 9)

        failure_of(made(f"rediss://user:{SECRET}@127.0.0.1:{between.port}", deadline=1))

        between.close()
        assert between.heard.startswith(b"\x16\x03")
        assert SECRET.encode() not in between.heard
        assert b"payload" not in between.heard

    @pytest.mark.parametrize("made", [HTTPBroadcaster, RestAPI])
    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_a_redirect_from_https_to_http_is_not_followed(
        self,
        made: Callable[..., HTTPBroadcaster],
        status: int,
        tls_http: BroadcastServer,
        certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with http_running() as plain:
            tls_http.answers = [status]
            tls_http.location = plain.url

            failure = failure_of(made(f"https://localhost:{tls_http.port}/", SECRET))

            assert plain.requests == []
        assert f"it answered {status}: it redirects, and redirects are not followed" in str(failure)


class TestNATSPermissions:
    MAY = 'authorization { users: [{ user: u, password: p, permissions: { publish: "%s" } }] }'

    def test_a_user_without_permission_hears_the_reason_and_a_later_publication_does_not(self, tmp_path: Path) -> None:
        with running(nats_server(tmp_path, users=self.MAY % "elsewhere")) as server:
            broadcaster = NATSBroadcaster(f"nats://u:p@127.0.0.1:{server.port}")

            with pytest.raises(BroadcastFailed, match=r"may not publish there.*(?i:permissions violation)") as caught:
                broadcaster.publish("{}")

            assert not caught.value.transient
            (config,) = tmp_path.glob("nats-*.conf")
            config.write_text(config.read_text().replace("elsewhere", "__anycable__"))
            server.reload()
            sleep(0.5)
            broadcaster.publish("{}")
            broadcaster.close()

    def test_each_of_several_callers_hears_of_its_own(self, tmp_path: Path) -> None:
        with running(nats_server(tmp_path, users=self.MAY % "allowed")) as server:
            url = f"nats://u:p@127.0.0.1:{server.port}"
            refused, allowed = NATSBroadcaster(url, "refused"), NATSBroadcaster(url, "allowed")

            for _ in range(5):
                with pytest.raises(BroadcastFailed, match="may not publish there"):
                    refused.publish("{}")
                allowed.publish("{}")
            refused.close()
            allowed.close()

    def test_what_the_server_says_before_it_hangs_up_is_the_reason(self) -> None:
        hanging_up = Eavesdropper(INFO % b"", answer=b"PONG\r\n-ERR 'Maximum Connections Exceeded'\r\n")

        failure = failure_of(NATSBroadcaster(f"nats://127.0.0.1:{hanging_up.port}", deadline=1))

        hanging_up.close()
        assert "maximum connections exceeded" in str(failure).lower()


class TestCertificates:
    def test_nats_names_a_certificate_that_is_not_trusted_once(self, tls_nats: Server, tries: list[float]) -> None:
        failure = failure_of(NATSBroadcaster(f"tls://localhost:{tls_nats.port}"))

        assert "certificate is not accepted (self-signed certificate); let SSL_CERT_FILE" in str(failure)
        assert (tries, failure.transient) == ([], False)

    @pytest.mark.parametrize("made", [RedisBroadcaster, RedisStreamsBroadcaster])
    def test_redis_names_a_certificate_that_is_not_trusted_once(
        self, made: type[RedisBroadcaster], tls_redis: Server, tries: list[float]
    ) -> None:
        failure = failure_of(made(f"rediss://localhost:{tls_redis.port}"))

        assert "certificate is not accepted (self-signed certificate)" in str(failure)
        assert "ssl_ca_certs" in str(failure)
        assert (tries, failure.transient) == ([], False)

    def test_redis_names_the_certificate_of_a_sentinel_and_of_a_node_of_a_cluster(
        self, tls_redis: Server, tries: list[float]
    ) -> None:
        url = f"rediss://localhost:{tls_redis.port}"

        sentinel = failure_of(RedisBroadcaster("redis://primary", sentinels=url))
        cluster = failure_of(RedisBroadcaster(f"{url},{url}"))

        assert tries == []
        assert "certificate is not accepted" in str(cluster)
        assert "certificate is not accepted" in str(sentinel)

    def test_http_names_a_certificate_that_is_not_trusted_once(
        self, tls_http: BroadcastServer, tries: list[float]
    ) -> None:
        failure = failure_of(HTTPBroadcaster(f"https://localhost:{tls_http.port}/"))

        assert "certificate is not accepted (self-signed certificate); let SSL_CERT_FILE" in str(failure)
        assert (tries, failure.transient) == ([], False)

    def test_an_authority_in_ssl_cert_file_is_trusted_by_all(
        self,
        tls_nats: Server,
        tls_redis: Server,
        tls_http: BroadcastServer,
        certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

        for broadcaster in (
            NATSBroadcaster(f"tls://localhost:{tls_nats.port}"),
            NATSBroadcaster(f"nats://localhost:{tls_nats.port}"),
            RedisBroadcaster(f"rediss://localhost:{tls_redis.port}"),
            HTTPBroadcaster(f"https://localhost:{tls_http.port}/"),
        ):
            broadcaster.publish("{}")
            broadcaster.close()

    def test_a_certificate_for_another_host_says_so(
        self, tls_nats: Server, tls_redis: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

        for broadcaster in (
            NATSBroadcaster(f"tls://127.0.0.1:{tls_nats.port}"),
            RedisBroadcaster(f"rediss://127.0.0.1:{tls_redis.port}"),
        ):
            assert "must name a host that the certificate is for" in str(failure_of(broadcaster))

    @pytest.mark.parametrize("parameters", ["?ssl_cert_reqs=none&ssl_check_hostname=false", "?ssl_ca_certs={ca}"])
    def test_redis_parameters_in_the_url_trust_an_authority_or_skip_verification(
        self, tls_redis: Server, certificate: Path, parameters: str
    ) -> None:
        url = f"rediss://localhost:{tls_redis.port}{parameters.format(ca=certificate)}"
        broadcaster = RedisBroadcaster(url)

        broadcaster.publish("{}")
        broadcaster.close()


class TestTheOtherPort:
    def test_tls_to_a_plain_port_says_so(self, tmp_path: Path, tries: list[float]) -> None:
        with running(redis_server(tmp_path)) as redis, http_running() as http:
            for broadcaster in (
                RedisBroadcaster(f"rediss://localhost:{redis.port}"),
                HTTPBroadcaster(f"https://localhost:{http.port}/"),
            ):
                assert "does that port speak TLS" in str(failure_of(broadcaster))
        assert tries == []

    def test_a_plain_greeting_to_a_tls_port_says_so(self, tls_redis: Server, tls_http: BroadcastServer) -> None:
        for broadcaster in (
            RedisBroadcaster(f"redis://localhost:{tls_redis.port}"),
            HTTPBroadcaster(f"http://localhost:{tls_http.port}/"),
            NATSBroadcaster(f"nats://localhost:{tls_redis.port}"),
        ):
            began = monotonic()
            message = str(failure_of(broadcaster))

            assert "TLS" in message
            assert monotonic() - began < 5

    def test_status_400_advises_https(self, tls_http: BroadcastServer) -> None:
        with http_running() as plain:
            plain.answers = [400]

            failure = failure_of(HTTPBroadcaster(plain.url))

        assert "https://" in str(failure)


class TestTracebacks:
    def test_the_sentence_comes_without_the_traceback_of_a_library(self) -> None:
        with http_running() as gone:
            pass

        for broadcaster in (
            HTTPBroadcaster(gone.url, deadline=0.1),
            RestAPI(gone.url, deadline=0.1),
            RedisBroadcaster(f"redis://127.0.0.1:{gone.port}", deadline=0.1),
            NATSBroadcaster(f"nats://127.0.0.1:{gone.port}", deadline=0.5),
        ):
            failure = failure_of(broadcaster)

            printed = "".join(traceback.format_exception(failure))
            assert not [library for library in ("site-packages", "socket.py") if library in printed]
            assert "direct cause" not in printed
            assert failure.__context__ is not None, "the cause is out of reach"
