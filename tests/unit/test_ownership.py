"""The marks: readable by external-dns, and always a legal name inside the zone."""

import pytest

from services.ownership import owners, txt_name, txt_names_to_read, txt_value


def test_the_mark_is_in_the_form_of_external_dns() -> None:
    """Its owner and the resource are ours; the quotes are Route 53's."""
    mark = txt_value("prod", "e1")
    assert mark == '"heritage=external-dns,external-dns/owner=nlbtls-prod,external-dns/resource=nlbtls/e1"'
    assert owners([mark]) == ("nlbtls-prod",)


@pytest.mark.parametrize(
    ("hostname", "type_", "zone", "name"),
    [
        pytest.param("app.example.com", "A", "example.com", "a-app.example.com", id="beside the record"),
        pytest.param("app.example.com", "AAAA", "example.com", "aaaa-app.example.com", id="one for each family"),
        pytest.param("example.com", "A", "example.com", "_nlbtls-a.example.com", id="at the apex it must stay inside"),
        pytest.param(
            "x" * 62 + ".example.com", "A", "example.com", "_nlbtls-a." + "x" * 62 + ".example.com", id="a long label"
        ),
    ],
)
def test_the_mark_has_a_legal_name(hostname: str, type_: str, zone: str, name: str) -> None:
    """In the zone, with labels of at most 63 characters."""
    assert txt_name(hostname, type_, zone) == name


def test_older_marks_are_read_too() -> None:
    """external-dns once wrote the mark at the name itself, and cname- for an alias."""
    assert txt_names_to_read("app.example.com", "example.com") == (
        "a-app.example.com",
        "aaaa-app.example.com",
        "cname-app.example.com",
        "app.example.com",
    )


def test_other_texts_name_no_owner() -> None:
    """SPF, verification codes and half a mark are passed over."""
    assert owners(['"v=spf1 -all"', '"heritage=external-dns"', '"external-dns/owner=x"']) == ()
