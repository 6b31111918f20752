"""Turbo Streams: the element that tells a page what to change."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InvalidData, UnknownOption, near, shorten
from .payloads import META_NAMES

__all__ = ["turbo_stream", "turbo_stream_source"]

_WITHOUT_TARGET = frozenset({"refresh"})
_WITHOUT_TEMPLATE = frozenset({"remove", "refresh"})
_ARGUMENTS = ("target", "targets", "html")
_ACTIONS = frozenset({"append", "prepend", "replace", "update", "before", "after"}) | _WITHOUT_TEMPLATE


def turbo_stream(
    action: str, target: str | None, html: str, targets: str | None, attributes: Mapping[str, str | bool | None]
) -> str:
    """Return a `<turbo-stream>` element (Turbo's handbook, "Streams").

    Args:
        action: append, prepend, replace, update, remove, before, after or refresh.
        target: the id of the element to change.
        html: trusted markup: escape in it what users wrote.
        targets: instead of `target`, a CSS selector.
        attributes: others, such as `method="morph"`; `_` becomes `-`; True is written without a value.

    >>> turbo_stream("append", "messages", "<p>hi</p>", None, {})
    '<turbo-stream action="append" target="messages"><template><p>hi</p></template></turbo-stream>'

    Raises:
        InvalidData: there is no such action, or it has too few or too many targets.
        UnknownOption: an attribute is none, but an option of a broadcast or a misspelt argument.
    """
    for name in attributes:
        _check_attribute(name)
    if action not in _ACTIONS:
        raise InvalidData(f"Turbo has no action {shorten(action)}; it has {', '.join(sorted(_ACTIONS))}")
    if (target is None) + (targets is None) != (2 if action in _WITHOUT_TARGET else 1):
        raise InvalidData(f"{action} takes {'no target' if action in _WITHOUT_TARGET else 'either target or targets'}")
    if html and action in _WITHOUT_TEMPLATE:
        raise InvalidData(f"{action} takes no html")
    given = {"action": action, "target": target, "targets": targets, **attributes}
    start = " ".join(_attribute(name, value) for name, value in given.items() if value not in (None, False))
    template = "" if action in _WITHOUT_TEMPLATE else f"<template>{html}</template>"
    return f"<turbo-stream {start}>{template}</turbo-stream>"


def _check_attribute(name: str) -> None:
    if name in META_NAMES or name.startswith("exclude"):
        raise UnknownOption(
            f"turbo_stream has no option {name}: to leave somebody out, write `with cable.to_others():` around it"
        )
    similar = near(name, _ARGUMENTS, cutoff=0.75)
    if similar:
        raise UnknownOption(f"turbo_stream has no option {name}{similar}")


def turbo_stream_source(signed_stream_name: str) -> str:
    """Return the element that subscribes a page to a stream (turbo-rails `cable_stream_source_element.js`)."""
    attributes = f'channel="Turbo::StreamsChannel" signed-stream-name="{_escaped(signed_stream_name)}"'
    return f"<turbo-cable-stream-source {attributes}></turbo-cable-stream-source>"


def _attribute(name: str, value: str | bool | None) -> str:
    written = name.replace("_", "-")
    return written if value is True else f'{written}="{_escaped(str(value))}"'


def _escaped(text: str) -> str:
    from html import escape  # which most programs do without

    return escape(text)
