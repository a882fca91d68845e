"""A world and a bot for each story; what a failed story needs to be understood."""

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.calls import Phase
from sandbox.delays import Delays
from sandbox.slack.entities import User
from sandbox.world import World
from tests.stories.bot_process import BotProcess
from tests.stories.looking import Looking
from tests.stories.play import Play

SCALE = 0.1  #: of the stand-ins' delays


class Calls:
    """The sandbox's hook: acts at the n-th call of a kind, and says whether it came to that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._acts: list[tuple[tuple[str, str, Phase], Callable[[int], object]]] = []
        self._seen: dict[tuple[str, str, Phase], int] = {}

    def __call__(self, service: str, operation: str, phase: Phase) -> None:
        """See sandbox.calls.OnCall."""
        key = (service, operation, phase)
        with self._lock:
            nth = self._seen[key] = self._seen.get(key, 0) + 1
            acts = [act for wanted, act in self._acts if wanted == key]
        for act in acts:
            act(nth)

    def each(self, service: str, operation: str, phase: Phase, act: Callable[[int], object]) -> None:
        """Call `act` with the number of the call, from 1, at every such call."""
        with self._lock:
            self._acts.append(((service, operation, phase), act))

    def once(
        self, service: str, operation: str, phase: Phase, act: Callable[[], object], nth: int = 1
    ) -> threading.Event:
        """Call `act` at the n-th such call. The event is set when it came."""
        came = threading.Event()

        def at(number: int) -> None:
            if number == nth:
                came.set()
                act()

        self.each(service, operation, phase, at)
        return came


@pytest.fixture
def calls() -> Calls:
    """What shall happen at which call."""
    return Calls()


@pytest.fixture
def world(tmp_path: Path, calls: Calls) -> Iterator[World]:
    """A sandbox of its own."""
    yield from started(tmp_path, calls)


def started(directory: Path, calls: Calls) -> Iterator[World]:
    """Boot a sandbox whose AWS calls are written down beside its directory; end it."""
    world = World(directory / "world", Delays().scaled(SCALE), call_log=directory / "calls.jsonl", on_call=calls)
    try:
        world.start()
        yield world
    finally:
        world.stop()


@pytest.fixture
def bot(world: World) -> Iterator[BotProcess]:
    """The bot, connected."""
    process = BotProcess(world)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def looking(world: World) -> Looking:
    """What is really there."""
    return Looking(world)


@dataclass(frozen=True)
class Stage:
    """A world with its bot that the tests of one module share, each with host names of its own."""

    world: World
    bot: BotProcess
    looking: Looking

    def play(self, hostname: str) -> Play:
        """The people around one host name."""
        return Play(self.world, self.bot, hostname)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """For tests that leave world and bot as they were. A second person is on call beside @oncall."""
    for world in started(tmp_path_factory.mktemp("shared"), Calls()):
        workspace = world.slack.workspace
        second = workspace.add_user(User("U0SECOND001", "second", "Sam Second"))
        workspace.add_member("C0PLATFORM1", second.id)
        workspace.set_group_users("S0ONCALL001", ["U0ONCALL001", second.id])
        bot = BotProcess(world)
        bot.start()
        yield Stage(world, bot, Looking(world))
        bot.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the bot's log with a failed story."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for value in item.funcargs.values():
            bot = value.bot if isinstance(value, Stage) else value
            if isinstance(bot, BotProcess):
                report.sections.append(("bot log", "\n".join(bot.log.splitlines()[-200:])))
    return report
