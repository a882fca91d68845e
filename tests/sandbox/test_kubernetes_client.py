"""The official client against the stand-in, over TLS: what the bot and its controller use."""

import base64
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, watch
from kubernetes.client.exceptions import ApiException

from sandbox.faults import Faults
from sandbox.kubernetes.server import FAULTS, KubernetesStandIn

pytestmark = pytest.mark.sandbox

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
NLB = "service.beta.kubernetes.io/aws-load-balancer-"


@pytest.fixture
def faults() -> Faults:
    """All off."""
    return Faults([FAULTS])


@pytest.fixture
def cluster(faults: Faults) -> Iterator[KubernetesStandIn]:
    """A running API server with a namespace `dev`."""
    stand_in = KubernetesStandIn(faults, history=50, slow_seconds=0.1, namespaces=("dev",))
    stand_in.start()
    yield stand_in
    stand_in.stop()


@pytest.fixture
def core(cluster: KubernetesStandIn, tmp_path: Path) -> Callable[..., Any]:
    """CoreV1Api as a user."""

    def api(user: str = "admin") -> Any:
        return client.CoreV1Api(api_client(cluster, user, tmp_path))

    return api


def api_client(cluster: KubernetesStandIn, user: str, folder: Path) -> Any:
    """A client from the kubeconfig alone, as a person would make it."""
    config = yaml.safe_load(cluster.kubeconfig(user))
    authority = folder / "ca.crt"
    authority.write_bytes(base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]))
    settings = client.Configuration(host=config["clusters"][0]["cluster"]["server"])
    settings.ssl_ca_cert = str(authority)
    settings.api_key = {"authorization": f"Bearer {config['users'][0]['user']['token']}"}
    settings.retries = False
    return client.ApiClient(settings)


def load_balancer(name: str = "app", **annotations: str) -> dict[str, Any]:
    """The Service that the bot applies."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": "dev",
            "annotations": {f"{NLB}{key.replace('_', '-')}": value for key, value in annotations.items()},
        },
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 443, "targetPort": 8080}]},
    }


def put(api: Any, body: dict[str, Any], manager: str = "nlbtls", **more: Any) -> Any:
    """Server-side apply."""
    name = body["metadata"]["name"]
    return api.patch_namespaced_service(name, "dev", body, field_manager=manager, _content_type=APPLY, **more)


def refused(call: Callable[[], Any]) -> tuple[int, dict[str, Any]]:
    """Status code and Status of a call that must fail."""
    with pytest.raises(ApiException) as caught:
        call()
    return caught.value.status, json.loads(caught.value.body)


def test_bot_creates_watches_and_reads_with_its_own_rights(
    cluster: KubernetesStandIn, core: Callable[..., Any]
) -> None:
    """Apply, the controller's status and finalizer, and the watch that sees the hostname come."""
    bot, controller = core("nlbtls"), core("admin")
    made = put(bot, load_balancer(scheme="internet-facing"))
    assert made.spec.cluster_ip
    assert made.spec.ports[0].node_port
    hostname = {"status": {"loadBalancer": {"ingress": [{"hostname": "k8s.elb.us-east-2.amazonaws.com"}]}}}
    controller.patch_namespaced_service(
        "app", "dev", {"metadata": {"finalizers": ["service.k8s.aws/resources"]}}, _content_type=MERGE
    )
    controller.patch_namespaced_service_status("app", "dev", hostname, _content_type=MERGE)
    seen = []
    stream = watch.Watch().stream(
        bot.list_namespaced_service, "dev", resource_version=made.metadata.resource_version, timeout_seconds=5
    )
    for event in stream:
        ingress = event["object"].status.load_balancer.ingress
        seen.append(event["type"])
        if ingress:
            assert ingress[0].hostname == "k8s.elb.us-east-2.amazonaws.com"
            break
    assert seen == ["MODIFIED", "MODIFIED"]
    assert put(bot, load_balancer(scheme="internet-facing")).status.load_balancer.ingress


def test_watch_sees_what_is_written_while_it_waits(cluster: KubernetesStandIn, core: Callable[..., Any]) -> None:
    """An open watch is woken by a write from another thread, and an object that stops matching is DELETED for it."""
    api = core()
    body = load_balancer()
    body["metadata"]["labels"] = {"mine": "yes"}
    timer = threading.Timer(
        0.2,
        lambda: (
            cluster.create(body),
            api.patch_namespaced_service("app", "dev", {"metadata": {"labels": None}}, _content_type=MERGE),
        ),
    )
    timer.start()
    started = time.monotonic()
    types = []
    for event in watch.Watch().stream(
        api.list_namespaced_service, "dev", label_selector="mine=yes", timeout_seconds=30
    ):
        types.append(event["type"])
        if len(types) == 2:
            break
    timer.join()
    assert types == ["ADDED", "DELETED"]
    assert time.monotonic() - started < 25


def test_watch_from_a_forgotten_revision_ends_with_410(cluster: KubernetesStandIn, core: Callable[..., Any]) -> None:
    """Beyond the history window the watch says Expired, and the client raises 410 from it."""
    api = core()
    first = api.list_namespaced_service("dev").metadata.resource_version
    for number in range(60):
        cluster.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}", "namespace": "dev"}}
        )
    with pytest.raises(ApiException) as caught:
        list(watch.Watch().stream(api.list_namespaced_service, "dev", resource_version=first, timeout_seconds=1))
    assert caught.value.status == 410


@pytest.mark.parametrize(
    ("user", "verb", "allowed"),
    [
        ("nlbtls", "get", True),
        ("nlbtls", "patch", True),
        ("nlbtls", "delete", False),
        ("nobody", "list", False),
        ("admin", "delete", True),
    ],
)
def test_access_review_agrees_with_what_happens(core: Callable[..., Any], user: str, verb: str, allowed: bool) -> None:
    """SelfSubjectAccessReview answers from the table that also decides the call itself."""
    api = core(user)
    spec = {"resourceAttributes": {"verb": verb, "resource": "services", "namespace": "dev"}}
    review = client.AuthorizationV1Api(api.api_client).create_self_subject_access_review({"spec": spec})
    assert review.status.allowed is allowed
    calls = {
        "get": lambda: api.read_namespaced_service("app", "dev"),
        "patch": lambda: api.patch_namespaced_service("app", "dev", {}, _content_type=MERGE),
        "delete": lambda: api.delete_namespaced_service("app", "dev"),
        "list": lambda: api.list_namespaced_service("dev"),
    }
    code, _ = refused(calls[verb])
    assert code == (404 if allowed else 403)


def test_forbidden_says_who_cannot_do_what_where(core: Callable[..., Any]) -> None:
    """In the API server's words, for a namespace and for the whole cluster."""
    bot = core("nlbtls")
    assert refused(lambda: bot.list_namespaced_config_map("dev"))[1]["message"] == (
        'configmaps is forbidden: User "nlbtls" cannot list resource "configmaps" in API group "" '
        'in the namespace "dev"'
    )
    nobody = client.DiscoveryV1Api(core("nobody").api_client)
    assert refused(nobody.list_endpoint_slice_for_all_namespaces)[1]["message"] == (
        'endpointslices.discovery.k8s.io is forbidden: User "nobody" cannot list resource "endpointslices" '
        'in API group "discovery.k8s.io" at the cluster scope'
    )


def test_unknown_token_and_no_token_are_unauthorized(cluster: KubernetesStandIn, core: Callable[..., Any]) -> None:
    """401 with the Status that the API server sends."""
    api = core()
    api.api_client.configuration.api_key = {"authorization": "Bearer wrong"}
    code, body = refused(lambda: api.list_namespace())
    assert (code, body["reason"], body["message"]) == (401, "Unauthorized", "Unauthorized")


def test_events_of_a_service_are_found_by_field_selector(core: Callable[..., Any]) -> None:
    """By name, uid, type and reason; generateName makes names; times come back in UTC."""
    api = core()
    service = put(api, load_balancer())
    involved = {"apiVersion": "v1", "kind": "Service", "name": "app", "namespace": "dev", "uid": service.metadata.uid}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for kind, reason in (("Warning", "FailedDeployModel"), ("Normal", "SuccessfullyReconciled")):
        body = {"metadata": {"generateName": "app."}, "involvedObject": involved, "type": kind, "reason": reason}
        api.create_namespaced_event("dev", body | {"message": "m", "firstTimestamp": now, "lastTimestamp": now})
    selector = f"involvedObject.name=app,involvedObject.uid={service.metadata.uid},type!=Normal"
    found = core("nlbtls").list_namespaced_event("dev", field_selector=selector).items
    assert [(event.reason, event.last_timestamp) for event in found] == [("FailedDeployModel", now)]
    code, body = refused(lambda: api.list_namespaced_event("dev", field_selector="spec.nonsense=1"))
    assert (code, body["message"]) == (400, "field label not supported: spec.nonsense")


def test_lists_come_in_pages(cluster: KubernetesStandIn, core: Callable[..., Any]) -> None:
    """limit and continue walk everything once; a token from before a compaction is 410."""
    api = core()
    for number in range(5):
        cluster.create(load_balancer(f"app-{number}"))
    names, tokens = [], [""]
    while len(tokens) == 1 or tokens[-1]:
        page = api.list_namespaced_service("dev", limit=2, **({"_continue": tokens[-1]} if tokens[-1] else {}))
        names += [service.metadata.name for service in page.items]
        tokens.append(page.metadata.var_continue or "")
    assert len(tokens) == 4
    assert names == [f"app-{number}" for number in range(5)]
    cluster.create(load_balancer("later"))
    cluster.store.compact()
    code, body = refused(lambda: api.list_namespaced_service("dev", limit=2, _continue=tokens[1]))
    assert (code, body["reason"]) == (410, "Expired")


def test_put_with_a_stale_version_conflicts_and_a_fresh_one_does_not(core: Callable[..., Any]) -> None:
    """Read, modify, replace: with the official models, managedFields and all."""
    api = core()
    service = put(api, load_balancer())
    service.metadata.labels = {"a": "1"}
    replaced = api.replace_namespaced_service("app", "dev", service, field_manager="person")
    assert replaced.metadata.labels == {"a": "1"}
    assert {entry.manager for entry in replaced.metadata.managed_fields} == {"nlbtls", "person"}
    service.metadata.labels = {"a": "2"}
    code, body = refused(lambda: api.replace_namespaced_service("app", "dev", service))
    assert (code, body["reason"]) == (409, "Conflict")


def test_finalizer_holds_a_deleted_service(core: Callable[..., Any]) -> None:
    """deletionTimestamp is set, new finalizers are refused, dropping the last one removes it."""
    api = core()
    put(api, load_balancer())
    finalizers: dict[str, Any] = {"metadata": {"finalizers": ["service.k8s.aws/resources"]}}
    api.patch_namespaced_service("app", "dev", finalizers, _content_type=MERGE)
    assert api.delete_namespaced_service("app", "dev").metadata.deletion_timestamp
    more = {"metadata": {"finalizers": ["service.k8s.aws/resources", "other/one"]}}
    code, body = refused(lambda: api.patch_namespaced_service("app", "dev", more, _content_type=MERGE))
    assert code == 422
    assert 'found new finalizers []string{"other/one"}' in body["message"]
    api.patch_namespaced_service("app", "dev", {"metadata": {"finalizers": None}}, _content_type=MERGE)
    assert refused(lambda: api.read_namespaced_service("app", "dev"))[0] == 404


def test_namespace_deletion_takes_its_objects_and_waits_for_finalizers(
    cluster: KubernetesStandIn, core: Callable[..., Any]
) -> None:
    """A held Service keeps its namespace Terminating, where nothing new can be made."""
    api = core()
    held = load_balancer()
    held["metadata"]["finalizers"] = ["service.k8s.aws/resources"]
    cluster.create(held)
    cluster.create(load_balancer("free"))
    api.delete_namespace("dev")
    assert [service.metadata.name for service in api.list_namespaced_service("dev").items] == ["app"]
    code, body = refused(lambda: put(api, load_balancer("new")))
    assert (code, "because it is being terminated" in body["message"]) == (403, True)
    api.patch_namespaced_service("app", "dev", {"metadata": {"finalizers": None}}, _content_type=MERGE)
    assert refused(lambda: api.read_namespace("dev"))[0] == 404


def test_unknown_fields_are_refused_warned_of_or_dropped(cluster: KubernetesStandIn) -> None:
    """fieldValidation, on a plain POST: Strict refuses, Warn sends a Warning header, Ignore says nothing."""
    body = load_balancer() | {"surplus": 1}

    def post(mode: str) -> tuple[int, str, str]:
        context = ssl.create_default_context(cadata=cluster.ca_certificate.decode())
        url = yaml.safe_load(cluster.kubeconfig())["clusters"][0]["cluster"]["server"]
        request = urllib.request.Request(  # noqa: S310 - https, to the fixture
            f"{url}/api/v1/namespaces/dev/services?dryRun=All&fieldValidation={mode}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {cluster.token()}"},
        )
        try:
            with urllib.request.urlopen(request, context=context) as answer:  # noqa: S310
                return answer.status, answer.headers.get("Warning", ""), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, "", error.read().decode()

    code, _, text = post("Strict")
    assert code == 400
    assert 'strict decoding error: unknown field \\"surplus\\"' in text
    assert post("Warn")[:2] == (201, '299 - "unknown field \\"surplus\\""')
    assert post("Ignore")[:2] == (201, "")


def test_webhook_sets_the_class_that_nobody_owns(faults: Faults, tmp_path: Path) -> None:
    """With the controller's webhook a new LoadBalancer Service has the class, and applying again keeps it."""
    cluster = KubernetesStandIn(faults, webhook=True, namespaces=("dev",))
    cluster.start()
    try:
        api = client.CoreV1Api(api_client(cluster, "admin", tmp_path))
        for _ in range(2):
            made = put(api, load_balancer(type="external"))
            assert made.spec.load_balancer_class == "service.k8s.aws/nlb"
        assert [entry.manager for entry in made.metadata.managed_fields] == ["nlbtls"]
        assert put(api, load_balancer("legacy", type="nlb")).spec.load_balancer_class is None
    finally:
        cluster.stop()


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("kubernetes-down", 503, "the server is currently unable to handle the request"),
        ("kubernetes-unauthorized", 401, "Unauthorized"),
        ("kubernetes-forbid-apply", 403, 'cannot patch resource "services" in API group "" in the namespace "dev"'),
        ("kubernetes-throttled", 429, "Too many requests"),
        ("kubernetes-webhook-down", 500, 'Internal error occurred: failed calling webhook "mservice.elbv2.k8s.aws"'),
    ],
)
def test_fault_strikes_an_apply_and_passes(
    core: Callable[..., Any], faults: Faults, fault: str, code: int, words: str
) -> None:
    """Each fault has its code and words, changes nothing, and is over when it is switched off."""
    api = core("nlbtls")
    faults.switch(fault, True)
    status, body = refused(lambda: put(api, load_balancer()))
    assert (status, words in body["message"]) == (code, True)
    faults.switch(fault, False)
    assert put(api, load_balancer()).metadata.name == "app"


def test_slow_and_expired_watch_faults(core: Callable[..., Any], faults: Faults) -> None:
    """A slow server takes its time; an expired watch is 410 at once."""
    api = core()
    revision = put(api, load_balancer()).metadata.resource_version
    faults.switch("kubernetes-slow", True)
    started = time.monotonic()
    api.list_namespace()
    assert time.monotonic() - started >= 0.1
    faults.switch("kubernetes-slow", False)
    faults.switch("kubernetes-watch-expired", True)
    old = str(int(revision) - 1)
    with pytest.raises(ApiException) as caught:
        list(watch.Watch().stream(api.list_namespaced_service, "dev", resource_version=old, timeout_seconds=2))
    assert caught.value.status == 410


def test_seeded_objects_keep_their_status(cluster: KubernetesStandIn, core: Callable[..., Any]) -> None:
    """`create` in process stores pods as they are described, and custom resources are served."""
    pod = {"metadata": {"name": "web", "namespace": "dev"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    cluster.create({"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Running", "podIP": "10.0.0.9"}} | pod)
    assert core().read_namespaced_pod("web", "dev").status.pod_ip == "10.0.0.9"
    binding = {
        "metadata": {"name": "k8s-dev-app"},
        "spec": {"targetType": "ip", "serviceRef": {"name": "app", "port": 80}},
    }
    custom = client.CustomObjectsApi(core().api_client)
    place = ("elbv2.k8s.aws", "v1beta1", "dev", "targetgroupbindings")
    head = {"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding"}
    custom.create_namespaced_custom_object(*place, head | binding)
    assert custom.list_namespaced_custom_object(*place)["items"][0]["spec"] == binding["spec"]


def test_stop_ends_open_watches(faults: Faults, tmp_path: Path) -> None:
    """Stopping does not wait for a watch to time out, and ends the server's thread."""
    cluster = KubernetesStandIn(faults)
    cluster.start()
    api = client.CoreV1Api(api_client(cluster, "admin", tmp_path))
    seen: list[str] = []

    def follow() -> None:
        stream = watch.Watch().stream(api.list_namespace, timeout_seconds=60)
        seen.append(next(iter(stream))["type"])
        cluster.stop()

    follower = threading.Thread(target=follow)
    started = time.monotonic()
    follower.start()
    follower.join(timeout=20)
    assert seen == ["ADDED"]
    assert time.monotonic() - started < 15
