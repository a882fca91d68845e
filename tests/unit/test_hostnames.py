"""Host names as people type them, and name arithmetic by whole labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Refused
from services.hostnames import in_zone, matches, parse_hostname, registrable_domain, relative_to, show


@pytest.mark.parametrize(
    ("text", "hostname"),
    [
        ("app.example.com", "app.example.com"),
        ("APP.Example.COM", "app.example.com"),
        ("app.example.com.", "app.example.com"),
        ("  app.example.com\n", "app.example.com"),
        ("“app.example.com”", "app.example.com"),
        ("‘app.example.com’", "app.example.com"),
        ("`app.example.com`", "app.example.com"),
        ("<http://app.example.com|app.example.com>", "app.example.com"),
        ("<http://app.example.com|App.example.com>", "app.example.com"),
        ("<http://app.example.com|app.example.com>.", "app.example.com"),
        ("“<http://app.example.com|app.example.com>”", "app.example.com"),
        ("app.<http://example.com|example.com>", "app.example.com"),
        ("<http://xn--bcher-kva.example.com|bücher.example.com>", "xn--bcher-kva.example.com"),
        ("bücher.example.com", "xn--bcher-kva.example.com"),
        ("BÜCHER.example.com", "xn--bcher-kva.example.com"),
        ("straße.example.com", "xn--strae-oqa.example.com"),
        ("xn--bcher-kva.example.com", "xn--bcher-kva.example.com"),
        ("ａｐｐ。example.com", "app.example.com"),
        ("1st.example.com", "1st.example.com"),
        ("example.com", "example.com"),
        ("app.github.io", "app.github.io"),
        ("a" * 52 + ".example.com", "a" * 52 + ".example.com"),
    ],
)
def test_it_normalises_what_is_meant_clearly(text: str, hostname: str) -> None:
    """Case, one trailing dot, quotes, Slack's links and Unicode do not make another name; 64 characters are taken."""
    assert parse_hostname(text) == hostname


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("", "missing", ""),
        ("“”", "missing", ""),
        ("app example.com", "has a space", ""),
        ("app", "single word", ""),
        ("com", "single word", ""),
        ("co.uk", "public suffix", ""),
        ("foo.ck", "public suffix", ""),
        ("10.0.0.1", "IP address", ""),
        ("2001:db8::1", "IP address", ""),
        ("[::1]", "IP address", ""),
        ("http://10.0.0.1/", "IP address", ""),
        ("10.20", "last part is a number", ""),
        ("http://app.example.com", "is a URL", "app.example.com"),
        ("https://APP.example.com:8443/x?y#z", "is a URL", "app.example.com"),
        ("<http://app.example.com>", "is a URL", "app.example.com"),
        ("<https://app.example.com/x|app.example.com/x>", "port or a path", "app.example.com"),
        ("app.example.com/healthz", "port or a path", "app.example.com"),
        ("app.example.com:8443", "port or a path", "app.example.com"),
        ("http://", "is a URL", ""),
        ("<http://evil.example.net|app.example.com>", "leads to evil.example.net", ""),
        ("ann@example.com", "e-mail address", "example.com"),
        ("<mailto:ann@example.com|ann@example.com>", "e-mail address", "example.com"),
        ("my_app.example.com", "underscore", "my-app.example.com"),
        ("-app.example.com", "starts or ends with a hyphen", "app.example.com"),
        ("app-.example.com", "starts or ends with a hyphen", "app.example.com"),
        ("app..example.com", "two dots", "app.example.com"),
        (".example.com", "two dots", "example.com"),
        ("app.example.com..", "two dots", "app.example.com"),
        ("..", "two dots", ""),
        ("*.example.com", "Wildcards come later", ""),
        ("*.<http://example.com|example.com>", "Wildcards come later", ""),
        ("localhost", "reserved", ""),
        ("printer.local", "reserved", ""),
        ("ip-10-0-0-1.ec2.internal", "reserved", ""),
        ("1.0.0.127.in-addr.arpa", "reserved", ""),
        ("a" * 64 + ".com", "64 characters; 63", ""),
        (".".join(["a" * 60] * 5), "304 characters; 253", ""),
        ("a" * 53 + ".example.com", "65 characters; a certificate's common name has room for 64", ""),
        ("☃.example.com", "“☃” cannot be in one", ""),
        ("app—x.example.com", "“—” cannot be in one", ""),
        ("app!.example.com", "“!” cannot be in one", ""),
        ("xn--a.example.com", "no valid internationalised name", ""),
        ("ab--c.example.com", "no valid internationalised name", ""),
    ],
)
def test_bad_input_is_refused_in_words_with_the_name_that_was_meant(text: str, words: str, hint: str) -> None:
    """Each fault has its own sentence; the hint is a host name that would be taken, or empty."""
    with pytest.raises(Refused) as caught:
        parse_hostname(text)
    assert words in caught.value.sentence
    assert caught.value.hint == hint


@given(st.text(max_size=40))
def test_any_text_is_either_refused_or_a_fixed_point(text: str) -> None:
    """No other error escapes; what came out, or was proposed instead, goes in again unchanged."""
    try:
        hostname = parse_hostname(text)
    except Refused as refusal:
        hostname = refusal.hint
    assert hostname.isascii()
    assert hostname == "" or parse_hostname(hostname) == hostname


def test_an_internationalised_name_is_shown_in_both_forms() -> None:
    """So that people can read it and see look-alike letters; others are shown as they are."""
    assert show("xn--bcher-kva.example") == "bücher.example (xn--bcher-kva.example)"
    assert show("app.example.com") == "app.example.com"
    assert show("_x.app.example.com") == "_x.app.example.com"


@pytest.mark.parametrize(
    ("hostname", "domain"),
    [
        ("app.example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("x.app.github.io", "github.io"),
        ("www.ck", "www.ck"),
        ("app.elsewhere.test", "elsewhere.test"),
        ("com", "com"),
    ],
)
def test_the_registrable_domain_follows_the_icann_section(hostname: str, domain: str) -> None:
    """Private suffixes (github.io) are domains that somebody registered."""
    assert registrable_domain(hostname) == domain


@pytest.mark.parametrize(
    ("name", "zone", "inside", "relative"),
    [
        ("example.com", "example.com", True, "@"),
        ("app.example.com", "example.com", True, "app"),
        ("_x.app.example.com", "example.com", True, "_x.app"),
        ("badexample.com", "example.com", False, ""),
        ("com", "example.com", False, ""),
    ],
)
def test_names_lie_in_zones_by_whole_labels(name: str, zone: str, inside: bool, relative: str) -> None:
    """badexample.com ends with example.com and is not in it."""
    assert in_zone(name, zone) is inside
    if inside:
        assert relative_to(name, zone) == relative
    else:
        with pytest.raises(ValueError, match="does not lie in"):
            relative_to(name, zone)


@pytest.mark.parametrize(
    ("pattern", "hostname", "covered"),
    [
        ("app.example.com", "app.example.com", True),
        ("App.Example.com.", "app.example.com", True),
        ("app.example.com", "app2.example.com", False),
        ("*.example.com", "app.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
        ("*", "app.example.com", True),
        ("app-*.example.com", "app-1.example.com", True),
        ("app-*.example.com", "app-1.x.example.com", False),
        ("app-*.example.com", "x-app-1.example.com", False),
        ("*-app.example.com", "my-app.example.com", True),
        ("app-*", "app-1.example.com", False),
        ("a.p*.example.com", "a.pp.example.com", False),
        ("app-*.example.com", "app-1xexample.com", False),
        ("*e.example.com", "xn--caf-dma.example.com", False),
        ("x*.example.com", "xn--bcher-kva.example.com", False),
        ("bücher.example.com", "xn--bcher-kva.example.com", True),
        ("*.bücher.example", "a.xn--bcher-kva.example", True),
        ("☃.example.com", "app.example.com", False),
        ("", "app.example.com", False),
    ],
)
def test_policy_patterns_cover_what_they_say_and_nothing_else(pattern: str, hostname: str, covered: bool) -> None:
    """`*.x` any depth but never the apex; `*` inside the first label one label only, and never part of an A-label."""
    assert matches(pattern, hostname) is covered
