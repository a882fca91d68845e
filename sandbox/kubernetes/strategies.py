"""What is particular to a kind when it is created or changed: defaults, resets, rules."""

import copy

from sandbox.kubernetes import services
from sandbox.kubernetes.resources import EVENTS, NAMESPACES, PODS, SERVICES, Resource
from sandbox.kubernetes.status import Cause, Object, cause
from sandbox.kubernetes.validation import quoted, validate_metadata, validate_metadata_update

CONTROLLER_CLASS = "service.k8s.aws/nlb"
_TYPE_ANNOTATION = "service.beta.kubernetes.io/aws-load-balancer-type"


def apply_defaults(obj: Object, resource: Resource) -> None:
    """Defaults of decoding: whoever sends the object owns them."""
    if resource == SERVICES:
        services.apply_defaults(obj)
    elif resource == NAMESPACES and obj["metadata"].get("name"):
        labels = obj["metadata"].get("labels") or {}
        obj["metadata"]["labels"] = labels | {"kubernetes.io/metadata.name": obj["metadata"]["name"]}
    elif resource == PODS:
        spec = obj.setdefault("spec", {})
        for name, value in (
            ("restartPolicy", "Always"),
            ("dnsPolicy", "ClusterFirst"),
            ("schedulerName", "default-scheduler"),
        ):
            spec.setdefault(name, value)


def prepare_create(obj: Object, resource: Resource) -> None:
    """What a create sets whatever was sent: a status is not the creator's to write."""
    if resource.has_status:
        obj.pop("status", None)
        if "status" in resource.skeleton:
            obj["status"] = copy.deepcopy(resource.skeleton["status"])
    if resource.has_generation:
        obj["metadata"]["generation"] = 1
    if resource == NAMESPACES:
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}
    elif resource == PODS:
        obj["status"] = {"phase": "Pending"}


def prepare_update(new: Object, old: Object, resource: Resource, subresource: str) -> None:
    """Parts that this way in does not change stay as they were."""
    for name in ignored_fields(resource, subresource):
        new.pop(name, None)
        if name in old:
            new[name] = old[name]
    if resource == SERVICES and not subresource:
        services.carry_over(new, old)
    if resource.has_generation:
        changed = _content(new) != _content(old)
        new["metadata"]["generation"] = old["metadata"].get("generation", 1) + (1 if changed else 0)


def _content(obj: Object) -> Object:
    return {name: part for name, part in obj.items() if name not in ("metadata", "status")}


def ignored_fields(resource: Resource, subresource: str) -> tuple[str, ...]:
    """Top-level fields that a write through the object, or its status, does not reach."""
    if subresource == "status":
        return ("spec",)
    return ("status",) if resource.has_status else ()


def validate(new: Object, old: Object | None, resource: Resource) -> list[Cause]:
    """All problems of a new (old is None) or changed object."""
    found = validate_metadata(new, resource) + (validate_metadata_update(new, old) if old else [])
    if resource == SERVICES:
        found += services.validate(new, old)
    elif resource == EVENTS:
        found += _validate_event(new)
    elif resource == PODS and not new.get("spec", {}).get("containers"):
        found.append(cause("FieldValueRequired", "spec.containers"))
    return found


def _validate_event(event: Object) -> list[Cause]:
    involved = event.get("involvedObject", {}).get("namespace", "")
    if involved == event["metadata"].get("namespace"):
        return []
    return [cause("FieldValueInvalid", "involvedObject.namespace", "does not match event.namespace", quoted(involved))]


def set_load_balancer_class(service: Object) -> None:
    """What the webhook mservice.elbv2.k8s.aws does to a new Service (controller 2.5 and later)."""
    spec = service["spec"]
    asked = (service["metadata"].get("annotations") or {}).get(_TYPE_ANNOTATION, "external")
    if spec["type"] == "LoadBalancer" and not spec.get("loadBalancerClass") and asked in ("external", "nlb-ip"):
        spec["loadBalancerClass"] = CONTROLLER_CLASS
