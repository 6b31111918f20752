"""Subscribing, being refused, and performing actions."""

from __future__ import annotations

from ..gateway.client import Client
from .servers import confirmation, message, perform, subscribed


def test_confirmed(ada: Client) -> None:
    ada.send("subscribe", '{"channel":"Plain"}')
    assert ada.next() == confirmation('{"channel":"Plain"}')


def test_rejected(ada: Client) -> None:
    ada.send("subscribe", '{"channel":"Closed"}')
    assert ada.next() == {"identifier": '{"channel":"Closed"}', "type": "reject_subscription"}


def test_one_channel_with_different_params(ada: Client) -> None:
    first, second = subscribed(ada, "Plain", number=1), subscribed(ada, "Plain", number=2)
    perform(ada, first, "tick")
    perform(ada, second, "tick")
    assert [ada.next(), ada.next()] == [message(first, "tock"), message(second, "tock")]


def test_action_without_arguments(ada: Client) -> None:
    identifier = subscribed(ada, "Plain")
    perform(ada, identifier, "tick")
    assert ada.next() == message(identifier, "tock")


def test_action_with_arguments(ada: Client) -> None:
    identifier = subscribed(ada, "Plain")
    perform(ada, identifier, "echo", text="hello")
    assert ada.next() == message(identifier, {"said": "hello"})


def test_transmitted_before_the_confirmation(ada: Client) -> None:
    identifier = '{"channel":"Greeting"}'
    ada.send("subscribe", identifier)
    expected = [message(identifier, "hello"), message(identifier, "goodbye"), confirmation(identifier)]
    assert [ada.next() for _ in expected] == expected
