"""Last rung: the proof. Answers the three questions with which the manual how-to ends (design §1).

Does the connection succeed, which certificate is used, does it reach the expected endpoint in the cluster? Every
address of the NLB is tried; what cannot be seen from here is "unknown", not a failure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.errors import ServiceError
from services.model import (
    Act,
    Answer,
    Decision,
    Done,
    Facts,
    Scheme,
    Stop,
    Verdict,
    VerdictLine,
    Wait,
)
from services.ports import Handshake, Leaf, Listener, RegisteredTarget, World
from services.steps.step import Item, each, pace

#: Target registration takes up to 3 minutes (domain.md §7b), and resolvers hold an old "no such name" for as long as
#: the zone's SOA lets them (F36): 15 minutes in a zone of Route 53.
PROBE_PATIENCE = timedelta(minutes=20)

CONNECTS = "Does the connection succeed?"
CERTIFICATE = "Which certificate is used?"
REACHES = "Does it reach the expected endpoint in the cluster?"


@dataclass(frozen=True)
class Seen:
    """Everything that the proof rests on."""

    balancer_addresses: tuple[str, ...] = ()
    name_addresses: tuple[str, ...] = ()  #: what the host name itself resolves to
    handshakes: tuple[Handshake, ...] = ()
    leaf: Leaf | None = None
    listeners: tuple[Listener, ...] = ()
    targets: tuple[RegisteredTarget, ...] = ()
    ready: frozenset[str] = frozenset()


class ProbeStep:
    """Prove the endpoint. Changes nothing."""

    name = "probe"

    def __init__(self, world: World) -> None:
        self._world = world

    def observe(self, batch: Sequence[Item]) -> Mapping[str, Seen | ServiceError]:
        """There is no bulk form of a proof: each endpoint is looked at by itself."""
        return each(batch, self._look)

    def _look(self, item: Item) -> Seen:
        facts, spec = item.facts, item.spec
        addresses = self._world.resolver.addresses(facts.load_balancer_hostname)
        shake = self._world.prober.shake
        balancers = self._world.load_balancers(spec.cluster)
        listeners = tuple(balancers.listeners(facts.load_balancer_arn))
        groups = {arn for listener in listeners if listener.port == spec.port for arn in listener.target_group_arns}
        return Seen(
            balancer_addresses=addresses,
            name_addresses=self._world.resolver.addresses(spec.hostname),
            handshakes=tuple(shake(a, spec.port, server_name=spec.hostname, path=spec.probe_path) for a in addresses),
            leaf=self._world.certificates(spec.cluster).leaf(facts.certificate_arn),
            listeners=listeners,
            targets=tuple(t for arn in sorted(groups) for t in balancers.targets(arn)),
            ready=self._world.kubernetes(spec.cluster).ready_addresses(spec.namespace, spec.service_name),
        )

    def decide(self, item: Item, seen: Seen) -> Decision:
        """See the module."""
        return decide(item, seen)

    def act(self, batch: Sequence[tuple[Item, Act]]) -> Mapping[str, Facts | ServiceError]:
        """A probe never acts."""
        raise AssertionError(f"the probe was asked to act on {[i.request_id for i, _ in batch]}")


def decide(item: Item, seen: Seen) -> Decision:
    """Done with the verdict; not yet, while things still settle; or stop with the verdict that contradicts."""
    age = item.now - item.since
    verdict = judge(item, seen)
    if verdict.proven:
        return Done(item.facts, verdict=verdict)
    wrong = [line for line in verdict.lines if line.answer is Answer.NO]
    if age < PROBE_PATIENCE:
        return Wait(f"The probe is not satisfied yet: {wrong[0].detail}", pace(age))
    return Stop(
        f"Everything was made, but the probe contradicts: {wrong[0].detail}",
        "Mend the cause, then create the endpoint again: what exists is kept and only the proof is repeated.",
        verdict,
    )


def judge(item: Item, seen: Seen) -> Verdict:
    """The verdict on what was seen."""
    lines = (_connects(item, seen), _certificate(item, seen), _reaches(item, seen))
    return Verdict(lines, _remarks(item, seen), _shown(item, seen))


def _connects(item: Item, seen: Seen) -> VerdictLine:
    spec = item.spec
    internal = spec.scheme is Scheme.INTERNAL
    if not seen.balancer_addresses:
        if internal:
            return VerdictLine(CONNECTS, Answer.UNKNOWN, "Unknown from here: the internal NLB's name has no address.")
        return VerdictLine(CONNECTS, Answer.NO, "The NLB's name does not resolve to any address yet.")
    dead = [h for h in seen.handshakes if not h.connected]
    if internal and len(dead) == len(seen.handshakes):
        text = "Unknown from here: the NLB is internal and this bot is not in its network."
        return VerdictLine(CONNECTS, Answer.UNKNOWN, text)
    if dead:
        text = f"{len(dead)} of {len(seen.handshakes)} addresses failed: {dead[0].address} {dead[0].error}."
        return VerdictLine(CONNECTS, Answer.NO, text)
    strangers = sorted(set(seen.name_addresses) - set(seen.balancer_addresses))
    if strangers:
        text = f"{spec.hostname} resolves to {', '.join(strangers)}, which is not this NLB."
        return VerdictLine(CONNECTS, Answer.NO, text)
    if not seen.name_addresses:
        text = f"{spec.hostname} does not resolve yet; caches may still hold that it does not exist."
        return VerdictLine(CONNECTS, Answer.NO, text)
    versions = ", ".join(sorted({f"{h.tls_version} {h.cipher}" for h in seen.handshakes}))
    count = len(seen.handshakes)
    every = f"all {count} addresses of the NLB" if count > 1 else "the one address of the NLB"
    return VerdictLine(CONNECTS, Answer.YES, f"Yes, on {every}, port {spec.port}: {versions}.")


def _certificate(item: Item, seen: Seen) -> VerdictLine:
    served = [h for h in seen.handshakes if h.leaf_sha256]
    if not served:
        return VerdictLine(CERTIFICATE, Answer.UNKNOWN, "Unknown: no address showed a certificate.")
    if seen.leaf is None:
        return VerdictLine(CERTIFICATE, Answer.NO, "ACM does not hold an issued certificate under this ARN any more.")
    for shake in served:
        if shake.leaf_sha256 != seen.leaf.sha256:
            text = (
                f"{shake.address} serves another certificate than ACM holds: serial {shake.leaf_serial}, "
                f"issued by {shake.issuer} for {', '.join(shake.leaf_names[:3])}."
            )
            return VerdictLine(CERTIFICATE, Answer.NO, text)
        if not shake.trusted:
            text = f"It is ACM's certificate, but a client would not accept it: {shake.distrust}."
            return VerdictLine(CERTIFICATE, Answer.NO, text)
    text = (
        f"The one that ACM holds: serial {seen.leaf.serial}, issued by {served[0].issuer}, "
        f"valid until {_day(seen.leaf.not_after)}; chain, name and dates hold."
    )
    return VerdictLine(CERTIFICATE, Answer.YES, text)


def _reaches(item: Item, seen: Seen) -> VerdictLine:
    listener = next((x for x in seen.listeners if x.port == item.spec.port), None)
    if listener is None:
        return VerdictLine(REACHES, Answer.NO, f"The NLB has no listener on port {item.spec.port}.")
    current = [t for t in seen.targets if t.state not in ("draining", "unhealthy.draining")]
    registered = {t.address for t in current}
    if not seen.ready:
        return VerdictLine(REACHES, Answer.NO, f"No pod of {item.spec.source} is ready.")
    if registered - seen.ready:
        text = (
            f"The NLB also sends to {', '.join(sorted(registered - seen.ready))}: no ready pods of {item.spec.source}."
        )
        return VerdictLine(REACHES, Answer.NO, text)
    if seen.ready - registered:
        text = (
            f"The NLB does not send to {', '.join(sorted(seen.ready - registered))}, a ready pod of {item.spec.source}."
        )
        return VerdictLine(REACHES, Answer.NO, text)
    sick = [t for t in current if t.state != "healthy"]
    if sick:
        reason = sick[0].reason or sick[0].description
        text = (
            f"{len(sick)} of {len(current)} targets are not healthy: {sick[0].address} is {sick[0].state} ({reason})."
        )
        return VerdictLine(REACHES, Answer.NO, text)
    answer = _http(seen)
    source, count = f"{item.spec.namespace}/{item.spec.source}", len(seen.ready)
    text = f"The targets are the {count} ready pods of {source}, all healthy"
    if count == 1:
        text = f"The target is the one ready pod of {source}, and healthy"
    return VerdictLine(REACHES, Answer.YES, f"{text}; {answer}." if answer else f"{text}.")


def _http(seen: Seen) -> str:
    statuses = sorted({h.http_status for h in seen.handshakes if h.http_status is not None})
    return f"HTTP answered {', '.join(map(str, statuses))}" if statuses else ""


def _remarks(item: Item, seen: Seen) -> tuple[str, ...]:
    remarks = []
    connected = [h for h in seen.handshakes if h.connected]
    if connected and all(h.http_status is None for h in connected):
        remarks.append("The pods gave no HTTP answer; if they speak another protocol, that is as it should be.")
    if any(h.http_status == 400 for h in connected):
        remarks.append("HTTP 400: perhaps the pods expect TLS, while the NLB sends plain text to them (F21).")
    if any(h.http_status is not None and h.http_status >= 500 for h in connected):
        remarks.append(f"The application itself answers {_http(seen).split()[-1]} on {item.spec.probe_path}.")
    listener = next((x for x in seen.listeners if x.port == item.spec.port), None)
    if listener and listener.ssl_policy and listener.ssl_policy != item.spec.tls_policy:
        remarks.append(f"The listener uses the TLS policy {listener.ssl_policy}, not {item.spec.tls_policy}.")
    return tuple(remarks)


def _shown(item: Item, seen: Seen) -> dict[str, str]:
    shown = {
        "load_balancer": item.facts.load_balancer_hostname,
        "certificate_arn": item.facts.certificate_arn,
        "probed_at": item.now.isoformat(),
    }
    if seen.leaf:
        shown |= {"serial": seen.leaf.serial, "not_after": seen.leaf.not_after.isoformat()}
    first = next((h for h in seen.handshakes if h.connected), None)
    if first:
        shown |= {
            "issuer": first.issuer,
            "names": ", ".join(first.leaf_names),
            "tls": first.tls_version,
            "cipher": first.cipher,
            "http_status": str(first.http_status or ""),
            "latency_ms": str(round(first.seconds * 1000)),
        }
    return shown


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")
