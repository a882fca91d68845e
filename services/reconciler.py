"""The loop. One turn for one group of requests: observe, decide, act at most once for each, and look again.

Called by the scheduler, from several threads, for different groups. Progress is seen, not remembered: the step on a
request is a hint where it last waited. Each row is committed by itself, so that one stale row loses only itself.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog

from services import consent, transitions
from services.errors import Permanent, Refused, ServiceError
from services.model import PATIENCE, Act, Change, Done, Event, Facts, Notice, Request, State, Stop, Wait
from services.planner import NotYet, Planned, Planner, trouble
from services.ports import Clock, World
from services.steps.step import Item, Step
from services.storage import Stale, Store
from services.transitions import EXPIRY, PLANNING, Next

log = structlog.get_logger()

#: A row that changes under us this often is looked at anew in a later turn.
_TRIES = 3

#: How long planning may go on not seeing something before it says so and gives up.
PLANNING_PATIENCE = timedelta(minutes=2)
#: The same once somebody approved: they are not made to do it twice for a short outage, nor does it lie in wait.
APPROVED_PATIENCE = timedelta(hours=1)
#: No rung waits longer than this, whatever it waits for; those that count 72 hours themselves end before.
RUNG_PATIENCE = PATIENCE + timedelta(hours=2)


class Reconciler:
    """Moves requests on. `hint(group)` asks for another turn soon; losing a hint costs one sweep at most."""

    def __init__(
        self,
        store: Store,
        planner: Planner,
        ladder: Sequence[Step],
        world: World,
        clock: Clock,
        new_token: Callable[[], str],
        hint: Callable[[str], None],
    ) -> None:
        self._store = store
        self._planner = planner
        self._ladder = {step.name: step for step in ladder}
        self._order = [step.name for step in ladder]
        self._world = world
        self._clock = clock
        self._new_token = new_token
        self._hint = hint

    def reconcile(self, group: str) -> None:
        """One turn. Raises nothing but programming errors; what goes wrong outside is told to the people concerned."""
        rows = self._store.due(group, self._clock())
        if not rows:
            return
        if group == EXPIRY:
            for request in rows:
                self._expire(request)
        elif group == PLANNING:
            for request in rows:
                self._plan(request)
        else:
            self._turn(self._ladder[group.rpartition(":")[2]], [r for r in rows if not self._orphaned(r)])

    def _expire(self, request: Request) -> None:
        now = self._clock()
        if request.expires_at and now < request.expires_at:  # woken, by a change of its Service say: it is not time
            self._commit(request, Next(request.with_(due_at=request.expires_at), show=False))
        else:
            self._commit(request, transitions.expired(request, now))

    def _orphaned(self, request: Request) -> bool:
        """Whether its cluster was taken out of the configuration; then it ends, and holds nobody else up."""
        if request.spec is None or request.spec.cluster in self._world.clusters:
            return False
        stop = Stop(
            f"The cluster {request.spec.cluster} is not in the configuration any more.",
            "Put it back, or create the endpoint again for another cluster.",
        )
        self._commit(request, transitions.stopped(request, stop, self._store.events(request.id), self._clock()))
        return True

    # ---- planning

    def _plan(self, request: Request) -> None:
        try:
            outcome = self._planner.plan(request)
        except ServiceError as error:
            outcome = trouble(error)
        except Exception:  # the boundary of a row, as below: others are planned all the same
            reference = self._new_token()[:8]
            log.exception("planning failed", request=request.id, reference=reference)
            outcome = NotYet(f"Something broke on our side; nothing was changed. Reference {reference}.")
        now = self._clock()
        patience = APPROVED_PATIENCE if request.state is State.APPROVED else PLANNING_PATIENCE
        patient = now - (request.step_since or request.created_at) < patience
        first = self._group(outcome.plan.spec.cluster, self._order[0]) if isinstance(outcome, Planned) else ""
        self._commit(request, transitions.after_planning(request, outcome, now, patient, first))

    # ---- one rung

    def _turn(self, step: Step, rows: Sequence[Request]) -> None:
        items = {r.id: self._item(r) for r in rows}
        try:
            seen = step.observe(list(items.values()))
        except ServiceError as error:
            seen = dict.fromkeys(items, error)
        acting: list[tuple[Request, Item, Act]] = []
        for request in rows:
            item, look = items[request.id], seen[request.id]
            if isinstance(look, ServiceError):
                events = self._store.events(request.id)
                self._commit(request, transitions.troubled(request, look, events, self._clock()))
                continue
            try:
                begun = self._decide(step, request, item, look)
            except ServiceError:  # the database's: the engine logs it, the row stays due
                raise
            except Exception:  # the boundary of a row: a defect of ours holds up this request, not its group
                reference = self._new_token()[:8]
                log.exception("row failed", request=request.id, step=step.name, reference=reference)
                self._broken(request, reference)
            else:
                acting += [begun] if begun else []
        if acting:
            self._act(step, acting)

    def _decide(self, step: Step, request: Request, item: Item, look: Any) -> tuple[Request, Item, Act] | None:
        """Settle what needs no effect; what has begun and is to be acted on is returned."""
        decision = step.decide(item, look)
        if isinstance(decision, Act):
            begun = self._begin(request, decision)
            return (begun, item, decision) if begun else None
        self._settle(request, step, decision)
        return None

    def _broken(self, request: Request, reference: str) -> None:
        """Tell the people concerned, with the reference that is in the log; try again ever more slowly."""
        told = Permanent("Something broke on our side; this step changed nothing.", reference=reference)
        following = transitions.troubled(request, told, self._store.events(request.id), self._clock())
        self._commit(request, following)

    def _settle(self, request: Request, step: Step, decision: Done | Wait | Stop) -> None:
        now = self._clock()
        match decision:
            case Done():
                place = self._order.index(step.name) + 1
                if place == len(self._order):
                    following = transitions.finished(request, decision, now)
                else:
                    upper = self._order[place]
                    group = self._group(self._item(request).spec.cluster, upper)
                    following = transitions.advanced(request, decision, upper, group, now)
            case Wait() if now - (request.step_since or now) > RUNG_PATIENCE:
                stop = Stop(
                    f"This did not come about within 72 hours: {decision.problem or decision.why}",
                    "What exists is kept. Mend the cause, then create the endpoint again.",
                )
                following = transitions.stopped(request, stop, self._store.events(request.id), now)
            case Wait():
                following = transitions.waited(request, decision, now)
            case Stop():
                following = transitions.stopped(request, decision, self._store.events(request.id), now)
        self._commit(request, following)

    # ---- effects

    def _begin(self, request: Request, decision: Act) -> Request | None:
        """Check consent and commit that the change begins; None if it must not, or somebody was quicker."""
        granted = consent.grant(request.plan, self._store.events(request.id))
        objection = consent.objection(granted, decision.change)
        if objection:
            self._commit(request, transitions.world_changed(request, objection, self._clock()))
            return None
        key = decision.change.key
        token = granted.open_tokens.get(key) or self._new_token()
        return self._commit(request, transitions.began(request, decision.change, token, self._clock()))

    def _act(self, step: Step, acting: Sequence[tuple[Request, Item, Act]]) -> None:
        outcomes: Mapping[str, Facts | ServiceError]
        outcomes = step.act([(item, decision) for _, item, decision in acting])
        for request, _, decision in acting:
            outcome = outcomes[request.id]
            if isinstance(outcome, Facts):
                self._end(request, decision.change, outcome)
            elif isinstance(outcome, Refused) and not request.wait.get("refused"):
                self._commit(request, transitions.refused_once(request, outcome, self._clock()))
            else:
                events = self._store.events(request.id)
                failed = transitions.act_failed(request, decision.change, outcome, events, self._clock())
                self._commit(request, failed)

    def _end(self, request: Request, change: Change, facts: Facts) -> None:
        """Commit that the change was made, also if somebody wrote in between (pressed Check now): it uses the
        approval up, so it must not get lost."""
        for _ in range(_TRIES):
            if self._commit(request, transitions.ended(request, change, facts, self._clock())):
                return
            fresh = self._store.request(request.id)
            if fresh is None or fresh.state is not State.RUNNING:
                return
            request = fresh

    # ---- small things

    def _item(self, request: Request) -> Item:
        if request.spec is None:
            raise AssertionError(f"request {request.id} runs without a spec")
        now = self._clock()
        return Item(
            request.id,
            request.endpoint_id,
            request.generation,
            request.spec,
            request.facts,
            request.step_since or now,
            now,
            request.kept_certificate,
        )

    def _group(self, cluster: str, step: str) -> str:
        """(account, region, step): one turn serves all that wait there (design §3)."""
        return f"{self._world.region(cluster)}:{step}"

    def _commit(self, request: Request, following: Next) -> Request | None:
        """Write what follows; None if somebody else wrote first (they are looked at anew in a later turn)."""
        events: Sequence[Event] = following.events
        notices: Sequence[Notice] = following.notices
        endpoint = None
        if following.endpoint:
            known = self._store.endpoint(request.hostname)
            endpoint = following.endpoint(known) if known else None
        try:
            written = self._store.commit(following.request, events, notices, endpoint=endpoint, show=following.show)
        except Stale:
            log.info("overtaken", request=request.id, state=request.state.value)
            return None
        log.info("turn", request=written.id, hostname=written.hostname, state=written.state.value,
                 step=written.step, events=[e.kind for e in events])  # fmt: skip
        if written.due_at is not None and written.due_at <= self._clock():
            self._hint(written.group)
        return written
