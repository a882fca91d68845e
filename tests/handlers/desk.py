"""The Slack side of the bot, whole, at a stand-in for Slack, with a real database; time stands still until it is moved.

What people do is dispatched into slack-bolt without a socket. AWS, Kubernetes and DNS are the world in memory.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from slack_bolt import App, BoltRequest, BoltResponse
from slack_sdk import WebClient

from handlers import actions, commands
from handlers.directory import SlackDirectory
from handlers.guard import Guard
from handlers.outbox import Delivery
from handlers.replies import Replies
from sandbox.calls import CallLost, Phase
from sandbox.faults import Faults
from sandbox.slack import inputs, payloads
from sandbox.slack.entities import Json, Message
from sandbox.slack.server import FAULTS, SlackStandIn
from services.adapters.store import SqlStore, open_store
from services.model import Audience, Endpoint, EndpointState, Facts, Notice, Request, State
from services.planner import Planner
from services.policy import Policy, Rule
from services.reconciler import Reconciler
from services.requests import Requests
from services.steps.certificate import CertificateStep
from services.steps.dns_record import DnsRecordStep
from services.steps.load_balancer import LoadBalancerStep
from services.steps.probe import ProbeStep
from services.steps.step import Step
from services.steps.validation import ValidationStep
from services.storage import InboxItem
from services.zone_finder import ZoneFinder
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import Clock

PLATFORM, RANDOM, SECRET, PRIVATE = "C0PLATFORM1", "C0RANDOM001", "C0SECRETOPS", "C0OPSPRIV01"
REQUESTER, ONCALL, OUTSIDER = "U0REQUESTER", "U0ONCALL001", "U0OUTSIDER1"
GROUP = "S0ONCALL001"
RULE = Rule(hostnames=("*.example.com",), requesters=("*",), approvers=("@oncall",), namespaces=("demo",))
TLS = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"


class Died(BaseException):
    """The process ends here: nothing in it catches this."""


class Calls:
    """Every Web API call that Slack took: counted; and the next ones of a method made to fail."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.order: list[str] = []
        self.lost: Counter[str] = Counter()  #: method -> how many of the next calls are answered with 503, undone

    def __call__(self, service: str, method: str, phase: Phase) -> None:
        """See sandbox.calls.OnCall."""
        if phase is Phase.AFTER:
            self.made[method] += 1
            self.order.append(method)
        elif self.lost[method] > 0:
            self.lost[method] -= 1
            raise CallLost

    def forget(self) -> None:
        """Count anew."""
        self.made.clear()
        self.order.clear()


class MortalClient(WebClient):
    """The real client. The process may die in it just after Slack did what it was asked."""

    dies_after = ""  #: the method, once

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.asked: list[str] = []  #: whatever the answer was

    def api_call(self, api_method: str, **arguments: Any) -> Any:
        """See WebClient."""
        self.asked.append(api_method)
        answer = super().api_call(api_method, **arguments)
        if api_method == self.dies_after:
            self.dies_after = ""
            raise Died(api_method)
        return answer


class Remembering(ThreadPoolExecutor):
    """What slack-bolt runs its listeners in; says when they are done."""

    def __init__(self) -> None:
        super().__init__(5)
        self.begun: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See Executor."""
        self.begun.append(super().submit(fn, *args, **kwargs))
        return self.begun[-1]


class Watched(Guard):
    """The real one; says when what it accepted is dealt with."""

    accepted = 0
    dealt = 0
    changed = threading.Condition()

    def accept(self, item: InboxItem) -> None:
        """See Guard."""
        self.accepted += 1
        super().accept(item)

    def handle(self, item: InboxItem) -> None:
        """See Guard."""
        try:
            super().handle(item)
        finally:
            with self.changed:
                self.dealt += 1
                self.changed.notify_all()

    def settle(self) -> None:
        """Wait until it is."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.dealt >= self.accepted, 10)


class Desk:
    """One workspace, one database, and one process of the bot after another: `start` also after a death."""

    def __init__(self, folder: Path, *, scopes: Collection[str] | None = None, rate_limits: bool = False) -> None:
        self.clock = Clock()
        self.calls = Calls()
        self.faults = Faults([FAULTS])
        self.slack = SlackStandIn(
            self.faults,
            lambda: self.clock().timestamp(),
            scopes=scopes,
            rate_limits=rate_limits,
            on_call=self.calls,
            slowness=0.2,
            fault_seconds=0.05,
        )
        self.url = self.slack.start()
        self.world = InMemoryWorld(self.clock)
        self.policy = Policy((RULE,))
        self._database = f"sqlite:///{folder / 'nlbtls.db'}"
        self._ids = 0
        self.start()

    # ---- the process

    def start(self) -> None:
        """A process on what an earlier one left."""
        if hasattr(self, "store"):
            self.end()
        self.store: SqlStore = open_store(self._database, self.clock)
        self.client = MortalClient(self.slack.bot_token, self.url, timeout=5, retry_handlers=[])
        self.directory = SlackDirectory(self.client, self.clock)
        self.replies = Replies(self.client)
        finder = ZoneFinder(self.world, self.clock)
        ladder: list[Step] = [
            CertificateStep(self.world),
            ValidationStep(self.world, finder),
            LoadBalancerStep(self.world),
            DnsRecordStep(self.world, finder),
            ProbeStep(self.world),
        ]
        planner = Planner(self.world, ladder[:-1], self.policy, self.directory, TLS, self.clock)
        self.requests = Requests(self.store, planner, self.world, self.clock, self.new_id, lambda group: None)
        self.reconciler = Reconciler(
            self.store, planner, ladder, self.world, self.clock, self.new_id, lambda group: None
        )
        self.delivery = Delivery(
            self.store.outbox,
            self.store,
            self.client,
            self.directory,
            self.replies,
            self.clock,
            self.requests.undeliverable,
        )
        self.listeners = Remembering()
        self.told = 0
        self.guard = Watched(self.store.inbox, self.replies, self.clock, self.new_id, self._told)
        self.app = App(client=self.client, signing_secret=self.slack.signing_secret, listener_executor=self.listeners)
        self.app.middleware(self.guard.middleware)
        commands.register(
            self.app, self.guard, commands.Commands(self.requests, self.replies, self.delivery.permalink, self.clock)
        )
        actions.register(
            self.app,
            self.guard,
            actions.Actions(self.requests, self.store, self.replies, self.delivery.group_names),
        )
        self.calls.forget()

    def end(self) -> None:
        """End the process; what it began is there still."""
        self.guard.stop()
        self.listeners.shutdown()
        self.store.close()

    def close(self) -> None:
        """End everything."""
        self.end()
        self.slack.stop()

    def new_id(self) -> str:
        """Ids that can be told apart."""
        self._ids += 1
        return f"{self._ids:06x}abc"

    def _told(self) -> None:
        self.told += 1

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """Something is wrong at Slack."""
        self.faults.switch(name, True)
        try:
            yield
        finally:
            self.faults.switch(name, False)

    # ---- people

    def command(self, text: str, person: str = REQUESTER, channel: str = PLATFORM) -> Json:
        """The payload of /nlbtls, with a response URL and a trigger id of its own."""
        user, place = self.slack.workspace.users[person], self.slack.workspace.channels[channel]
        url = f"{self.slack.url}/response/{self.slack.tickets.response(person, channel)}"
        return payloads.slash_command(user, place, "/nlbtls", text, url, self.slack.tickets.trigger(person))

    def click(self, message: Message, name: str, person: str = ONCALL) -> Json:
        """The payload of a press on a button of a message, by action_id."""
        user, place = self.slack.workspace.users[person], self.slack.workspace.channels[message.channel]
        action = payloads.action(inputs.find(message.blocks, name), None, self.slack.workspace.next_ts())
        url = f"{self.slack.url}/response/{self.slack.tickets.response(person, message.channel, message.ts)}"
        trigger = self.slack.tickets.trigger(person)
        return payloads.message_action(user, place, message, {}, [action], trigger, url)

    def dispatch(self, body: Mapping[str, Any]) -> BoltResponse:
        """Bring it to slack-bolt, and wait until it was dealt with."""
        answer = self.answer(body)
        self.settle()
        return answer

    def answer(self, body: Mapping[str, Any]) -> BoltResponse:
        """Bring it to slack-bolt; its answer, whatever is still being done."""
        return self.app.dispatch(self.bolt(body))

    @staticmethod
    def bolt(body: Mapping[str, Any]) -> BoltRequest:
        """What the socket makes of a payload."""
        return BoltRequest(body=dict(body), mode="socket_mode")

    def settle(self) -> None:
        """Wait until everything that was accepted is dealt with."""
        wait(self.listeners.begun, 10)
        self.guard.settle()

    # ---- the process's clockwork

    def turn(self) -> None:
        """One turn of everything that is due."""
        for group in self.store.due_groups(self.clock()):
            self.reconciler.reconcile(group)

    def deliver(self, **later: float) -> None:
        """Bring messages out, after so many seconds, minutes."""
        self.clock.forward(**later)
        self.delivery.deliver()

    # ---- requests without a story

    def request(self, hostname: str = "app.example.com", *, channel: str = PLATFORM, **fields: Any) -> Request:
        """A request as if it had come so far, with its card wanted."""
        now = self.clock()
        identity = self.new_id()
        endpoint = Endpoint(f"e-{identity}", hostname, EndpointState.PENDING, 1, None, Facts(), now)
        made = Request(
            f"r-{identity}", endpoint.id, 1, hostname, REQUESTER, channel, now, **{"state": State.RUNNING, **fields}
        )
        self.store.create(made, endpoint, ())
        return made

    def say(self, request: Request, *texts: str, audience: Audience = Audience.THREAD, **fields: Any) -> Request:
        """A commit of the request with a problem to tell for each text."""
        known = self.store.request(request.id)
        assert known is not None
        notices = [Notice("problem", {"sentence": text}, audience) for text in texts]
        return self.store.commit(replace(known, **fields), (), notices)

    # ---- what can be seen

    def shown(self, channel: str = PLATFORM) -> list[Message]:
        """Cards: what everybody sees at the top level."""
        return [m for m in self.slack.workspace.history(channel) if not m.deleted]

    def thread(self, message: Message) -> list[Message]:
        """The replies under a message."""
        return self.slack.workspace.replies(message.channel, message.ts)

    def private(self, person: str = REQUESTER) -> list[Message]:
        """What only this person sees, anywhere."""
        return [m for m in self.slack.workspace.messages if m.visible_to == person]


def texts(messages: list[Message]) -> list[str]:
    """The problem that each message tells."""
    return [next((w for w in message.text.split() if w.startswith("#")), message.text) for message in messages]
