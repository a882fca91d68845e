"""What is served, as clients ask for it: version, API groups, resources, and as much OpenAPI as kubectl needs."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from sandbox.kubernetes.resources import VERBS, Resource
from sandbox.kubernetes.schema import definitions
from sandbox.kubernetes.status import Object

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

#: The answer of the API server that the exchanges were recorded from.
VERSION: Object = {
    "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
    "minCompatibilityMajor": "1", "minCompatibilityMinor": "35",
    "gitVersion": "v0.0.0-master+8e16b12fda5b1dccc41a6de48b3e356cc7d5048b",
    "gitCommit": "8e16b12fda5b1dccc41a6de48b3e356cc7d5048b", "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z", "goVersion": "go1.27.3", "compiler": "gc", "platform": "linux/amd64",
}  # fmt: skip

#: Asked, never stored.
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview",
    "io.k8s.api.authorization.v1.SelfSubjectAccessReview", namespaced=False,
    skeleton={"metadata": {}, "spec": {}, "status": {"allowed": False}},
)  # fmt: skip


def _verbs(resource: Resource) -> Sequence[str]:
    return ("create",) if resource == ACCESS_REVIEWS else VERBS


def _versions(resources: Iterable[Resource]) -> dict[tuple[str, str], list[Resource]]:
    found: dict[tuple[str, str], list[Resource]] = {}
    for resource in resources:
        found.setdefault((resource.group, resource.version), []).append(resource)
    return found


def core_versions(address: str) -> Object:
    """`/api`."""
    return {
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }  # fmt: skip


def _group(group: str, version: str) -> Object:
    entry = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [entry], "preferredVersion": entry}


def groups(resources: Iterable[Resource]) -> Object:
    """`/apis`."""
    found = [_group(group, version) for group, version in _versions(resources) if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def group(resources: Iterable[Resource], name: str) -> Object | None:
    """`/apis/{group}`."""
    for found, version in _versions(resources):
        if name and found == name:
            return {"kind": "APIGroup", "apiVersion": "v1"} | _group(found, version)
    return None


def resource_list(resources: Iterable[Resource], name: str, version: str) -> Object | None:
    """`/api/v1` and `/apis/{group}/{version}`."""
    served = _versions(resources).get((name, version))
    if served is None:
        return None
    rows: list[Object] = []
    for resource in served:
        row: Object = {
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": list(_verbs(resource)),
        }  # fmt: skip
        if resource.short_names:
            row["shortNames"] = list(resource.short_names)
        if resource.categories:
            row["categories"] = list(resource.categories)
        rows.append(row)
        if resource.has_status:
            status = {"name": f"{resource.plural}/status", "singularName": "", "namespaced": resource.namespaced}
            rows.append(status | {"kind": resource.kind, "verbs": ["get", "patch", "update"]})
    return {
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{name}/{version}" if name else version,
        "resources": rows,
    }  # fmt: skip


def aggregated(resources: Iterable[Resource], *, core: bool) -> Object:
    """`/api` or `/apis` in the one-call form that kubectl asks for."""
    items = []
    for (name, version), served in _versions(resources).items():
        if bool(name) == core:
            continue
        rows = [_aggregated_row(resource) for resource in served]
        found = {"version": version, "resources": rows, "freshness": "Current"}
        items.append({"metadata": {"name": name} if name else {}, "versions": [found]})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_row(resource: Resource) -> Object:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    row: Object = {
        "resource": resource.plural, "responseKind": kind, "singularResource": resource.singular,
        "scope": "Namespaced" if resource.namespaced else "Cluster", "verbs": list(_verbs(resource)),
    }  # fmt: skip
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    if resource.has_status:
        verbs = ["get", "patch", "update"]
        row["subresources"] = [{"subresource": "status", "responseKind": kind, "verbs": verbs}]
    return row


def openapi_index(resources: Iterable[Resource]) -> Object:
    """`/openapi/v3`: one document per group version."""
    paths = {}
    for name, version in _versions(resources):
        path = f"apis/{name}/{version}" if name else f"api/{version}"
        digest = hashlib.sha256(path.encode()).hexdigest()[:32].upper()
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def openapi(resources: Iterable[Resource], path: str) -> Object | None:
    """`/openapi/v3/{path}`: the types, and that a patch takes dryRun and fieldValidation (kubectl looks for them)."""
    parts = path.split("/")
    key = ("", parts[1]) if parts[0] == "api" and len(parts) == 2 else (parts[1], parts[2]) if len(parts) == 3 else None
    served = _versions(resources).get(key) if key else None
    if served is None:
        return None
    schemas: dict[str, Any] = {}
    for resource in served:
        _add_schema(resource.definition or _custom(resource, schemas), schemas)
    return {
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": {f"/{path}/{resource.plural}/{{name}}": {"patch": _patch(resource)} for resource in served},
        "components": {"schemas": schemas},
    }  # fmt: skip


def _patch(resource: Resource) -> Object:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    names = ("dryRun", "fieldManager", "fieldValidation", "force")
    parameters = [{"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}} for name in names]
    return {
        "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": kind, "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
    }  # fmt: skip


def _custom(resource: Resource, schemas: dict[str, Any]) -> str:
    name = ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    schemas[name] = {
        "type": "object", "x-kubernetes-group-version-kind": [kind], "x-kubernetes-preserve-unknown-fields": True,
    }  # fmt: skip
    return name


def _add_schema(name: str, schemas: dict[str, Any]) -> None:
    if name in schemas:
        return
    text = json.dumps(definitions()[name]).replace("#/$defs/", "#/components/schemas/")
    schemas[name] = json.loads(text, object_hook=_openapi_form)
    for part in text.split('"#/components/schemas/')[1:]:
        _add_schema(part.partition('"')[0], schemas)


def _openapi_form(node: Object) -> Object:
    """OpenAPI 3.0 has one type, and a reference beside a description only inside allOf."""
    kind = node.get("type")
    if isinstance(kind, list):
        node["type"] = next(name for name in kind if name != "null")
    if "$ref" in node and len(node) > 1:
        node["allOf"] = [{"$ref": node.pop("$ref")}]
    return node
