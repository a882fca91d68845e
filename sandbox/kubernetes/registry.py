"""The verbs: get, list, create, update, patch, delete. One call is one atomic step on the store."""

import base64
import copy
import json
import random
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.faults import Faults
from sandbox.kubernetes import apply as managed
from sandbox.kubernetes import decoding, patches, strategies
from sandbox.kubernetes.resources import NAMESPACES, SERVICES, Resource
from sandbox.kubernetes.selectors import Test
from sandbox.kubernetes.services import Allocator
from sandbox.kubernetes.status import (
    ApiError,
    Object,
    already_exists,
    bad_request,
    cause,
    conflict,
    expired,
    forbidden,
    internal,
    invalid,
    modified,
    not_found,
    uid_mismatch,
)
from sandbox.kubernetes.store import Store

_KEPT_NAMESPACES = ("default", "kube-system", "kube-public")
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SYSTEM_METADATA = (
    "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds",
)  # fmt: skip
_EXPIRED_LIST = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter."
)
_WEBHOOK_DOWN = (
    'failed calling webhook "mservice.elbv2.k8s.aws": failed to call webhook: Post '
    '"https://aws-load-balancer-webhook-service.kube-system.svc:443/mutate-v1-service?timeout=10s": '
    'no endpoints available for service "aws-load-balancer-webhook-service"'
)


@dataclass
class Write:
    """How a write is asked for. `warnings` is filled for the client."""

    manager: str
    subresource: str = ""
    dry_run: bool = False
    force: bool = False
    validation: str = "Warn"  #: of unknown fields: Ignore, Warn, Strict
    authorize_create: Callable[[], None] = lambda: None  #: raises, if an apply that creates is not allowed to
    warnings: list[str] = field(default_factory=list)


class Registry:
    """All objects of one cluster."""

    def __init__(
        self,
        store: Store,
        resources: Iterable[Resource],
        *,
        clock: Callable[[], datetime],
        faults: Faults,
        webhook: bool = False,
    ) -> None:
        self.store = store
        self.resources = tuple(resources)
        self._clock = clock
        self._faults = faults
        self._webhook = webhook
        self._allocator = Allocator()
        self._random = random.Random()

    def now(self) -> str:
        """The clock, as the API prints it: UTC, whole seconds."""
        return self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Raises ApiError (404)."""
        found = self.store.get(resource, namespace, name)
        if found is None:
            raise not_found(resource.plural, resource.group, name)
        return found

    def listing(self, resource: Resource, namespace: str, matches: Test, limit: int = 0, token: str = "") -> Object:
        """A list object, or one page of it. Raises ApiError: 400 for a bad token, 410 for one that is too old."""
        with self.store.lock:
            revision, start = self.store.revision, ("", "")
            if token:
                revision, start = _read_token(token)
                if self.store.is_compacted(revision):
                    raise expired(_EXPIRED_LIST)
            found = [obj for obj in self.store.objects(resource, namespace) if matches(obj) and _key(obj) > start]
        page = found[:limit] if limit else found
        metadata: Object = {"resourceVersion": str(revision)}
        if len(page) < len(found):
            metadata["continue"] = _token(revision, _key(page[-1]))
            metadata["remainingItemCount"] = len(found) - len(page)
        items = [_bare(obj) for obj in page] if resource.definition else page
        return {
            "kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata, "items": items,
        }  # fmt: skip

    def create(self, resource: Resource, namespace: str, body: Any, write: Write) -> Object:
        """POST."""
        obj = self._decode(resource, body, write)
        self._place(resource, obj, namespace)
        obj = managed.update(self._nothing(resource), obj, self._change(resource, write))
        with self.store.lock:
            return self._create(resource, obj, write)

    def update(self, resource: Resource, namespace: str, name: str, body: Any, write: Write) -> Object:
        """PUT."""
        with self.store.lock:
            live = self.get(resource, namespace, name)
            new = self._decode(resource, body, write)
            self._place(resource, new, namespace, name)
            return self._update(resource, live, new, write)

    def patch(self, resource: Resource, namespace: str, name: str, kind: str, body: Any, write: Write) -> Object:
        """PATCH with a JSON, merge or strategic patch."""
        with self.store.lock:
            live = self.get(resource, namespace, name)
            if kind == patches.JSON:
                patched = patches.json_patch(live, body)
            elif kind == patches.MERGE or not resource.definition:
                patched = patches.merge_patch(live, body)
            else:
                patched = patches.strategic_patch(live, body, resource.shape)
            new = self._decode(resource, patched, write, patch=body)
            self._place(resource, new, namespace, name)
            return self._update(resource, live, new, write)

    def apply(self, resource: Resource, namespace: str, name: str, body: Any, write: Write) -> tuple[bool, Object]:
        """Server-side apply; the flag says whether it created the object."""
        if not isinstance(body, dict):
            raise bad_request("error decoding YAML: a server-side apply takes an object")
        config = body | {"metadata": dict(body.get("metadata") or {})}
        if config["metadata"].get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        with self.store.lock:
            live = self.store.get(resource, namespace, name)
            if live is None and write.subresource:
                raise not_found(resource.plural, resource.group, name)
            self._check_version(resource, config)
            decoding.check_typed(config, resource)
            self._place(resource, config, namespace, name)
            if live is None:
                write.authorize_create()
            base = live or self._nothing(resource)
            new = managed.apply(base, config, self._change(resource, write), write.force)
            new = decoding.written(new, resource)
            strategies.apply_defaults(new, resource)
            if live is None:
                return True, self._create(resource, new, write)
            return False, self._finish_update(resource, live, new, write)

    def delete(self, resource: Resource, namespace: str, name: str, options: Object, *, dry_run: bool) -> Object:
        """DELETE: at once, or once the finalizers are gone. Returns what the API server answers."""
        with self.store.lock:
            live = self.get(resource, namespace, name)
            self._check_preconditions(resource, live, options.get("preconditions") or {})
            if resource == NAMESPACES and name in _KEPT_NAMESPACES:
                raise forbidden(resource.plural, "", name, "this namespace may not be deleted")
            held = bool(live["metadata"].get("finalizers")) or resource == NAMESPACES
            if dry_run:
                return live if held or resource.returns_deleted else _success(resource, live)
            if held:
                return self._mark_deleted(resource, live)
            self._remove(resource, live)
            return live if resource.returns_deleted else _success(resource, live)

    # Steps of the verbs

    def _nothing(self, resource: Resource) -> Object:
        head: Object = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": {}}
        return head | copy.deepcopy(dict(resource.skeleton))

    def _change(self, resource: Resource, write: Write) -> managed.Change:
        return managed.Change(
            manager=write.manager,
            api_version=resource.api_version,
            now=self.now(),
            shape=resource.shape,
            subresource=write.subresource,
            ignored=strategies.ignored_fields(resource, write.subresource),
        )

    def _decode(self, resource: Resource, body: Any, write: Write, patch: Any = None) -> Object:
        decoder = decoding.Decoder(resource)
        obj = decoding.written(decoder.decode(body), resource)
        unknown = [f'unknown field "{path}"' for path in decoder.unknown]
        if unknown and write.validation == "Strict":
            words = "strict decoding error: " + ", ".join(unknown)
            if patch is not None:
                found = cause("FieldValueInvalid", "patch", words, json.dumps(json.dumps(patch)))
                raise invalid("", "", "", [found])
            kind = resource.kind
            raise bad_request(f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {words}')
        if write.validation == "Warn":
            write.warnings.extend(unknown)
        strategies.apply_defaults(obj, resource)
        return obj

    def _check_version(self, resource: Resource, config: Object) -> None:
        version, kind = config.get("apiVersion"), config.get("kind")
        if not version or not kind:
            raise bad_request("error decoding YAML: Object 'Kind' or 'apiVersion' is missing")
        if (version, kind) != (resource.api_version, resource.kind):
            raise bad_request(
                "Incorrect version specified in apply patch. "
                f"Specified patch version: {version} {kind}, expected: {resource.api_version} {resource.kind}"
            )

    def _place(self, resource: Resource, obj: Object, namespace: str, name: str = "") -> None:
        """Name and namespace come from the URL; the body may only repeat them."""
        metadata = obj["metadata"]
        if resource.namespaced and metadata.setdefault("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if name and metadata.setdefault("name", name) != name:
            words = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            raise bad_request(words)

    def _check_namespace(self, resource: Resource, obj: Object) -> None:
        if not resource.namespaced:
            return
        name = obj["metadata"]["namespace"]
        namespace = self.get(NAMESPACES, "", name)
        if namespace["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {name} because it is being terminated"
            raise forbidden(resource.plural, resource.group, obj["metadata"].get("name", ""), why)

    def _create(self, resource: Resource, obj: Object, write: Write) -> Object:
        metadata = obj["metadata"]
        if metadata.pop("resourceVersion", None):
            raise bad_request("resourceVersion should not be set on objects to be created")
        self._check_namespace(resource, obj)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + "".join(self._random.choices(_SUFFIX_LETTERS, k=5))
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(name, None)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": self.now()}
        self._call_webhook(resource, obj)
        strategies.prepare_create(obj, resource)
        self._validate(resource, obj, None)
        namespace = metadata.get("namespace", "")
        if self.store.get(resource, namespace, metadata["name"]):
            raise already_exists(resource.plural, resource.group, metadata["name"])
        if resource == SERVICES:
            self._allocator.allocate(obj, None, dry_run=write.dry_run)
        return obj if write.dry_run else self.store.put(resource, obj)

    def _call_webhook(self, resource: Resource, obj: Object) -> None:
        if resource != SERVICES or obj["spec"]["type"] != "LoadBalancer":
            return
        if self._faults.is_on("kubernetes-webhook-down"):
            raise internal(_WEBHOOK_DOWN)
        if self._webhook:
            strategies.set_load_balancer_class(obj)

    def _validate(self, resource: Resource, new: Object, old: Object | None) -> None:
        causes = strategies.validate(new, old, resource)
        if causes:
            raise invalid(resource.kind, resource.group, new["metadata"].get("name", ""), causes)

    def _update(self, resource: Resource, live: Object, new: Object, write: Write) -> Object:
        tracked = managed.update(live, new, self._change(resource, write))
        return self._finish_update(resource, live, tracked, write)

    def _finish_update(self, resource: Resource, live: Object, new: Object, write: Write) -> Object:
        metadata, before = new["metadata"], live["metadata"]
        name = before["name"]
        if metadata.get("resourceVersion", before["resourceVersion"]) != before["resourceVersion"]:
            raise modified(resource.plural, resource.group, name)
        if metadata.get("uid", before["uid"]) != before["uid"]:
            why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {before['uid']}"
            raise conflict(resource.plural, resource.group, name, why)
        for key in _SYSTEM_METADATA:
            metadata.pop(key, None)
        metadata |= {key: before[key] for key in _SYSTEM_METADATA if key in before}
        strategies.prepare_update(new, live, resource, write.subresource)
        self._validate(resource, new, live)
        if resource == SERVICES and not write.subresource:
            self._allocator.allocate(new, live, dry_run=write.dry_run)
        new = decoding.written(new, resource)
        if managed.same_but_times(live, new):
            return live
        if write.dry_run:
            return new
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers") and resource != NAMESPACES:
            self._remove(resource, new)
            return new
        return self.store.put(resource, new)

    def _check_preconditions(self, resource: Resource, live: Object, wanted: Object) -> None:
        metadata = live["metadata"]
        if wanted.get("uid", metadata["uid"]) != metadata["uid"]:
            raise uid_mismatch(resource.kind, resource.group, metadata["name"], wanted["uid"], metadata["uid"])
        version, found = wanted.get("resourceVersion", ""), metadata["resourceVersion"]
        if version and version != found:
            why = (
                f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
                f"({found}). The object might have been modified"
            )
            raise conflict(resource.kind, resource.group, metadata["name"], why)

    def _mark_deleted(self, resource: Resource, live: Object) -> Object:
        metadata = live["metadata"]
        if metadata.get("deletionTimestamp"):
            return live
        metadata |= {"deletionTimestamp": self.now(), "deletionGracePeriodSeconds": 0}
        if resource.has_generation:
            metadata["generation"] = metadata.get("generation", 1) + 1
        if resource != NAMESPACES:
            return self.store.put(resource, live)
        metadata.pop("deletionGracePeriodSeconds")
        live["status"] = live.get("status", {}) | {"phase": "Terminating"}
        marked = self.store.put(resource, live)
        self._empty_namespace(metadata["name"])
        return marked

    def _empty_namespace(self, name: str) -> None:
        for resource in self.resources:
            for obj in self.store.objects(resource, name) if resource.namespaced else []:
                self.delete(resource, name, obj["metadata"]["name"], {}, dry_run=False)
        self._drop_if_empty(name)

    def _remove(self, resource: Resource, obj: Object) -> None:
        self.store.delete(resource, obj)
        if resource == SERVICES:
            self._allocator.release(obj)
        if resource.namespaced:
            self._drop_if_empty(obj["metadata"]["namespace"])

    def _drop_if_empty(self, name: str) -> None:
        namespace = self.store.get(NAMESPACES, "", name)
        if not namespace or not namespace["metadata"].get("deletionTimestamp"):
            return
        if not any(self.store.objects(resource, name) for resource in self.resources if resource.namespaced):
            self.store.delete(NAMESPACES, namespace)


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _bare(obj: Object) -> Object:
    return {name: part for name, part in obj.items() if name not in ("kind", "apiVersion")}


def _success(resource: Resource, obj: Object) -> Object:
    details = {"name": obj["metadata"]["name"], "kind": resource.plural, "uid": obj["metadata"]["uid"]}
    if resource.group:
        details["group"] = resource.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _token(revision: int, key: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([revision, *key]).encode()).decode()


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        revision, namespace, name = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise bad_request("continue key is not valid") from error
    return revision, (namespace, name)


__all__ = ["ApiError", "Registry", "Write"]
