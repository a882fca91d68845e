"""The loop. One turn for one group of requests: observe, decide, act at most once for each, and look again.

Called by the scheduler, from several threads, for different groups. Progress is seen, not remembered: the step on a
request is a hint where it last waited. Each row is committed by itself, so that one stale row loses only itself.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from services import consent, transitions
from services.errors import Refused, ServiceError
from services.model import Act, Done, Event, Facts, Notice, Request, State, Stop, Wait
from services.planner import Planner, trouble
from services.ports import Clock, Stale, Store, World
from services.steps.step import Item, Step
from services.transitions import Next

log = structlog.get_logger()

PLANNING = "planning"
EXPIRY = "expiry"
#: How long planning may go on not seeing something before it says so and gives up.
PLANNING_PATIENCE = timedelta(minutes=2)


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
                self._commit(request, transitions.expired(request, self._clock()))
        elif group == PLANNING:
            for request in rows:
                self._plan(request)
        else:
            self._turn(self._ladder[group.rpartition(":")[2]], rows)

    # ---- planning

    def _plan(self, request: Request) -> None:
        try:
            outcome = self._planner.plan(request)
        except ServiceError as error:
            outcome = trouble(error)
        now = self._clock()
        since = request.step_since or request.created_at
        patient = now - since < PLANNING_PATIENCE or request.state is State.APPROVED
        following = transitions.after_planning(request, outcome, now, patient, self._group(request, self._order[0]))
        self._commit(request, following)

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
                self._commit(request, transitions.troubled(request, look, self._clock()))
                continue
            decision = step.decide(item, look)
            if isinstance(decision, Act):
                begun = self._begin(request, decision)
                if begun:
                    acting.append((begun, item, decision))
            else:
                self._settle(request, step, decision)
        if acting:
            self._act(step, acting)

    def _settle(self, request: Request, step: Step, decision: Done | Wait | Stop) -> None:
        now = self._clock()
        match decision:
            case Done():
                place = self._order.index(step.name) + 1
                if place == len(self._order):
                    following = transitions.finished(request, decision, now)
                else:
                    upper = self._order[place]
                    following = transitions.advanced(request, decision, upper, self._group(request, upper), now)
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
            now = self._clock()
            if isinstance(outcome, Facts):
                following = transitions.ended(request, decision.change, outcome, now)
            elif isinstance(outcome, Refused) and request.attempts == 0:
                following = transitions.refused_once(request, outcome, now)
            else:
                events = self._store.events(request.id)
                following = transitions.act_failed(request, decision.change, outcome, events, now)
            self._commit(request, following)

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
        )

    def _group(self, request: Request, step: str) -> str:
        """(account, region, step): one turn serves all that wait there (design §3)."""
        cluster = request.spec.cluster if request.spec else (self._world.clusters or [""])[0]
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
