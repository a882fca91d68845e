"""Route 53: hosted zones and their records in one account.

Names go in and come out lower case, without a trailing dot, with `*` as `*`; Route 53 writes `\\052` for it.
"""

import re
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from services.adapters.aws_errors import calling, code_of, is_throttled
from services.ports import Clock, HostedZone, Record, RecordChange

if TYPE_CHECKING:
    from types_boto3_route53 import Route53Client

#: How long a list of zones is good for (domain.md §7b): zones come and go by hand, every request asks for them.
ZONES_ARE_FRESH = timedelta(minutes=5)
#: Types whose value is one host name.
_HOST_VALUES = frozenset({"CNAME", "NS", "PTR"})
_NO_ZONE = "NoSuchHostedZone"
#: Seconds until a batch that was turned away for its rate is sent again; Route 53 refills 5 to 10 calls a second.
_AGAIN_AFTER = (0.3, 0.7)


class Route53:
    """Implements services.ports.Zones. `writer` is a client that never repeats a call by itself."""

    def __init__(
        self,
        client: "Route53Client",
        writer: "Route53Client",
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._writer = writer
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._zones: tuple[datetime, Sequence[HostedZone]] | None = None

    def list(self) -> Sequence[HostedZone]:
        """All hosted zones, private ones too, as they were at most five minutes ago."""
        with self._lock:  # held while asking: threads that come meanwhile want the same answer, not calls of their own
            now = self._clock()
            if self._zones is None or now - self._zones[0] >= ZONES_ARE_FRESH:
                self._zones = (now, self._every_zone())
            return self._zones[1]

    def _every_zone(self) -> Sequence[HostedZone]:
        with calling("route53:ListHostedZones"):
            pages = self._client.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 100})
            return tuple(
                HostedZone(
                    id=_tail(zone["Id"]),
                    name=decoded(zone["Name"]),
                    private=bool(zone.get("Config", {}).get("PrivateZone", False)),
                )
                for page in pages
                for zone in page["HostedZones"]
            )

    def name_servers(self, zone_id: str) -> Sequence[str]:
        """The zone's delegation set; empty for a private zone and for one that is gone."""
        with calling("route53:GetHostedZone"):
            try:
                answer = self._client.get_hosted_zone(Id=zone_id)
            except ClientError as error:
                if code_of(error) == _NO_ZONE:
                    self._forget()
                    return ()
                raise
        return tuple(decoded(name) for name in answer.get("DelegationSet", {}).get("NameServers", ()))

    def records(self, zone_id: str, name: str) -> Sequence[Record]:
        """All record sets at exactly this name; empty too if the zone is gone.

        Lists from the name on, and pages on only while the name holds.
        """
        wanted, found = labels(name), []
        start: dict[str, str] = {"StartRecordName": encoded(name)}
        call: Any = self._client.list_resource_record_sets
        while start:
            with calling("route53:ListResourceRecordSets"):
                try:
                    page = call(HostedZoneId=zone_id, MaxItems="50", **start)
                except ClientError as error:
                    if code_of(error) == _NO_ZONE:
                        self._forget()
                        return ()
                    raise
            found += [_record(row) for row in page["ResourceRecordSets"] if labels(row["Name"]) == wanted]
            start = _next(page, wanted)
        return found

    def change(self, zone_id: str, changes: Sequence[RecordChange], comment: str) -> str:
        """Submit one atomic batch (at most 1000 records); its change id.

        Raises Refused(code="InvalidChangeBatch") with Route 53's reasons, and then nothing of the batch was done.
        """
        batch: Any = {"Comment": comment[:256], "Changes": [_change(change) for change in changes]}
        with calling("route53:ChangeResourceRecordSets"):
            try:
                return self._submit(zone_id, batch)
            except ClientError as error:
                if code_of(error) == _NO_ZONE:
                    self._forget()
                raise

    def _submit(self, zone_id: str, batch: Any) -> str:
        """Sent again only where it was not carried out for certain; any other failure may have come after the act."""
        for pause in (*_AGAIN_AFTER, None):
            try:
                answer = self._writer.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
            except ClientError as error:
                if pause is None or not is_throttled(error):
                    raise
                self._sleep(pause)
            else:
                return _tail(answer["ChangeInfo"]["Id"])
        raise AssertionError("unreachable")

    def in_sync(self, change_id: str) -> bool:
        """Whether every server answers with the change. Route 53 forgets ids after a while: then it is long done."""
        with calling("route53:GetChange"):
            try:
                return self._client.get_change(Id=change_id)["ChangeInfo"]["Status"] == "INSYNC"
            except ClientError as error:
                if code_of(error) == "NoSuchChange":
                    return True
                raise

    def _forget(self) -> None:
        with self._lock:
            self._zones = None


def decoded(name: str) -> str:
    """A name as Route 53 writes it, as we write it. An escaped dot stays escaped: it does not part labels."""
    plain = re.sub(r"\\([0-3][0-7]{2})", lambda m: m[0] if m[1] == "056" else chr(int(m[1], 8)), name)
    return plain.rstrip(".").lower()


def encoded(name: str) -> str:
    """A name as Route 53 takes it: whatever is neither letter, digit, `-`, `_`, `*` nor dot is escaped in octal."""
    return re.sub(r"\\056|[^a-z0-9_.*-]", lambda m: m[0] if len(m[0]) > 1 else f"\\{ord(m[0]):03o}", name.lower())


def labels(name: str) -> tuple[str, ...]:
    """The labels of a name in either writing. "badexample.com" does not end with ("example", "com")."""
    return tuple(decoded(name).split("."))


def _next(page: Any, wanted: tuple[str, ...]) -> dict[str, str]:
    """Where the next page starts; empty if there is none, or none with our name."""
    if not page["IsTruncated"] or labels(page.get("NextRecordName", "")) != wanted:
        return {}
    keys = ("Name", "Type", "Identifier")
    return {f"StartRecord{key}": page[f"NextRecord{key}"] for key in keys if page.get(f"NextRecord{key}")}


def _record(row: Any) -> Record:
    alias = row.get("AliasTarget") or {}
    values = tuple(entry["Value"] for entry in row.get("ResourceRecords", ()))
    return Record(
        name=decoded(row["Name"]),
        type=row["Type"],
        values=tuple(decoded(value) for value in values) if row["Type"] in _HOST_VALUES else values,
        ttl=row.get("TTL"),
        alias_name=decoded(alias.get("DNSName", "")),
        alias_zone=alias.get("HostedZoneId", ""),
        evaluate_target_health=bool(alias.get("EvaluateTargetHealth", False)),
        set_identifier=row.get("SetIdentifier", ""),
    )


def _change(change: RecordChange) -> dict[str, Any]:
    record = change.record
    body: dict[str, Any] = {"Name": encoded(record.name), "Type": record.type}
    if record.set_identifier:
        body["SetIdentifier"] = record.set_identifier
    if record.alias_name:
        body["AliasTarget"] = {
            "HostedZoneId": record.alias_zone,
            "DNSName": record.alias_name,
            "EvaluateTargetHealth": record.evaluate_target_health,
        }
    else:
        body["TTL"] = record.ttl
        body["ResourceRecords"] = [{"Value": value} for value in record.values]
    return {"Action": change.action, "ResourceRecordSet": body}


def _tail(id_: str) -> str:
    """ "/hostedzone/Z1" or "/change/C1" without what is before the id."""
    return id_.rsplit("/", 1)[-1]
