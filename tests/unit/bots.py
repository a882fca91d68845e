"""The bot without Slack, on a world in memory and a real SQLite file; time is moved on only as far as it waits."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event, select

from services.adapters.store.database import Database
from services.adapters.store.requests import SqlStore
from services.adapters.store.tables import posts
from services.model import Endpoint, Event, Notice, Request, State
from services.planner import Planner
from services.policy import Policy, Rule
from services.reconciler import Reconciler
from services.requests import Order, Requests
from services.steps.certificate import CertificateStep
from services.steps.dns_record import DnsRecordStep
from services.steps.load_balancer import LoadBalancerStep
from services.steps.probe import ProbeStep
from services.steps.step import Step
from services.steps.validation import ValidationStep
from services.zone_finder import ZoneFinder
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import Clock, Gate

OURS, THEIRS = "app.example.com", "app.example.org"  #: DNS in Route 53, DNS elsewhere
DEV, ONCALL, SECOND = "U-dev", "U-oncall", "U-second"
RULE = Rule(
    hostnames=("*.example.com", "*.example.org"), requesters=("*",), approvers=("@oncall",), namespaces=("demo",)
)
TLS = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
NOTHING: Mapping[str, str] = {}
#: Turns at one moment of the clock; a loop that needs more spins.
MOST_TURNS = 60


class MortalStore(SqlStore):
    """The real store; the process may die after each of its transactions."""

    def __init__(self, path: Path, clock: Clock, gate: Gate) -> None:
        database = Database(f"sqlite:///{path}")

        @event.listens_for(database.engine, "connect")
        def _quick(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA synchronous=off")  # these tests pull no plugs

        super().__init__(database, clock)
        self._gate = gate
        self.before_commit: list[Callable[[Request], None]] = []  #: done once, as somebody else who is quicker

    def create(self, request: Request, endpoint: Endpoint, events: Sequence[Event], *, inbox_key: str = "") -> None:
        super().create(request, endpoint, events, inbox_key=inbox_key)
        self._gate.point()

    def commit(
        self,
        request: Request,
        events: Sequence[Event] = (),
        notices: Sequence[Notice] = (),
        *,
        endpoint: Endpoint | None = None,
        inbox_key: str = "",
        show: bool = True,
    ) -> Request:
        while self.before_commit:
            self.before_commit.pop(0)(request)
        written = super().commit(request, events, notices, endpoint=endpoint, inbox_key=inbox_key, show=show)
        self._gate.point()
        return written

    def told(self, request_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Every notice of a request, oldest first."""
        query = select(posts.c.kind, posts.c.data).where(posts.c.request_id == request_id).order_by(posts.c.id)
        with self._database.read() as connection:
            return [(row.kind, row.data) for row in connection.execute(query)]


class Bot:
    """One process after another on one database: `start` also after a crash."""

    def __init__(self, world: InMemoryWorld, path: Path, policy: Policy | None = None) -> None:
        self.world = world
        self.clock = world.clock
        self.policy = policy or Policy((RULE,))
        self._path = path
        self._ids = 0
        self.store: MortalStore
        self.planner: Planner
        self.requests: Requests
        self.reconciler: Reconciler
        self.start()

    def start(self) -> None:
        """Start a process on what an earlier one left."""
        self.stop()
        world, clock = self.world, self.clock
        self.store = MortalStore(self._path, clock, world.gate)
        finder = ZoneFinder(world, clock)
        ladder: list[Step] = [
            CertificateStep(world),
            ValidationStep(world, finder),
            LoadBalancerStep(world),
            DnsRecordStep(world, finder),
            ProbeStep(world),
        ]
        self.planner = Planner(world, ladder[:-1], self.policy, world.people, TLS, clock)
        self.requests = Requests(self.store, self.planner, world, clock, self._new_id, lambda group: None)
        self.reconciler = Reconciler(self.store, self.planner, ladder, world, clock, self._new_id, lambda group: None)
        self.store.restart(clock())

    def stop(self) -> None:
        """End the process."""
        if hasattr(self, "store"):
            self.store.close()

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self._ids:06x}"

    # ---- people

    def create(
        self, hostname: str = OURS, options: Mapping[str, str] = NOTHING, *, person: str = DEV, dry_run: bool = False
    ) -> str:
        """/nlbtls create; the id of the request."""
        return self.requests.create(Order(person, "C1", hostname, options, dry_run)).id

    def approve(self, request_id: str, person: str = ONCALL) -> Request:
        """A click on Approve under the plan as it is now."""
        plan = self.request(request_id).plan
        return self.requests.approve(request_id, plan.digest if plan else "", person)

    # ---- time

    def turn(self) -> bool:
        """One turn of every group that is due; whether there was any."""
        groups = self.store.due_groups(self.clock())
        for group in groups:
            self.reconciler.reconcile(group)
        return bool(groups)

    def run(self, until: Callable[[], bool] = lambda: False, *, hours: float = 0.5) -> None:
        """Turn after turn, the clock moved on to what is due next, until something is so or the time is over."""
        end = self.clock() + timedelta(hours=hours)
        turns = 0
        while not until():
            if self.turn():
                turns += 1
                assert turns < MOST_TURNS, "it spins: the same moment, turn after turn"
                continue
            turns = 0
            following = self._next_due()
            if following is None or following > end:
                self.clock.now = end
                return
            self.clock.now = max(following, self.clock.now)

    def _next_due(self) -> datetime | None:
        waiting = self.store.requests(open_only=True)
        return min((r.due_at for r in waiting if r.due_at is not None), default=None)

    def plan(self, hostname: str = OURS, options: Mapping[str, str] = NOTHING) -> str:
        """Create and run until the plan waits for approval; the id."""
        id_ = self.create(hostname, options)
        self.until(id_, State.WAITING)
        return id_

    def until(self, request_id: str, state: State, *, hours: float = 0.5) -> Request:
        """Run until the request is in a state; fails if it never is."""
        self.run(lambda: self.request(request_id).state is state, hours=hours)
        request = self.request(request_id)
        assert request.state is state, f"{request.state}: {request.reason} {request.wait}"
        return request

    # ---- looking

    def request(self, request_id: str) -> Request:
        """The row as it is."""
        found = self.store.request(request_id)
        assert found is not None
        return found

    def told(self, request_id: str, kind: str = "") -> list[dict[str, Any]]:
        """Data of the notices of one kind, oldest first; of all kinds with their kind, if none is named."""
        every = self.store.told(request_id)
        return [data for k, data in every if k == kind] if kind else [{"kind": k, **data} for k, data in every]

    def happened(self, request_id: str) -> list[str]:
        """Kinds of its events, in order."""
        return [e.kind for e in self.store.events(request_id)]


def copy_of(template: Path, folder: Path) -> Path:
    """A database of one's own, already migrated: making it anew takes longer than most tests."""
    return Path(shutil.copy(template, folder / "nlbtls.db"))
