"""A world, a clock and a bot for the tests of the product's core."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from services.adapters.store import migrate
from services.policy import Policy
from tests.unit.bots import Bot, copy_of
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import Clock

# The default of structlog draws every traceback with all its variables, which takes longer than any test here.
structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer(bool_as_flag=False)]
)


@pytest.fixture
def clock() -> Clock:
    """Noon, until it is moved."""
    return Clock()


@pytest.fixture
def world(clock: Clock) -> InMemoryWorld:
    """See tests/unit/worlds.py."""
    return InMemoryWorld(clock)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of the current schema."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def new_bot(world: InMemoryWorld, empty_database: Path, tmp_path: Path) -> Iterator[Callable[..., Bot]]:
    """Makes bots on the world, each with a database of its own."""
    made: list[Bot] = []

    def make(policy: Policy | None = None, on: InMemoryWorld = world) -> Bot:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Bot(on, copy_of(empty_database, folder), policy))
        return made[-1]

    yield make
    for bot in made:
        bot.stop()


@pytest.fixture
def bot(new_bot: Callable[..., Bot]) -> Bot:
    """A bot with the usual policy: anybody asks, @oncall approves."""
    return new_bot()
