"""The Kubernetes API server's errors turned into ours, once, by status and reason.

An error answer is a Status object (reason, message, details with causes); what each looks like was recorded from a real
API server. Audit-Id, where the server sends it, is kept as `reference`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from services.adapters.quoting import cut
from services.errors import Permanent, Refused, ServiceError, Transient

Body = Mapping[str, Any]
Causes = Sequence[Body]

_CREDENTIALS_HINT = (
    "Set KUBECONFIG, or run the bot in the cluster with a service account; deploy/ has the rights that it needs."
)


def unusable(why: str) -> Permanent:
    """There are no credentials with which the API server could be asked at all."""
    sentence = f"The bot has no usable Kubernetes credentials: {why.rstrip('.')}."
    return Permanent(sentence, hint=_CREDENTIALS_HINT, code="NoCredentials")


def answered(status: int, text: str, headers: Mapping[str, str]) -> ServiceError:
    """The one table: what an error answer means. `text` is the body, a Status object or plain text."""
    try:
        body = json.loads(text)
    except json.JSONDecodeError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    return of_status({"message": text, **body, "code": status}, headers)


def of_status(body: Body, headers: Mapping[str, str] | None = None) -> ServiceError:
    """The same for a Status object, as a watch carries it too."""
    status, reason = int(body.get("code") or 0), str(body.get("reason") or "")
    message, headers = cut(str(body.get("message") or "")), headers or {}
    reference = headers.get("Audit-Id", "")
    special = _webhook(message, reference) or _by_status(status, reason, message, body, reference)
    if special:
        return special
    if status == 429 or status >= 500:
        wait = headers.get("Retry-After", "")
        sentence = f"The Kubernetes API server cannot answer for the moment ({status}): {message}"
        after = float(wait) if wait.isdigit() else None
        return Transient(sentence, after=after, code=reason or str(status), reference=reference)
    sentence = f"Kubernetes answered {status} {reason}: {message}"
    return Permanent(sentence, code=reason or str(status), reference=reference)


def _by_status(status: int, reason: str, message: str, body: Body, reference: str) -> ServiceError | None:
    causes = [c for c in (body.get("details") or {}).get("causes") or () if isinstance(c, dict)]
    if status == 401:
        return Permanent(
            "The Kubernetes API server does not accept the bot's credentials.",
            hint=_CREDENTIALS_HINT,
            code="Unauthorized",
            reference=reference,
        )
    if status == 403:
        return _forbidden(message, causes, reference)
    if status == 404:
        return _not_found(message, body, reference)
    if status == 409:
        return _conflict(causes, message, reference)
    if status == 410:
        return Transient("The Kubernetes API server has forgotten this version.", code="Expired", reference=reference)
    if status == 422:
        return _invalid(causes, message, body, reference)
    if "failed to create typed patch object" in message:  # a 500 by status, yet our manifest is at fault
        return Refused(f"Kubernetes does not accept the manifest: {message}", code="Invalid", reference=reference)
    return None


def _webhook(message: str, reference: str) -> ServiceError | None:
    """Webhooks that do not answer block a cluster until somebody mends them; those that say no are a rule."""
    silent = re.search(r'failed calling webhook "([^"]+)"', message)
    if silent:
        name = silent.group(1)
        sentence = (
            f"The admission webhook {name} does not answer, so Kubernetes accepts no such Service from anybody ("
            f"{message.rsplit(': ', 1)[-1]})."
        )
        if "elbv2.k8s.aws" in name:
            sentence += " It belongs to the AWS Load Balancer Controller: most likely none of its pods is ready."
        return Transient(sentence, code="WebhookUnavailable", reference=reference)
    denied = re.search(r'admission webhook "([^"]+)" denied the request:?\s*(.*)', message)
    if denied:
        sentence = f"The admission webhook {denied.group(1)} refused it: {denied.group(2) or 'no reason given'}"
        return Refused(sentence, code="Denied", reference=reference)
    return None


def _forbidden(message: str, causes: Causes, reference: str) -> ServiceError:
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return Refused(f"Kubernetes says: {message}.", code="NamespaceTerminating", reference=reference)
    rights = re.search(
        r'User "(?P<user>[^"]+)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"'
        r'(?:.*? in the namespace "(?P<namespace>[^"]+)"| at the cluster scope)?',
        message,
    )
    if rights is None:
        return Permanent(f"Kubernetes forbids it: {message}", code="Forbidden", reference=reference)
    place = f"namespace {rights['namespace']}" if rights["namespace"] else "the whole cluster"
    return Permanent(
        f"The bot ({rights['user']}) may not {rights['verb']} {rights['resource']} in {place}.",
        hint=f"Allow {rights['verb']} on {rights['resource']} there by a Role or ClusterRole; deploy/ has one.",
        code="Forbidden",
        reference=reference,
    )


def _not_found(message: str, body: Body, reference: str) -> Refused:
    details = body.get("details") or {}
    if details.get("kind") == "namespaces":
        return Refused(f"The cluster has no namespace {details.get('name')}.", code="NotFound", reference=reference)
    return Refused(f"Kubernetes says: {message}.", code="NotFound", reference=reference)


def _conflict(causes: Causes, message: str, reference: str) -> ServiceError:
    fields = [
        (str(cause.get("field", "")), _manager(str(cause.get("message", ""))))
        for cause in causes
        if cause.get("reason") == "FieldManagerConflict"
    ]
    if not fields:  # somebody wrote in between, or created it first: look again
        return Transient(f"The object changed meanwhile: {message}", code="Conflict", reference=reference)
    named = "; ".join(f"field {field} is managed by {manager}" for field, manager in sorted(fields))
    sentence = f"{named[0].upper()}{named[1:]}; nothing was forced."
    hint = "Agree with its owner on the value, or let the owner give the field up; then retry."
    return Refused(sentence, hint=hint, code="Conflict", reference=reference)


def _manager(text: str) -> str:
    """ "helm" of `conflict with "helm" using v1`."""
    quoted = re.search(r'"([^"]+)"', text)
    return quoted.group(1) if quoted else "somebody else"


def _invalid(causes: Causes, message: str, body: Body, reference: str) -> Refused:
    details = body.get("details") or {}
    what = f"{details.get('kind', 'the manifest')} {details.get('name', '')}".strip()
    why = "; ".join(f"{cause.get('field')}: {cut(str(cause.get('message', '')))}" for cause in causes) or message
    return Refused(f"Kubernetes does not accept {what}: {why}", code="Invalid", reference=reference)
