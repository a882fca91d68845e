"""The nouns: what is wanted (Spec), what would change (Change, Plan), who agreed, and how far a request has come.

Everything here is an immutable value. Times are aware UTC datetimes. Names are ASCII (IDNA A-labels), lower case,
without a trailing dot, unless a comment says otherwise.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

#: A value that exists only once an earlier change was made (the ARN of a certificate not requested yet).
LATER = "(known later)"

FIELD_MANAGER = "nlbtls"
#: What a request waits for at most, counted from the moment it was first asked of a person or of ACM (domain.md §5).
PATIENCE = timedelta(hours=72)


class Scheme(StrEnum):
    """Where the load balancer's addresses live."""

    INTERNET_FACING = "internet-facing"
    INTERNAL = "internal"


@dataclass(frozen=True)
class Spec:
    """What one endpoint shall be. Normalised once, when the request is made; never read from a message again."""

    hostname: str
    cluster: str
    namespace: str
    source: str  #: the Service that selector and target port are taken from; it is never touched
    port: int = 443
    target_port: str = ""  #: number or name; empty: what the source Service's port says
    scheme: Scheme = Scheme.INTERNET_FACING
    source_ranges: tuple[str, ...] = ()
    tls_policy: str = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
    key_algorithm: str = ""  #: ACM's word; empty: any that a listener takes, and RSA_2048 for a new certificate
    probe_path: str = "/"

    @property
    def service_name(self) -> str:
        """Name of the bot's own Service: readable, a DNS label, distinct even where dots and dashes collide."""
        suffix = hashlib.sha256(self.hostname.encode()).hexdigest()[:5]
        readable = self.hostname.replace(".", "-")
        if not readable[0].isalpha():  # Service names must start with a letter (RFC 1035 label), host names need not
            readable = "h-" + readable
        return f"{readable[:57].rstrip('-')}-{suffix}"


class Verb(StrEnum):
    """What a line of a plan does to a resource."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "keep"  #: exists already and fits
    ASK = "ask"  #: a person outside makes it; the bot only looks


class Resource(StrEnum):
    """The kinds of resource that a plan speaks of."""

    CERTIFICATE = "certificate"
    VALIDATION_RECORD = "validation record"
    SERVICE = "service"
    DNS_RECORD = "dns record"


Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One line of a plan. `before` and `after` hold only the fields that the change owns; None: does not exist."""

    verb: Verb
    resource: Resource
    name: str  #: identity in people's words, stable between plan and act ("app.example.com A in example.com (Z1)")
    before: Fields | None = None
    after: Fields | None = None

    @property
    def key(self) -> str:
        """Identity of the change inside one plan."""
        return f"{self.resource}:{self.name}"

    @property
    def is_effect(self) -> bool:
        """Whether the bot itself changes something with it."""
        return self.verb in (Verb.CREATE, Verb.CHANGE)


@dataclass(frozen=True)
class Finding:
    """Something worth knowing before approval. Never blocks; what blocks is a refusal."""

    sentence: str


@dataclass(frozen=True)
class Plan:
    """Everything an approval covers. Two plans with one digest are the same plan."""

    spec: Spec
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over spec and changes in canonical JSON; findings are remarks and do not count."""
        body = {"spec": asdict(self.spec), "changes": [asdict(c) for c in self.changes]}
        return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def id(self) -> str:
        """What people call the plan."""
        return self.digest[:6]

    @property
    def effects(self) -> tuple[Change, ...]:
        """The changes that the bot itself would make."""
        return tuple(c for c in self.changes if c.is_effect)


@dataclass(frozen=True)
class Facts:
    """What earlier rungs found and later rungs need. A cache of identities, never a proof: steps look again."""

    certificate_arn: str = ""
    certificate_requested_at: str = ""  #: ISO 8601; the 72 hours count from here
    validation_name: str = ""
    validation_value: str = ""
    validation_change: str = ""  #: Route 53 change id of the validation record
    load_balancer_arn: str = ""
    load_balancer_hostname: str = ""
    load_balancer_zone: str = ""  #: CanonicalHostedZoneId
    dual_stack: bool = False
    record_change: str = ""  #: Route 53 change id of the alias
    asked_at: str = ""  #: ISO 8601; when a person was first asked for the application record

    def with_(self, **changes: Any) -> "Facts":
        """A copy with some fields replaced."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Target:
    """A Service that a host name could be given to, and why it is a candidate."""

    cluster: str
    namespace: str
    service: str
    reason: str

    @property
    def ref(self) -> str:
        """cluster/namespace/service, as people type it and as a choice carries it."""
        return f"{self.cluster}/{self.namespace}/{self.service}"


# ---- the proof


class Answer(StrEnum):
    """Answer to one of the how-to's questions. UNKNOWN: cannot be seen from here."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class VerdictLine:
    """One question of the how-to with its answer and what was seen."""

    question: str
    answer: Answer
    detail: str


@dataclass(frozen=True)
class Verdict:
    """The proof. `remarks` are worth knowing but decide nothing."""

    lines: tuple[VerdictLine, ...]
    remarks: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)  #: issuer, names, not_after, tls, cipher, http_status …

    @property
    def proven(self) -> bool:
        """Nothing was seen that contradicts; what cannot be seen from here is not a failure."""
        return all(line.answer is not Answer.NO for line in self.lines)


# ---- decisions of a step: values, not exceptions


class WaitFor(StrEnum):
    """Who has to move next. Decides how often we look and what the card says."""

    CLOUD = "cloud"
    CONTROLLER = "controller"
    PERSON = "person"


@dataclass(frozen=True)
class Instructions:
    """A record that a person must make at another DNS provider, with everything needed to type it correctly."""

    purpose: str  #: "validation" or "application"
    type: str
    name: str  #: absolute, without trailing dot
    relative_name: str  #: as providers that append the zone want it; "@" at the apex
    zone: str  #: the zone as far as we can tell (its registrable domain, or the SOA's owner)
    value: str  #: without trailing dot
    ttl: int = 300
    traps: tuple[str, ...] = ()  #: what goes wrong at providers (domain.md F5, F8), one sentence each


@dataclass(frozen=True)
class Done:
    """The rung holds. `kept` is its line in a plan."""

    facts: Facts
    kept: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    verdict: Verdict | None = None  #: only the probe has one


@dataclass(frozen=True)
class Act:
    """The rung needs this change. `expected` are the facts as far as they are known before it is made."""

    change: Change
    expected: Facts
    payload: Any = None  #: what the step's own act() needs besides the change; never shown, never stored
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Wait:
    """Somebody else has to move. `recheck` is the time until the next look."""

    why: str
    recheck: timedelta
    wait_for: WaitFor = WaitFor.CLOUD
    instructions: Instructions | None = None
    problem: str = ""  #: what is wrong in plain words, if something is; posted once per distinct text
    found: str = ""  #: what was seen instead, in words, for instructions
    line: Change | None = None  #: its line in a plan
    facts: Facts | None = None  #: identities learnt meanwhile
    findings: tuple[Finding, ...] = ()
    warn_from: datetime | None = None  #: when the 72 hours began to count, if they do


@dataclass(frozen=True)
class Stop:
    """No way on without a person's decision. Says what happened and what to do next."""

    reason: str
    hint: str = ""
    verdict: Verdict | None = None


Decision = Done | Act | Wait | Stop


# ---- requests


class State(StrEnum):
    """Where a request stands. The first five are open, the others final."""

    PLANNING = "planning"
    CHOOSING = "choosing"  #: a person picks the Service
    WAITING = "waiting for approval"
    APPROVED = "approved"  #: approved, not yet compared with the world again
    RUNNING = "running"
    ACTIVE = "active"  #: proven
    PLANNED = "planned"  #: a dry run, shown
    UNCHANGED = "unchanged"  #: everything existed already and was proven
    REFUSED = "refused"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "stopped"

    @property
    def is_open(self) -> bool:
        """Whether the request still holds its host name."""
        return self in (State.PLANNING, State.CHOOSING, State.WAITING, State.APPROVED, State.RUNNING)


@dataclass(frozen=True)
class Progress:
    """What the card shows of one rung: when it was reached and when it held."""

    step: str
    began_at: datetime
    done_at: datetime | None = None


@dataclass(frozen=True)
class Request:
    """One change to one endpoint: who asked, what was planned, how far it came. `version` fences every write."""

    id: str
    endpoint_id: str
    generation: int
    hostname: str
    requester: str  #: opaque id of the person
    channel: str  #: opaque id of the place where it is discussed
    created_at: datetime
    state: State = State.PLANNING
    wish: Mapping[str, Any] = field(default_factory=dict)  #: the options as given: see requests.Wish
    dry_run: bool = False
    spec: Spec | None = None
    previous: Spec | None = None  #: what the endpoint is already, if anything was ever made of it
    kept_certificate: str = ""  #: ARN that the endpoint uses already; not exchanged for another without need
    candidates: tuple[Target, ...] = ()
    plan: Plan | None = None
    plan_version: int = 0
    approvals_needed: int = 1
    approvers: tuple[str, ...] = ()  #: as policy says: "@handle" or person ids
    approved_by: tuple[str, ...] = ()
    approved_at: datetime | None = None
    expires_at: datetime | None = None
    facts: Facts = field(default_factory=Facts)
    step: str = ""  #: scheduling hint: where it last waited
    step_since: datetime | None = None
    progress: tuple[Progress, ...] = ()
    wait: Mapping[str, Any] = field(default_factory=dict)  #: the last Wait, as the card and [Check now] show it
    attempts: int = 0  #: failed looks in a row, for backoff
    due_at: datetime | None = None  #: None: parked until an event
    group: str = ""
    reason: str = ""  #: why it stopped, was refused or rejected; one sentence
    hint: str = ""
    verdict: Verdict | None = None
    reply_to: str = ""  #: opaque; how to reach the requester privately for half an hour
    ended_at: datetime | None = None
    version: int = 0

    def with_(self, **changes: Any) -> "Request":
        """A copy with some fields replaced."""
        return replace(self, **changes)


class EndpointState(StrEnum):
    """What is known of an endpoint as a whole."""

    PENDING = "pending"
    ACTIVE = "active"
    INCOMPLETE = "incomplete"  #: its last request stopped half-way


@dataclass(frozen=True)
class Endpoint:
    """One host name that the bot looks after. Its id is the lasting key in tags, labels and the ownership TXT."""

    id: str
    hostname: str
    state: EndpointState
    generation: int
    spec: Spec | None
    facts: Facts
    created_at: datetime
    active_since: datetime | None = None
    version: int = 0


@dataclass(frozen=True)
class Event:
    """One line of the append-only record of a request."""

    kind: str  #: created, planned, approved, began, ended, waited, stopped …
    at: datetime
    actor: str  #: a person's id, or "nlbtls"
    data: Mapping[str, Any] = field(default_factory=dict)


class Audience(StrEnum):
    """Who shall see a notice."""

    THREAD = "thread"
    REQUESTER = "requester"  #: privately


@dataclass(frozen=True)
class Notice:
    """Something people shall be told; written in the same transaction as its cause, delivered and worded elsewhere."""

    kind: str  #: plan, choice, difference, instructions, found, warning, problem, verdict, stopped, refused …
    data: Mapping[str, Any] = field(default_factory=dict)
    audience: Audience = Audience.THREAD
