"""Turbo Streams, as elements and as broadcasts."""

from __future__ import annotations

import asyncio
import doctest
import json
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc import Cable, Connection
from anycable_rpc.broadcasters.memory import MemoryBroadcaster
from anycable_rpc.errors import ConfigurationError, InvalidData
from anycable_rpc.identity.signed_streams import sign_stream
from anycable_rpc.publishing import turbo
from anycable_rpc.publishing.turbo import turbo_stream

from ..support.both_ways import settings


@pytest.mark.parametrize(
    ("given", "html"),
    [
        (
            ("replace", "a", "<b>", None, {"method": "morph"}),
            '<turbo-stream action="replace" target="a" method="morph"><template><b></template></turbo-stream>',
        ),
        (("remove", None, "", ".old", {}), '<turbo-stream action="remove" targets=".old"></turbo-stream>'),
        (("refresh", None, "", None, {}), '<turbo-stream action="refresh"></turbo-stream>'),
        (
            ("refresh", None, "", None, {"request_id": "1", "quiet": True, "loud": False, "other": None}),
            '<turbo-stream action="refresh" request-id="1" quiet></turbo-stream>',
        ),
        (
            ("update", "a", "", None, {}),
            '<turbo-stream action="update" target="a"><template></template></turbo-stream>',
        ),
    ],
)
def test_the_element(given: Any, html: str) -> None:
    assert turbo_stream(*given) == html


@given(st.text())
def test_attributes_cannot_break_out(text: str) -> None:
    found: list[dict[str, str | None]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append(dict(attrs))

    Parser().feed(turbo_stream("remove", text, "", None, {}))

    assert found == [{"action": "remove", "target": text}]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("explode", "a", "", None, {}), "Turbo has no action 'explode'; it has after, append"),
        (("append", None, "", None, {}), "append takes either target or targets"),
        (("append", "a", "", "b", {}), "append takes either target or targets"),
        (("refresh", "a", "", None, {}), "refresh takes no target"),
        (("remove", "a", "<p>", None, {}), "remove takes no html"),
    ],
)
def test_what_turbo_would_ignore_is_an_error(given: Any, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        turbo_stream(*given)


def test_a_cable_broadcasts_them_as_text() -> None:
    broadcaster = MemoryBroadcaster()
    cable = Cable(Connection, settings=settings(), broadcaster=broadcaster)
    html = '<turbo-stream action="append" target="a"><template><p>hi</p></template></turbo-stream>'

    cable.turbo_stream("room", "append", "a", "<p>hi</p>")
    asyncio.run(cable.aturbo_stream(("room", 1), "append", "a", "<p>hi</p>"))

    first, second = map(json.loads, broadcaster.payloads)
    assert first == {"stream": "room", "data": json.dumps(html)}
    assert second == {"stream": "room:1", "data": json.dumps(html)}


def test_the_examples() -> None:
    assert doctest.testmod(turbo).failed == 0


class TestSubscribing:
    def test_the_element_names_the_signed_stream(self) -> None:
        cable = Cable(Connection, settings=settings(secret="a"))

        assert cable.turbo_stream_from(("room", 1)) == turbo.turbo_stream_source(sign_stream("room:1", "a"))

    @pytest.mark.parametrize(
        ("given", "used"),
        [
            ({"secret": "a", "streams_secret": "b", "turbo_streams_secret": "c"}, "c"),
            ({"secret": "a", "streams_secret": "b"}, "b"),
            ({"turbo_streams_secret": "c"}, "c"),
        ],
    )
    def test_the_nearest_secret_signs(self, given: dict[str, str], used: str) -> None:
        cable = Cable(Connection, settings=settings(**given))

        assert sign_stream("room", used) in cable.turbo_stream_from("room")

    @pytest.mark.parametrize("given", [{}, {"secret": "a", "turbo_streams_secret": "none"}])
    def test_without_a_secret_it_says_what_to_do(self, given: dict[str, str]) -> None:
        with pytest.raises(ConfigurationError, match="set ANYCABLE_SECRET"):
            Cable(Connection, settings=settings(**given)).turbo_stream_from("room")
