"""From a request to a plan: find the target, let policy speak, walk the ladder without acting.

The same `decide` functions that later run the request say here what they would change, with `LATER` for what cannot
be known yet. Nothing is written anywhere.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from services.errors import ServiceError, Transient
from services.model import Act, Change, Done, Facts, Finding, Plan, Request, Scheme, Spec, Stop, Target, Wait
from services.ownership import INSTALLATION
from services.policy import (
    Members,
    Policy,
    Rule,
    allows_namespace,
    groups_named,
    possible_approvers,
    refusal,
)
from services.ports import Clock, Directory, Service, World
from services.steps.step import Item, Step
from services.targets import allowed_targets, named_targets
from services.wish import Wish


@dataclass(frozen=True)
class Planned:
    """A plan that somebody may approve."""

    plan: Plan
    approvers: tuple[str, ...]
    approvals: int
    expires_after: timedelta


@dataclass(frozen=True)
class Choose:
    """A person has to pick the Service. `named`: something names each of them; else they are merely allowed."""

    candidates: tuple[Target, ...]
    named: bool


@dataclass(frozen=True)
class Refusal:
    """There can be no plan."""

    sentence: str
    hint: str = ""


@dataclass(frozen=True)
class NotYet:
    """Something could not be seen just now; ask again."""

    why: str


Outcome = Planned | Choose | Refusal | NotYet

#: Choices that fit into one Slack menu.
MOST_CANDIDATES = 100


class Planner:
    """Makes plans. Reads the world; never writes to it."""

    def __init__(
        self, world: World, ladder: Sequence[Step], policy: Policy, directory: Directory, default_tls: str, clock: Clock
    ) -> None:
        self._world = world
        self._ladder = ladder
        self._policy = policy
        self._directory = directory
        self._default_tls = default_tls
        self._clock = clock

    def plan(self, request: Request) -> Outcome:
        """The plan for a request as the world is now. Raises ServiceError if the world cannot be read."""
        members = self.members(request.hostname)
        rules = self._policy.admitting(request.hostname, request.requester, request.channel, members)
        if not rules:
            return Refusal(self.not_admitted(request.hostname), "Ask the owner of the policy.")
        target = self._target(request, rules)
        if not isinstance(target, Target):
            return target
        spec = self._spec(request, target)
        moved = moves(request.previous, spec)
        if moved:
            return moved
        rule = self._policy.rule_for(spec, request.requester, request.channel, members)
        if rule is None:
            return Refusal(refusal(rules, spec))
        unapprovable = too_few(request, rule, members)
        if unapprovable:
            return unapprovable
        why = Finding(f"{spec.namespace}/{spec.source} is the Service: {target.reason}.")
        return self._walk(request, spec, rule, why)

    def members(self, hostname: str) -> Members:
        """Live members of every group that the rules for a host name speak of; unknown groups are left out."""
        found: dict[str, frozenset[str]] = {}
        for rule in self._policy.rules_for(hostname):
            for handle in groups_named((*rule.requesters, *rule.approvers)) - found.keys():
                people = self._directory.members(handle)
                if people is not None:
                    found[handle] = people
        return found

    def admits(self, hostname: str, person: str, channel: str, members: Members) -> bool:
        """Whether any rule lets this person ask for the host name here."""
        return bool(self._policy.admitting(hostname, person, channel, members))

    def not_admitted(self, hostname: str) -> str:
        """The sentence for a person whom no rule admits."""
        rules = self._policy.rules_for(hostname)
        if not rules:
            return f"No policy allows anybody to ask for {hostname}."
        allowed = ", ".join(sorted({n for r in rules for n in r.requesters}))
        return f"Policy does not let you ask for {hostname} here. Allowed: {allowed}."

    def rule(self, request: Request, members: Members) -> Rule | None:
        """The rule by which the request was planned, as the policy is now."""
        if request.spec is None:
            return None
        return self._policy.rule_for(request.spec, request.requester, request.channel, members)

    # ---- the target

    def _target(self, request: Request, rules: Sequence[Rule]) -> Target | Choose | Refusal:
        wish = Wish.from_json(request.wish)
        if wish.cluster and wish.cluster not in self._world.clusters:
            return Refusal(unknown("cluster", wish.cluster, self._world.clusters))
        clusters = [wish.cluster] if wish.cluster else list(self._world.clusters)
        missing = self._missing_namespace(wish, clusters, rules)
        if missing:
            return missing
        services = {c: self._world.kubernetes(c).services(wish.namespace or None) for c in clusters}
        if wish.service and wish.namespace:
            return self._exact(wish, services, rules)
        named = named_targets(request.hostname, wish, self._policy, rules, services)
        if len(named) == 1:
            return named[0]
        candidates = named or allowed_targets(wish, rules, services)
        if wish.service and len(candidates) == 1:
            return replace(candidates[0], reason="you named it")
        if candidates:
            return Choose(tuple(candidates[:MOST_CANDIDATES]), bool(named))
        return Refusal(
            f"There is no Service that policy allows for {request.hostname}.",
            "Say which one: --service NAMESPACE/NAME.",
        )

    def _missing_namespace(self, wish: Wish, clusters: Sequence[str], rules: Sequence[Rule]) -> Refusal | None:
        if not wish.namespace:
            return None
        known = {n for c in clusters for n in self._world.kubernetes(c).namespaces()}
        if wish.namespace in known:
            return None
        where = clusters[0] if len(clusters) == 1 else "any cluster"
        shown = sorted(n for n in known if any(allows_namespace(r, n) for r in rules))
        return Refusal(unknown("namespace", wish.namespace, shown, where))

    def _exact(
        self, wish: Wish, services: Mapping[str, Sequence[Service]], rules: Sequence[Rule]
    ) -> Target | Choose | Refusal:
        if any(s.name == wish.service and INSTALLATION in s.labels for listed in services.values() for s in listed):
            return Refusal(f"The Service {wish.namespace}/{wish.service} was made by this bot; name the one behind it.")
        found = [
            Target(c, s.namespace, s.name, "you named it")
            for c, listed in services.items()
            for s in listed
            if (s.namespace, s.name) == (wish.namespace, wish.service)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            return Choose(tuple(found), named=True)
        names = sorted({t.service for t in allowed_targets(replace(wish, service=""), rules, services)})
        return Refusal(unknown("Service", wish.service, names, f"namespace {wish.namespace}"))

    def _spec(self, request: Request, target: Target) -> Spec:
        wish = Wish.from_json(request.wish)
        return Spec(
            hostname=request.hostname,
            cluster=target.cluster,
            namespace=target.namespace,
            source=target.service,
            port=wish.port,
            target_port=wish.target_port,
            scheme=Scheme(wish.scheme),
            source_ranges=wish.source_ranges,
            tls_policy=wish.tls_policy or self._default_tls,
            key_algorithm=wish.key_algorithm,
            probe_path=wish.path,
        )

    # ---- the ladder

    def _walk(self, request: Request, spec: Spec, rule: Rule, why: Finding) -> Outcome:
        now = self._clock()
        facts = Facts()
        changes: list[Change] = []
        findings = [why]
        for step in self._ladder:
            item = Item(
                request.id, request.endpoint_id, request.generation, spec, facts, now, now, request.kept_certificate
            )
            seen = step.observe([item])[request.id]
            if isinstance(seen, ServiceError):
                raise seen
            decision = step.decide(item, seen)
            findings += getattr(decision, "findings", ())
            match decision:
                case Done():
                    changes += decision.kept
                    facts = decision.facts
                case Act():
                    changes.append(decision.change)
                    facts = decision.expected
                case Wait(line=None):
                    return NotYet(decision.problem or decision.why)
                case Wait():
                    changes += [decision.line] if decision.line else []
                    facts = decision.facts or facts
                case Stop():
                    return Refusal(decision.reason, decision.hint)
        plan = Plan(spec, tuple(changes), tuple(dict.fromkeys(findings)))
        return Planned(plan, rule.approvers, rule.approvals, rule.expires_after)


def moves(previous: Spec | None, spec: Spec) -> Refusal | None:
    """An endpoint stays where it is: elsewhere it would be a second Service, with the first one left over."""
    if previous is None or (previous.cluster, previous.namespace) == (spec.cluster, spec.namespace):
        return None
    return Refusal(
        f"{spec.hostname} lives in {previous.cluster}/{previous.namespace} already; "
        f"it cannot be moved to {spec.cluster}/{spec.namespace} yet.",
        "Nothing was changed. Ask for it where it is.",
    )


def too_few(request: Request, rule: Rule, members: Members) -> Refusal | None:
    """A request that could never be approved is refused at once."""
    able = possible_approvers(request, rule, members)
    if len(able) >= rule.approvals:
        return None
    counted = ", and the requester does not count" if rule.four_eyes else ""
    who = ", ".join(rule.approvers) or "nobody"
    hint = "Fill the group, or let somebody else ask."
    if not able:
        return Refusal(f"Nobody could approve this: policy names {who}{counted}.", hint)
    return Refusal(
        f"Policy asks for {rule.approvals} approvals; of {who} only {len(able)} could give one{counted}.", hint
    )


def unknown(noun: str, name: str, known: Sequence[str], where: str = "") -> str:
    """The sentence for a name that does not exist, with the nearest that does."""
    place = f" in {where}" if where else ""
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"There is no {noun} {name!r}{place}. Did you mean {near[0]!r}?"
    listed = ", ".join(known[:10]) + (" …" if len(known) > 10 else "")
    return f"There is no {noun} {name!r}{place}. There are: {listed or 'none'}."


def trouble(error: ServiceError) -> NotYet | Refusal:
    """What an unreadable world means for planning."""
    if isinstance(error, Transient):
        return NotYet(error.sentence)
    return Refusal(error.sentence, error.hint)
