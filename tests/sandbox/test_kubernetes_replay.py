"""The stand-in answers fifty exchanges recorded from a real kube-apiserver as they were recorded."""

import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from sandbox.faults import Faults
from sandbox.kubernetes.access import ROLES
from sandbox.kubernetes.server import FAULTS, KubernetesStandIn

pytestmark = pytest.mark.sandbox

EXCHANGES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "kubernetes-exchanges.json").read_text("utf-8")
)
RECORDED_AT = datetime(2026, 11, 23, 1, 0, 12, tzinfo=UTC)

# Volatile: identities differ from run to run, but one recorded identity is one identity here, wherever it appears
# (also in requests and in messages). What is allocated only has to be of its kind.
IDENTITIES = ("uid", "resourceVersion")
NODE_PORTS = ("nodePort", "healthCheckNodePort")
ADDRESSES = ("clusterIP", "clusterIPs")
# Also volatile: the order of `details.causes` of an apply conflict (the API server iterates over a Go map).


@dataclass
class Identities:
    """Recorded identity -> ours, learned from the answers."""

    ours: dict[str, str] = field(default_factory=dict)

    def learn(self, recorded: Any, ours: Any) -> None:
        """Walk both answers and pair their identities."""
        if isinstance(recorded, dict) and isinstance(ours, dict):
            for key, value in recorded.items():
                if key in IDENTITIES and isinstance(value, str) and isinstance(ours.get(key), str):
                    self.ours.setdefault(value, ours[key])
                else:
                    self.learn(value, ours.get(key))
        elif isinstance(recorded, list) and isinstance(ours, list):
            for before, now in zip(recorded, ours, strict=False):
                self.learn(before, now)

    def translate(self, value: Any, key: str = "") -> Any:
        """The recorded value with our identities in it."""
        if isinstance(value, dict):
            return {name: self.translate(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [self.translate(part, key) for part in value]
        if not isinstance(value, str):
            return value
        if key in IDENTITIES:
            return self.ours.get(value, value)
        for recorded, ours in self.ours.items():
            value = value.replace(recorded, ours) if len(recorded) > 30 else value
        return value


def steady(value: Any, key: str = "") -> Any:
    """The value with what is allocated reduced to its kind, and causes in order."""
    if isinstance(value, dict):
        return {name: steady(part, name) for name, part in value.items()}
    if isinstance(value, list):
        parts = [steady(part, key) for part in value]
        return sorted(parts, key=lambda cause: str(cause["field"])) if key == "causes" else parts
    if key in NODE_PORTS and isinstance(value, int) and value >= 30000:
        return "a node port"
    if key in ADDRESSES and isinstance(value, str) and value.startswith("10."):
        return "a cluster IP"
    return value


def ask(stand_in: KubernetesStandIn, url: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send a recorded request; the answer in the shape of the recording."""
    parts = urlsplit(url)
    context = ssl.create_default_context(cadata=stand_in.ca_certificate.decode())
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=context, timeout=10)
    headers = {"Authorization": f"Bearer {stand_in.token(request['identity'])}", "User-Agent": "Python-urllib/3.11"}
    if "content_type" in request:
        headers["Content-Type"] = request["content_type"]
    body = json.dumps(request["body"]) if "body" in request else None
    query = dict(request["query"])
    if "timeoutSeconds" in query:
        query["timeoutSeconds"] = "0.2"
    connection.request(request["method"], f"{request['path']}?{urlencode(query)}", body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    if query.get("watch"):
        return {"status": response.status, "stream": [json.loads(line) for line in text.splitlines()]}
    is_json = (response.headers["Content-Type"] or "").startswith("application/json")
    return {"status": response.status, "body": json.loads(text) if is_json else text}


@pytest.fixture(scope="module")
def replayed() -> Iterator[tuple[list[dict[str, Any]], Identities]]:
    """Our answers to all recorded requests, in their order, with the clock of the recording."""
    roles = {"admin": ROLES["admin"], "nlbtls": ()}
    stand_in = KubernetesStandIn(Faults([FAULTS]), lambda: RECORDED_AT, roles=roles, custom_resources=())
    url = stand_in.start()
    identities, answers = Identities(), []
    try:
        for exchange in EXCHANGES:
            answer = ask(stand_in, url, identities.translate(exchange["request"]))
            identities.learn(exchange["response"], answer)
            answers.append(answer)
        yield answers, identities
    finally:
        stand_in.stop()


@pytest.mark.parametrize("index", range(len(EXCHANGES)), ids=[exchange["step"] for exchange in EXCHANGES])
def test_recorded_exchange_is_answered_as_recorded(
    replayed: tuple[list[dict[str, Any]], Identities], index: int
) -> None:
    """Status, body and watch stream equal the recording, but for the volatile fields listed above."""
    answers, identities = replayed
    recorded = identities.translate(EXCHANGES[index]["response"])
    assert steady(answers[index]) == steady(recorded)


def test_revisions_keep_the_recorded_order(replayed: tuple[list[dict[str, Any]], Identities]) -> None:
    """resourceVersions differ from the recording, but one that was later is later here too."""
    _, identities = replayed
    pairs = [(int(old), int(new)) for old, new in identities.ours.items() if old.isdigit()]
    assert len(pairs) > 10
    assert [new for _, new in sorted(pairs)] == sorted({new for _, new in pairs})
