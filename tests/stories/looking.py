"""What is really there, asked for at the APIs: certificates, Services, records, requests, messages."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from kubernetes import client
from kubernetes import config as kubernetes_config

from sandbox.slack.entities import Message
from sandbox.world import REGION, World

#: AWS calls of the bot that write; what the controller stand-in calls is not among them.
WRITES = {("acm", "RequestCertificate"), ("acm", "AddTagsToCertificate"), ("route53", "ChangeResourceRecordSets")}
KEY_TYPES = ["RSA_2048", "EC_prime256v1", "EC_secp384r1"]

Json = dict[str, Any]


@dataclass(frozen=True)
class Inventory:
    """All that belongs to one host name."""

    certificates: tuple[str, ...]
    services: tuple[str, ...]
    records: tuple[str, ...]  #: "TYPE name", in Route 53


class Looking:
    """Looks at one world, changes nothing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clients: dict[str, Any] = {}

    def aws(self, service: Any) -> Any:
        """A boto3 client for the world's account."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self._world.environment["AWS_ENDPOINT_URL"],
                region_name=REGION,
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
        return self._clients[service]

    # ---- AWS

    def certificates(self, hostname: str) -> list[Json]:
        """Certificates for a host name, described."""
        acm = self.aws("acm")
        listed = acm.list_certificates(Includes={"keyTypes": KEY_TYPES}, MaxItems=1000)["CertificateSummaryList"]
        found = [acm.describe_certificate(CertificateArn=c["CertificateArn"])["Certificate"] for c in listed]
        return [c for c in found if c["DomainName"] == hostname]

    def zone_id(self, name: str = "example.com.") -> str:
        """The public hosted zone of that name."""
        zones = self.aws("route53").list_hosted_zones()["HostedZones"]
        return str(next(z["Id"] for z in zones if z["Name"] == name and not z["Config"]["PrivateZone"]))

    def records(self) -> list[Json]:
        """Every record of the public zone example.com, without its SOA and NS."""
        listed = self.aws("route53").list_resource_record_sets(HostedZoneId=self.zone_id(), MaxItems="1000")
        return [r for r in listed["ResourceRecordSets"] if r["Type"] not in ("SOA", "NS")]

    def records_of(self, hostname: str) -> list[Json]:
        """Records at the host name or beside it: alias, ownership mark, validation."""
        return [r for r in self.records() if f"{hostname}." in r["Name"]]

    def write_record(self, action: str, record: Json) -> None:
        """Act as somebody else with rights in the zone."""
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        self.aws("route53").change_resource_record_sets(HostedZoneId=self.zone_id(), ChangeBatch=batch)

    def calls(self) -> Counter[tuple[str, str]]:
        """How often each AWS call was made since the world began."""
        lines = (self._world.directory.parent / "calls.jsonl").read_text().splitlines()
        return Counter((c["service"], c["operation"]) for c in map(json.loads, lines))

    def writes(self) -> int:
        """How many AWS calls that change something were made by the bot (or, in Route 53, by a test)."""
        made = self.calls()
        return sum(made[call] for call in WRITES)

    # ---- Kubernetes

    def services(self, hostname: str = "") -> list[Json]:
        """The bot's own Services, those for one host name if it is given."""
        prefix = hostname.replace(".", "-")
        return [s for s in self._objects("Service") if s["metadata"]["name"].startswith(prefix) and _is_ours(s)]

    def service(self, namespace: str, name: str) -> Json:
        """Any Service."""
        return next(
            s
            for s in self._objects("Service")
            if (s["metadata"]["namespace"], s["metadata"]["name"]) == (namespace, name)
        )

    def edit_service(self, namespace: str, name: str, changes: Json) -> None:
        """Act as somebody with kubectl: a merge patch."""
        kubeconfig = self._world.environment["KUBECONFIG"]
        with kubernetes_config.new_client_from_config(kubeconfig, context="sandbox") as api:
            client.CoreV1Api(api).patch_namespaced_service(
                name,
                namespace,
                changes,
                field_manager="kubectl-edit",
                _content_type="application/merge-patch+json",
            )

    def _objects(self, kind: str) -> list[Json]:
        return [o for o in self._world.kubernetes.dump() if o["kind"] == kind]

    # ---- all of it

    def inventory(self, hostname: str) -> Inventory:
        """All that belongs to a host name."""
        return Inventory(
            tuple(c["CertificateArn"] for c in self.certificates(hostname)),
            tuple(f"{s['metadata']['namespace']}/{s['metadata']['name']}" for s in self.services(hostname)),
            tuple(sorted(f"{r['Type']} {r['Name']}" for r in self.records_of(hostname))),
        )

    def everything(self) -> Json:
        """The whole account and cluster as far as the bot could have changed them; to compare two moments."""
        return {
            "certificates": self.aws("acm").list_certificates(Includes={"keyTypes": KEY_TYPES})[
                "CertificateSummaryList"
            ],
            "records": self.records(),
            "services": self._objects("Service"),
        }

    # ---- the bot's own memory, read only

    def requests(self, hostname: str = "") -> list[Json]:
        """Rows of the request table, oldest first."""
        file = Path(self._world.environment["NLBTLS_DATABASE_URL"].removeprefix("sqlite:///"))
        if not file.exists():
            return []
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute("SELECT * FROM requests ORDER BY created_at").fetchall()
        return [dict(row) for row in rows if hostname in ("", row["hostname"])]

    def step(self, hostname: str) -> str:
        """The rung where the open request waits; empty if none runs."""
        found = [row["step"] for row in self.requests(hostname) if row["state"] == "running"]
        return str(found[-1]) if found else ""

    # ---- Slack

    def posted(self, hostname: str) -> list[Message]:
        """All that the bot posted about a host name for everybody, oldest first: cards and their threads."""
        messages = [m for m in self._world.slack.workspace.messages if m.by_bot and not m.visible_to and not m.deleted]
        cards = {m.ts for m in messages if not m.thread_ts and hostname in json.dumps(m.to_json())}
        return [m for m in messages if m.ts in cards or m.thread_ts in cards]


def _is_ours(service: Json) -> bool:
    return "nlbtls/endpoint" in service["metadata"].get("labels", {})
