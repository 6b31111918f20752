"""The printed schema in the tools of others: AsyncAPI's parser, and TypeScript with @anycable/core."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, JsonValue
from typing_extensions import TypeAliasType

from anycable_rpc import Cable, Channel, Connection, action
from anycable_rpc.schema import asyncapi, describe, typescript

from ..schema.app import cable
from ..support.paths import PROJECT

FOLDER = Path(__file__).parent / "schema"
PAGE = PROJECT / "app_example" / "static"
STRICT = ["--noEmit", "--strict", "--skipLibCheck", "--target", "esnext", "--module", "esnext"]
STRICT += ["--moduleResolution", "bundler"]
_ERROR = re.compile(r"^\S*\((\d+),\d+\): error TS(\d+)", re.MULTILINE)

USE = """\
import { Channel, type ChannelEvents } from "@anycable/core"
import { createCable } from "@anycable/web"
import type { ChannelOf, ChatChannelActions, Left, RoomParams, Said, TypedCable } from "./channels"

const cable = createCable("ws://localhost/cable") as TypedCable
const chat: ChannelOf<"ChatChannel"> = cable.subscribeTo("ChatChannel", { room: 1 })
chat.on("message", message => {
  if (message.type === "said") console.log(message.text.length, message.point?.x)
  else if (message.type === "left") console.log(message.pair[1].length, message.more["a"])
  else console.log(message.action.length, message.errors["text"])
})
chat.perform("arrive")
chat.perform("paint")
chat.perform("paint", { colour: "blue" })
chat.perform("speak", { text: "hi", point: { x: 1 } })
chat.perform("both", { x: 1, times: 2 })
cable.subscribeTo("Plain")
cable.subscribeTo("Plain", { any: "thing" })
cable.subscribeTo("Admin::Search", { words: ["a"], "the page": 2 }).on("message", found => console.log(found))

class ChatChannel extends Channel<RoomParams, Said | Left, ChannelEvents<Said | Left>, ChatChannelActions> {
  static identifier = "ChatChannel"
}
new ChatChannel({ room: 1 }).perform("speak", { text: "hi" })
"""
REFUSE = """
from chat import cable
from anycable_rpc.protocol.messages import CommandMessage, Env
from anycable_rpc.rpc.dispatch import respond
from anycable_rpc.transports.runner import run

payload = '{"action":"speak","text":""}'
request = CommandMessage("message", '{"channel":"ChatChannel","room":1}', '{"user":"ann"}', payload, Env())
print(*run(respond(cable, request), ()).transmissions)
"""
WRONG = [
    'chat.perform("shout", { text: "hi" })',
    'chat.perform("speak")',
    'chat.perform("speak", { text: 5 })',
    'chat.perform("speak", { txt: "hi" })',
    'chat.perform("speak", { text: "hi", point: { y: 1 } })',
    'chat.perform("arrive", { text: "hi" })',
    'chat.perform("paint", { colour: "green" })',
    'chat.perform("both", { x: 1 })',
    'cable.subscribeTo("ChatChannel")',
    'cable.subscribeTo("ChatChannel", { room: "one" })',
    'cable.subscribeTo("ChatChannel", { rom: 1 })',
    'cable.subscribeTo("Chat", { room: 1 })',
    'chat.on("message", message => message.text)',
    'chat.on("message", message => message.type === "said" && message.user)',
    'chat.on("mesage", () => {})',
    "new ChatChannel()",
    'new ChatChannel({ room: 1 }).perform("speak", {})',
]


@pytest.fixture
def tsc(node: str, schema_tools: Path) -> Callable[..., tuple[str, set[int]]]:
    """A function that compiles, and returns the output and the lines with errors."""

    def compile_files(*arguments: str | Path) -> tuple[str, set[int]]:
        compiler = schema_tools / "node_modules" / "typescript" / "bin" / "tsc"
        command = [node, str(compiler), *map(str, arguments)]
        done = subprocess.run(command, cwd=schema_tools, capture_output=True, text=True, timeout=120)
        return done.stdout + done.stderr, {int(line) for line, _ in _ERROR.findall(done.stdout)}

    return compile_files


@pytest.fixture
def sources(schema_tools: Path, tmp_path: Path) -> Path:
    """A folder with the declarations of the app, as a module that is checked too, beside the npm packages."""
    (tmp_path / "node_modules").symlink_to(schema_tools / "node_modules")
    (tmp_path / "channels.ts").write_text(typescript(describe(cable)), "utf-8")
    return tmp_path


def validated(node: str, tools: Path, document: Any) -> Any:
    """Return what AsyncAPI's own parser finds in a document."""
    command = [node, str(tools / "validate.mjs")]
    done = subprocess.run(command, input=json.dumps(document), capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


def block(language: str) -> str:
    """Return the first block of a language in docs/typed.md."""
    page = (PROJECT / "docs" / "typed.md").read_text("utf-8")
    return page.partition(f"```{language}\n")[2].partition("```")[0]


def output_of(command: list[str], folder: Path) -> str:
    """Return what a command prints, run in a folder."""
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=True).stdout


class TestAsyncAPI:
    def test_the_document_is_valid(self, node: str, schema_tools: Path) -> None:
        document = asyncapi(describe(cable), "chat", "1")

        assert validated(node, schema_tools, document) == {
            "problems": [],
            "channels": list(document["channels"]),
            "operations": list(document["operations"]),
        }

    def test_a_fault_is_found(self, node: str, schema_tools: Path) -> None:
        """Otherwise the test above could not fail."""
        document = asyncapi(describe(cable), "chat", "1")
        document["operations"]["ChatChannel.say"]["action"] = "shout"

        found = validated(node, schema_tools, document)

        assert any("operations.ChatChannel.say.action" in problem for problem in found["problems"])


class Node(BaseModel):
    children: list[Node]


class delete(BaseModel):  # noqa: N801 - a word of TypeScript
    string: int


Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | str | None")


def odd_channels() -> list[type[Channel]]:
    """Return channels with unusual names and messages."""

    def say(self: Channel, node: Node, json: Json) -> None: ...

    kinds: list[Any] = [Node | int | None, JsonValue, Json, delete, list[int] | list[str]]
    return [
        type("Odd", (Channel,), {"name": f"Чат #{place}", "messages": kind, "сказать": action(say)})
        for place, kind in enumerate(kinds)
    ]


class TestOddChannels:
    def test_the_document_is_valid(self, node: str, schema_tools: Path) -> None:
        document = asyncapi(describe(Cable(Connection, odd_channels())), "odd", "1")

        assert validated(node, schema_tools, document)["problems"] == []

    def test_the_types_compile(self, tsc: Callable[..., tuple[str, set[int]]], sources: Path) -> None:
        (sources / "channels.ts").write_text(typescript(describe(Cable(Connection, odd_channels()))), "utf-8")

        assert tsc(*STRICT, sources / "channels.ts") == ("", set())


class TestTypeScript:
    def test_right_use_compiles(self, tsc: Callable[..., tuple[str, set[int]]], sources: Path) -> None:
        (sources / "use.ts").write_text(USE)

        assert tsc(*STRICT, sources / "use.ts") == ("", set())

    def test_each_wrong_use_is_an_error(self, tsc: Callable[..., tuple[str, set[int]]], sources: Path) -> None:
        (sources / "use.ts").write_text(USE + "\n".join(WRONG) + "\n")

        _, lines = tsc(*STRICT, sources / "use.ts")

        first = USE.count("\n") + 1
        assert lines == set(range(first, first + len(WRONG)))


class TestTheDocumentation:
    """The page docs/typed.md: its app, its TypeScript, and the refusal that it shows."""

    def test_its_typescript_compiles_with_the_types_of_its_app(
        self, tsc: Callable[..., tuple[str, set[int]]], sources: Path
    ) -> None:
        (sources / "chat.py").write_text(block("python"), "utf-8")
        command = [sys.executable, "-m", "anycable_rpc", "schema", "chat:cable", "--typescript"]
        (sources / "channels.ts").write_text(output_of(command, sources), "utf-8")
        (sources / "use.ts").write_text(block("ts"), "utf-8")

        assert tsc(*STRICT, sources / "use.ts") == ("", set())

    def test_its_refusal_is_the_one_that_a_client_receives(self, tmp_path: Path) -> None:
        (tmp_path / "chat.py").write_text(block("python"), "utf-8")
        (tmp_path / "refuse.py").write_text(REFUSE, "utf-8")

        told = json.loads(output_of([sys.executable, "refuse.py"], tmp_path))

        assert told["message"] == json.loads(block("json"))


class TestThePage:
    def test_its_declarations_are_those_of_its_channels(self) -> None:
        command = [sys.executable, "-m", "anycable_rpc", "schema", "app_example.chat", "--typescript"]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True)

        assert (PAGE / "channels.d.ts").read_text("utf-8") == done.stdout

    @pytest.mark.usefixtures("page_packages")
    def test_it_uses_its_channels_as_they_are_declared(self, tsc: Callable[..., tuple[str, set[int]]]) -> None:
        assert tsc("-p", FOLDER / "page.json") == ("", set())

    @pytest.mark.usefixtures("page_packages")
    @pytest.mark.parametrize(
        ("right", "wrong"),
        [
            ('"speak", { text }', '"speak", { txt: text }'),
            ('"ChatChannel", { room }', '"ChatChannel", { rom: room }'),
            ("message.user === me.name", "message.usr === me.name"),
            ('"arrive"', '"arive"'),
        ],
    )
    def test_a_mistake_there_is_found(
        self, tsc: Callable[..., tuple[str, set[int]]], tmp_path: Path, right: str, wrong: str
    ) -> None:
        page = (PAGE / "chat.js").read_text("utf-8")
        options = json.loads((FOLDER / "page.json").read_text())["compilerOptions"]
        (tmp_path / "node_modules").symlink_to(PAGE.parent / "node_modules")
        for path in PAGE.glob("*.?s"):
            (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
        (tmp_path / "chat.js").write_text(page.replace(right, wrong), "utf-8")
        (tmp_path / "page.json").write_text(json.dumps({"compilerOptions": options, "files": ["chat.js"]}))

        _, lines = tsc("-p", tmp_path / "page.json")

        assert page.count(right) == 1
        assert lines == {page[: page.index(right)].count("\n") + 1}
