"""The demo: one create in each zone, told while it happens, by people who act through Slack like anybody else."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.acting import shown
from sandbox.slack.person import Person, SeenMessage
from sandbox.world import World

CHANNEL = "#platform"
PATIENCE = 120.0
_ZONE_LINE = re.compile(r"(\S+)\. \d+ IN (CNAME) (\S+)\.")
OURS, THEIRS = "app.example.com", "shop.example.org"


def welcome(world: World, *, with_bot: bool) -> str:
    """What can be done in the running sandbox."""
    lines = [
        "",
        "The sandbox is up. In another terminal:" if with_bot else "The stand-ins are up, without a bot. Then:",
        '  python -m sandbox as requester "/nlbtls create hello.example.com"',
        "  python -m sandbox as oncall click Approve",
        "  python -m sandbox as requester look",
        "  python -m sandbox dns add NAME CNAME VALUE     (as the owner of example.org)",
        "  python -m sandbox fault NAME on                (python -m sandbox faults lists them)",
        f"Its files are in {world.directory}. End it with Ctrl-C.",
    ]
    return "\n".join(lines)


def tell(world: World, done: threading.Event) -> bool:
    """Both acts; True only if both endpoints were proven."""
    teller = Teller(world, done)
    print("=== Act 1: a name in a Route 53 zone ===", flush=True)
    first = teller.play(OURS)
    print("\n=== Act 2: a name whose DNS is held elsewhere ===", flush=True)
    second = teller.play(THEIRS, owner=True)
    print("\n=== The two verdicts ===")
    for act in (first, second):
        print(f"\n{act.hostname}: {'proven' if act.proven else 'NOT proven'} after {act.seconds:.0f} s\n{act.verdict}")
    return first.proven and second.proven


@dataclass(frozen=True)
class Act:
    """How one create ended."""

    hostname: str
    proven: bool
    verdict: str
    seconds: float


class Teller:
    """Acts as requester, on-call engineer and DNS owner, and prints what can be seen in the channel meanwhile."""

    def __init__(self, world: World, done: threading.Event) -> None:
        self._world = world
        self._done = done
        self._requester = Person(world.slack.url, "requester")
        self._oncall = Person(world.slack.url, "oncall")
        self._printed: dict[str, str] = {}
        self._added: set[tuple[str, str]] = set()

    def play(self, hostname: str, *, owner: bool = False) -> Act:
        """One create, from the command to the verdict."""
        began = time.monotonic()
        self._wait_for_bot()
        print(f"\n▶ requester types: /nlbtls create {hostname}", flush=True)
        self._requester.command(CHANNEL, f"/nlbtls create {hostname}")
        plan = self._until(lambda: self._with_button(hostname, "Approve"))
        if plan is None:
            return Act(hostname, False, "No plan appeared.", time.monotonic() - began)
        print("\n▶ oncall presses Approve", flush=True)
        self._oncall.click(plan.ts, "Approve", CHANNEL)
        card = self._until(lambda: self._ended(hostname), self._own_dns if owner else lambda: None)
        verdict = card.text if card else "No verdict appeared in time."
        return Act(hostname, "serves TLS" in verdict, verdict, time.monotonic() - began)

    def _wait_for_bot(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self._world.slack.connections and time.monotonic() < until and not self._done.wait(0.1):
            pass

    def _until(
        self, seen: Callable[[], SeenMessage | None], meanwhile: Callable[[], None] = lambda: None
    ) -> SeenMessage | None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not self._done.wait(0.3):
            self._print_news()
            meanwhile()
            found = seen()
            if found:
                self._print_news()
                return found
        return None

    def _print_news(self) -> None:
        for message in self._requester.messages(CHANNEL):
            if self._printed.get(message.ts) != message.text:
                self._printed[message.ts] = message.text
                print(f"\n{shown(message)}", flush=True)

    def _about(self, hostname: str) -> list[SeenMessage]:
        messages = self._requester.messages(CHANNEL)
        roots = {m.ts for m in messages if not m.thread_ts and not m.ephemeral and hostname in m.text}
        return [m for m in messages if m.ts in roots or m.thread_ts in roots]

    def _with_button(self, hostname: str, label: str) -> SeenMessage | None:
        return next((m for m in reversed(self._about(hostname)) if label in m.buttons), None)

    def _ended(self, hostname: str) -> SeenMessage | None:
        """The card, once it says how it ended."""
        card = next((m for m in self._about(hostname) if not m.thread_ts or m.thread_ts == m.ts), None)
        return (
            card if card and any(mark in card.text for mark in ("✅ ", "❌ ")) and "serves TLS" in card.text else None
        )

    def _own_dns(self) -> None:
        """The owner of example.org reads the instructions in the thread and enters the records."""
        for name, type_, value in self._asked_for():
            if (name, value) not in self._added:
                self._added.add((name, value))
                print(f"\n▶ the owner of example.org adds: {name} {type_} {value}", flush=True)
                self._world.dns.add_external(name, type_, value)

    def _asked_for(self) -> list[tuple[str, str, str]]:
        return [record for m in self._about(THEIRS) if m.thread_ts for record in records_in(m)]


def records_in(message: SeenMessage) -> list[tuple[str, str, str]]:
    """The records (name, type, value) that an instruction message asks for, read off its line of a zone file."""
    return [m.groups() for m in _ZONE_LINE.finditer(message.text)]  # type: ignore[misc]
