from __future__ import annotations

import pytest

from anycable_rpc.errors import ProtocolError
from anycable_rpc.identity.token_location import find_token, token_header


@pytest.mark.parametrize(
    ("url", "headers", "token"),
    [
        ("http://h/cable", {}, ""),
        ("http://h/cable?jid=t", {}, "t"),
        ("http://h/cable?a=1&jid=t&jid=u#jid=v", {}, "t"),
        ("http://h/cable?jid=", {}, ""),
        ("http://h/cable?jid", {}, ""),
        ("http://h/cable?JID=t", {}, ""),
        ("http://h/cable?%6aid=t%2E+u", {}, "t. u"),
        ("http://h/cable?j\tid=t", {}, "t"),
        ("http://h/cable?jid=query", {"x-jid": "header"}, "header"),
        ("http://h/cable?jid=query", {"x-jid": ""}, "query"),
        ("http://h/cable?jid=%zz;", {"x-jid": "header"}, "header"),
        ("http://h/cable", {"authorization": "Bearer t", "cookie": "jid=t"}, ""),
    ],
)
def test_a_token_is_found(url: str, headers: dict[str, str], token: str) -> None:
    assert find_token(url, headers, "jid") == token


def test_the_parameter_keeps_its_case_and_the_header_is_lower() -> None:
    assert token_header("Token") == "x-token"
    assert find_token("http://h/?Token=q&token=other", {}, "Token") == "q"
    assert find_token("http://h/?Token=q", {"x-token": "h"}, "Token") == "h"


@pytest.mark.parametrize("url", ["http://h/?a;b", "http://h/?jid=t&b=%", "http://h/?%g1=2", "http://[h/?jid=t"])
def test_what_go_cannot_read_is_an_error(url: str) -> None:
    with pytest.raises(ProtocolError):
        find_token(url, {}, "jid")
