"""Third rung: the bot's own Service exists as approved, the controller made an NLB of it, and the NLB is active.

The Service that a person named is the source of selector and target port and is not touched. Fields are applied
server-side as field manager nlbtls, never forced: another manager's field is a conflict to show (design §3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from services.controller_events import explain
from services.errors import Refused, ServiceError
from services.model import (
    FIELD_MANAGER,
    LATER,
    Act,
    Change,
    Decision,
    Done,
    Facts,
    Finding,
    Resource,
    Spec,
    Stop,
    Verb,
    Wait,
    WaitFor,
)
from services.ownership import ENDPOINT, INSTALLATION
from services.ports import Cluster, ControllerEvent, LoadBalancer, Service, World
from services.steps.step import Item, each, pace

PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
SCHEME = f"{PREFIX}scheme"
CONTROLLER_PATIENCE = timedelta(minutes=30)
#: A running controller says something within seconds; after this long nobody seems to listen (F15).
SILENCE = timedelta(minutes=2)


@dataclass(frozen=True)
class Seen:
    """Source, own Service, what the controller said of it, and the NLB."""

    installation: str
    source: Service | None
    own: Service | None
    events: tuple[ControllerEvent, ...]
    load_balancer: LoadBalancer | None


class LoadBalancerStep:
    """Apply the Service; wait for the controller and for the NLB."""

    name = "load_balancer"

    def __init__(self, world: World) -> None:
        self._world = world

    def observe(self, batch: Sequence[Item]) -> Mapping[str, Seen | ServiceError]:
        """Per cluster one listing of our Services and one of the NLBs that they name; events only where needed."""
        seen: dict[str, Seen | ServiceError] = {}
        for cluster in dict.fromkeys(i.spec.cluster for i in batch):
            items = [i for i in batch if i.spec.cluster == cluster]
            kubernetes = self._world.kubernetes(cluster)
            labels = {INSTALLATION: self._world.installation}
            own = {(s.namespace, s.name): s for s in kubernetes.services(labels=labels)}
            balancers = self._balancers(cluster, items, own)
            seen |= each(items, partial(self._look, kubernetes, own, balancers))
        return seen

    def _balancers(
        self, cluster: str, items: Sequence[Item], own: Mapping[tuple[str, str], Service]
    ) -> Mapping[str, LoadBalancer]:
        """By hostname. One that was met before is asked for by its ARN: its state as it is now, 20 in a call."""
        services = [own.get((i.spec.namespace, i.spec.service_name)) for i in items]
        wanted = {s.load_balancer_hostname for s in services if s and s.load_balancer_hostname}
        elb = self._world.load_balancers(cluster)
        met = {i.facts.load_balancer_arn for i in items} - {"", LATER}
        found = {b.hostname: b for b in elb.by_arn(met).values()} if met else {}
        missing = wanted - found.keys()
        return {**found, **elb.by_hostname(missing)} if missing else found

    def _look(
        self,
        kubernetes: Cluster,
        listed: Mapping[tuple[str, str], Service],
        balancers: Mapping[str, LoadBalancer],
        item: Item,
    ) -> Seen:
        spec = item.spec
        own = listed.get((spec.namespace, spec.service_name))
        if own is None:  # not ours by label: somebody else may hold the name
            own = kubernetes.service(spec.namespace, spec.service_name)
        source = kubernetes.service(spec.namespace, spec.source)
        balancer = balancers.get(own.load_balancer_hostname) if own else None
        settled = balancer is not None and balancer.state == "active"
        events = tuple(kubernetes.events(own)) if own and not settled else ()
        return Seen(self._world.installation, source, own, events, balancer)

    def decide(self, item: Item, seen: Seen) -> Decision:
        """See the module."""
        return decide(item, seen)

    def act(self, batch: Sequence[tuple[Item, Act]]) -> Mapping[str, Facts | ServiceError]:
        """Server-side apply, one Service each: Kubernetes has no bulk form."""
        outcome: dict[str, Facts | ServiceError] = {}
        for item, change in batch:
            try:
                applied = self._world.kubernetes(item.spec.cluster).apply(change.payload)
            except ServiceError as error:
                outcome[item.request_id] = error
            else:
                outcome[item.request_id] = _held_back(change.payload, applied) or item.facts
        return outcome


def _held_back(manifest: Mapping[str, Any], applied: Service) -> Refused | None:
    """Apply adds to lists and maps, it takes nothing away that another manager put there: then say so, once."""
    current, wanted = current_fields(applied), owned_fields(manifest)
    stuck = next((k for k, v in wanted.items() if current.get(k) != v), None)
    if stuck is None:
        return None
    return Refused(
        f"Kubernetes took the Service {applied.namespace}/{applied.name}, but its field {stuck} stays otherwise than "
        "applied: somebody else holds a part of it.",
        hint="Let its owner (kubectl get service --show-managed-fields) take that part back.",
    )


def decide(item: Item, seen: Seen) -> Decision:
    """Apply what differs from the wanted fields, then follow controller and NLB."""
    port = target_port(item.spec, seen.source)
    if isinstance(port, Stop) or seen.source is None:
        return port if isinstance(port, Stop) else Stop(f"The Service {item.spec.source} is gone.")
    manifest = build_manifest(item, seen.installation, seen.source, port)
    wanted = owned_fields(manifest)
    name = f"{item.spec.cluster}/{item.spec.namespace}/{item.spec.service_name}"
    expected = item.facts.with_(load_balancer_arn=LATER, load_balancer_hostname=LATER, load_balancer_zone=LATER)
    if seen.own is None:
        return Act(
            Change(Verb.CREATE, Resource.SERVICE, name, None, wanted), expected, manifest, _findings(seen.source)
        )
    refusal = _not_ours(item, seen)
    if refusal:
        return refusal
    current = {k: v for k, v in current_fields(seen.own).items() if k in wanted}
    if current.get(SCHEME, wanted[SCHEME]) != wanted[SCHEME]:  # domain.md §1.3
        return Stop(
            f"The NLB is {current[SCHEME]}; making it {wanted[SCHEME]} would delete it and make another one.",
            "That is not possible yet. Nothing was changed; ask for the scheme that it has.",
        )
    if current != wanted:
        change = Change(Verb.CHANGE, Resource.SERVICE, name, current, wanted)
        return Act(change, _kept(item, seen) or expected, manifest)
    return _follow(item, seen, seen.own, Change(Verb.KEEP, Resource.SERVICE, name, None, wanted))


def _kept(item: Item, seen: Seen) -> Facts | None:
    """A changed annotation changes the NLB in place: its name is known already, if there is one."""
    if seen.own is None or seen.load_balancer is None:
        return None
    return _facts(item.facts, seen.own, seen.load_balancer)


def _facts(facts: Facts, own: Service, balancer: LoadBalancer) -> Facts:
    return facts.with_(
        load_balancer_hostname=own.load_balancer_hostname,
        load_balancer_arn=balancer.arn,
        load_balancer_zone=balancer.zone_id,
        dual_stack=balancer.dual_stack,
    )


def _not_ours(item: Item, seen: Seen) -> Stop | Wait | None:
    own = seen.own
    if own is None:
        return None
    ours = own.labels.get(INSTALLATION) == seen.installation and own.labels.get(ENDPOINT) == item.endpoint_id
    if not ours:
        return Stop(
            f"A Service {own.namespace}/{own.name} exists already and was not made for this endpoint.",
            "It was not touched. Remove or rename it, then create the endpoint again.",
        )
    if own.deleting:
        return Wait(
            f"The Service {own.namespace}/{own.name} is being deleted; its controller has not finished.",
            pace(item.now - item.since),
            WaitFor.CONTROLLER,
        )
    return None


def _follow(item: Item, seen: Seen, own: Service, line: Change) -> Decision:
    age = item.now - item.since
    problem = explain(seen.events)
    if not own.load_balancer_hostname:
        if age > CONTROLLER_PATIENCE:
            return Stop(
                problem or _silence(own, CONTROLLER_PATIENCE),
                "Mend the cause in the cluster, then create the endpoint again.",
            )
        if not problem and not seen.events and age > SILENCE:
            problem = _silence(own, SILENCE)
        why = "The load balancer controller is making the NLB."
        return Wait(why, pace(age), WaitFor.CONTROLLER, problem=problem, line=line)
    facts = item.facts.with_(load_balancer_hostname=own.load_balancer_hostname)
    balancer = seen.load_balancer
    if balancer and balancer.state == "failed":
        return Stop(
            f"AWS could not make the NLB: {balancer.reason or 'no reason given'}.", "The Service stays as it is."
        )
    if balancer is None or balancer.state == "provisioning":
        if age > CONTROLLER_PATIENCE:
            return Stop(f"The NLB {own.load_balancer_hostname} is not active after {_minutes(age)} minutes.", problem)
        if balancer:
            facts = facts.with_(load_balancer_arn=balancer.arn)
        why = "The NLB is being provisioned (usually 2 to 4 minutes)."
        return Wait(why, pace(age), problem=problem, line=line, facts=facts)
    return Done(_facts(facts, own, balancer), (line,))


def _silence(own: Service, age: timedelta) -> str:
    return (
        f"No load balancer controller took up the Service {own.namespace}/{own.name} within {_minutes(age)} minutes. "
        "Is the AWS Load Balancer Controller running, and does it serve Services of type external?"
    )


def _minutes(age: timedelta) -> int:
    return int(age.total_seconds() // 60)


def _findings(source: Service) -> tuple[Finding, ...]:
    if source.type == "LoadBalancer":
        return (Finding(f"The Service {source.name} has a load balancer of its own; this makes a second one."),)
    return ()


def target_port(spec: Spec, source: Service | None) -> str | Stop:
    """The pods' port: as asked for, else what the source Service's only TCP port says."""
    if source is None:
        return Stop(f"There is no Service {spec.source} in namespace {spec.namespace} of cluster {spec.cluster}.")
    if not source.selector:
        return Stop(f"The Service {spec.source} has no selector, so nothing says which pods it means.")
    if spec.target_port:
        return spec.target_port
    ports = [p for p in source.ports if p.protocol == "TCP"]
    if len(ports) == 1:
        return ports[0].target_port
    listed = ", ".join(f"{p.name or p.port} → {p.target_port}" for p in ports) or "none"
    return Stop(
        f"The Service {spec.source} has {len(ports)} TCP ports ({listed}); which one is meant is not guessed.",
        "Say --target-port with the port of the pods.",
    )


def build_manifest(item: Item, installation: str, source: Service, port: str) -> dict[str, Any]:
    """The bot's own Service: the how-to's annotations and a modern TLS policy (domain.md §0)."""
    spec = item.spec
    body: dict[str, Any] = {
        "type": "LoadBalancer",
        "selector": dict(source.selector),
        "ports": [
            {
                "name": "https",
                "protocol": "TCP",
                "port": spec.port,
                "targetPort": int(port) if port.isdigit() else port,
            }
        ],
    }
    if spec.source_ranges:
        body["loadBalancerSourceRanges"] = list(spec.source_ranges)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": spec.service_name,
            "namespace": spec.namespace,
            "labels": {
                "app.kubernetes.io/managed-by": FIELD_MANAGER,
                INSTALLATION: installation,
                ENDPOINT: item.endpoint_id,
            },
            "annotations": {
                f"{PREFIX}type": "external",
                f"{PREFIX}nlb-target-type": "ip",
                f"{PREFIX}scheme": spec.scheme.value,
                f"{PREFIX}ssl-cert": item.facts.certificate_arn,
                f"{PREFIX}ssl-ports": str(spec.port),
                f"{PREFIX}ssl-negotiation-policy": spec.tls_policy,
            },
        },
        "spec": body,
    }


def owned_fields(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the change owns, flat, as a plan shows and compares them."""
    spec = manifest["spec"]
    port = spec["ports"][0]
    return {
        "type": spec["type"],
        "selector": dict(spec["selector"]),
        "ports": [f"{port['port']} → {port['targetPort']}"],
        "source ranges": sorted(spec.get("loadBalancerSourceRanges", ())),
        **manifest["metadata"]["annotations"],
    }


def current_fields(service: Service) -> dict[str, Any]:
    """The same fields of a Service as it is, with every annotation that it has."""
    return {
        "type": service.type,
        "selector": dict(service.selector),
        "ports": [f"{p.port} → {p.target_port}" for p in service.ports],
        "source ranges": sorted(service.source_ranges),
        **service.annotations,
    }
