"""What a person typed after the host name: checked, typed, and every fault one clear sentence."""

import pytest

from services.errors import Refused
from services.wish import Wish, parse_wish


def test_nothing_said_is_the_usual() -> None:
    """The bare command: HTTPS to the internet, everything else is found out."""
    assert parse_wish({}) == Wish(port=443, scheme="internet-facing", key_algorithm="", path="/")


@pytest.mark.parametrize(
    ("options", "cluster", "namespace", "service"),
    [
        pytest.param({"service": "app"}, "", "", "app", id="a name alone"),
        pytest.param({"service": "demo/app"}, "", "demo", "app", id="with its namespace"),
        pytest.param({"service": "main/demo/app"}, "main", "demo", "app", id="with cluster and namespace"),
        pytest.param({"service": "app", "namespace": "demo"}, "", "demo", "app", id="namespace apart"),
        pytest.param({"service": "demo/app", "namespace": "demo"}, "", "demo", "app", id="said twice alike"),
        pytest.param({"cluster": "main"}, "main", "", "", id="cluster alone"),
    ],
)
def test_a_service_is_named_in_three_ways(options: dict[str, str], cluster: str, namespace: str, service: str) -> None:
    """NAME, NAMESPACE/NAME or CLUSTER/NAMESPACE/NAME."""
    wish = parse_wish(options)
    assert (wish.cluster, wish.namespace, wish.service) == (cluster, namespace, service)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"port": "0"}, "'0' is not a port", id="port 0"),
        pytest.param({"port": "65536"}, "from 1 to 65535", id="a port too high"),
        pytest.param({"port": "https"}, "is not a port", id="a port by name"),
        pytest.param({"port": "-1"}, "is not a port", id="a negative port"),
        pytest.param({"port": "٤٤٣"}, "is not a port", id="digits of another script"),
        pytest.param({"port": "4" * 5000}, "is not a port", id="more digits than Python converts"),
        pytest.param({"target-port": "99999"}, "is not a port", id="a target port too high"),
        pytest.param({"target-port": "a-name-that-is-too-long"}, "at most 15", id="a port name too long"),
        pytest.param({"target-port": "a--b"}, "neither a port number", id="two dashes in a port name"),
        pytest.param({"target-port": "--"}, "neither a port number", id="dashes only"),
        pytest.param({"service": "MyAppSvc"}, "is not a Service name", id="the how-to's own slip"),
        pytest.param({"service": "1app"}, "is not a Service name", id="a digit first"),
        pytest.param({"service": "demo/"}, "does not name a Service", id="half a Service"),
        pytest.param({"service": ""}, "does not name a Service", id="an empty Service"),
        pytest.param({"service": "a/b/c/d"}, "does not name a Service", id="too many parts"),
        pytest.param({"service": "demo/app", "namespace": "shop"}, "Which one?", id="two namespaces"),
        pytest.param({"service": "c/demo/app", "cluster": "main"}, "Which one?", id="two clusters"),
        pytest.param({"namespace": "Demo_1"}, "is not a namespace name", id="no DNS label"),
        pytest.param({"scheme": "public"}, "Known: internet-facing, internal", id="an unknown scheme"),
        pytest.param({"source-ranges": "10.0.0.1/8"}, "is not an address range", id="host bits set"),
        pytest.param({"source-ranges": "10.0.0.0/8, all"}, "'all' is not an address range", id="one bad range of two"),
        pytest.param({"tls-policy": "TLS13"}, "TLS security policy", id="not the name of a policy"),
        pytest.param({"key-algorithm": "RSA_4096"}, "Known: RSA_2048", id="a key no NLB takes"),
        pytest.param({"path": "health"}, "starts with /", id="a path without a slash"),
        pytest.param({"path": "/a b"}, "no spaces", id="a path with a space"),
        pytest.param({"path": "/x\r\nHost: evil"}, "no spaces", id="a path that would be a header"),
        pytest.param({"path": "/" + "a" * 200}, "at most 200", id="a path too long"),
    ],
)
def test_bad_input_gets_one_sentence(options: dict[str, str], said: str) -> None:
    """Refused, with the faulty word in it."""
    with pytest.raises(Refused) as refused:
        parse_wish(options)
    assert said in refused.value.sentence


def test_ranges_are_normalised() -> None:
    """Sorted, each once, so that two spellings are one wish."""
    assert parse_wish({"source-ranges": "203.0.113.0/24, 10.0.0.0/8,10.0.0.0/8,"}).source_ranges == (
        "10.0.0.0/8",
        "203.0.113.0/24",
    )


def test_a_wish_comes_back_from_the_database() -> None:
    """Also if another version wrote more into it."""
    wish = parse_wish({"service": "demo/app", "source-ranges": "10.0.0.0/8", "port": "8443"})
    stored = {**wish.as_json(), "source_ranges": list(wish.source_ranges), "of a later version": 1}
    assert Wish.from_json(stored) == wish
