"""Rules that every object follows: names, labels, annotations, finalizers. In the API server's words."""

import json
import re
from collections.abc import Mapping
from typing import Any

from sandbox.kubernetes.resources import NAMESPACES, SERVICES, Resource
from sandbox.kubernetes.status import Cause, Object, cause

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")

_LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL.pattern}')"
)
_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_SUBDOMAIN.pattern}')"
)
_QUALIFIED_WORDS = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{_QUALIFIED.pattern}')"
)
_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_VALUE.pattern}')"
)


def quoted(value: Any) -> str:
    """A value as Go prints it in a validation error."""
    return json.dumps(value, ensure_ascii=False)


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def label_problems(name: str) -> list[str]:
    """What is wrong with a DNS label."""
    found = [_too_long(63)] if len(name) > 63 else []
    return found if _LABEL.fullmatch(name) else [*found, _LABEL_WORDS]


def _name_problems(name: str, resource: Resource) -> list[str]:
    if resource in (SERVICES, NAMESPACES):
        return label_problems(name)
    found = [_too_long(253)] if len(name) > 253 else []
    return found if _SUBDOMAIN.fullmatch(name) else [*found, _SUBDOMAIN_WORDS]


def _key_problems(key: str) -> list[str]:
    prefix, slash, name = key.rpartition("/")
    if slash and not _SUBDOMAIN.fullmatch(prefix):
        return ["prefix part " + _SUBDOMAIN_WORDS]
    if not name:
        return ["name part must be non-empty"]
    found = ["name part " + _too_long(63)] if len(name) > 63 else []
    return found if _QUALIFIED.fullmatch(name) else [*found, _QUALIFIED_WORDS]


def validate_metadata(obj: Object, resource: Resource) -> list[Cause]:
    """Problems with the metadata of a new or changed object."""
    metadata = obj["metadata"]
    if not metadata.get("name"):
        return [cause("FieldValueRequired", "metadata.name", "name or generateName is required")]
    name = metadata["name"]
    found = [
        cause("FieldValueInvalid", "metadata.name", words, quoted(name)) for words in _name_problems(name, resource)
    ]
    for part in ("labels", "annotations"):
        for key, value in (metadata.get(part) or {}).items():
            found += [
                cause("FieldValueInvalid", f"metadata.{part}", words, quoted(key)) for words in _key_problems(key)
            ]
            if part == "labels" and (len(value) > 63 or not _VALUE.fullmatch(value)):
                words = _too_long(63) if len(value) > 63 else _VALUE_WORDS
                found.append(cause("FieldValueInvalid", "metadata.labels", words, quoted(value)))
    return found


def validate_metadata_update(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[Cause]:
    """An object that is being deleted gets no new finalizers."""
    before = set(old["metadata"].get("finalizers") or [])
    fresh = [name for name in new["metadata"].get("finalizers") or [] if name not in before]
    if not fresh or not old["metadata"].get("deletionTimestamp"):
        return []
    listed = ", ".join(quoted(name) for name in fresh)
    words = (
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{" + listed + "}"
    )
    return [cause("FieldValueForbidden", "metadata.finalizers", words)]
