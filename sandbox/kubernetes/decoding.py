"""From what a client sent to an object of its type: unknown fields, wrong types, and what Go leaves out when empty."""

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.kubernetes import fields
from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.schema import ANY, Shape
from sandbox.kubernetes.status import ApiError, Object, bad_request

_PYTHON = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}
_GO = {"string": "string", "boolean": "bool", "integer": "int32", "number": "float64"}
#: Zero values of plain Go fields, which are not written out. Pointers (most booleans) are, and are not listed.
_UNWRITTEN_ZEROES = {"nodePort": 0, "healthCheckNodePort": 0, "publishNotReadyAddresses": False, "count": 0}


class Decoder:
    """Decodes one object; `unknown` lists the paths of fields that the type does not have, which are dropped."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self.unknown: list[str] = []

    def decode(self, sent: Any) -> Object:
        """The object, with apiVersion and kind set. Raises ApiError (400) for a wrong kind or type."""
        kind, version = self._resource.kind, self._resource.api_version
        if not isinstance(sent, dict):
            raise bad_request(f"couldn't get version/kind; json parse error: {kind} must be an object")
        got_version, got_kind = sent.get("apiVersion", version), sent.get("kind", kind)
        if (got_version, got_kind) != (version, kind):
            group, _, bare = got_version.rpartition("/")
            raise bad_request(
                f'{got_kind} in version "{bare}" cannot be handled as a {kind}: '
                f'no kind "{got_kind}" is registered for version "{group + "/" if group else ""}{bare}"'
            )
        body: Object = self._value(sent, self._resource.shape, "", "")
        head: Object = {"kind": kind, "apiVersion": version}
        return head | body | {"metadata": body.get("metadata", {})}

    def _value(self, value: Any, shape: Shape, path: str, owner: str) -> Any:
        if shape.kind == "map":
            self._expect(value, dict, "map", path, owner)
            return self._map(value, shape, path)
        if shape.kind == "list":
            self._expect(value, list, "list", path, owner)
            parts = [self._value(item, shape.element, f"{path}[{i}]", owner) for i, item in enumerate(value)]
            return [part for part in parts if part is not None]
        if shape.kind == "scalar":
            self._scalar(value, shape, path, owner)
        return value

    def _map(self, value: Mapping[str, Any], shape: Shape, path: str) -> Object:
        result: Object = {}
        owner = shape.name.rpartition(".")[2]
        for key, part in value.items():
            below = shape.child(key)
            where = f"{path}.{key}" if path else key
            if below is None:
                self.unknown.append(where)
            elif part is not None:
                result[key] = self._value(part, below, where, owner)
        return result

    def _scalar(self, value: Any, shape: Shape, path: str, owner: str) -> None:
        wanted = _PYTHON.get(shape.scalar, (str, int, float))
        fits = isinstance(value, wanted) and (shape.scalar == "boolean" or not isinstance(value, bool))  # type: ignore[arg-type]
        if not fits:
            self._refuse(value, _GO.get(shape.scalar, "string"), path, owner)

    def _expect(self, value: Any, wanted: type, go: str, path: str, owner: str) -> None:
        if not isinstance(value, wanted):
            self._refuse(value, go, path, owner)

    def _refuse(self, value: Any, go: str, path: str, owner: str) -> None:
        words = {dict: "object", list: "array", str: "string", bool: "bool"}
        plain = ".".join(part.partition("[")[0] for part in path.split("."))
        kind, version = self._resource.kind, self._resource.version
        raise bad_request(
            f'{kind} in version "{version}" cannot be handled as a {kind}: json: cannot unmarshal '
            f"{words.get(type(value), 'number')} into Go struct field {owner or kind}.{plain} of type {go}"
        )


def written(obj: Object, resource: Resource) -> Object:
    """The object as the API server stores and writes it: empty optional fields left out, required ones present."""
    skeleton = copy.deepcopy(dict(resource.skeleton))
    kept = _written(obj, resource.shape)
    result: Object = {"kind": resource.kind, "apiVersion": resource.api_version} | skeleton | kept
    for name, part in skeleton.items():
        if isinstance(part, dict):
            result[name] = part | (result.get(name) or {})
    return result


def _time(text: str, *, micro: bool) -> str:
    """A moment as Go prints it: in UTC, with a Z. What is no moment stays as it is."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def _written(value: Any, shape: Shape) -> Any:
    if isinstance(value, str) and shape.name.endswith(("v1.Time", "v1.MicroTime")):
        return _time(value, micro=shape.name.endswith("MicroTime"))
    if shape.kind == "list" and isinstance(value, list):
        return [_written(item, shape.element) for item in value if item is not None]
    if shape.kind == "any" or not isinstance(value, Mapping):
        return value
    if not shape.is_struct:
        return {key: part for key, part in value.items() if part is not None}
    return {
        key: _written(part, shape.child(key) or ANY)
        for key, part in value.items()
        if not _is_left_out(key, part, shape)
    }


def _is_left_out(key: str, value: Any, shape: Shape) -> bool:
    below = shape.child(key) or ANY
    if value is None or value == []:
        return True
    if value == "" and below.kind == "scalar":
        return True
    if value == {}:
        return below.kind == "map" and not below.is_struct
    return key in _UNWRITTEN_ZEROES and value is not True and value == _UNWRITTEN_ZEROES[key]


def check_typed(config: Object, resource: Resource) -> None:
    """Whether an applied configuration fits its schema. Raises what the API server answers: 500, without a reason."""
    problems = sorted(_problems(config, resource.shape, ()))
    if not problems:
        return
    metadata = config.get("metadata", {})
    place = "/".join(filter(None, (metadata.get("namespace"), metadata.get("name"))))
    listed = problems[0] if len(problems) == 1 else "errors:\n" + "\n".join(f"  {line}" for line in problems)
    what = f"{place}; {resource.group}/{resource.version}, Kind={resource.kind}"
    raise ApiError(500, "", f"failed to create typed patch object ({what}): {listed}")


def _problems(value: Any, shape: Shape, path: fields.Path) -> list[str]:
    where = fields.dotted(path)
    if value is None or shape.kind == "any":
        return []
    if shape.kind == "map":
        if not isinstance(value, Mapping):
            return [f"{where}: expected map, got {value!r}"]
        found = []
        for key, part in value.items():
            below, here = shape.child(key), (*path, f"f:{key}")
            unknown = f"{fields.dotted(here)}: field not declared in schema"
            found += [unknown] if below is None else _problems(part, below, here)
        return found
    if shape.kind == "list":
        return _list_problems(value, shape, path)
    wanted = _PYTHON.get(shape.scalar, (str, int, float))
    if isinstance(value, wanted) and (shape.scalar == "boolean" or not isinstance(value, bool)):  # type: ignore[arg-type]
        return []
    words = {"integer": "numeric (int or float)", "number": "numeric (int or float)", "": "string or number"}
    return [f"{where}: expected {words.get(shape.scalar, shape.scalar)}, got {value!r}"]


def _list_problems(value: Any, shape: Shape, path: fields.Path) -> list[str]:
    where = fields.dotted(path)
    if not isinstance(value, list):
        return [f"{where}: expected list, got {value!r}"]
    found, seen = [], set()
    for index, item in enumerate(value):
        missing = [key for key in shape.keys if isinstance(item, Mapping) and fields.key_of(item, key) is None]
        if missing:
            found.append(
                f"{where}: element {index}: associative list with keys has an element that omits key field "
                f'"{missing[0]}" (and doesn\'t have default value)'
            )
            continue
        name = fields.element(shape, item, index)
        if name in seen:
            found.append(f"{where}: duplicate entries for key {fields.dotted((name,))}")
        seen.add(name)
        found += _problems(item, shape.element, (*path, name))
    return found
