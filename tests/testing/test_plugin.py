"""The pytest plugin, in projects of its own: what it loads, how it finds the cable, and its neighbours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from ..e2e.processes import environment
from ..support.paths import PROJECT

CHAT = """
from anycable_rpc import Cable, Channel, Connection, action


class User(Connection):
    identified_by = ("user_id",)

    {async_}def connect(self):
        self.user_id = self.cookies.get("user_id") or self.reject()


class ChatChannel(Channel):
    {async_}def subscribed(self):
        self.stream_from(f"chat/{{self.params['room']}}")

    @action
    {async_}def speak(self, text: str):
        message = {{"user": self.connection.user_id, "text": text}}
        {await_}self.cable.{a}broadcast(f"chat/{{self.params['room']}}", message)


cable = Cable(User, channels=[ChatChannel])
"""
KINDS = {
    "def": CHAT.format(async_="", await_="", a=""),
    "async": CHAT.format(async_="async ", await_="await ", a="a"),
}
SPEAK = """
def test_speak(cable_client, broadcasts):
    ann = cable_client(cookies={"user_id": "ann"})
    chat = ann.subscribe("ChatChannel", room="1")
    assert chat.confirmed and chat.streams == ["chat/1"]
    chat.perform("speak", text="hi")
    assert broadcasts["chat/1"] == [{"user": "ann", "text": "hi"}]
    assert chat.received == [{"user": "ann", "text": "hi"}]
"""
ASPEAK = """
async def test_aspeak(cable_client, broadcasts):
    ann = await cable_client.aconnect(cookies={"user_id": "ann"})
    chat = await ann.asubscribe("ChatChannel", room="1")
    await chat.aperform("speak", text="hi")
    assert broadcasts["chat/1"] == chat.received == [{"user": "ann", "text": "hi"}]
    await ann.adisconnect()
    assert ann.closed
"""
INI = "[pytest]\nanycable_app = chat:cable\nfilterwarnings = error\n"
PLUGINS = ("-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:django")


class Project:
    """A folder with tests, and what pytest says of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, **files: str) -> None:
        """Write modules, and pytest's settings under the name `ini`."""
        for name, text in files.items():
            path = self.folder / ("pytest.ini" if name == "ini" else f"{name}.py")
            path.write_text(dedent(text), "utf-8")

    def run(self, *options: str, plugins: tuple[str, ...] = PLUGINS, **variables: str) -> str:
        """Run pytest and return what it prints."""
        command = [sys.executable, "-m", "pytest", "-q", *plugins, *options]
        settings = {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1", **variables}
        done = subprocess.run(
            command, cwd=self.folder, env=environment(settings), capture_output=True, text=True, timeout=60
        )
        return done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
class TestTheFixtures:
    def test_the_cable_is_named_by_the_ini_option(self, project: Project, kind: str) -> None:
        project.write(ini=INI, chat=KINDS[kind], test_chat=SPEAK)

        assert "1 passed" in project.run()

    def test_or_returned_by_a_fixture(self, project: Project, kind: str) -> None:
        conftest = """
            import pytest
            import chat

            @pytest.fixture
            def anycable_app():
                return chat.cable
        """
        project.write(chat=KINDS[kind], conftest=conftest, test_chat=SPEAK)

        assert "1 passed" in project.run()

    def test_or_by_the_setting_of_the_commands(self, project: Project, kind: str) -> None:
        project.write(chat=KINDS[kind], test_chat=SPEAK)

        assert "1 passed" in project.run(ANYCABLE_APP="chat:cable")

    def test_tests_do_not_hear_one_another(self, project: Project, kind: str) -> None:
        again = """
            from chat import cable

            def test_the_broadcaster_is_the_cables_own():
                assert cable.chosen_broadcaster is None
        """
        project.write(ini=INI, chat=KINDS[kind], test_a=SPEAK, test_b=again, test_c=SPEAK)

        assert "3 passed" in project.run()


def test_without_a_cable_it_says_what_to_do(project: Project) -> None:
    project.write(test_chat=SPEAK)

    assert (
        "ConfigurationError: which cable? Set `anycable_app = module:attribute` in pytest's configuration, or write "
        "a fixture anycable_app that returns the cable"
    ) in project.run()


def test_a_fixture_that_returns_no_cable_is_named(project: Project) -> None:
    conftest = """
        import pytest
        import chat

        @pytest.fixture
        def anycable_app():
            chat.cable
    """
    project.write(chat=KINDS["def"], conftest=conftest, test_chat=SPEAK)

    assert "ConfigurationError: the fixture anycable_app has returned a NoneType, not a Cable" in project.run()


@pytest.mark.parametrize("options", [("--collect-only",), ()])
def test_a_project_that_does_not_use_it_loads_nothing_of_the_package(
    project: Project, options: tuple[str, ...]
) -> None:
    conftest = """
        import sys

        def pytest_sessionfinish(session):
            loaded = [name for name in sys.modules if name.partition(".")[0] == "anycable_rpc"]
            print(f"the plugin is there: {session.config.pluginmanager.hasplugin('anycable_rpc')}; loaded: {loaded}")
    """
    project.write(conftest=conftest, test_other="def test_other():\n    assert [1] == [1]\n")

    assert "the plugin is there: True; loaded: []" in project.run("-s", *options)


FAILING = """
    def test_received(cable_client):
        chat = cable_client(cookies={"user_id": "ann"}).subscribe("ChatChannel", room="1")
        chat.perform("speak", text="hi")
        assert chat.received == []

    def test_transmitted(cable_client):
        chat = cable_client(cookies={"user_id": "ann"}).subscribe("ChatChannel", room="1")
        assert chat.transmissions == ["welcome"]

    def test_streamed(cable_client):
        assert "chat/2" in cable_client(cookies={"user_id": "ann"}).subscribe("ChatChannel", room="1").streams

    def test_confirmed(cable_client):
        assert cable_client(cookies={"user_id": "ann"}).subscribe("Nowhere").confirmed

    def test_frames(cable_client):
        assert cable_client().frames == []

    def test_connected(cable_client):
        assert not cable_client().rejected

    def test_broadcast(cable_client, broadcasts):
        chat = cable_client(cookies={"user_id": "ann"}).subscribe("ChatChannel", room="1")
        chat.perform("speak", text="hi")
        assert broadcasts["chat/2"] == ["hi"]

    def test_broadcasts(broadcasts):
        assert broadcasts == {"chat/1": []}

    def test_others_are_left_alone():
        assert [1] == [2]

    def test_a_class_without_a_module():
        assert type("Odd", (), {"__module__": None, "__repr__": lambda self: "odd"})() == 1
"""
SHOWN = {
    "test_received": ["received: [{'text': 'hi', 'user': 'ann'}]", "streamed: ['chat/1']", "transmitted: []"],
    "test_transmitted": ["Right contains one more item: 'welcome'", "ChatChannel room='1': confirmed", "received: []"],
    "test_streamed": ["assert 'chat/2' in ['chat/1']", "streamed: ['chat/1']"],
    "test_confirmed": ["where False = <Subscription Nowhere rejected (Unknown channel: 'Nowhere'), streams=[]"],
    "test_frames": ["client {}: rejected (unauthorized)", '{"type":"disconnect","reason":"unauthorized"'],
    "test_connected": ["where True = <TestClient {} rejected (unauthorized), transmissions=[]>.rejected"],
    "test_broadcast": ["broadcasts to each stream:", "'chat/1': [{'user': 'ann', 'text': 'hi'}]"],
    "test_broadcasts": ["nothing was broadcast"],
    "test_others_are_left_alone": ["At index 0 diff: 1 != 2"],
    "test_a_class_without_a_module": ["assert odd == 1"],
}


def test_failed_expectations_say_what_there_was(project: Project) -> None:
    project.write(ini=INI, chat=KINDS["def"], test_chat=FAILING)

    output = project.run()

    assert f"{len(SHOWN)} failed" in output
    for name, lines in SHOWN.items():
        section = output.partition(f"__ {name} __")[2].partition("\n____")[0]
        assert [line for line in lines if line not in section] == [], output


class TestBesideOtherPlugins:
    @pytest.mark.parametrize(("kind", "mode"), [("def", "strict"), ("async", "auto")])
    def test_of_asyncio(self, project: Project, kind: str, mode: str) -> None:
        pytest.importorskip("pytest_asyncio", reason="pytest-asyncio is not installed: make test does it")
        ini = f"{INI}asyncio_mode = {mode}\nasyncio_default_fixture_loop_scope = function\n"
        marked = ASPEAK if mode == "auto" else f"import pytest\n\n@pytest.mark.asyncio{ASPEAK}"
        project.write(ini=ini, chat=KINDS[kind], test_a=SPEAK, test_b=marked, test_c=SPEAK)

        assert "3 passed" in project.run(plugins=PLUGINS[:2])

    @pytest.mark.parametrize("kind", KINDS)
    def test_of_anyio(self, project: Project, kind: str) -> None:
        backend = "import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n\n@pytest.mark.anyio"
        project.write(ini=INI, chat=KINDS[kind], test_a=SPEAK, test_b=backend + ASPEAK, test_c=SPEAK)

        assert "3 passed" in project.run()

    @pytest.mark.parametrize("kind", KINDS)
    def test_of_django(self, project: Project, kind: str) -> None:
        pytest.importorskip("pytest_django", reason="pytest-django is not installed: make test does it")
        project.write(ini=INI, chat=KINDS[kind], test_chat=SPEAK)

        assert "1 passed" in project.run(plugins=PLUGINS[:4])


def test_a_sync_verb_in_an_async_test_says_what_to_write(project: Project) -> None:
    pytest.importorskip("pytest_asyncio", reason="pytest-asyncio is not installed: make test does it")
    test = """
        async def test_speak(cable_client):
            ann = await cable_client.aconnect(cookies={"user_id": "ann"})
            chat = await ann.asubscribe("ChatChannel", room="1")
            chat.perform("speak", text="hi")
    """
    ini = f"{INI}asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    project.write(ini=ini, chat=KINDS["async"], test_chat=test)

    assert "EventLoopRunning: an event loop is running in this thread" in project.run(plugins=PLUGINS[:2])


NOTES = """
import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "test.sqlite"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import Group
from anycable_rpc import Cable, Channel, Connection, action


class NotesChannel(Channel):
    @action
    def count(self):
        self.transmit(Group.objects.count())

    @action
    async def acount(self):
        self.transmit(await Group.objects.acount())


cable = Cable(Connection, channels=[NotesChannel])
"""
IN_DJANGO = """
    import pytest
    from asgiref.sync import async_to_sync, sync_to_async
    import chat

    @pytest.fixture
    def anycable_wait():
        return lambda make: async_to_sync(make)()

    @pytest.mark.django_db
    def test_callbacks_see_rows_that_are_not_committed(cable_client):
        chat.Group.objects.create(name="staff")
        notes = cable_client().subscribe("NotesChannel")
        notes.perform("count")
        notes.perform("acount")
        assert notes.transmissions == [1, 1]

    @pytest.fixture
    def anycable_hop():
        return lambda function: sync_to_async(function)()

    @pytest.mark.asyncio
    @pytest.mark.django_db
    async def test_and_so_they_do_in_an_async_test(cable_client):
        await chat.Group.objects.acreate(name="staff")
        notes = await (await cable_client.aconnect()).asubscribe("NotesChannel")
        await notes.aperform("count")
        await notes.aperform("acount")
        assert notes.transmissions == [1, 1]
"""


def test_callbacks_run_in_the_transaction_of_a_django_test(project: Project) -> None:
    django = pytest.importorskip("django", reason="Django is not installed")
    pytest.importorskip("pytest_asyncio", reason="pytest-asyncio is not installed: make test does it")
    conftest = "import chat\n"
    ini = "[pytest]\nanycable_app = chat:cable\nasyncio_default_fixture_loop_scope = function\n"
    project.write(ini=ini, chat=NOTES, conftest=conftest, test_notes=IN_DJANGO)
    paths = f"{PROJECT}:{Path(django.__file__).parents[1]}"

    assert "2 passed" in project.run(plugins=PLUGINS[:2], PYTHONPATH=paths)
