"""The gate before all services: it names each call, writes it down, and strikes the faults that are switched on."""

import io
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from sandbox.aws.world import ACCOUNT, World
from sandbox.calls import CallLost, OnCall, Phase

FAULTS = {
    "aws-down": "Every AWS call is answered with 503 Service Unavailable.",
    "aws-throttle-acm": "Every second ACM call is refused with ThrottlingException, beginning with the next.",
    "aws-throttle-route53": "Every second Route 53 call is refused with Throttling, beginning with the next.",
    "aws-throttle-elbv2": "Every second ELBv2 call is refused with Throttling, beginning with the next.",
    "aws-deny-request-certificate": "The bot's role may not call acm:RequestCertificate.",
    "aws-deny-change-records": "The bot's role may not call route53:ChangeResourceRecordSets.",
}

THROTTLING_CODES = {"acm": "ThrottlingException", "route53": "Throttling", "elbv2": "Throttling"}
DENIED = {
    ("acm", "RequestCertificate"): "aws-deny-request-certificate",
    ("route53", "ChangeResourceRecordSets"): "aws-deny-change-records",
}
SERVICES = {"elasticloadbalancing": "elbv2"}  # signing name -> the name that boto3 uses, where they differ

_CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
_ROUTE53 = [
    (method, re.compile(rf"/2013-04-01/{path}/?"), operation)
    for method, path, operation in (
        ("POST", "hostedzone/[^/]+/rrset", "ChangeResourceRecordSets"),
        ("GET", "hostedzone/[^/]+/rrset", "ListResourceRecordSets"),
        ("POST", "hostedzone/[^/]+/associatevpc", "AssociateVPCWithHostedZone"),
        ("POST", "hostedzone/[^/]+/disassociatevpc", "DisassociateVPCFromHostedZone"),
        ("GET", "hostedzone/[^/]+", "GetHostedZone"),
        ("POST", "hostedzone/[^/]+", "UpdateHostedZoneComment"),
        ("DELETE", "hostedzone/[^/]+", "DeleteHostedZone"),
        ("GET", "hostedzone", "ListHostedZones"),
        ("POST", "hostedzone", "CreateHostedZone"),
        ("GET", "hostedzonesbyname", "ListHostedZonesByName"),
        ("GET", "hostedzonesbyvpc", "ListHostedZonesByVPC"),
        ("GET", "hostedzonecount", "GetHostedZoneCount"),
        ("GET", "change/[^/]+", "GetChange"),
        ("GET", "tags/hostedzone/[^/]+", "ListTagsForResource"),
        ("POST", "tags/hostedzone/[^/]+", "ChangeTagsForResource"),
        ("POST", "tags/hostedzone", "ListTagsForResources"),
    )
]

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


@dataclass(frozen=True)
class Call:
    """One AWS call as seen from outside. The operation is empty if it is none that the sandbox knows."""

    service: str
    region: str
    operation: str

    @property
    def endpoint(self) -> str:
        """The host that this call would go to in AWS."""
        if self.service == "route53":
            return "route53.amazonaws.com"
        signing = next((name for name, service in SERVICES.items() if service == self.service), self.service)
        return f"{signing}.{self.region}.amazonaws.com"


@dataclass(frozen=True)
class Refusal:
    """An error to answer with."""

    status: str
    code: str
    message: str


_UNAVAILABLE = Refusal("503 Service Unavailable", "ServiceUnavailable", "The service is unavailable. Try again later.")


def identify(environ: dict[str, Any]) -> Call:
    """Which call this is: service and region from the signature, the operation as the service's protocol says it."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    region, signing_name = match.groups() if match else ("unsigned", "unknown")
    service = SERVICES.get(signing_name, signing_name)
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return Call(service, region, target.rpartition(".")[2])
    if service == "route53":
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        found = (name for verb, pattern, name in _ROUTE53 if verb == method and pattern.fullmatch(path))
        return Call(service, region, next(found, ""))
    form = parse_qs(_body(environ).decode("utf-8", "replace"))
    return Call(service, region, form.get("Action", [""])[0])


def _body(environ: dict[str, Any]) -> bytes:
    """The request's body, left in place for whoever reads it next."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


class Gate:
    """WSGI middleware around moto."""

    def __init__(self, application: Application, world: World, call_log: Path | None, on_call: OnCall) -> None:
        self._application = application
        self._world = world
        self._on_call = on_call
        self._lock = threading.Lock()
        self._throttled: Counter[str] = Counter()
        self._log = call_log.open("a", encoding="utf-8", buffering=1) if call_log else None

    def close(self) -> None:
        """Close the call log."""
        with self._lock:
            if self._log:
                self._log.close()
                self._log = None

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        call = identify(environ)
        self._note(call)
        if refusal := self._refusal(call):
            return _answer(call, refusal, start_response)
        try:
            self._on_call(call.service, call.operation, Phase.BEFORE)
            answer = self._application(environ, start_response)
        except NotImplementedError:
            return _answer(call, _not_modelled(call), start_response)
        except CallLost:
            return _answer(call, _UNAVAILABLE, start_response)
        self._on_call(call.service, call.operation, Phase.AFTER)
        return answer

    def _note(self, call: Call) -> None:
        line = {
            "time": self._world.clock(),
            "service": call.service,
            "operation": call.operation,
            "endpoint": call.endpoint,
        }
        with self._lock:
            if self._log:
                self._log.write(json.dumps(line) + "\n")

    def _refusal(self, call: Call) -> Refusal | None:
        faults = self._world.faults
        if faults.is_on("aws-down"):
            return _UNAVAILABLE
        if not call.operation:
            return _not_modelled(call)
        if call.service in THROTTLING_CODES and faults.is_on(f"aws-throttle-{call.service}"):
            with self._lock:
                self._throttled[call.service] += 1
                strikes = self._throttled[call.service] % 2 == 1
            if strikes:
                return Refusal("400 Bad Request", THROTTLING_CODES[call.service], "Rate exceeded")
        fault = DENIED.get((call.service, call.operation))
        return _denial(call) if fault and faults.is_on(fault) else None


def _denial(call: Call) -> Refusal:
    action = f"{call.service}:{call.operation}"
    message = (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/nlbtls/sandbox is not authorized to perform: {action} "
        f"because no identity-based policy allows the {action} action"
    )
    if call.service == "acm":
        return Refusal("400 Bad Request", "AccessDeniedException", message)
    return Refusal("403 Forbidden", "AccessDenied", message)


def _not_modelled(call: Call) -> Refusal:
    what = f"{call.service} {call.operation or 'calls of this kind'}"
    return Refusal("400 Bad Request", "UnknownOperationException", f"The sandbox does not model {what}.")


def _answer(call: Call, refusal: Refusal, start_response: StartResponse) -> list[bytes]:
    """The refusal in the shape of the service's protocol."""
    if call.service == "acm":
        kind, text = "application/x-amz-json-1.1", json.dumps({"__type": refusal.code, "message": refusal.message})
    else:
        error = f"<Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message>"
        inner = f"<Error><Type>Sender</Type>{error}</Error><RequestId>sandbox</RequestId>"
        text = f"<ErrorResponse>{inner}</ErrorResponse>"
        if call.service == "ec2":
            text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>sandbox</RequestID></Response>"
        kind = "text/xml"
    body = text.encode()
    start_response(refusal.status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
