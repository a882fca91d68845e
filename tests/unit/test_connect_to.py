"""NLBTLS_CONNECT_TO: curl's --connect-to form."""

import pytest

from services.adapters.connect_to import ConnectTo, Rule


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", ()),
        ("  ", ()),
        ("a.example.com:443:127.0.0.1:8443", (Rule("a.example.com", 443, "127.0.0.1", 8443),)),
        ("::127.0.0.1:8443", (Rule("", None, "127.0.0.1", 8443),)),
        (":443::8443", (Rule("", 443, "", 8443),)),
        (":::", (Rule("", None, "", None),)),
        ("[2001:DB8::1]:443:[::1]:8443", (Rule("2001:db8::1", 443, "::1", 8443),)),
        (":443::8443,:444::8444  :445::8445", tuple(Rule("", p, "", p + 8000) for p in (443, 444, 445))),
    ],
)
def test_it_reads_every_form_that_curl_takes(text: str, rules: tuple[Rule, ...]) -> None:
    """Empty parts, brackets, and rules separated by commas or spaces."""
    assert ConnectTo.parse(text) == ConnectTo(rules)


@pytest.mark.parametrize("text", ["a:443", "a:443:b", "a:x:b:1", "::1:443:b:1", "a:1:b:2:c", "a:0:b:1", "a:1:b:65536"])
def test_it_says_what_it_cannot_read(text: str) -> None:
    """Too few or too many parts, ports that are none, IPv6 addresses without brackets: never guessed."""
    with pytest.raises(ValueError, match="is not"):
        ConnectTo.parse(text)


@pytest.mark.parametrize(
    ("text", "asked", "target"),
    [
        ("", ("10.0.0.1", 443), ("10.0.0.1", 443)),
        (":443::8443", ("10.0.0.1", 443), ("10.0.0.1", 8443)),
        (":443::8443", ("10.0.0.1", 444), ("10.0.0.1", 444)),
        ("10.0.0.1::127.0.0.1:", ("10.0.0.1", 443), ("127.0.0.1", 443)),
        ("10.0.0.2::127.0.0.1:", ("10.0.0.1", 443), ("10.0.0.1", 443)),
        ("App.example.com:443:127.0.0.1:8443", ("10.0.0.1", 443), ("127.0.0.1", 8443)),
        ("10.0.0.1:::1, :::2", ("10.0.0.1", 443), ("10.0.0.1", 1)),
        ("[2001:db8::1]:443:[::1]:8443", ("2001:DB8::1", 443), ("::1", 8443)),
    ],
)
def test_the_first_rule_that_matches_decides(text: str, asked: tuple[str, int], target: tuple[str, int]) -> None:
    """By address or by the name asked for; empty parts match any and keep what was asked."""
    assert ConnectTo.parse(text).target(*asked, server_name="app.example.com") == target
