"""Action Cable's messages, byte for byte as the Ruby servers write them."""

from __future__ import annotations

import pytest

from anycable_rpc.errors import InvalidData
from anycable_rpc.protocol import transmissions

IDENTIFIER = '{"channel":"ChatChannel","room":"чат"}'
QUOTED = r'"{\"channel\":\"ChatChannel\",\"room\":\"чат\"}"'


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (transmissions.welcome(), '{"type":"welcome"}'),
        (
            transmissions.invalid_payload("i", "speak", {"text": "is missing"}),
            '{"identifier":"i","message":{"type":"invalid_payload","action":"speak","errors":{"text":"is missing"}}}',
        ),
        (transmissions.welcome("s42"), '{"type":"welcome","sid":"s42"}'),
        (transmissions.welcome('a"b'), r'{"type":"welcome","sid":"a\"b"}'),
        (
            transmissions.disconnect("unauthorized", False),
            '{"type":"disconnect","reason":"unauthorized","reconnect":false}',
        ),
        (transmissions.disconnect(None, True), '{"type":"disconnect","reason":null,"reconnect":true}'),
        (
            transmissions.confirm_subscription(IDENTIFIER),
            f'{{"identifier":{QUOTED},"type":"confirm_subscription"}}',
        ),
        (
            transmissions.reject_subscription(IDENTIFIER),
            f'{{"identifier":{QUOTED},"type":"reject_subscription"}}',
        ),
        (
            transmissions.message(IDENTIFIER, {"got": [1, None]}),
            f'{{"identifier":{QUOTED},"message":{{"got":[1,null]}}}}',
        ),
        (transmissions.message("I", None), '{"identifier":"I","message":null}'),
    ],
)
def test_a_message_has_its_exact_bytes(made: str, text: str) -> None:
    assert made == text


@pytest.mark.parametrize("data", [float("nan"), "\ud800", object(), {1, 2}])
def test_data_that_json_lacks_is_refused(data: object) -> None:
    with pytest.raises(InvalidData):
        transmissions.message("I", data)
