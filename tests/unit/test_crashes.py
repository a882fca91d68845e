"""The process dies after each effect and after each commit of both stories, and a new one finishes the work.

That is also "before": between two such points nothing outside and nothing durable changes.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from services.model import Request, State
from services.storage import HostnameTaken
from tests.unit.bots import OURS, THEIRS, Bot, copy_of
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import Clock, Crash

Story = Callable[[Bot], None]


def ask_and_approve(bot: Bot, hostname: str) -> Request:
    """What people do, and do again if they saw no answer."""
    request = bot.store.open_request(hostname)
    if request is None:
        made = bot.store.requests(hostname=hostname)
        request = made[0] if made else bot.request(bot.create(hostname))
    if request.state is State.PLANNING:
        request = bot.until(request.id, State.WAITING)
    if request.state is State.WAITING:
        request = bot.approve(request.id)
    return request


def in_route_53(bot: Bot) -> None:
    """From wherever it stands to the proof."""
    bot.until(ask_and_approve(bot, OURS).id, State.ACTIVE)


def elsewhere(bot: Bot) -> None:
    """The same; the owner of the zone makes each record once it is asked for."""
    id_ = ask_and_approve(bot, THEIRS).id

    def there() -> bool:
        for told in bot.told(id_, "instructions"):
            bot.world.publish(told["instructions"]["name"], told["instructions"]["value"])
        return not bot.request(id_).state.is_open

    bot.run(there, hours=2)
    assert bot.request(id_).state is State.ACTIVE


def a_life(story: Story, database: Path, folder: Path, *, crash_at: int | None, pause: float) -> tuple[Bot, bool]:
    """The story with a crash at one point and a restart after a pause of so many hours; whether it crashed."""
    world = InMemoryWorld(Clock())
    folder.mkdir()
    world.hurry()
    bot = Bot(world, copy_of(database, folder))
    world.gate.crash_at = crash_at
    try:
        story(bot)
    except Crash:
        world.clock.forward(hours=pause)
        bot.start()
        story(bot)
        return bot, True
    return bot, False


@pytest.mark.parametrize("pause", [0.001, 1.5], ids=["restarted at once", "restarted after ACM's token has lapsed"])
@pytest.mark.parametrize("story", [in_route_53, elsewhere], ids=["Route 53", "elsewhere"])
def test_a_crash_at_every_point(story: Story, pause: float, empty_database: Path, tmp_path: Path) -> None:
    """One certificate, one Service, one set of records, one request, every notice once; whatever the point was."""
    whole, _ = a_life(story, empty_database, tmp_path / "whole", crash_at=None, pause=0)
    told = [t["kind"] for t in whole.told(whole.store.requests()[0].id)]
    effects, points = whole.world.gate.effects, whole.world.gate.points
    whole.stop()
    for point in range(1, points + 1, 1 if pause < 1 else 3):
        bot, crashed = a_life(story, empty_database, tmp_path / str(point), crash_at=point, pause=pause)
        world, seen = bot.world, f"crash at point {point}"
        assert crashed, seen
        assert world.gate.effects == effects, seen
        assert len(world.acm.requests) == 1, seen
        assert len([s for s in world.cluster.held.values() if "nlbtls/endpoint" in s.labels]) == 1, seen
        assert len(world.route53.content["Z1"]) == (3 if story is in_route_53 else 0), seen
        (request,) = bot.store.requests()
        assert [t["kind"] for t in bot.told(request.id)] == told, seen
        bot.stop()


def test_a_crash_while_the_request_is_taken_in(bot: Bot) -> None:
    """What came in twice is one request: the host name is taken by the first."""
    bot.world.gate.crash_at = 1
    with pytest.raises(Crash):
        bot.create()
    bot.start()
    with pytest.raises(HostnameTaken):
        bot.create()
