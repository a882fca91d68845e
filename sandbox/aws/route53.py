"""Route 53 over moto: strict atomic batches, changes that are PENDING before they are served, real name servers."""

import secrets
import string
from collections.abc import Callable, Iterator
from typing import Any

from moto.core.responses import ActionResult
from moto.elbv2.models import elbv2_backends
from moto.route53 import urls
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import DelegationSet, FakeZone, Route53Backend
from moto.route53.responses import Route53

from sandbox.aws import changes
from sandbox.aws.model import AliasTarget, PublicZone, RecordSet
from sandbox.aws.world import World

FAULTS: dict[str, str] = {}

BATCH_RECORDS = 1000
BATCH_CHARACTERS = 32_000
NAME_SERVER_DOMAINS = ("com", "net", "org", "co.uk")


class InvalidChangeBatchError(Route53ClientError):  # type: ignore[misc]
    """The batch was refused as a whole; `messages` says why, one sentence per fault."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__("InvalidChangeBatch", f"[{', '.join(messages)}]")
        self.messages = messages


class HostedZone(FakeZone):  # type: ignore[misc]
    """A zone with two faces: what the API lists (every accepted change) and what is served (INSYNC changes only)."""

    def __init__(self, name: str, zone_id: str, name_servers: tuple[str, ...], **kwargs: Any) -> None:
        name = changes.canonical(name)
        sets = DelegationSet(kwargs["caller_reference"], list(name_servers), None)
        super().__init__(name, zone_id, delegation_set=sets, **kwargs)
        self._served: dict[str, dict[str, RecordSet]] = {}
        self._waiting: list[tuple[float, dict[changes.RecordKey, RecordSet | None]]] = []
        self._view: PublicZone | None = None
        self.records: dict[changes.RecordKey, RecordSet] = {}
        soa = f"{name_servers[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
        own = (
            RecordSet(name, "NS", 172_800, tuple(f"{server}." for server in name_servers)),
            RecordSet(name, "SOA", 900, (soa,)),
        )
        self.accept({(r.name, r.type, None): r for r in own}, insync_at=float("-inf"))

    @property
    def resource_record_set_count(self) -> int:
        return len(self.records)

    def accept(self, records: dict[changes.RecordKey, RecordSet], insync_at: float) -> None:
        """Make these the zone's records; what differs is served from `insync_at` on."""
        difference: dict[changes.RecordKey, RecordSet | None] = {
            key: record for key, record in records.items() if self.records.get(key) != record
        }
        difference.update({key: None for key in self.records if key not in records})
        self.records = records
        self._waiting.append((insync_at, difference))

    def served(self, now: float) -> PublicZone:
        """The zone as its name servers answer at this time. The same object as long as nothing changed."""
        while self._waiting and self._waiting[0][0] <= now:
            self._serve(self._waiting.pop(0)[1])
            self._view = None
        if self._view is None:
            servers = tuple(self.delegation_set.name_servers)
            self._view = PublicZone(self.name, self.resource_id, servers, self._served)
        return self._view

    def _serve(self, difference: dict[changes.RecordKey, RecordSet | None]) -> None:
        served = dict(self._served)  # copied, as readers hold the old one
        for (name, record_type, _), record in difference.items():
            owner = name.replace("\\052", "*")
            types = {t: r for t, r in served.get(owner, {}).items() if t != record_type}
            if record is not None:
                types[record_type] = record
            if types:
                served[owner] = types
            else:
                served.pop(owner, None)
        self._served = served


class ZoneBackend(Route53Backend):  # type: ignore[misc]
    """All hosted zones of the account, and the changes made to them."""

    world: World

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._changes: dict[str, tuple[float, float]] = {}  # id -> submitted at, in sync at
        self._sets = _delegation_sets()

    @property
    def url_paths(self) -> dict[str, Callable[..., Any]]:
        return {path.format(""): ZoneResponse.dispatch for path in urls.url_paths}

    def create_hosted_zone(
        self,
        name: str,
        private_zone: bool,
        caller_reference: str = "",
        vpcid: str | None = None,
        vpcregion: str | None = None,
        comment: str | None = None,
        delegation_set_id: str | None = None,
    ) -> HostedZone:
        """A new zone with name servers of its own. Raises HostedZoneAlreadyExists for a reference used before."""
        if delegation_set_id:
            raise Route53ClientError("NoSuchDelegationSet", delegation_set_id)
        with self.world.lock:
            if any(zone.caller_reference == caller_reference for zone in self.zones.values()):
                message = "A hosted zone has already been created with the specified caller reference."
                raise Route53ClientError("HostedZoneAlreadyExists", message)
            zone = HostedZone(
                name,
                _identifier("Z"),
                next(self._sets),
                private_zone=private_zone,
                caller_reference=caller_reference,
                comment=comment,
            )
            zone.add_vpc(vpcid, vpcregion)
            self.zones[zone.resource_id] = zone
            return zone

    def delete_hosted_zone(self, id_: str) -> None:
        with self.world.lock:
            zone = self.get_hosted_zone(id_)
            if any(record_type not in ("NS", "SOA") for _, record_type, _ in zone.records):
                message = (
                    "The specified hosted zone contains non-required resource record sets and so cannot be deleted."
                )
                raise Route53ClientError("HostedZoneNotEmpty", message)
            del self.zones[zone.resource_id]

    def change(self, zone_id: str, wanted: list[tuple[str, RecordSet]]) -> str:
        """Apply a batch, whole or not at all. Returns the change id; raises InvalidChangeBatchError."""
        with self.world.lock:
            zone = self.get_hosted_zone(zone_id)
            batch = changes.Batch(zone.name, zone.resource_id, zone.records, self._wrong_target)
            batch.apply(wanted)
            if batch.messages:
                raise InvalidChangeBatchError(batch.messages)
            change_id = self.submit()
            zone.accept(batch.records, insync_at=self._changes[change_id][1])
            return change_id

    def submit(self) -> str:
        """Note a change that is PENDING now."""
        now = self.world.clock()
        change_id = _identifier("C")
        self._changes[change_id] = (now, now + self.world.delays.change_insync)
        return change_id

    def change_info(self, change_id: str) -> dict[str, Any]:
        """What GetChange says. Raises NoSuchChange."""
        plain = change_id.removeprefix("/change/")
        if plain not in self._changes:
            raise Route53ClientError("NoSuchChange", f"A change with id: {change_id} does not exist.")
        submitted, insync = self._changes[plain]
        status = "INSYNC" if self.world.clock() >= insync else "PENDING"
        return {"Id": f"/change/{plain}", "Status": status, "SubmittedAt": self.world.moment(submitted)}

    def _wrong_target(self, target: AliasTarget) -> str | None:
        """What is wrong with an alias to a load balancer, in Route 53's words."""
        name = target.dns_name.removeprefix("dualstack.")
        known = {
            f"{balancer.dns_name.lower()}.": balancer.canonical_hosted_zone_id
            for backend in list(elbv2_backends[self.account_id].values())
            for balancer in list(backend.load_balancers.values())
        }
        if name not in known and any(target.zone_id == zone_id for zone_id in known.values()):
            return "but that target was not found"
        if known.get(name) != target.zone_id:
            return "but the alias target name does not lie within the target zone"
        return None

    def public_zones(self) -> tuple[PublicZone, ...]:
        """The public zones as served now, oldest first."""
        with self.world.lock:
            now = self.world.clock()
            return tuple(zone.served(now) for zone in self.zones.values() if not zone.private_zone)


class ZoneResponse(Route53):  # type: ignore[misc]
    """The operations whose requests or answers moto gets wrong."""

    def create_hosted_zone(self) -> ActionResult:
        answer = super().create_hosted_zone()
        answer.result["ChangeInfo"] = self.backend.change_info(self.backend.submit())
        return answer

    def delete_hosted_zone(self) -> ActionResult:
        self.backend.delete_hosted_zone(self._get_param("Id"))
        return ActionResult({"ChangeInfo": self.backend.change_info(self.backend.submit())})

    def list_hosted_zones(self) -> ActionResult:
        size, marker = _page_size(self._get_param("MaxItems"), 100), self._get_param("Marker")
        kind, zones = self._get_param("HostedZoneType"), list(self.backend.zones.values())
        ids = [zone.resource_id for zone in zones]
        if marker and marker not in ids:
            raise Route53ClientError("InvalidInput", f"The marker {marker} is not valid.")
        following = zones[ids.index(marker) if marker else 0 :]
        found = [zone for zone in following if kind is None or zone.private_zone == (kind == "PrivateHostedZone")]
        more = found[size].resource_id if len(found) > size else None
        result = {
            "HostedZones": found[:size],
            "Marker": marker,
            "IsTruncated": more is not None,
            "NextMarker": more,
            "MaxItems": size,
        }
        return ActionResult(result)

    def list_hosted_zones_by_name(self) -> ActionResult:
        size = _page_size(self._get_param("MaxItems"), 100)
        name, zone_id = self._get_param("DNSName"), self._get_param("HostedZoneId")
        start = (changes.reversed_name(name) if name else "", (zone_id or "").removeprefix("/hostedzone/"))
        keyed = sorted((changes.reversed_name(z.name), z.resource_id, z) for z in self.backend.zones.values())
        found = [zone for reversed_name, id_, zone in keyed if (reversed_name, id_) >= start]
        more = found[size] if len(found) > size else None
        result = {
            "HostedZones": found[:size],
            "DNSName": name,
            "HostedZoneId": zone_id,
            "IsTruncated": more is not None,
            "NextDNSName": more and more.name,
            "NextHostedZoneId": more and more.resource_id,
            "MaxItems": size,
        }
        return ActionResult(result)

    def change_resource_record_sets(self) -> ActionResult:
        wanted = []
        for change in self._get_param("ChangeBatch.Changes"):
            try:
                wanted.append((change["Action"], changes.parse(change["ResourceRecordSet"])))
            except changes.InvalidInputError as error:
                raise Route53ClientError("InvalidInput", str(error)) from error
        _check_size(wanted)
        change_id = self.backend.change(self._get_param("HostedZoneId"), wanted)
        return ActionResult({"ChangeInfo": self.backend.change_info(change_id)})

    def get_change(self) -> ActionResult:
        return ActionResult({"ChangeInfo": self.backend.change_info(self._get_param("Id"))})

    def list_resource_record_sets(self) -> ActionResult:
        size = _page_size(self._get_param("MaxItems"), 300)
        name, record_type = self._get_param("StartRecordName"), self._get_param("StartRecordType")
        if record_type and not name:
            raise Route53ClientError("InvalidInput", "The input is not valid: StartRecordType needs StartRecordName.")
        reversed_name = changes.reversed_name(name) if name else ""
        start = (reversed_name, record_type or "", self._get_param("StartRecordIdentifier") or "")
        records = sorted(
            self.backend.get_hosted_zone(self._get_param("HostedZoneId")).records.values(), key=changes.sort_key
        )
        found = [record for record in records if changes.sort_key(record) >= start]
        more = found[size] if len(found) > size else None
        result = {
            "ResourceRecordSets": [changes.unparse(record) for record in found[:size]],
            "IsTruncated": more is not None,
            "NextRecordName": more and more.name,
            "NextRecordType": more and more.type,
            "NextRecordIdentifier": more and more.set_identifier,
            "MaxItems": size,
        }
        return ActionResult(result)


def _identifier(letter: str) -> str:
    return letter + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(20))


def _page_size(asked: Any, most: int) -> int:
    return min(int(asked or most), most)


def _check_size(wanted: list[tuple[str, RecordSet]]) -> None:
    """At most 1000 records and 32 000 characters of values; an UPSERT counts twice, an alias is one record."""
    weights = [(2 if action == "UPSERT" else 1, record) for action, record in wanted]
    if sum(weight * max(1, len(record.values)) for weight, record in weights) > BATCH_RECORDS:
        raise InvalidChangeBatchError([f"Number of records limit of {BATCH_RECORDS} exceeded."])
    if sum(weight * len(value) for weight, record in weights for value in record.values) > BATCH_CHARACTERS:
        raise InvalidChangeBatchError([f"Number of characters limit of {BATCH_CHARACTERS} exceeded."])


def _delegation_sets() -> Iterator[tuple[str, ...]]:
    """Four name servers for each zone, numbered as Route 53 numbers them, no two zones alike."""
    turn = 0
    while True:
        numbers = [(37 + 101 * turn + 53 * i * (1 + turn // 512)) % 512 + 512 * i for i in range(4)]
        pairs = zip(numbers, NAME_SERVER_DOMAINS, strict=True)
        yield tuple(f"ns-{number}.awsdns-{number % 512 // 8:02d}.{domain}" for number, domain in pairs)
        turn += 1
