"""Errors in the API server's own words: each becomes a `Status` object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Cause:
    """One entry of `details.causes`; `field` is a path such as `spec.ports[0].port`."""

    reason: str
    message: str
    field: str


class ApiError(Exception):
    """An answer other than success. `reason` is empty where the API server leaves it out."""

    def __init__(
        self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None, retry_after: int = 0
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})
        self.retry_after = retry_after

    def status(self) -> Object:
        """The body that the client gets."""
        body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return body | {"code": self.code}


class PageNotFoundError(Exception):
    """A path that no API serves; the answer is plain text, not a Status."""


def _details(name: str, kind: str, group: str = "", **more: Any) -> Object:
    details: Object = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    return details | {"kind": kind} | more


def qualified(plural: str, group: str) -> str:
    """How messages name a resource: `services`, `endpointslices.discovery.k8s.io`."""
    return f"{plural}.{group}" if group else plural


def not_found(plural: str, group: str, name: str) -> ApiError:
    """404 for an object."""
    return ApiError(404, "NotFound", f'{qualified(plural, group)} "{name}" not found', _details(name, plural, group))


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """409 for a create."""
    message = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(name, plural, group))


def conflict(kind: str, group: str, name: str, why: str) -> ApiError:
    """409: a precondition (resourceVersion, uid) does not hold."""
    message = f'Operation cannot be fulfilled on {qualified(kind, group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(name, kind, group))


def modified(plural: str, group: str, name: str) -> ApiError:
    """409: the resourceVersion sent is not the current one."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(plural, group, name, why)


def uid_mismatch(kind: str, group: str, name: str, asked: str, found: str) -> ApiError:
    """409: a delete precondition names another uid."""
    why = (
        f"the UID in the precondition ({asked}) does not match the UID in record ({found}). "
        "The object might have been deleted and then recreated"
    )
    return conflict(kind, group, name, why)


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def forbidden(plural: str, group: str, name: str, why: str) -> ApiError:
    """403."""
    subject = f'{qualified(plural, group)} "{name}"' if name else qualified(plural, group)
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {why}", _details(name, plural, group))


def unauthorized() -> ApiError:
    """401: no token, or one that nobody knows."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> ApiError:
    """410: the history asked for is gone."""
    return ApiError(410, "Expired", message)


def method_not_allowed() -> ApiError:
    """405."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """415, naming the media types that would do."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return ApiError(415, "UnsupportedMediaType", message)


def unavailable() -> ApiError:
    """503, as an API server that is shutting down or cannot reach its store answers."""
    message = "the server is currently unable to handle the request"
    return ApiError(503, "ServiceUnavailable", message, {"retryAfterSeconds": 1}, retry_after=1)


def internal(message: str) -> ApiError:
    """500 with a cause, as for a webhook that cannot be called."""
    details = {"causes": [{"message": message}]}
    return ApiError(500, "InternalError", f"Internal error occurred: {message}", details)


_CAUSES = {
    "FieldValueInvalid": "Invalid value",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueNotSupported": "Unsupported value",
}


def cause(reason: str, field: str, detail: str = "", value: str | None = None) -> Cause:
    """A validation error. `value` is already printed as Go would; `detail` may be empty."""
    parts = [_CAUSES[reason]] + ([value] if value is not None else []) + ([detail] if detail else [])
    return Cause(reason, ": ".join(parts), field)


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422 with its causes."""
    sentences = list(dict.fromkeys(f"{c.field}: {c.message}" for c in causes))
    listed = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    entries = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    message = f'{qualified(kind, group)} "{name}" is invalid: {listed}'
    return ApiError(422, "Invalid", message, _details(name, kind, group, causes=entries))
