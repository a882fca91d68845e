"""Last rung: the proof, with every answer that each question can have."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.model import Answer, Done, Scheme, Stop, Wait
from services.ports import Handshake, Leaf, Listener, RegisteredTarget
from services.steps.probe import PROBE_PATIENCE, ProbeStep, Seen, decide, judge
from tests.unit.values import HOST, SPEC, an_item
from tests.unit.worlds import InMemoryWorld
from tests.unit.worlds_gate import NOON, THROTTLED

LEAF = Leaf("f" * 64, "0a1b", NOON + timedelta(days=190))
SHAKE = Handshake(
    "198.51.100.1", True, "", True, "", "TLSv1.3", "TLS_AES_128_GCM_SHA256", LEAF.sha256, LEAF.serial, (HOST,),
    LEAF.not_after, "Amazon RSA 2048 M02", 200, 0.02,
)  # fmt: skip
DEAD = Handshake("198.51.100.2", False, "refused the connection")
LISTENER = Listener(443, "TLS", ("arn:1",), SPEC.tls_policy, ("arn:targets",))
TARGET = RegisteredTarget("10.0.0.1", 8080, "healthy")
GOOD = Seen(("198.51.100.1",), ("198.51.100.1",), (SHAKE,), LEAF, (LISTENER,), (TARGET,), frozenset({"10.0.0.1"}))
INTERNAL = replace(SPEC, scheme=Scheme.INTERNAL)
YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
SECOND = replace(SHAKE, address="198.51.100.2")


def answer(line: int, look: Seen, **item: Any) -> tuple[Answer, str]:
    found = judge(an_item(**item), look).lines[line]
    return found.answer, found.detail


@pytest.mark.parametrize(
    ("look", "spec", "expected", "said"),
    [
        pytest.param(GOOD, SPEC, YES, "the one address of the NLB", id="one address answers"),
        pytest.param(
            replace(GOOD, balancer_addresses=("198.51.100.1", "198.51.100.2"), handshakes=(SHAKE, SECOND)),
            SPEC,
            YES,
            "all 2 addresses",
            id="every address answers, the name leads to one of them",
        ),
        pytest.param(replace(GOOD, handshakes=(SHAKE, DEAD)), SPEC, NO, "1 of 2 addresses failed", id="one is dead"),
        pytest.param(
            replace(GOOD, balancer_addresses=(), handshakes=()), SPEC, NO, "does not resolve", id="no address"
        ),
        pytest.param(
            replace(GOOD, balancer_addresses=(), handshakes=()),
            INTERNAL,
            UNKNOWN,
            "internal",
            id="internal, no address",
        ),
        pytest.param(
            replace(GOOD, handshakes=(DEAD,)), INTERNAL, UNKNOWN, "not in its network", id="internal, unreachable"
        ),
        pytest.param(
            replace(GOOD, handshakes=(SHAKE, DEAD)), INTERNAL, NO, "failed", id="internal, half of it reachable"
        ),
        pytest.param(
            replace(GOOD, name_addresses=("192.0.2.7",)), SPEC, NO, "not this NLB", id="the name leads elsewhere"
        ),
        pytest.param(
            replace(GOOD, name_addresses=("198.51.100.1", "192.0.2.7")), SPEC, NO, "192.0.2.7", id="it leads to both"
        ),
        pytest.param(replace(GOOD, name_addresses=()), SPEC, NO, "does not resolve yet", id="cached absence"),
    ],
)
def test_does_the_connection_succeed(look: Seen, spec: Any, expected: Answer, said: str) -> None:
    """On every address, and by the name itself; what cannot be seen from here is unknown."""
    found, detail = answer(0, look, spec=spec)
    assert found is expected
    assert said in detail


@pytest.mark.parametrize(
    ("look", "expected", "said"),
    [
        pytest.param(GOOD, YES, "serial 0a1b", id="ACM's own"),
        pytest.param(replace(GOOD, handshakes=(DEAD,)), UNKNOWN, "no address showed", id="none shown"),
        pytest.param(replace(GOOD, handshakes=()), UNKNOWN, "no address showed", id="nobody asked"),
        pytest.param(replace(GOOD, leaf=None), NO, "does not hold", id="gone from ACM"),
        pytest.param(
            replace(GOOD, handshakes=(SHAKE, replace(SECOND, leaf_sha256="0" * 64, issuer="Other CA"))),
            NO,
            "198.51.100.2 serves another certificate",
            id="one address serves another",
        ),
        pytest.param(
            replace(GOOD, handshakes=(replace(SHAKE, trusted=False, distrust="certificate has expired"),)),
            NO,
            "certificate has expired",
            id="not trusted by clients",
        ),
    ],
)
def test_which_certificate_is_used(look: Seen, expected: Answer, said: str) -> None:
    """The served leaf is the one that ACM holds, on every address, and a client accepts it."""
    found, detail = answer(1, look)
    assert found is expected
    assert said in detail


@pytest.mark.parametrize(
    ("look", "expected", "said"),
    [
        pytest.param(GOOD, YES, "one ready pod of demo/app", id="the pod, healthy"),
        pytest.param(
            replace(
                GOOD, targets=(TARGET, replace(TARGET, address="10.0.0.2")), ready=frozenset({"10.0.0.1", "10.0.0.2"})
            ),
            YES,
            "the 2 ready pods",
            id="both pods",
        ),
        pytest.param(replace(GOOD, listeners=()), NO, "no listener on port 443", id="no listener"),
        pytest.param(replace(GOOD, listeners=(replace(LISTENER, port=80),)), NO, "no listener", id="another port"),
        pytest.param(replace(GOOD, ready=frozenset()), NO, "No pod of app is ready", id="no pod is ready (F23)"),
        pytest.param(replace(GOOD, targets=()), NO, "does not send to 10.0.0.1", id="not registered yet"),
        pytest.param(
            replace(GOOD, targets=(TARGET, replace(TARGET, address="10.9.9.9"))), NO, "10.9.9.9", id="strangers (F25)"
        ),
        pytest.param(
            replace(GOOD, targets=(TARGET, replace(TARGET, address="10.9.9.9", state="draining"))),
            YES,
            "healthy",
            id="an old pod that drains is no stranger",
        ),
        pytest.param(
            replace(GOOD, targets=(replace(TARGET, state="unhealthy", reason="Target.Timeout"),)),
            NO,
            "Target.Timeout",
            id="fail-open hides it (F24)",
        ),
        pytest.param(
            replace(GOOD, targets=(replace(TARGET, state="initial", description="checking"),)),
            NO,
            "checking",
            id="not checked yet",
        ),
    ],
)
def test_does_it_reach_the_expected_endpoint(look: Seen, expected: Answer, said: str) -> None:
    """The targets are the ready pods, no more, no less, and healthy."""
    found, detail = answer(2, look)
    assert found is expected
    assert said in detail


@pytest.mark.parametrize(
    ("status", "said"),
    [
        pytest.param(None, "gave no HTTP answer", id="another protocol"),
        pytest.param(400, "perhaps the pods expect TLS", id="F21"),
        pytest.param(503, "itself answers 503", id="the application's own trouble"),
    ],
)
def test_http_is_a_remark_and_decides_nothing(status: int | None, said: str) -> None:
    """The endpoint is proven by connection, certificate and targets."""
    verdict = judge(an_item(), replace(GOOD, handshakes=(replace(SHAKE, http_status=status),)))
    assert verdict.proven
    assert said in verdict.remarks[0]


def test_another_tls_policy_is_a_remark() -> None:
    """F33."""
    look = replace(GOOD, listeners=(replace(LISTENER, ssl_policy="ELBSecurityPolicy-2016-08"),))
    assert "ELBSecurityPolicy-2016-08" in judge(an_item(), look).remarks[0]


def test_unknown_is_not_a_failure() -> None:
    """An internal endpoint is proven as far as it can be seen."""
    look = replace(GOOD, handshakes=(DEAD,))
    done = decide(an_item(spec=INTERNAL), look)
    assert isinstance(done, Done)
    assert done.verdict is not None
    assert [line.answer for line in done.verdict.lines] == [UNKNOWN, UNKNOWN, YES]


def test_things_may_settle_for_a_while_then_it_ends_with_the_verdict() -> None:
    """Longer than Route 53 lets a "no such name" be cached (15 minutes); then the contradiction is told."""
    look = replace(GOOD, name_addresses=())
    assert isinstance(decide(an_item(age=timedelta(minutes=16)), look), Wait)
    stop = decide(an_item(age=PROBE_PATIENCE), look)
    assert isinstance(stop, Stop)
    assert stop.verdict is not None
    assert "does not resolve yet" in stop.reason


def test_the_verdict_carries_what_the_card_shows() -> None:
    """Issuer, names, end, TLS, cipher, status and time."""
    facts = judge(an_item(certificate_arn="arn:1"), GOOD).facts
    assert facts["issuer"] == "Amazon RSA 2048 M02"
    assert facts["names"] == HOST
    assert (facts["tls"], facts["http_status"], facts["latency_ms"]) == ("TLSv1.3", "200", "20")
    assert facts["not_after"].startswith("2026-09-07")


def test_a_look_that_fails_concerns_one_endpoint(world: InMemoryWorld) -> None:
    """The others are proven all the same."""
    world.gate.fail("elbv2.listeners", THROTTLED)
    looks = ProbeStep(world).observe([an_item()])
    assert looks["r-1"] is THROTTLED


def test_the_probe_never_acts(world: InMemoryWorld) -> None:
    """Asked to, it says that this is a mistake of ours."""
    with pytest.raises(AssertionError, match="asked to act"):
        ProbeStep(world).act([])
