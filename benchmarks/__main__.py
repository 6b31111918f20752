"""`python -m benchmarks`: CPU time per call in this process, ours beside a baseline, in turns.

Absolute times say little on a shared machine; the ratio of the two sides of one round says more. Each row is the
median over the rounds, with the smallest and the largest ratio. The row called "null" runs the same code on both sides:
its spread is what a ratio here can be off by.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from statistics import median
from time import process_time_ns, time

import jwt

from anycable_rpc import Cable, Channel, Connection, IdentifiersCodec, action
from anycable_rpc.protocol import CommandMessage, ConnectionRequest, Env, Request
from anycable_rpc.service import Service
from anycable_rpc.settings import Settings
from anycable_rpc.signing import TokenSigner, TokenVerifier
from anycable_rpc.wire import decode_request, decode_response, encode_request, encode_response

ROUNDS = 15
CALLS = 2_000
SECRET = "a secret for measuring, of 32 bytes"
METADATA = {"sid": "V1StGXR8_Z5jdHi6B-myT", "protov": "v1"}

Work = Callable[[], object]


class User(Connection):
    identified_by = ("user_id",)

    def connect(self) -> None:
        self.user_id = self.cookies.get("user_id") or self.reject()


class Chat(Channel):
    def subscribed(self) -> None:
        self.stream_from(f"chat/{self.params['room']}")

    @action
    def speak(self, text: str) -> None:
        self.transmit({"text": text})


ENV = Env("http://localhost/cable?a=1", {"cookie": "user_id=42; theme=dark", "REMOTE_ADDR": "127.0.0.1"})
IDENTIFIER = '{"channel":"Chat","room":"1"}'
REQUESTS: dict[str, Request] = {
    "Connect": ConnectionRequest(ENV),
    "subscribe": CommandMessage("subscribe", IDENTIFIER, '{"user_id":"42"}', env=ENV),
    "message": CommandMessage("message", IDENTIFIER, '{"user_id":"42"}', '{"action":"speak","text":"Hello!"}', ENV),
}


def pairs() -> dict[str, tuple[Work, Work]]:
    """Ours and its baseline, by name."""
    calls = {f"{name}: framework / bare protobuf": _call(name) for name in REQUESTS}
    ext, exp = '{"user_id":42}', int(time()) + 3600
    claims = {"ext": ext, "exp": exp}
    token = jwt.encode(claims, SECRET, "HS256")
    signer, verifier = TokenSigner(SECRET), TokenVerifier([SECRET])
    dialects = {f"identifiers: dumps, {name} / bare json.dumps": _dumps(name) for name in ("canonical", "rails", "php")}

    def null() -> object:
        return jwt.decode(token, SECRET, ["HS256"])

    return {
        "null: the same on both sides": (null, null),
        **calls,
        "token: sign / PyJWT encode": (
            lambda: signer.sign(ext, exp),
            lambda: jwt.encode(claims, SECRET, "HS256"),
        ),
        "token: verify / PyJWT decode": (lambda: verifier.verify(token), null),
        **dialects,
    }


def _dumps(dialect: str) -> tuple[Work, Work]:
    identifiers = {"user_id": 42, "tenant": "acme"}
    codec = IdentifiersCodec(identifiers, dialect=dialect)
    return (lambda: codec.dumps(identifiers)), (lambda: json.dumps(identifiers))


def _call(name: str) -> tuple[Work, Work]:
    request = REQUESTS[name]
    method = "Connect" if isinstance(request, ConnectionRequest) else "Command"
    data = encode_request(request)
    service = Service(Cable(User, [Chat], settings=Settings(secret=SECRET)))
    answer = decode_response(method, service.handle(method, data, METADATA))

    def bare() -> object:
        decode_request(method, data)
        return encode_response(answer)

    return (lambda: service.handle(method, data, METADATA)), bare


def cpu(work: Work) -> float:
    """CPU microseconds of one call."""
    began = process_time_ns()
    for _ in range(CALLS):
        work()
    return (process_time_ns() - began) / CALLS / 1000


def measure(ours: Work, baseline: Work) -> tuple[float, float, list[float]]:
    """Medians of both sides in microseconds, and the ratio of each round."""
    times = []
    for turn in range(ROUNDS):
        first, second = (ours, baseline) if turn % 2 else (baseline, ours)
        one, other = cpu(first), cpu(second)
        times.append((one, other) if turn % 2 else (other, one))
    return median(a for a, _ in times), median(b for _, b in times), [a / b for a, b in times]


def main() -> None:
    """Print the table as Markdown."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("protobuf", "PyJWT", "pydantic"))
    said = [
        f"Python {platform.python_version()}, {libraries}; {ROUNDS} rounds of {CALLS} calls, in turns",
        "",
        "| what | ours, µs CPU | baseline | added | ratio (smallest … largest) |",
        "| --- | --- | --- | --- | --- |",
    ]
    sys.stdout.write("\n".join(said) + "\n")
    for name, (ours, baseline) in pairs().items():
        a, b, ratios = measure(ours, baseline)
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} … {max(ratios):.2f})"
        sys.stdout.write(f"| {name} | {a:.1f} | {b:.1f} | {a - b:+.1f} | {spread} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
