"""The rules of the stand-in without a server: field ownership, patches, Services, selectors."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.faults import Faults
from sandbox.kubernetes import fields, patches, tables
from sandbox.kubernetes.registry import Registry, Write
from sandbox.kubernetes.resources import BUILT_IN, EVENTS, NAMESPACES, PODS, SERVICES
from sandbox.kubernetes.schema import ANY
from sandbox.kubernetes.selectors import field_selector, label_selector
from sandbox.kubernetes.server import FAULTS
from sandbox.kubernetes.status import ApiError
from sandbox.kubernetes.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def registry() -> Registry:
    """An empty cluster with the namespace `dev`."""
    registry = Registry(Store(100), BUILT_IN, clock=lambda: NOW, faults=Faults([FAULTS]))
    registry.create(NAMESPACES, "", {"metadata": {"name": "dev"}}, Write("test"))
    return registry


def service(*ports: int, kind: str = "LoadBalancer", **spec: Any) -> dict[str, Any]:
    """A Service with these ports."""
    listed = [{"name": f"p{port}", "port": port, "protocol": "TCP"} for port in ports]
    body = {"type": kind, "selector": {"app": "web"}, "ports": listed} | spec
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "app"}, "spec": body}


def put(registry: Registry, body: dict[str, Any], manager: str = "nlbtls", *, force: bool = False) -> dict[str, Any]:
    """Server-side apply."""
    return registry.apply(SERVICES, "dev", "app", copy.deepcopy(body), Write(manager, force=force))[1]


def merge(registry: Registry, body: dict[str, Any], manager: str = "person") -> dict[str, Any]:
    """Merge patch."""
    return registry.patch(SERVICES, "dev", "app", patches.MERGE, body, Write(manager))


def ports(obj: dict[str, Any]) -> list[int]:
    """Port numbers in their order."""
    return [port["port"] for port in obj["spec"]["ports"]]


def test_apply_removes_what_it_named_before_and_nobody_else_owns(registry: Registry) -> None:
    """A port that left the configuration goes; one that another manager applies too stays."""
    put(registry, service(443, 80, 8443))
    put(registry, service(80), "helm")
    assert ports(put(registry, service(443))) == [443, 80]


def test_apply_keeps_ports_of_others_and_its_own_order(registry: Registry) -> None:
    """Items of a keyed list merge by their keys, and allocated node ports stay with their port."""
    first = put(registry, service(443, 80))
    merged = put(registry, service(8443), "helm")
    assert sorted(ports(merged)) == [80, 443, 8443]
    again = put(registry, service(80, 443))
    assert [port for port in ports(again) if port != 8443] == [80, 443]
    before = {port["port"]: port["nodePort"] for port in first["spec"]["ports"]}
    assert {port["port"]: port["nodePort"] for port in again["spec"]["ports"]}.items() >= before.items()


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        ("abc", "cba", "cba"),
        ("abc", "b", "abc"),
        ("ac", "b", "acb"),
        ("abc", "cxa", "bcxa"),
        ("", "ab", "ab"),
        ("ab", "", "ab"),
    ],
)
def test_merged_lists_follow_the_configuration(live: str, config: str, merged: str) -> None:
    """Shared items come in the order of the configuration; items of others stay before what followed them."""
    metadata = SERVICES.shape.child("metadata")
    shape = metadata.child("finalizers") if metadata else None
    assert shape is not None
    assert fields.merge(list(live), list(config), shape) == list(merged)


def test_conflicts_name_field_and_manager_and_force_takes_over(registry: Registry) -> None:
    """Different value: conflict. Same value: shared. Forced: the other loses the field."""
    put(registry, service(443))
    changed = service(443)
    changed["spec"]["ports"][0]["targetPort"] = 8080
    merge(registry, {"spec": {"externalTrafficPolicy": "Local"}})
    with pytest.raises(ApiError) as caught:
        put(registry, service(443, externalTrafficPolicy="Cluster"))
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "person" using v1: .spec.externalTrafficPolicy'
    )
    put(registry, changed, "helm")
    changed["spec"]["ports"][0]["targetPort"] = 9090
    with pytest.raises(ApiError) as caught:
        put(registry, changed, "argocd")
    path = '.spec.ports[port=443,protocol="TCP"].targetPort'
    assert caught.value.details["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "helm"', "field": path}
    ]
    forced = put(registry, changed, "argocd", force=True)
    owners = [
        entry["manager"]
        for entry in forced["metadata"]["managedFields"]
        if "f:targetPort" in str(entry["fieldsV1"].get("f:spec", {}).get("f:ports", {}))
    ]
    assert owners == ["argocd"]


def test_apply_says_what_does_not_fit_the_type(registry: Registry) -> None:
    """Duplicate keys, missing keys and wrong kinds, each with its path."""
    for spec, words in (
        ({"ports": [{"port": 80}, {"port": 80}]}, '.spec.ports: duplicate entries for key [port=80,protocol="TCP"]'),
        (
            {"ports": [{"name": "x"}]},
            'element 0: associative list with keys has an element that omits key field "port"',
        ),
        ({"ports": "no"}, ".spec.ports: expected list"),
    ):
        with pytest.raises(ApiError) as caught:
            put(registry, {"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": spec})
        assert words in caught.value.message


PATHS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.just({}),
    lambda below: st.dictionaries(st.sampled_from(["a", "b", "x/y"]), below, min_size=1, max_size=3),
    max_leaves=12,
)


@given(PATHS, PATHS)
def test_field_sets_survive_their_encoding_and_comparison_is_exact(old: dict[str, Any], new: dict[str, Any]) -> None:
    """decode(encode(set)) is the set; what a comparison adds and removes leads from old to new."""
    before, after = fields.to_set(old, ANY), fields.to_set(new, ANY)
    assert fields.decode(fields.encode(before)) == before
    found = fields.Comparison(old, new, ANY)
    assert found.is_same() == (old == new)
    emptied = {path[:depth] for path in found.removed for depth in range(1, len(path))}
    assert after - before <= found.added | found.modified | emptied
    assert found.added.isdisjoint(found.removed)
    assert fields.merge(old, new, ANY) == fields.merge(fields.merge(old, new, ANY), new, ANY)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"ports": []}, "spec.ports: Required value"),
        ({"ports": [{"port": 1}, {"port": 2}]}, "spec.ports[0].name: Required value"),
        ({"ports": [{"port": 1, "protocol": "X"}]}, 'Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"'),
        ({"ports": [{"port": 1, "targetPort": 70000}]}, "spec.ports[0].targetPort: Invalid value: 70000"),
        ({"type": "Wrong"}, 'spec.type: Unsupported value: "Wrong": supported values: "ClusterIP", "ExternalName"'),
        ({"externalTrafficPolicy": "Local"}, "may only be set for externally-accessible services"),
        ({"loadBalancerClass": "a/b"}, "spec.loadBalancerClass: Forbidden: may only be used when `type` is"),
        ({"loadBalancerSourceRanges": ["10.0.0.0/8"]}, "spec.loadBalancerSourceRanges: Forbidden"),
        ({"type": "LoadBalancer", "loadBalancerSourceRanges": ["x"]}, "must be a valid CIDR value"),
        ({"type": "NodePort", "ports": [{"port": 1, "nodePort": 80}]}, "The range of valid ports is 30000-32767"),
    ],
)
def test_service_rules_in_the_api_servers_words(registry: Registry, spec: dict[str, Any], message: str) -> None:
    """Each broken rule is a 422 with its field and sentence, and nothing is stored."""
    body = {"metadata": {"name": "app"}, "spec": {"ports": [{"port": 80}]} | spec}
    with pytest.raises(ApiError) as caught:
        registry.create(SERVICES, "dev", body, Write("person"))
    assert (caught.value.code, message in caught.value.message) == (422, True), caught.value.message
    assert registry.store.objects(SERVICES) == []


def test_changing_the_type_takes_and_gives_node_ports(registry: Registry) -> None:
    """ClusterIP has none, LoadBalancer gets them, and what is given back can be had again."""
    put(registry, service(443, kind="ClusterIP"))
    balanced = merge(registry, {"spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}})
    wanted = balanced["spec"]["ports"][0]["nodePort"]
    assert wanted >= 30000
    assert balanced["spec"]["healthCheckNodePort"] != wanted
    plain = merge(registry, {"spec": {"type": "ClusterIP"}})["spec"]
    assert "nodePort" not in plain["ports"][0]
    assert not {"healthCheckNodePort", "externalTrafficPolicy", "allocateLoadBalancerNodePorts"} & plain.keys()
    body = service(443, kind="NodePort")
    body["metadata"]["name"] = "other"
    body["spec"]["ports"][0]["nodePort"] = wanted
    assert registry.create(SERVICES, "dev", body, Write("person"))["spec"]["ports"][0]["nodePort"] == wanted


def test_cluster_ip_stays_and_cannot_change(registry: Registry) -> None:
    """A PUT without it keeps it; another one is refused; a dry run keeps nothing."""
    made = put(registry, service(443))
    kept = registry.update(SERVICES, "dev", "app", service(443), Write("person"))
    assert kept["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    with pytest.raises(ApiError, match="may not change once set"):
        merge(registry, {"spec": {"clusterIP": "10.100.0.99", "clusterIPs": ["10.100.0.99"]}})
    revision = registry.store.revision
    write = Write("person", dry_run=True)
    registry.patch(SERVICES, "dev", "app", patches.MERGE, {"metadata": {"labels": {"a": "b"}}}, write)
    assert registry.store.revision == revision


def test_no_change_is_no_write(registry: Registry) -> None:
    """The same apply, and a patch that changes nothing, keep the resourceVersion."""
    first = put(registry, service(443))
    assert put(registry, service(443)) == first
    patched = merge(registry, {"spec": {"type": "LoadBalancer"}})
    assert patched["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}, [(80, 8080), (443, None)]),
        ({"spec": {"ports": [{"port": 81}]}}, [(80, None), (443, None), (81, None)]),
        ({"spec": {"ports": [{"port": 80, "$patch": "delete"}]}}, [(443, None)]),
        ({"spec": {"ports": [{"$patch": "replace"}, {"port": 1}]}}, [(1, None)]),
        ({"spec": {"ports": None}}, []),
    ],
)
def test_strategic_patch_merges_lists_by_key(patch: dict[str, Any], expected: list[tuple[int, int | None]]) -> None:
    """Ports are merged by port, deleted and replaced by directive."""
    live = {"spec": {"ports": [{"port": 80}, {"port": 443}]}}
    result = patches.strategic_patch(live, patch, SERVICES.shape)
    found = [(port["port"], port.get("targetPort")) for port in result["spec"].get("ports", [])]
    assert found == expected


def test_json_patch_that_does_not_fit_is_refused(registry: Registry) -> None:
    """A failed `test` operation is a 422, and nothing changes."""
    put(registry, service(443))
    body = [{"op": "test", "path": "/spec/type", "value": "ClusterIP"}]
    with pytest.raises(ApiError) as caught:
        registry.patch(SERVICES, "dev", "app", patches.JSON, body, Write("person"))
    assert caught.value.code == 422


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("a=1", True),
        ("a==1,b!=2", True),
        ("a!=1", False),
        ("a in (1, 2)", True),
        ("a notin (1,2)", False),
        ("a,!b", True),
        ("b", False),
        ("", True),
    ],
)
def test_label_selectors(selector: str, matches: bool) -> None:
    """Equality, sets and existence."""
    assert label_selector(selector)({"metadata": {"labels": {"a": "1"}}}) is matches


def test_selectors_that_mean_nothing_are_refused() -> None:
    """400 for a label selector that does not parse and for a field that cannot be asked for."""
    with pytest.raises(ApiError, match="unable to parse requirement"):
        label_selector("a=(b")
    with pytest.raises(ApiError, match="field label not supported"):
        field_selector("spec.image=x", PODS)


def test_events_belong_to_their_namespace(registry: Registry) -> None:
    """An Event about an object elsewhere is refused, as a controller would find out."""
    body = {"metadata": {"name": "e"}, "involvedObject": {"kind": "Service", "namespace": "prod", "name": "app"}}
    with pytest.raises(ApiError, match=r"does not match event\.namespace"):
        registry.create(EVENTS, "dev", body, Write("controller"))


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=5), "5s"),
        (timedelta(seconds=119), "119s"),
        (timedelta(minutes=3, seconds=20), "3m20s"),
        (timedelta(minutes=50), "50m"),
        (timedelta(hours=3, minutes=5), "3h5m"),
        (timedelta(hours=30), "30h"),
        (timedelta(days=4, hours=5), "4d5h"),
        (timedelta(days=30), "30d"),
    ],
)
def test_age_as_kubectl_says_it(passed: timedelta, words: str) -> None:
    """Two units at most, coarser with time."""
    assert tables.age((NOW - passed).isoformat(), NOW) == words
