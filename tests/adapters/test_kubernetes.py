"""The Kubernetes adapter against the stand-in, and against answers recorded from a real API server."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.adapters.kubernetes import connect, service_of
from services.adapters.kubernetes_errors import answered
from services.errors import Permanent, Refused, ServiceError, Transient
from services.ports import ServicePort
from tests.adapters.kubernetes_world import PREFIX, KubernetesWorld, manifest

pytestmark = pytest.mark.sandbox

_EXCHANGES = Path(__file__).parents[1] / "sandbox" / "data" / "kubernetes-exchanges.json"
RECORDED = {exchange["step"]: exchange["response"] for exchange in json.loads(_EXCHANGES.read_text())}


def recorded_error(step: str) -> ServiceError:
    """What a recorded error answer means to us."""
    response = RECORDED[step]
    return answered(response["status"], json.dumps(response["body"]), {"Audit-Id": "audit-1"})


# ---- reading and applying


def test_apply_creates_and_reads_back(kubernetes_world: KubernetesWorld) -> None:
    """What was applied is found by name and by label, in every field that matters here."""
    cluster = kubernetes_world.cluster
    made = cluster.apply(manifest(scheme="internal"))
    assert made.uid
    assert made.annotations == {PREFIX + "type": "external", PREFIX + "scheme": "internal"}
    assert (made.type, made.selector, made.source_ranges) == ("LoadBalancer", {"app": "my-app"}, ("192.0.2.0/24",))
    assert made.ports == (ServicePort(443, "8080", "https"),)
    assert (made.load_balancer_hostname, made.deleting) == ("", False)
    assert cluster.service("default", "my-app") == made
    assert cluster.services(labels={"nlbtls/installation": "test"}) == [made]
    assert cluster.services("default", labels={"nlbtls/installation": "other"}) == []
    assert cluster.service("default", "other") is None
    assert cluster.service("nowhere", "my-app") is None
    assert cluster.services("nowhere") == []
    assert "default" in cluster.namespaces()


def test_apply_drops_what_is_left_out(kubernetes_world: KubernetesWorld) -> None:
    """A second apply owns its fields: it changes one, and one that it no longer names goes away."""
    cluster = kubernetes_world.cluster
    cluster.apply(manifest(scheme="internal", name="x"))
    again = cluster.apply(manifest(scheme="internet-facing"))
    assert again.annotations == {PREFIX + "type": "external", PREFIX + "scheme": "internet-facing"}


def test_conflict_names_field_and_manager(kubernetes_world: KubernetesWorld) -> None:
    """Another manager's field is shown and not forced; a field that both agree on is no conflict."""
    kubernetes_world.apply_as("helm", manifest(scheme="internal"))
    with pytest.raises(Refused) as caught:
        kubernetes_world.cluster.apply(manifest(scheme="internet-facing"))
    assert caught.value.code == "Conflict"
    assert caught.value.sentence == (
        f"Field .metadata.annotations.{PREFIX}scheme is managed by helm; nothing was forced."
    )
    found = kubernetes_world.cluster.service("default", "my-app")
    assert found
    assert found.annotations[PREFIX + "scheme"] == "internal"
    kubernetes_world.cluster.apply(manifest(scheme="internal"))


def test_service_of_somebody_else(kubernetes_world: KubernetesWorld) -> None:
    """An apply over a ClusterIP Service that kubectl made is refused with its fields (design §3)."""
    kubernetes_world.make(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "my-app", "namespace": "default"},
            "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]},
        }
    )
    theirs = kubernetes_world.cluster.service("default", "my-app")
    assert theirs
    assert theirs.ports == (ServicePort(80, "80"),)
    with pytest.raises(Refused, match="managed by kubectl-create") as caught:
        kubernetes_world.cluster.apply(manifest())
    assert caught.value.code == "Conflict"


def test_invalid_manifests(kubernetes_world: KubernetesWorld) -> None:
    """The faulty field is named; a field that Kubernetes does not know is at fault too, not silently dropped."""
    faulty = manifest()
    faulty["spec"]["ports"][0]["port"] = 99999
    with pytest.raises(Refused, match=r"spec\.ports\[0\]\.port: Invalid value: 99999") as caught:
        kubernetes_world.cluster.apply(faulty)
    assert caught.value.code == "Invalid"
    with pytest.raises(Refused, match="typo") as unknown:
        kubernetes_world.cluster.apply(manifest() | {"spec": {"typo": 1}})
    assert unknown.value.code == "Invalid"


def test_missing_namespace(kubernetes_world: KubernetesWorld) -> None:
    """Said in words."""
    with pytest.raises(Refused, match="no namespace nope") as caught:
        kubernetes_world.cluster.apply(manifest(namespace="nope"))
    assert caught.value.code == "NotFound"


def _event(uid: str, number: int, **fields: Any) -> dict[str, Any]:
    involved = {"apiVersion": "v1", "kind": "Service", "name": "my-app", "namespace": "default", "uid": uid}
    metadata = {"name": f"my-app.{number}", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": involved} | fields


def test_events_of_this_very_object(kubernetes_world: KubernetesWorld) -> None:
    """Oldest first, whatever field the time is in; events about a namesake that is gone are left out."""
    service = kubernetes_world.cluster.apply(manifest())
    warning = {"type": "Warning", "reason": "FailedBuildModel", "message": "no subnet"}
    new = {"type": "Normal", "reason": "SuccessfullyReconciled", "message": "ok"}
    kubernetes_world.make(_event(service.uid, 1, **new, eventTime="2026-11-22T10:05:00.000000Z", action="a"))
    kubernetes_world.make(_event(service.uid, 2, **warning, lastTimestamp="2026-11-22T10:02:00Z"))
    kubernetes_world.make(_event("another-uid", 3, **warning, lastTimestamp="2026-11-22T10:03:00Z"))
    first, second = kubernetes_world.cluster.events(service)
    assert (first.type, first.reason, first.message) == ("Warning", "FailedBuildModel", "no subnet")
    assert first.at == datetime(2026, 11, 22, 10, 2, tzinfo=UTC)
    assert second.reason == "SuccessfullyReconciled"


def test_ready_addresses_over_all_slices(kubernetes_world: KubernetesWorld) -> None:
    """Ready ones of every slice; where readiness is not said, the API means ready."""
    for number, endpoints in enumerate(
        (
            [{"addresses": ["10.1.0.1"], "conditions": {"ready": True}}, {"addresses": ["10.1.0.2"]}],
            [
                {"addresses": ["10.1.0.3"], "conditions": {"ready": False}},
                {"addresses": ["10.1.0.4"], "conditions": {}},
            ],
        )
    ):
        kubernetes_world.make(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"my-app-{number}",
                    "namespace": "default",
                    "labels": {"kubernetes.io/service-name": "my-app"},
                },
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": [],
            }
        )
    expected = {"10.1.0.1", "10.1.0.2", "10.1.0.4"}
    assert kubernetes_world.cluster.ready_addresses("default", "my-app") == expected
    assert kubernetes_world.cluster.ready_addresses("default", "other") == frozenset()


def test_lists_take_every_page(player: Any, kubeconfig: Callable[[str], Path]) -> None:
    """A long list comes in pieces, each asked for with the token of the one before."""
    kubeconfig(player.url)
    names = [{"metadata": {"name": name}} for name in ("a", "b", "c")]
    player.plays({"metadata": {"continue": "token-2"}, "items": names[:2]}).plays({"metadata": {}, "items": names[2:]})
    assert connect().namespaces() == ["a", "b", "c"]
    assert [asked.query.get("continue") for asked in player.asked] == [None, "token-2"]
    assert player.asked[0].headers["authorization"] == "Bearer token-of-u"


def test_what_the_controller_writes() -> None:
    """Host name in lower case, class and deletion are seen in recorded objects."""
    body = RECORDED["get while it terminates"]["body"]
    body["status"]["loadBalancer"] = {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "K8S-x.elb.amazonaws.com"}]}
    found = service_of(body)
    assert (found.deleting, found.load_balancer_hostname) == (True, "k8s-x.elb.amazonaws.com")
    assert service_of(RECORDED["apply with loadBalancerClass"]["body"]).load_balancer_class == "service.k8s.aws/nlb"


def test_apply_on_the_wire(player: Any, kubeconfig: Callable[[str], Path]) -> None:
    """Media type, manager, no force; and the manifest as it is, with fields that the client library does not know."""
    kubeconfig(player.url)
    player.plays(RECORDED["apply creates"]["body"], status=201)
    wanted = manifest() | {"spec": {"notYetKnown": {"x": None}}}
    connect().apply(wanted)
    (asked,) = player.asked
    assert (asked.method, asked.path) == ("PATCH", "/api/v1/namespaces/default/services/my-app")
    assert asked.query == {"fieldManager": "nlbtls", "force": "false"}
    assert asked.headers["Content-Type"] == "application/apply-patch+yaml"
    assert asked.json == wanted


# ---- errors


def test_several_conflicts_are_all_named() -> None:
    """Recorded: two managers hold two fields."""
    error = recorded_error("apply over an Update manager's value conflicts")
    assert error.sentence == (
        f"Field .metadata.annotations.{PREFIX}scheme is managed by helm; "
        f"field .metadata.annotations.{PREFIX}ssl-ports is managed by kubectl-edit; nothing was forced."
    )
    assert error.reference == "audit-1"


@pytest.mark.parametrize(
    ("step", "kind", "code", "words"),
    [
        ("merge patch with a stale resourceVersion", Transient, "Conflict", "changed meanwhile"),
        ("name that the how-to uses is invalid", Refused, "Invalid", "Service MyAppSvc: metadata.name: Invalid value"),
        ("loadBalancerClass cannot change", Refused, "Invalid", "spec.loadBalancerClass"),
        ("unknown field, strict", Refused, "Invalid", ".spec.typo: field not declared in schema"),
        ("namespace missing", Refused, "NotFound", "no namespace nope"),
        ("custom resource that is not installed", Refused, "NotFound", "404 page not found"),
        ("forbidden: apply", Permanent, "Forbidden", "The bot (nlbtls) may not patch services in namespace dev."),
    ],
)
def test_recorded_errors(step: str, kind: type[ServiceError], code: str, words: str) -> None:
    """Each recorded error answer has its kind, code and words."""
    error = recorded_error(step)
    assert type(error) is kind
    assert error.code == code
    assert words in error.sentence


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (503, "overloaded", Transient, "cannot answer for the moment (503)"),
        (504, {"reason": "Timeout", "message": "request did not complete"}, Transient, "(504)"),
        (
            403,
            {"message": 'namespaces is forbidden: User "bot" cannot list resource "namespaces" at the cluster scope'},
            Permanent,
            "The bot (bot) may not list namespaces in the whole cluster.",
        ),
        (
            403,
            {"message": "services is forbidden: exceeded quota: q, requested: services.loadbalancers=1"},
            Permanent,
            "exceeded quota",
        ),
        (
            403,
            {"message": "being terminated", "details": {"causes": [{"reason": "NamespaceTerminating"}]}},
            Refused,
            "being terminated",
        ),
        (
            400,
            {"message": 'admission webhook "policy.example.com" denied the request: no public load balancers'},
            Refused,
            "policy.example.com refused it: no public load balancers",
        ),
        (400, {"reason": "BadRequest", "message": "x" * 2000}, Permanent, "BadRequest"),
        (302, ["odd"], Permanent, "302"),
    ],
)
def test_other_errors(status: int, body: Any, kind: type[ServiceError], words: str) -> None:
    """What was not recorded, in the API server's own words; never a page of them."""
    text = body if isinstance(body, str) else json.dumps(body)
    error = answered(status, text, {})
    assert type(error) is kind
    assert words in error.sentence
    assert len(error.sentence) < 500


def test_too_many_requests_says_when() -> None:
    """Retry-After is passed on."""
    error = answered(429, "{}", {"Retry-After": "7"})
    assert isinstance(error, Transient)
    assert error.after == 7


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("kubernetes-down", Transient, "503"),
        ("kubernetes-throttled", Transient, "429"),
        ("kubernetes-unauthorized", Permanent, "does not accept the bot's credentials"),
        ("kubernetes-forbid-apply", Permanent, "may not patch services in namespace default"),
    ],
)
def test_faults(kubernetes_world: KubernetesWorld, fault: str, kind: type[ServiceError], words: str) -> None:
    """Each fault of the stand-in that an apply can meet."""
    kubernetes_world.faults.switch(fault, True)
    with pytest.raises(kind, match=words):
        kubernetes_world.cluster.apply(manifest())


def test_webhook_without_pods(kubernetes_world: KubernetesWorld) -> None:
    """F16: nothing is wrong with the request, and it names who has to be mended."""
    kubernetes_world.faults.switch("kubernetes-webhook-down", True)
    with pytest.raises(Transient, match="AWS Load Balancer Controller: most likely none of its pods") as caught:
        kubernetes_world.cluster.apply(manifest())
    assert caught.value.code == "WebhookUnavailable"
    assert "mservice.elbv2.k8s.aws" in caught.value.sentence


def test_a_slow_server_is_given_up_on(kubernetes_world: KubernetesWorld) -> None:
    """Every call has a time limit."""
    kubernetes_world.faults.switch("kubernetes-slow", True)
    with pytest.raises(Transient, match="ReadTimeoutError"):
        connect(timeout=0.2).namespaces()


def test_nobody_listens(kubeconfig: Callable[[str], Path]) -> None:
    """A refused connection may work later."""
    kubeconfig("http://127.0.0.1:1")
    with pytest.raises(Transient, match="NewConnectionError"):
        connect().namespaces()


def test_an_untrusted_server_is_not_spoken_to(kubernetes_world: KubernetesWorld, kubeconfig: Any) -> None:
    """A certificate of another authority does not get better by waiting."""
    text = kubernetes_world.stand_in.kubeconfig("nlbtls")
    kubeconfig("\n".join(line for line in text.splitlines() if "certificate-authority-data" not in line))
    with pytest.raises(Permanent, match="not trusted"):
        connect().namespaces()


# ---- where the cluster comes from


def test_no_kubeconfig_and_no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Told at start, with what to set."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(Permanent, match="no usable Kubernetes credentials") as caught:
        connect()
    assert "KUBECONFIG" in caught.value.hint


def test_a_context_that_is_not_there(kubeconfig: Callable[[str], Path]) -> None:
    """A misspelt context is an error and never another cluster."""
    kubeconfig("http://127.0.0.1:1")
    with pytest.raises(Permanent, match="elsewhere"):
        connect("elsewhere")


def test_a_kubeconfig_that_is_no_yaml(kubeconfig: Callable[[str], Path]) -> None:
    """Its lines, which hold tokens, are not quoted."""
    kubeconfig('users: [{user: {token: "hush')
    with pytest.raises(Permanent) as caught:
        connect()
    assert "hush" not in caught.value.sentence
    assert caught.value.__suppress_context__
