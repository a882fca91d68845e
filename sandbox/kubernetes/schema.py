"""The shape of each type, from the definitions that the package kubernetes_validate carries.

Only what server-side apply, strategic merge and decoding ask for: which maps are atomic, which lists are maps and by
which keys, which fields exist. The file is read once, when the first type is asked for; definitions are
resolved as they are met.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import kubernetes_validate

#: The definitions leave defaults out; server-side apply needs this one to find a port by its key.
KEY_DEFAULTS: Mapping[str, Any] = {"protocol": "TCP"}

_VERSION = "v1.36.0-local"
_SCALARS = ("string", "integer", "number", "boolean")


@dataclass(frozen=True, eq=False)
class Shape:
    """One type: a struct or map, a list, a scalar, or anything at all (a custom resource)."""

    kind: str  #: "map", "list", "scalar" or "any"
    name: str = ""  #: definition name of a struct
    scalar: str = ""  #: "string", "integer", "number", "boolean" or "" (either)
    atomic: bool = False
    keys: tuple[str, ...] = ()  #: key fields of a list that is a map
    is_set: bool = False
    merge_key: str = ""  #: of a strategic merge patch
    merges: bool = False  #: a strategic merge patch merges this list
    properties: Mapping[str, Any] = field(default_factory=dict)
    item: Any = None  #: definition of list items or map values

    @cached_property
    def _children(self) -> dict[str, "Shape"]:
        return {}

    @property
    def is_struct(self) -> bool:
        """Whether it has declared fields."""
        return bool(self.properties)

    def declares(self, key: str) -> bool:
        """Whether key is a declared field (and not merely an allowed map key)."""
        return key in self.properties

    def child(self, key: str) -> "Shape | None":
        """The shape under a map key; None where the type has no such field."""
        if self.kind == "any":
            return ANY
        definition = self.properties.get(key, self.item)
        if definition is None:
            return None
        if key not in self._children:
            self._children[key] = _resolve(definition)
        return self._children[key]

    @cached_property
    def element(self) -> "Shape":
        """The shape of list items."""
        return ANY if self.kind == "any" or self.item is None else _resolve(self.item)


ANY = Shape("any")


@cache
def definitions() -> dict[str, Any]:
    """All definitions of the API version that is modelled, by their full name."""
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / _VERSION
    loaded: dict[str, Any] = json.loads((folder / "_definitions.json").read_text("utf-8"))["$defs"]
    return loaded


@cache
def shape(name: str) -> Shape:
    """The shape of a definition, such as `io.k8s.api.core.v1.Service`; `ANY` for the empty name."""
    return _resolve({"$ref": f"#/$defs/{name}"}) if name else ANY


def _types(definition: Mapping[str, Any]) -> set[str]:
    named = definition.get("type", [])
    return {named} if isinstance(named, str) else set(named)


def _resolve(definition: Mapping[str, Any]) -> Shape:
    name = ""
    if "$ref" in definition:
        name = definition["$ref"].removeprefix("#/$defs/")
        definition = {**definitions()[name], **definition}
    types = _types(definition)
    if "array" in types:
        kind = definition.get("x-kubernetes-list-type", "atomic")
        return Shape(
            "list",
            atomic=kind == "atomic",
            keys=tuple(sorted(definition.get("x-kubernetes-list-map-keys", ()))) if kind == "map" else (),
            is_set=kind == "set",
            merge_key=definition.get("x-kubernetes-patch-merge-key", ""),
            merges="merge" in definition.get("x-kubernetes-patch-strategy", ""),
            item=definition.get("items"),
        )
    if "object" in types or "properties" in definition:
        properties, item = definition.get("properties", {}), definition.get("additionalProperties")
        if not properties and not isinstance(item, Mapping):
            return ANY
        atomic = definition.get("x-kubernetes-map-type") == "atomic"
        return Shape("map", name, atomic=atomic, properties=properties, item=item)
    scalar = next((known for known in _SCALARS if known in types), "")
    return Shape("scalar", name, scalar=scalar)
