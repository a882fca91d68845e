"""Values that many tests of the core start from."""

from datetime import timedelta
from typing import Any

from services.model import Change, Facts, Plan, Request, Resource, Spec, Verb
from services.ports import CertificateSummary, Service, ServicePort
from services.steps.step import Item
from tests.unit.worlds_gate import NOON

HOST = "app.example.com"
SPEC = Spec(HOST, "main", "demo", "app")


def an_item(*, age: timedelta = timedelta(0), spec: Spec = SPEC, **facts: Any) -> Item:
    """A request on a rung that it reached `age` ago."""
    return Item("r-1", "e1", 1, spec, Facts(**facts), NOON - age, NOON)


def a_request(**more: Any) -> Request:
    """A request as it is first written."""
    values = {"generation": 1, "hostname": HOST, "requester": "U-dev", "channel": "C1", "created_at": NOON}
    return Request(**{"id": "r-1", "endpoint_id": "e1", **values, **more})


def a_summary(arn: str = "arn:1", domain: str = HOST, **more: Any) -> CertificateSummary:
    """An issued certificate as ACM lists it."""
    values = {
        "names": (domain,),
        "status": "ISSUED",
        "type": "AMAZON_ISSUED",
        "key_algorithm": "RSA_2048",
        "not_after": NOON + timedelta(days=190),
    }
    return CertificateSummary(arn, domain, **{**values, **more})


def a_service(name: str = "app", **more: Any) -> Service:
    """A Service that somebody made, as a source."""
    values = {"type": "ClusterIP", "selector": {"app": name}, "ports": (ServicePort(80, "8080", "http"),)}
    return Service("demo", name, f"uid-{name}", **{**values, **more})


def a_change(name: str = "a", verb: Verb = Verb.CREATE, *, before: Any = None, after: Any = None) -> Change:
    """A line of a plan that makes a certificate."""
    return Change(verb, Resource.CERTIFICATE, name, before, {"key": "RSA_2048"} if after is None else after)


def a_plan(*changes: Change) -> Plan:
    """A plan of these lines."""
    return Plan(SPEC, changes or (a_change(),))
