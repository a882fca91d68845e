"""One create, acted as people do: in Slack, and in the DNS held elsewhere."""

from collections.abc import Callable
from typing import TypeVar

from sandbox.slack.person import ActionResult, CommandResult, Person, SeenMessage
from sandbox.story import records_in
from sandbox.world import World
from tests.stories.bot_process import BotProcess

T = TypeVar("T")
CHANNEL = "#platform"
PATIENCE = 120.0  #: seconds; a story takes ten on an idle machine
OURS, ELSEWHERE = "app.example.com", "shop.example.org"


class Play:
    """Requester, on-call engineer and DNS owner of one host name. The bot is started again whenever it was killed."""

    def __init__(self, world: World, bot: BotProcess, hostname: str) -> None:
        self._world = world
        self._bot = bot
        self.hostname = hostname
        self._earlier = 0  #: cards of earlier requests for the same name
        self.requester, self.oncall, self.outsider = (
            Person(world.slack.url, name) for name in ("requester", "oncall", "outsider")
        )

    # ---- acting

    def create(self, options: str = "") -> CommandResult:
        """Ask for the name; from now on only this request's card and thread are looked at."""
        self._earlier = len(self.cards())
        return self.requester.command(CHANNEL, f"/nlbtls create {self.hostname} {options}".strip())

    def approve(self, plan: SeenMessage | None = None) -> None:
        """Press Approve as the on-call engineer, again if Slack says that it did not arrive."""
        shown = plan or self.plan()
        self.until(lambda: not self.click(self.oncall, "Approve", shown).problem)

    def click(self, who: Person, label: str, message: SeenMessage) -> ActionResult:
        """Press a button of a message as it was seen, whatever became of it since."""
        return who.click(message.ts, label, CHANNEL, seen=message)

    def own_dns(self) -> None:
        """The owner of example.org enters what the instructions in the thread ask for."""
        for message in self.thread():
            for name, type_, value in records_in(message):
                self._world.dns.add_external(name, type_, value)

    def run(self, options: str = "") -> SeenMessage:
        """The whole story; the card as it ended."""
        self.create(options)
        self.approve()
        return self.ended()

    # ---- looking

    def about(self) -> list[SeenMessage]:
        """Cards of the host name and their threads, as everybody sees them, oldest first."""
        messages = [m for m in self.requester.messages(CHANNEL) if not m.ephemeral]
        roots = {m.ts for m in messages if not m.thread_ts and self.hostname in m.text}
        return [m for m in messages if m.ts in roots or m.thread_ts in roots]

    def cards(self) -> list[SeenMessage]:
        """The root messages."""
        return [m for m in self.about() if not m.thread_ts or m.thread_ts == m.ts]

    def thread(self) -> list[SeenMessage]:
        """What was posted below the newest request's card."""
        card = self.card()
        return [m for m in self.about() if card and m.thread_ts == card.ts and m.ts != card.ts]

    def card(self) -> SeenMessage | None:
        """The newest request's card, once there is one."""
        return next(iter(self.cards()[self._earlier :][-1:]), None)

    def private(self) -> list[SeenMessage]:
        """What only the requester sees."""
        return [m for m in self.requester.messages(CHANNEL) if m.ephemeral]

    # ---- waiting

    def until(self, look: Callable[[], T | None], timeout: float = PATIENCE) -> T:
        """What a look finds, once it finds something; meanwhile a dead bot is started again. Raises TimeoutError."""

        def revived() -> T | None:
            self._bot.revive()
            return look()

        return self.requester.wait_for(revived, timeout)

    def plan(self, not_: SeenMessage | None = None) -> SeenMessage:
        """The plan in the thread that can be approved; another one than `not_`."""
        other = not_.ts if not_ else ""
        return self.until(lambda: next((m for m in self.thread() if "Approve" in m.buttons and m.ts != other), None))

    def said(self, *words: str) -> SeenMessage:
        """The post in the thread that has all these words."""
        return self.until(lambda: next((m for m in self.thread() if all(w in m.text for w in words)), None))

    def told(self, *words: str) -> SeenMessage:
        """The private message that has all these words."""
        return self.until(lambda: next((m for m in self.private() if all(w in m.text for w in words)), None))

    def ended(self, *, owner: bool = True) -> SeenMessage:
        """The newest card, once it says how it ended and the thread was told too."""

        def look() -> SeenMessage | None:
            if owner and not self.hostname.endswith("example.com"):
                self.own_dns()
            card = self.card()
            if card is None or not card.text.startswith(("✅", "❌")):
                return None
            return card if any(m.text.startswith(card.text[:1]) for m in self.thread()) else None

        return self.until(look)
