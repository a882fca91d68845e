"""A bot without usable credentials starts, says so, and refuses in words what it could not do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.world import World
from tests.stories.bot_process import BotProcess, bare_environment
from tests.stories.looking import Looking
from tests.stories.play import OURS, Play

pytestmark = [pytest.mark.stories, pytest.mark.timeout(300)]


@contextmanager
def started(world: World, environment: dict[str, str]) -> Iterator[BotProcess]:
    """A bot in an environment of its own."""
    bot = BotProcess(world, environment)
    bot.start()
    try:
        yield bot
    finally:
        bot.kill()


def assert_refused(world: World, bot: BotProcess, looking: Looking, said: str, advice: str) -> None:
    """The log said it at start; the person is told which and what to do; nothing was made."""
    assert bot.is_running, bot.log
    assert world.slack.connections == 1
    play = Play(world, bot, OURS)
    play.until(lambda: said in bot.log)
    play.create()
    refused = play.told("🚫 Refused", said)
    assert advice in refused.text
    assert "Nothing was changed" in refused.text
    assert play.cards() == []
    assert [row["state"] for row in looking.requests()] == ["refused"]
    assert looking.writes() == 0
    assert looking.services() == []


def test_without_aws_credentials(world: World, looking: Looking, tmp_path: Path) -> None:
    """No variables, no files, no role."""
    environment = bare_environment(
        world, tmp_path / "home", without=_named("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    )
    with started(world, environment) as bot:
        assert_refused(world, bot, looking, "no usable AWS credentials", "standard AWS variables")


def test_with_a_kubeconfig_that_does_not_exist(world: World, looking: Looking, tmp_path: Path) -> None:
    """KUBECONFIG leads nowhere, and it is no pod either."""
    environment = bare_environment(world, tmp_path / "home") | {"KUBECONFIG": str(tmp_path / "no-such-file")}
    with started(world, environment) as bot:
        assert_refused(world, bot, looking, "no usable Kubernetes credentials", "Set KUBECONFIG")


def test_with_kubernetes_credentials_that_lapsed(world: World, looking: Looking, tmp_path: Path) -> None:
    """The API server does not know the token any more."""
    world.faults.switch("kubernetes-unauthorized", True)
    with started(world, bare_environment(world, tmp_path / "home")) as bot:
        assert_refused(world, bot, looking, "does not accept the bot's credentials", "Set KUBECONFIG")


def _named(*names: str) -> Callable[[str], bool]:
    return lambda name: name in names
