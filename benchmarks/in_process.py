"""CPU time per call in this process, ours and a baseline in turns; and its growth with the size of an app."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from statistics import mean, median
from time import process_time_ns, time

import jwt
from pydantic import BaseModel

from anycable_rpc import Cable, Channel, IdentifiersCodec
from anycable_rpc._pb import rpc_pb2 as pb
from anycable_rpc.identity.tokens import TokenSigner, TokenVerifier
from anycable_rpc.protocol.json_text import dumps
from anycable_rpc.protocol.messages import CommandMessage, Env, Request
from anycable_rpc.settings.model import Settings
from anycable_rpc.transports.bytes_handler import BytesHandler
from anycable_rpc.transports.protobuf import encode_request
from anycable_rpc.transports.service import Service

from . import apps
from .bare import command, connect
from .calls import COOKIE, IDENTIFIER, IDENTIFIERS, MESSAGE, REQUESTS, method_of
from .report import Goal, Report, Table
from .rounds import Spread, number, spread
from .servers import SECRET

__all__ = ["growth", "run"]


class Said(BaseModel):
    """The message that is written as JSON."""

    user: str
    text: str
    at: datetime
    room: int


_PLAIN = {"user": "ann", "text": "Hello, everybody!", "at": "2026-01-02T12:00:00Z", "room": 42}
_MODEL = Said.model_validate(_PLAIN)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
METADATA = {"sid": "V1StGXR8_Z5jdHi6B-myT", "protov": "v1"}
Work = Callable[[], object]


def run(report: Report, rounds: int, calls: int, say: Callable[[str], object]) -> None:
    """Measure the framework beside bare protobuf, and the codec and tokens beside their libraries."""
    rows: list[list[str]] = []
    added: list[list[float]] = []
    for name, (one, other) in _pairs().items():
        say(f"in process: {name}")
        times = _in_turns(one, other, rounds, calls)
        ours, theirs = median(a for a, _ in times), median(b for _, b in times)
        rows.append(
            [name, f"{ours:.1f}", f"{theirs:.1f}", f"{ours - theirs:+.1f}", str(spread([a / b for a, b in times]))]
        )
        if name.startswith("framework"):
            added.append([a - b for a, b in times])
    columns = ["what", "ours, µs of CPU", "baseline", "added", "ratio"]
    report.tables.append(Table(f"In this process, {rounds} rounds of {calls} calls", columns, rows))
    each = [spread(times) for times in added]
    report.goals.append(
        Goal("framework over bare protobuf: mean added CPU per call, µs", 15, _mean(added), at_most=True)
    )
    worst = max(each, key=lambda one: one.middle)
    report.goals.append(Goal("the same, worst of the three calls, µs", 25, worst, at_most=True))


def _mean(added: list[list[float]]) -> Spread:
    """Return the mean of the three calls in each round."""
    return spread([mean(one) for one in zip(*added, strict=True)])


def growth(report: Report, rounds: int, calls: int, say: Callable[[str], object]) -> dict[str, dict[int, Spread]]:
    """Measure the cost of a message with more channels, state and headers, as a ratio to the smallest app."""
    grown: dict[str, dict[int, Spread]] = {}
    for axis, (sizes, make) in _AXES.items():
        works = {size: make(size) for size in sizes}
        times: dict[int, list[float]] = {size: [] for size in sizes}
        for work, _ in works.values():
            _cpu(work, calls)  # warm up
        for turn in range(rounds):
            say(f"growth: {axis}, round {turn + 1} of {rounds}")
            for size in sizes[:: -1 if turn % 2 else 1]:
                call, parse = works[size]
                times[size].append(_cpu(call, calls) - _cpu(parse, calls))
        grown[axis] = {
            size: spread([a / b for a, b in zip(times[size], times[sizes[0]], strict=True)]) for size in sizes
        }
    rows = [
        [axis, *[f"{size}: {number(one.middle)}" for size, one in by_size.items()]] for axis, by_size in grown.items()
    ]
    columns = ["a message with so many …", "smallest", *["×"] * (max(map(len, grown.values())) - 1)]
    filled = [[*row, *[""] * (len(columns) - len(row))] for row in rows]
    report.tables.append(
        Table("Growth of the CPU time of a message, beyond parsing", columns, filled, note=_GROWTH_NOTE)
    )
    for axis, by_size in grown.items():
        last = list(by_size)[-1]
        report.goals.append(
            Goal(f"a message with {last} {axis} / with {next(iter(by_size))}, CPU", 1.05, by_size[last], at_most=True)
        )
    return grown


_GROWTH_NOTE = (
    "Each size is the whole call less what protobuf itself takes to read such a request, by the same of the smallest "
    "size."
)


def _message(service: Service, request: Request) -> tuple[Work, Work]:
    """Return the whole call, and the reading of its request with protobuf alone."""
    data = encode_request(request)
    handler = BytesHandler(service)
    return (lambda: handler.handle("Command", data, METADATA)), (lambda: pb.CommandMessage.FromString(data))


def _with_channels(count: int) -> tuple[Work, Work]:
    more = [type(f"Other{place}", (Channel,), {}) for place in range(count - 1)]
    return _message(Service(Cable(apps.User, [*more, apps.Chat], settings=Settings())), REQUESTS["message"])


def _with_env(env: Env) -> tuple[Work, Work]:
    request = CommandMessage("message", IDENTIFIER, IDENTIFIERS, MESSAGE, env)
    return _message(Service(Cable(apps.User, [apps.Chat], settings=Settings())), request)


def _with_state(count: int) -> tuple[Work, Work]:
    state = {f"key{place}": f'"value {place}"' for place in range(count)}
    return _with_env(Env("http://localhost/cable", {"cookie": COOKIE}, state, state))


def _with_headers(count: int) -> tuple[Work, Work]:
    return _with_env(Env("http://localhost/cable", {f"x-header-{place}": f"value {place}" for place in range(count)}))


_AXES: dict[str, tuple[list[int], Callable[[int], tuple[Work, Work]]]] = {
    "registered channels": ([1, 10, 100, 1000], _with_channels),
    "keys of state": ([0, 5, 20, 50], _with_state),
    "headers": ([0, 10, 50, 100], _with_headers),
}


def _pairs() -> dict[str, tuple[Work, Work]]:
    """Return our code and its baseline, by name."""
    ext, exp = '{"user_id":42}', int(time()) + 3600
    claims = {"ext": ext, "exp": exp}
    token = jwt.encode(claims, SECRET, "HS256")
    signer, verifier = TokenSigner(SECRET), TokenVerifier([SECRET])

    def null() -> object:
        return jwt.decode(token, SECRET, ["HS256"])

    return {
        "null: the same on both sides": (null, null),
        **{f"framework / bare protobuf: {name}": _call(name) for name in REQUESTS},
        "token: sign / PyJWT encode": (lambda: signer.sign(ext, exp), lambda: jwt.encode(claims, SECRET, "HS256")),
        "token: verify / PyJWT decode": (lambda: verifier.verify(token), null),
        "JSON: a plain dict / json's encoder": (lambda: dumps(_PLAIN), lambda: _ENCODER.encode(_PLAIN)),
        "JSON: a model / its model_dump_json": (lambda: dumps(_MODEL), lambda: _MODEL.model_dump_json()),
        **{f"identifiers: dumps, {name} / json.dumps": _dumps(name) for name in ("canonical", "rails", "php")},
    }


def _dumps(dialect: str) -> tuple[Work, Work]:
    identifiers = {"user_id": 42, "tenant": "acme"}
    codec = IdentifiersCodec(identifiers, dialect=dialect)
    return (lambda: codec.dumps(identifiers)), (lambda: json.dumps(identifiers))


def _call(name: str) -> tuple[Work, Work]:
    data = encode_request(REQUESTS[name])
    method = method_of(REQUESTS[name])
    handler = BytesHandler(Service(Cable(apps.User, [apps.Chat], settings=Settings(secret=SECRET))))
    parse, answer = (pb.ConnectionRequest, connect) if method == "Connect" else (pb.CommandMessage, command)

    def bare() -> object:
        return answer(parse.FromString(data), None).SerializeToString()

    return (lambda: handler.handle(method, data, METADATA)), bare


def _cpu(work: Work, calls: int) -> float:
    """Return the CPU microseconds of one call."""
    began = process_time_ns()
    for _ in range(calls):
        work()
    return (process_time_ns() - began) / calls / 1000


def _in_turns(ours: Work, baseline: Work, rounds: int, calls: int) -> list[tuple[float, float]]:
    times: list[tuple[float, float]] = []
    for turn in range(rounds):
        first, second = (ours, baseline) if turn % 2 else (baseline, ours)
        one, other = _cpu(first, calls), _cpu(second, calls)
        times.append((one, other) if turn % 2 else (other, one))
    return times
