"""What the load balancer controller says, in plain words."""

import pytest

from services.controller_events import MEANINGS, explain
from services.ports import ControllerEvent


def warning(message: str, reason: str = "FailedBuildModel") -> ControllerEvent:
    return ControllerEvent("Warning", reason, message, None)


GOOD = ControllerEvent("Normal", "SuccessfullyReconciled", "Successfully reconciled", None)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        pytest.param("Failed build model due to unable to resolve at least one subnet", "Tag public subnets", id="F14"),
        pytest.param("UnsupportedCertificate: must have a …", "not issued", id="F11"),
        pytest.param("AccessDenied: not authorized to perform x", "IAM role", id="F17"),
        pytest.param("TooManyLoadBalancers: quota", "quota", id="F12"),
        pytest.param("Unused port in ssl-ports annotation", "does not have", id="F20"),
    ],
)
def test_a_known_trouble_has_a_meaning_and_the_raw_text(message: str, said: str) -> None:
    """Both: what it means and what the controller really said."""
    told = explain([warning(message)])
    assert said in told
    assert message in told


def test_an_unknown_trouble_is_told_raw() -> None:
    """Nothing is made up."""
    assert explain([warning("something new")]) == "The controller says FailedBuildModel: “something new”"


@pytest.mark.parametrize(
    ("events", "trouble"),
    [
        pytest.param([], False, id="silence"),
        pytest.param([GOOD], False, id="good"),
        pytest.param([warning("x"), GOOD], False, id="good again"),
        pytest.param([GOOD, warning("x")], True, id="bad again"),
        pytest.param([warning("x"), ControllerEvent("Normal", "Other", "y", None)], True, id="others do not heal it"),
    ],
)
def test_the_newest_word_counts(events: list[ControllerEvent], trouble: bool) -> None:
    """A trouble that is over is not told."""
    assert bool(explain(events)) is trouble


def test_the_same_trouble_reads_the_same_at_each_retry() -> None:
    """AWS puts a new request id into each answer; told twice it would be told at every retry."""
    text = "Failed deploy model due to AccessDenied: StatusCode: 403, RequestID: {}, api error AccessDenied: no"
    first, second = (explain([warning(text.format(i))]) for i in ("9d1b-11", "77aa-42"))
    assert first == second
    combined = explain([warning("(combined from similar events): " + text.format("0c-3"))])
    assert combined == first


def test_long_words_are_cut() -> None:
    """One line, at most some 300 characters of it."""
    assert len(explain([warning("very\nlong " * 200)])) < 400


@pytest.mark.parametrize("meaning", [m for _, m in MEANINGS])
def test_every_meaning_is_a_sentence(meaning: str) -> None:
    """They stand alone in a message."""
    assert meaning[0].isupper()
    assert meaning.endswith(".")
