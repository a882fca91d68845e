"""Bad input gets a clear sentence, the corrected command where there is one, and changes nothing."""

from dataclasses import dataclass

import pytest

from sandbox.slack.person import Person
from tests.stories.conftest import Stage
from tests.stories.play import CHANNEL

pytestmark = [pytest.mark.stories, pytest.mark.timeout(300)]

LONG = "a" * 64

#: (what is typed after /nlbtls, what the answer says, the corrected command or nothing)
FAULTS = [
    pytest.param("create not~a~host", ["not~a~host"], "", id="no host name"),
    pytest.param("create", ["Which host name?"], "", id="nothing"),
    pytest.param("create app", ["single word"], "", id="single label"),
    pytest.param("create co.uk", ["public suffix"], "", id="public suffix"),
    pytest.param(f"create {LONG}.example.com", ["64 characters", "63"], "", id="over-long label"),
    pytest.param(f"create {LONG[4:]}.example.com", ["common name", "64"], "", id="over-long for a certificate"),
    pytest.param("create 192.0.2.1", ["IP address"], "", id="IPv4 address"),
    pytest.param("create [2001:db8::1]", ["IP address"], "", id="IPv6 address"),
    pytest.param("create http://app.example.com", ["URL"], "/nlbtls create app.example.com", id="URL"),
    pytest.param(
        "create <http://app.example.com/login> --port 443",
        ["URL"],
        "/nlbtls create app.example.com --port 443",
        id="URL made a link by Slack",
    ),
    pytest.param("status http://app.example.com", ["URL"], "/nlbtls status app.example.com", id="URL in another verb"),
    pytest.param("create app..example.com", ["two dots"], "/nlbtls create app.example.com", id="empty label"),
    pytest.param("create *.example.com", ["wildcard"], "", id="wildcard"),
    pytest.param(
        "create <http://evil.example.com|app.example.com>",
        ["shows app.example.com but leads to evil.example.com"],
        "",
        id="link that lies",
    ),
    pytest.param(
        "create app.example.com --prot 443",
        ["--prot", "Did you mean --port?"],
        "/nlbtls create app.example.com --port 443",
        id="unknown option",
    ),
    pytest.param(
        "create app.example.com —prot 443",
        ["Did you mean --port?"],
        "/nlbtls create app.example.com --port 443",
        id="unknown option behind an em dash",
    ),
    pytest.param(
        "create app.example.com --reason “new shop",
        ["never closed"],
        '/nlbtls create app.example.com --reason "new shop"',
        id="open smart quote",
    ),
    pytest.param(
        "create a.example.com b.example.com",
        ["One host name at a time"],
        "/nlbtls create a.example.com",
        id="two host names",
    ),
    pytest.param("creat app.example.com", ["I do not know"], "/nlbtls create app.example.com", id="unknown verb"),
    pytest.param("app.example.com", ["first word"], "/nlbtls create app.example.com", id="no verb"),
    pytest.param("create app.example.com --cluster sandbx", ["no cluster", "'sandbox'"], "", id="unknown cluster"),
    pytest.param("create app.example.com --service Demo_1", ["not a Service name"], "", id="no DNS label"),
    pytest.param("create app.example.com --port 70000", ["1 to 65535"], "", id="port out of range"),
    pytest.param("create app.example.com --port 0", ["1 to 65535"], "", id="port zero"),
    pytest.param("create app.example.com --port https", ["1 to 65535"], "", id="port in words"),
    pytest.param("create app.unknown.dev", ["No policy allows", "owner of the policy"], "", id="no policy"),
]


@dataclass(frozen=True)
class Traces:
    """Whatever could have come of a command."""

    requests: int
    writes: int
    messages: int


def traces(stage: Stage) -> Traces:
    """As they are now."""
    public = [m for m in stage.world.slack.workspace.messages if not m.visible_to]
    return Traces(len(stage.looking.requests()), stage.looking.writes(), len(public))


def answer(person: Person, line: str, channel: str = CHANNEL) -> str:
    """What only the person who typed a line sees of it."""
    before = {m.ts for m in person.messages(channel) if m.ephemeral}
    assert person.command(channel, line).problem == ""
    news = person.wait_for(
        lambda: [m for m in person.messages(channel) if m.ephemeral and m.ts not in before], timeout=60
    )
    assert len(news) == 1
    return news[0].text


@pytest.mark.parametrize(("typed", "said", "corrected"), FAULTS)
def test_bad_input(shared: Stage, typed: str, said: list[str], corrected: str) -> None:
    """One private answer that names the fault; no row, no AWS call that writes, no message to others."""
    before = traces(shared)
    text = answer(shared.play("").requester, f"/nlbtls {typed}")
    for part in said:
        assert part in text
    assert text.count("Nothing was changed") == 1
    assert "Probably meant" in text if corrected else "Probably meant" not in text
    assert corrected in text
    assert traces(shared) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--namespace dmo", "There is no namespace 'dmo' in sandbox. Did you mean 'demo'?"),
        ("--namespace demo --service dem", "There is no Service 'dem' in namespace demo. Did you mean 'demo'?"),
        ("--service shop/cart", "Policy does not let app.example.com be given to the Service sandbox/shop/cart."),
    ],
)
def test_what_only_the_cluster_knows_to_be_wrong(shared: Stage, options: str, said: str) -> None:
    """Found out while planning: told privately, kept as refused for the record, and the host name is free again."""
    before = traces(shared)
    text = answer(shared.play("").requester, f"/nlbtls create app.example.com {options}")
    assert said in text
    assert text.count("Nothing was changed") == 1
    after = traces(shared)
    assert (after.writes, after.messages) == (before.writes, before.messages)
    assert shared.looking.requests()[-1]["state"] == "refused"
    assert not shared.looking.requests()[-1]["is_open"]


@pytest.mark.parametrize(
    ("typed", "hostname", "shown"),
    [
        ("UPPER.Example.COM.", "upper.example.com", ""),
        ("<http://linked.example.com|linked.example.com>", "linked.example.com", ""),
        ("quoted.example.com —port 8443 —reason “new shop”", "quoted.example.com", "new shop"),
    ],
)
def test_what_is_not_bad_is_made_right(shared: Stage, typed: str, hostname: str, shown: str) -> None:
    """Upper case, a trailing dot, Slack's links, smart quotes and em dashes are taken as they were meant."""
    play = shared.play(hostname)
    assert play.requester.command(CHANNEL, f"/nlbtls create {typed}").problem == ""
    plan = play.plan()
    assert f"create ACM certificate {hostname} in" in plan.text
    assert shown in plan.text
    assert shared.looking.requests()[-1]["hostname"] == hostname
    assert ("port 8443" in plan.text) is ("port 8443" in typed)


def test_a_host_with_an_open_request_says_who_and_since_when_and_where(shared: Stage) -> None:
    """The second one is sent to the card of the first."""
    play = shared.play("taken.example.com")
    play.create()
    play.plan()
    before = traces(shared)
    text = answer(play.oncall, "/nlbtls create taken.example.com")
    request = shared.looking.requests("taken.example.com")[-1]
    assert f"@requester already has `{request['id']}` open for `taken.example.com`" in text.replace("has r", "has `r")
    assert "waiting for approval, since" in text
    card = play.cards()[-1]
    shown = next(m for m in play.oncall.messages(CHANNEL) if m.ephemeral and "already has" in m.text)
    assert f"/archives/C0PLATFORM1/p{card.ts.replace('.', '')}" in str(shown.raw)
    assert traces(shared) == before


@pytest.mark.parametrize("channel", ["#random", "#secret-ops"])
def test_a_channel_without_the_bot(shared: Stage, channel: str) -> None:
    """A public or private channel that the bot is not in: invite it, and nothing was made."""
    hostname = f"lost-in-{channel[1:]}.example.com"
    before = traces(shared)
    text = answer(shared.play("").requester, f"/nlbtls create {hostname}", channel)
    assert "I am not in" in text
    assert "/invite @nlbtls" in text
    assert "Nothing was changed" in text
    after = traces(shared)
    assert (after.writes, after.messages) == (before.writes, before.messages)
    assert [row["state"] for row in shared.looking.requests(hostname)] in ([], ["refused"])


def test_a_direct_message(shared: Stage) -> None:
    """Approvers would not see it: ask in a channel."""
    before = traces(shared)
    text = answer(shared.play("").requester, "/nlbtls create private.example.com", "@nlbtls")
    assert "in a channel" in text
    assert "Nothing was changed" in text
    assert traces(shared) == before


def test_a_private_channel_with_the_bot(shared: Stage) -> None:
    """Once invited it works there as anywhere."""
    requester = shared.play("").requester
    assert requester.command("#ops-private", "/nlbtls create hidden.example.com --dry-run").problem == ""
    seen = requester.wait_for(
        lambda: [m for m in requester.messages("#ops-private") if "hidden.example.com: planned" in m.text], timeout=60
    )
    assert len(seen) == 1
