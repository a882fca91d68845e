"""First rung: a certificate for the host name exists in ACM, issued or at least asked for by us.

An issued certificate that covers the name is used as it is. Otherwise one is requested; its idempotency token lapses
after an hour (parts.md A5.6), so our tags are the key by which a later look finds it again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from services.certificates import NEW_KEY, gave_up, gone, usable
from services.errors import ServiceError
from services.model import LATER, Act, Change, Decision, Done, Facts, Finding, Resource, Verb, Wait
from services.ownership import TAG_ENDPOINT, TAG_GENERATION, TAG_INSTALLATION
from services.ports import Certificate, Certificates, CertificateSummary, World
from services.steps.step import Item, each, pace


@dataclass(frozen=True)
class Seen:
    """What ACM has for one host name."""

    region: str
    issued: CertificateSummary | None
    asked: Certificate | None  #: the one that we asked for, whatever became of it


class CertificateStep:
    """Reuse or request the certificate."""

    name = "certificate"

    def __init__(self, world: World) -> None:
        self._world = world

    def observe(self, batch: Sequence[Item]) -> Mapping[str, Seen | ServiceError]:
        """One listing per cluster; DescribeCertificate only for certificates that are ours and not issued yet."""
        seen: dict[str, Seen | ServiceError] = {}
        for cluster in dict.fromkeys(i.spec.cluster for i in batch):
            acm = self._world.certificates(cluster)
            listed = acm.list()
            seen |= each([i for i in batch if i.spec.cluster == cluster], partial(self._look, acm, listed))
        return seen

    def _look(self, acm: Certificates, listed: Sequence[CertificateSummary], item: Item) -> Seen:
        issued = usable(listed, item.spec, item.now, preferred=item.facts.certificate_arn or item.kept_certificate)
        asked = None if issued else self._asked(acm, listed, item)
        return Seen(self._world.region(item.spec.cluster), issued, asked)

    def _asked(self, acm: Certificates, listed: Sequence[CertificateSummary], item: Item) -> Certificate | None:
        if item.facts.certificate_arn:
            return acm.describe(item.facts.certificate_arn)
        ours = {TAG_INSTALLATION: self._world.installation, TAG_ENDPOINT: item.endpoint_id}
        for summary in listed:
            if summary.status == "PENDING_VALIDATION" and summary.domain == item.spec.hostname:
                tags = acm.tags(summary.arn)
                if all(tags.get(k) == v for k, v in ours.items()):
                    return acm.describe(summary.arn)
        return None

    def decide(self, item: Item, seen: Seen) -> Decision:
        """See the module."""
        return decide(item, seen)

    def act(self, batch: Sequence[tuple[Item, Act]]) -> Mapping[str, Facts | ServiceError]:
        """RequestCertificate; ACM has no bulk form of it."""
        outcome: dict[str, Facts | ServiceError] = {}
        for item, _ in batch:
            try:
                arn = self._world.certificates(item.spec.cluster).request(
                    item.spec.hostname,
                    token=token(item),
                    tags={
                        TAG_INSTALLATION: self._world.installation,
                        TAG_ENDPOINT: item.endpoint_id,
                        TAG_GENERATION: str(item.generation),
                    },
                    key_algorithm=item.spec.key_algorithm or NEW_KEY,
                )
            except ServiceError as error:
                outcome[item.request_id] = error
            else:
                outcome[item.request_id] = item.facts.with_(
                    certificate_arn=arn, certificate_requested_at=item.now.isoformat()
                )
        return outcome


def token(item: Item) -> str:
    """ACM's idempotency token: 32 word characters, the same after a crash, another one for a later request."""
    return hashlib.sha256(f"{item.endpoint_id}:{item.generation}".encode()).hexdigest()[:32]


def decide(item: Item, seen: Seen) -> Decision:
    """Reuse, request, wait until ACM has made up the validation record, or say why ACM gave up."""
    name = f"{item.spec.hostname} in {seen.region}"
    if seen.issued:
        return _reuse(item, seen.issued, name)
    if seen.asked is None and item.facts.certificate_arn:
        # RequestCertificate answered, DescribeCertificate does not know it yet: "a delay of several seconds"
        return _not_visible_yet(item)
    if seen.asked is None:
        wanted = {"names": [item.spec.hostname], "key": item.spec.key_algorithm or NEW_KEY, "validation": "DNS"}
        expected = item.facts.with_(certificate_arn=LATER, validation_name=LATER, validation_value=LATER)
        return Act(Change(Verb.CREATE, Resource.CERTIFICATE, name, None, wanted), expected)
    asked = seen.asked
    if asked.status not in ("PENDING_VALIDATION", "ISSUED"):
        return gave_up(asked)
    requested = (asked.created_at or item.now).isoformat()
    facts = item.facts.with_(certificate_arn=asked.arn, certificate_requested_at=requested)
    record = next((v for v in asked.validations if v.domain == item.spec.hostname), None)
    line = Change(Verb.KEEP, Resource.CERTIFICATE, name, None, {"arn": asked.arn})
    if asked.status == "PENDING_VALIDATION" and (record is None or not record.record_name):
        return Wait("ACM is making up the validation record.", pace(item.now - item.since), line=line, facts=facts)
    if record is not None:
        facts = facts.with_(validation_name=record.record_name, validation_value=record.record_value)
    return Done(facts, (line,))


def _reuse(item: Item, issued: CertificateSummary, name: str) -> Done:
    findings: tuple[Finding, ...] = ()
    if issued.type == "IMPORTED":
        findings = (Finding("The certificate was imported: ACM will not renew it."),)
    line = Change(Verb.KEEP, Resource.CERTIFICATE, name, None, {"arn": issued.arn})
    return Done(item.facts.with_(certificate_arn=issued.arn), (line,), findings)


def _not_visible_yet(item: Item) -> Decision:
    if item.now - item.since > timedelta(minutes=10):
        return gone(item.facts.certificate_arn)
    return Wait("ACM has taken the request and does not show it yet.", pace(item.now - item.since))
