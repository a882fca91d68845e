"""What a person can do: create, approve, reject, choose, check now, status, list.

Every call is one decision on one row, made by compare-and-set: double clicks, two replicas and late clicks cannot
both win. Nothing here touches AWS, Kubernetes or DNS; the scheduler does the work afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from services import transitions
from services.errors import Refused
from services.hostnames import parse_hostname
from services.model import Endpoint, EndpointState, Event, Facts, Request, State
from services.planner import Planner, unknown
from services.policy import may_approve, may_reject
from services.ports import Clock, World
from services.storage import HostnameTaken, Stale, Store
from services.transitions import PLANNING, Next
from services.wish import Wish, parse_wish

#: A row that changes under us this often is not worth fighting for.
_TRIES = 3


@dataclass(frozen=True)
class Order:
    """A create as it came in. `options` by canonical name; `reply_to` is opaque."""

    person: str
    channel: str
    hostname: str
    options: Mapping[str, str]
    dry_run: bool = False
    reply_to: str = ""
    inbox_key: str = ""


@dataclass(frozen=True)
class Overview:
    """What is known of one host name."""

    hostname: str
    endpoint: Endpoint | None
    requests: tuple[Request, ...]  #: newest first


@dataclass(frozen=True)
class Listing:
    """Everything: endpoints by host name, open requests newest first."""

    endpoints: tuple[Endpoint, ...]
    requests: tuple[Request, ...]


class Requests:
    """The services' front door. `hint(group)` asks the scheduler for a turn soon."""

    def __init__(
        self,
        store: Store,
        planner: Planner,
        world: World,
        clock: Clock,
        new_id: Callable[[], str],
        hint: Callable[[str], None],
    ) -> None:
        self._store = store
        self._planner = planner
        self._world = world
        self._clock = clock
        self._new_id = new_id
        self._hint = hint

    def create(self, order: Order) -> Request:
        """Take a create in. Raises Refused (bad input, policy, cluster) or HostnameTaken (an open request holds it)."""
        hostname = parse_hostname(order.hostname)
        wish = parse_wish(order.options)
        if wish.cluster and wish.cluster not in self._world.clusters:
            raise Refused(unknown("cluster", wish.cluster, self._world.clusters))
        taken = self._store.open_request(hostname)
        if taken:
            raise HostnameTaken(taken)
        members = self._planner.members(hostname)
        if not self._planner.admits(hostname, order.person, order.channel, members):
            raise Refused(self._planner.not_admitted(hostname), hint="Ask the owner of the policy.")
        for attempt in range(_TRIES):
            try:
                return self._insert(order, hostname, wish)
            except Stale:  # the short id is taken, or the endpoint was written in between
                if attempt + 1 == _TRIES:
                    raise
        raise AssertionError("unreachable")

    def _insert(self, order: Order, hostname: str, wish: Wish) -> Request:
        now = self._clock()
        known = self._store.endpoint(hostname)
        endpoint = self._next_generation(known) if known else self._new_endpoint(hostname)
        request = Request(
            id=f"r-{self._new_id()[:6]}",
            endpoint_id=endpoint.id,
            generation=endpoint.generation,
            hostname=hostname,
            requester=order.person,
            channel=order.channel,
            created_at=now,
            wish=wish.as_json(),
            dry_run=order.dry_run,
            group=PLANNING,
            due_at=now,
            reply_to=order.reply_to,
            previous=endpoint.spec,
            kept_certificate=endpoint.facts.certificate_arn,
        )
        event = Event("created", now, order.person, {"hostname": hostname, "options": dict(order.options)})
        self._store.create(request, endpoint, (event,), inbox_key=order.inbox_key)
        self._hint(PLANNING)
        return request

    def _new_endpoint(self, hostname: str) -> Endpoint:
        now = self._clock()
        return Endpoint(self._new_id(), hostname, EndpointState.PENDING, 1, None, Facts(), now)

    def _next_generation(self, known: Endpoint) -> Endpoint:
        """A later request may ask ACM anew; the generation keeps its idempotency token apart from the old one."""
        return replace(known, generation=known.generation + 1)

    # ---- decisions of people

    def approve(self, request_id: str, digest: str, person: str, *, inbox_key: str = "") -> Request:
        """One approval of exactly this plan. Raises Refused with the sentence for the person."""

        def decide(request: Request) -> Next:
            self._must_be_current(request, digest)
            members = self._planner.members(request.hostname)
            rule = self._planner.rule(request, members)
            if rule is None:
                raise Refused("Policy does not allow this request any more.", hint="Nothing was approved.")
            denial = may_approve(request, rule, person, members)
            if denial:
                raise Refused(denial, hint="Nothing was approved.", code="denied")
            # how many are needed is policy too, as it is now
            current = request.with_(approvals_needed=rule.approvals, approvers=rule.approvers)
            return transitions.approved(current, person, self._clock())

        return self._change(request_id, decide, inbox_key)

    def reject(self, request_id: str, digest: str, person: str, reason: str = "", *, inbox_key: str = "") -> Request:
        """End a request that waits for approval. Approvers may, and whoever asked may take it back."""

        def decide(request: Request) -> Next:
            self._must_be_current(request, digest)
            members = self._planner.members(request.hostname)
            rule = self._planner.rule(request, members)
            denial = may_reject(request, rule, person, members)
            if denial:
                raise Refused(denial, hint="Nothing was rejected.", code="denied")
            return transitions.rejected(request, person, reason, self._clock())

        return self._change(request_id, decide, inbox_key)

    def choose(self, request_id: str, ref: str, person: str, *, inbox_key: str = "") -> Request:
        """Pick the Service, by Target.ref. Only whoever asked may: the choice shapes the request."""

        def decide(request: Request) -> Next:
            if request.state is not State.CHOOSING:
                raise Refused(f"There is nothing to choose any more: {request.id} is {request.state}.")
            if person != request.requester:
                raise Refused("Only the person who asked chooses the Service.", code="denied")
            if ref not in {t.ref for t in request.candidates}:
                raise Refused(f"{ref} is not one of the candidates.")
            return transitions.chosen(request, ref, person, self._clock())

        return self._change(request_id, decide, inbox_key)

    def check_now(self, request_id: str, person: str, *, inbox_key: str = "") -> Request:
        """Look at the external record now; what is found is posted by the scheduler."""

        def decide(request: Request) -> Next:
            if request.state is not State.RUNNING:
                raise Refused(f"There is nothing to check any more: {request.id} is {request.state}.")
            return transitions.asked_to_check(request, person, self._clock())

        return self._change(request_id, decide, inbox_key)

    def undeliverable(self, request_id: str, code: str) -> None:
        """Its card cannot be shown: nobody could see or approve it, so it ends, unless it runs already."""
        request = self._store.request(request_id)
        if request is None or request.state not in (State.PLANNING, State.CHOOSING, State.WAITING):
            return
        try:
            following = transitions.undeliverable(request, code, self._clock())
            self._store.commit(following.request, following.events, following.notices)
        except Stale:  # it went on meanwhile; the next delivery tells again
            return

    def _must_be_current(self, request: Request, digest: str) -> None:
        if request.plan is None or request.state is not State.WAITING:
            raise Refused(f"Too late: {request.id} is {request.state}.", code="late")
        if request.plan.digest != digest:
            raise Refused(
                f"That plan was replaced by plan {request.plan.id}; look at what changed first.", code="replaced"
            )
        if request.expires_at and self._clock() >= request.expires_at:
            raise Refused(f"Too late: {request.id} expired.", code="late")

    def _change(self, request_id: str, decide: Callable[[Request], Next], inbox_key: str) -> Request:
        for attempt in range(_TRIES):
            request = self._store.request(request_id)
            if request is None:
                raise Refused(f"There is no request {request_id}.")
            following = decide(request)
            try:
                written = self._store.commit(
                    following.request, following.events, following.notices, inbox_key=inbox_key, show=following.show
                )
            except Stale:
                if attempt + 1 < _TRIES:
                    continue
                raise
            if written.due_at is not None:
                self._hint(written.group)
            return written
        raise AssertionError("unreachable")

    # ---- looking

    def overview(self, text: str) -> Overview:
        """What is known of a host name. Raises Refused if it is none."""
        hostname = parse_hostname(text)
        found: Sequence[Request] = self._store.requests(hostname=hostname, limit=10)
        return Overview(hostname, self._store.endpoint(hostname), tuple(found))

    def listing(self) -> Listing:
        """Endpoints and open requests."""
        made = tuple(e for e in self._store.endpoints() if e.state is not EndpointState.PENDING)
        return Listing(made, tuple(self._store.requests(open_only=True)))
