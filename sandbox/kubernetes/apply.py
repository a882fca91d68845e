"""Server-side apply and the bookkeeping of `metadata.managedFields`.

The algorithm is structured-merge-diff's: an update takes what it changed away from everybody else; an apply owns what
it names, conflicts where it would change what others own, and removes what it named before and names no longer, unless
somebody else owns it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sandbox.kubernetes import fields
from sandbox.kubernetes.fields import Comparison, FieldSet
from sandbox.kubernetes.schema import Shape
from sandbox.kubernetes.status import ApiError, Object

_UNOWNED_METADATA = (
    "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "managedFields",
)  # fmt: skip
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_UNOWNED: FieldSet = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",)] + [("f:metadata", f"f:{name}") for name in _UNOWNED_METADATA]
)


class Manager(NamedTuple):
    """Who owns fields. One name may own some by Apply, some by Update, some through a subresource."""

    name: str
    operation: str  #: "Apply" or "Update"
    api_version: str  #: empty for Apply: an applier is the same whatever version it speaks
    subresource: str = ""

    def printed(self) -> str:
        """As conflict messages name it."""
        text = f'"{self.name}"' + (f' with subresource "{self.subresource}"' if self.subresource else "")
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


@dataclass(frozen=True)
class Owned:
    """The fields that one manager owns, and since when."""

    paths: FieldSet
    api_version: str
    time: str | None = None


Managers = dict[Manager, Owned]


@dataclass(frozen=True)
class Change:
    """Who changes an object, when and through what."""

    manager: str
    api_version: str
    now: str  #: RFC 3339
    shape: Shape
    subresource: str = ""
    ignored: tuple[str, ...] = ()  #: top-level fields that this way in does not change (status, or spec)

    def owned(self, paths: FieldSet) -> FieldSet:
        """The paths that anybody may own through this way in."""
        roots = {f"f:{name}" for name in self.ignored}
        return frozenset(path for path in paths - _UNOWNED if path[0] not in roots)


def managers_of(obj: Mapping[str, Any]) -> Managers:
    """Decoded `managedFields`; an entry without fields says nothing (`[{}]` is how clients reset them)."""
    found: Managers = {}
    for entry in obj.get("metadata", {}).get("managedFields") or []:
        if not entry.get("fieldsV1"):
            continue
        operation, version = entry.get("operation", "Update"), entry.get("apiVersion", "")
        key = Manager(
            entry.get("manager", ""), operation, version if operation == "Update" else "", entry.get("subresource", "")
        )
        found[key] = Owned(fields.decode(entry["fieldsV1"]), version, entry.get("time"))
    return found


def with_managers(obj: Object, managers: Managers) -> Object:
    """The object with these managers, in the API server's order: appliers first, then by time and name."""

    def order(item: tuple[Manager, Owned]) -> tuple[str, ...]:
        key, owned = item
        return key.operation, owned.time or "", key.name, owned.api_version, key.subresource

    metadata = {name: value for name, value in obj.get("metadata", {}).items() if name != "managedFields"}
    entries = [_entry(key, owned) for key, owned in sorted(managers.items(), key=order)]
    return obj | {"metadata": metadata | ({"managedFields": entries} if entries else {})}


def _entry(key: Manager, owned: Owned) -> Object:
    entry: Object = {"manager": key.name, "operation": key.operation, "apiVersion": owned.api_version}
    if owned.time:
        entry["time"] = owned.time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": fields.encode(owned.paths)}
    return entry | ({"subresource": key.subresource} if key.subresource else {})


def without_managers(obj: Object) -> Object:
    """The object as everybody but the bookkeeping sees it."""
    metadata = {name: value for name, value in obj.get("metadata", {}).items() if name != "managedFields"}
    return obj | {"metadata": metadata}


def same_but_times(old: Object, new: Object) -> bool:
    """Whether only the times in `managedFields` differ: such a write is no write."""

    def timeless(obj: Object) -> tuple[Object, dict[Manager, FieldSet]]:
        return without_managers(obj), {key: owned.paths for key, owned in managers_of(obj).items()}

    return timeless(old) == timeless(new)


def _settle(
    managers: Managers, acting: Manager, comparison: Comparison, force: bool, allowed: FieldSet = fields.EMPTY
) -> Managers:
    """Take what changed away from the others, or raise the conflict over what is not allowed."""
    changed = comparison.modified | comparison.added
    conflicts = {key: owned.paths & changed for key, owned in managers.items() if key != acting}
    real = {key: paths - allowed for key, paths in conflicts.items() if paths - allowed}
    if real and not force:
        raise _conflict(real)
    settled: Managers = {}
    for key, owned in managers.items():
        if key != acting:
            owned = replace(owned, paths=owned.paths - conflicts[key] - comparison.removed)
        if owned.paths:
            settled[key] = owned
    return settled


def _conflict(conflicts: Mapping[Manager, FieldSet]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {key.printed()}", "field": fields.dotted(path)}
        for key, paths in sorted(conflicts.items())
        for path in sorted(paths)
    ]
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        lines = []
        for key, paths in sorted(conflicts.items()):
            lines.append(f"conflicts with {key.printed()}:")
            lines.extend(f"- {fields.dotted(path)}" for path in sorted(paths))
        message = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", message, {"causes": causes})


def update(live: Object, new: Object, change: Change) -> Object:
    """The new object with `managedFields` after a write that is not an apply (POST, PUT, other patches).

    A client may send `managedFields` of its own (kubectl does, to turn a client-side applier into a server-side one).
    """
    managers = managers_of(new) or managers_of(live)
    acting = Manager(change.manager, "Update", change.api_version, change.subresource)
    before, after = without_managers(live), without_managers(new)
    # What this way in does not change counts as unchanged, whatever was sent.
    for name in change.ignored:
        after = {key: value for key, value in after.items() if key != name}
        after |= {name: before[name]} if name in before else {}
    comparison = Comparison(before, after, change.shape)
    settled = _settle(managers, acting, comparison, force=True)
    previous = managers.get(acting, Owned(fields.EMPTY, change.api_version))
    fresh = change.owned(comparison.modified | comparison.added)
    paths = (previous.paths - comparison.removed) | fresh
    settled.pop(acting, None)
    if paths:
        time = change.now if fresh or paths != previous.paths else previous.time
        settled[acting] = Owned(paths, change.api_version, time)
    return with_managers(new, settled)


def apply(live: Object, config: Object, change: Change, force: bool) -> Object:
    """The live object after the configuration was applied, with `managedFields`. Raises the conflict as ApiError."""
    managers = managers_of(live)
    acting = Manager(change.manager, "Apply", "", change.subresource)
    before = without_managers(live)
    config = {name: value for name, value in config.items() if name not in change.ignored}
    merged = fields.merge(before, config, change.shape)
    last = managers.get(acting)
    wanted = change.owned(fields.to_set(config, change.shape))
    managers[acting] = Owned(wanted, change.api_version, last.time if last else None)
    if last:
        merged = _prune(merged, managers, last.paths, change.shape)
    comparison = Comparison(before, merged, change.shape)
    allowed = _applied_by_kubectl(before, change.shape) if change.manager == "kubectl" else fields.EMPTY
    settled = _settle(managers, acting, comparison, force, allowed)
    if wanted and (not comparison.is_same() or last is None):
        settled[acting] = Owned(wanted, change.api_version, change.now)
    return with_managers(merged, settled)


def _applied_by_kubectl(live: Object, shape: Shape) -> FieldSet:
    """What client-side apply set and nobody changed since: kubectl may take it over by server-side apply."""
    text = (live["metadata"].get("annotations") or {}).get(_LAST_APPLIED)
    if not text:
        return fields.EMPTY
    last = json.loads(text)
    comparison = Comparison(live, last, shape)
    return fields.to_set(last, shape) - comparison.modified - comparison.added


def _prune(merged: Object, managers: Managers, last: FieldSet, shape: Shape) -> Object:
    """Remove what was applied before and is owned by nobody now; containers go only if this applier made them."""
    named = fields.with_named_fields
    before = named(fields.to_set(merged, shape), shape)
    pruned = fields.remove(merged, named(last, shape), shape) or {}
    owned = frozenset().union(*(owned.paths for owned in managers.values()))
    kept = named(fields.to_set(pruned, shape), shape) | named(owned, shape)
    pruned = fields.remove(merged, before - kept, shape) or {}
    kept = named(fields.to_set(pruned, shape), shape)
    result: Object = fields.remove(merged, (before - kept) & named(last, shape), shape) or {}
    return result
