"""The three patch types beside apply: JSON patch, JSON merge patch, strategic merge patch."""

import copy
from collections.abc import Mapping
from typing import Any

import jsonpatch

from sandbox.kubernetes.schema import ANY, Shape
from sandbox.kubernetes.status import ApiError, Object, bad_request

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def json_patch(obj: Object, patch: Any) -> Object:
    """RFC 6902. Raises ApiError: 400 for what is no patch, 422 for one that does not fit the object."""
    if not isinstance(patch, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        patched: Object = jsonpatch.JsonPatch(patch).apply(obj)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        message = f"the server rejected our request due to an error in our request: {error}"
        raise ApiError(422, "Invalid", message) from error
    return patched


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: null removes, maps merge, everything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_patch(target: Any, patch: Any, shape: Shape) -> Any:
    """Kubernetes' own: as a merge patch, but lists with a merge key merge by it, and `$patch` directives are obeyed."""
    if not isinstance(patch, Mapping):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if patch.get("$patch") == "delete":
        return None
    result = copy.deepcopy(dict(target)) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [item for item in result.get(name) or [] if item not in value]
        elif key.startswith("$"):
            continue  # $setElementOrder and $retainKeys: the order of patched items is kept anyway
        elif value is None:
            result.pop(key, None)
        else:
            below = shape.child(key) or ANY
            result[key] = _strategic_value(result.get(key), value, below)
    return result


def _strategic_value(target: Any, value: Any, shape: Shape) -> Any:
    if isinstance(value, list) and shape.kind == "list" and shape.merges:
        return _strategic_list(target or [], value, shape)
    return strategic_patch(target, value, shape)


def _strategic_list(target: list[Any], patch: list[Any], shape: Shape) -> list[Any]:
    if not shape.merge_key:
        return target + [item for item in patch if item not in target]
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    result = list(target)
    for item in patch:
        name = item.get(shape.merge_key)
        at = next((i for i, known in enumerate(result) if known.get(shape.merge_key) == name), None)
        if item.get("$patch") == "delete":
            result = [known for known in result if known.get(shape.merge_key) != name]
        elif at is None:
            result.append(strategic_patch({}, item, shape.element))
        else:
            result[at] = strategic_patch(result[at], item, shape.element)
    return result
