"""Field sets: which fields of an object somebody owns, and the algebra of server-side apply over them.

A field is a path, a tuple of elements written as in `managedFields` (`f:spec`, `k:{"port":443,"protocol":"TCP"}`,
`v:"finalizer"`); a field set is a plain set of paths, so union and difference are Python's own. The rules follow
structured-merge-diff v6: a container is itself a member where it is empty, atomic, or an item of a keyed list.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.kubernetes.schema import ANY, KEY_DEFAULTS, Shape

Path = tuple[str, ...]
FieldSet = frozenset[Path]
EMPTY: FieldSet = frozenset()


class _Missing:
    """Absent, which is not the same as null."""


MISSING = _Missing()


def compact(value: Any) -> str:
    """JSON as Go writes it into field paths."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def key_of(item: Mapping[str, Any], key: str) -> Any:
    """The value of a key field of a list item, or its default; None if it has neither."""
    return item.get(key, KEY_DEFAULTS.get(key))


def element(shape: Shape, item: Any, index: int) -> str:
    """How a list item is named: by its keys, by its value, or by its position."""
    if shape.keys and isinstance(item, Mapping):
        return "k:" + compact({key: key_of(item, key) for key in shape.keys})
    if shape.is_set:
        return "v:" + compact(item)
    return f"i:{index}"


def _kind(shape: Shape, value: Any) -> Shape:
    """What an untyped value turns out to be: maps merge, lists are atomic."""
    if shape.kind != "any":
        return shape
    if isinstance(value, Mapping):
        return Shape("map", item={})
    return Shape("list", atomic=True) if isinstance(value, list) else Shape("scalar")


def children(shape: Shape, value: Any) -> dict[str, tuple[Any, Shape]]:
    """The parts of a container that is not atomic: path element -> (value, shape)."""
    if isinstance(value, Mapping):
        return {f"f:{key}": (part, shape.child(key) or ANY) for key, part in value.items()}
    if isinstance(value, list):
        return {element(shape, item, i): (item, shape.element) for i, item in enumerate(value)}
    return {}


def to_set(value: Any, shape: Shape) -> FieldSet:
    """All fields that an applied configuration names."""
    found: set[Path] = set()
    _collect(value, shape, (), found)
    found.discard(())
    return frozenset(found)


def _collect(value: Any, shape: Shape, path: Path, found: set[Path]) -> None:
    shape = _kind(shape, value)
    if shape.kind == "scalar" or shape.atomic or not value:
        found.add(path)
        return
    for name, (part, below) in children(shape, value).items():
        if shape.kind == "list":
            found.add((*path, name))
        _collect(part, below, (*path, name), found)


class Comparison:
    """What differs between two versions of an object."""

    def __init__(self, old: Any, new: Any, shape: Shape) -> None:
        self._added: set[Path] = set()
        self._modified: set[Path] = set()
        self._removed: set[Path] = set()
        self._walk(old, new, shape, ())
        self.added = frozenset(self._added)
        self.modified = frozenset(self._modified)
        self.removed = frozenset(self._removed)

    def is_same(self) -> bool:
        """Nothing differs."""
        return not (self.added or self.modified or self.removed)

    def _walk(self, old: Any, new: Any, shape: Shape, path: Path) -> None:
        shape = _kind(shape, old if new is MISSING else new)
        both_empty = old in (MISSING, None, {}, []) and new in (MISSING, None, {}, [])
        if shape.kind == "scalar" or shape.atomic or both_empty:
            self._leaf(old, new, path)
            return
        before, after = children(shape, old), children(shape, new)
        for name in before.keys() | after.keys():
            below = (after.get(name) or before[name])[1]
            was = before[name][0] if name in before else MISSING
            now = after[name][0] if name in after else MISSING
            self._walk(was, now, below, (*path, name))
        if old is MISSING:
            self._added.add(path)
        elif new is MISSING:
            self._removed.add(path)

    def _leaf(self, old: Any, new: Any, path: Path) -> None:
        if old is MISSING:
            self._added.add(path)
        elif new is MISSING:
            self._removed.add(path)
        elif old != new:
            self._modified.add(path)


def merge(live: Any, config: Any, shape: Shape) -> Any:
    """The live object with an applied configuration laid over it."""
    if config is MISSING or live is MISSING:
        return live if config is MISSING else config
    shape = _kind(shape, config)
    if shape.kind == "scalar" or shape.atomic or not (live or config):
        return config
    if shape.kind == "list":
        return _merge_list(live or [], config or [], shape)
    merged = dict(live or {})
    for key, value in (config or {}).items():
        merged[key] = merge(merged.get(key, MISSING), value, shape.child(key) or ANY)
    return merged


def _merge_list(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    """Items of both, in the order of the configuration, with items of others kept before what followed them."""
    left, right = children(shape, live), children(shape, config)
    shared = [name for name in right if name in left]
    lefts, rights, order = list(left), list(right), []
    taken: set[str] = set()
    while lefts or rights:
        head = lefts[0] if lefts else None
        if head in right and head not in taken and shared[0] != head:
            lefts.pop(0)
            continue
        if head is not None and (head not in right or head in taken):
            lefts.pop(0)
            order.extend([] if head in right else [head])
            continue
        name = rights.pop(0)
        order.append(name)
        taken.add(name)
        shared = shared[1:] if shared and shared[0] == name else shared
    nothing = (MISSING, shape.element)
    return [merge(left.get(name, nothing)[0], right.get(name, nothing)[0], shape.element) for name in order]


def remove(value: Any, unwanted: FieldSet, shape: Shape) -> Any:
    """The value without the fields named; None where nothing is left of a container."""
    shape = _kind(shape, value)
    if shape.kind == "scalar" or shape.atomic or not value or not unwanted:
        return value
    below: dict[str, set[Path]] = {}
    for path in unwanted:
        below.setdefault(path[0], set()).add(path[1:])
    kept: dict[str, Any] = {}
    for name, (part, part_shape) in children(shape, value).items():
        paths = below.get(name, set())
        if () not in paths:
            kept[name] = remove(part, frozenset(paths), part_shape)
    if not kept:
        return None
    return list(kept.values()) if shape.kind == "list" else {name[2:]: part for name, part in kept.items()}


def with_named_fields(paths: Iterable[Path], shape: Shape) -> FieldSet:
    """The paths, and the declared fields on the way to them (which are members in their own right when pruning)."""
    found: set[Path] = set()
    for path in paths:
        found.add(path)
        here: Shape = shape
        for depth, name in enumerate(path[:-1], start=1):
            if name.startswith("f:"):
                if here.declares(name[2:]):
                    found.add(path[:depth])
                here = here.child(name[2:]) or ANY
            else:
                here = here.element
    return frozenset(found)


def encode(paths: Iterable[Path]) -> dict[str, Any]:
    """`fieldsV1`."""
    tree: dict[str, Any] = {}
    members = set(paths)
    for path in sorted(members):
        node = tree
        for name in path:
            node = node.setdefault(name, {})
    _mark(tree, (), members)
    return tree


def _mark(node: dict[str, Any], path: Path, members: set[Path]) -> None:
    """Put "." where a container is itself a member beside its parts."""
    for name, below in node.items():
        here = (*path, name)
        _mark(below, here, members)
        if below and here in members:
            node[name] = {".": {}, **below}


def decode(tree: Mapping[str, Any]) -> FieldSet:
    """The set that `fieldsV1` says."""
    found: set[Path] = set()

    def walk(node: Mapping[str, Any], path: Path) -> None:
        if (not node or "." in node) and path:
            found.add(path)
        for name, below in node.items():
            if name != ".":
                walk(below, (*path, name))

    walk(tree, ())
    return frozenset(found)


def dotted(path: Path) -> str:
    """A path as conflict messages print it: `.spec.ports[port=443,protocol="TCP"].targetPort`."""
    return "".join(_dotted(name) for name in path)


def _dotted(name: str) -> str:
    rest = name[2:]
    if name.startswith("f:"):
        return f".{rest}"
    if name.startswith("k:"):
        return "[" + ",".join(f"{key}={compact(value)}" for key, value in json.loads(rest).items()) + "]"
    return f"[={rest}]" if name.startswith("v:") else f"[{rest}]"
