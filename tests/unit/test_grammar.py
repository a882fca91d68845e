"""The grammar of /nlbtls: what is understood, and what a fault says, points at and proposes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.grammar import COMMAND, CREATE, HELP, VERBS, Command, Fault, hostname_fault, parse

LINKED = "<http://app.example.com|app.example.com>"


def command(text: str) -> Command:
    found = parse(text)
    assert isinstance(found, Command), found
    return found


def fault(text: str) -> Fault:
    found = parse(text)
    assert isinstance(found, Fault), found
    return found


@pytest.mark.parametrize("text", ["", "   ", "\u200b", "help", "HELP", "create app.example.com --help", "-h", "—help"])
def test_help_is_what_no_words_mean(text: str) -> None:
    """Nothing at all, and every way of asking for help, is the help verb."""
    assert command(text).verb == "help"


@pytest.mark.parametrize(
    ("text", "hostname"),
    [
        ("create app.example.com", "app.example.com"),
        ("CREATE APP.example.com.", "APP.example.com."),
        (f"create {LINKED}", LINKED),
        ("create <http://a b.example|a b.example>", "<http://a b.example|a b.example>"),
        ("create app.<http://example.com|example.com>", "app.<http://example.com|example.com>"),
        ("create “app.example.com”", "app.example.com"),
        ("create\u00a0`app.example.com`", "app.example.com"),
        ("create\n bücher.example", "bücher.example"),
        ("status http://app.example.com/x?a=b", "http://app.example.com/x?a=b"),
        ("status", ""),
    ],
)
def test_the_host_name_is_passed_on_as_it_was_typed(text: str, hostname: str) -> None:
    """Verbs in any case, white space of any kind, quotes dropped, Slack's links one word; checking is for services."""
    assert command(text).hostname == hostname


@pytest.mark.parametrize(
    "options",
    [
        "--service shop/web --target-port 8080",
        "--target-port=8080 --service=shop/web",
        "service=shop/web target-port=8080",
        "-service shop/web -target_port 8080",
        "—service shop/web –target–port 8080",
        "--SERVICE “shop/web” --Target-Port='8080'",
        "--service <http://shop/web|shop/web> target-port=“8080”",
    ],
)
@pytest.mark.parametrize("order", ["create {0} {1}", "create {1} {0}"])
def test_every_way_of_writing_options(options: str, order: str) -> None:
    """Dashes as phones write them, names in any case, values tied or apart, quoted or not, before or after the host."""
    found = command(order.format("app.example.com", options))
    assert found.hostname == "app.example.com"
    assert found.options == {"service": "shop/web", "target-port": "8080"}


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ('--reason "go live, now"', "go live, now"),
        ("reason=“it isn’t urgent”", "it isn’t urgent"),
        ("--reason 'don't wait'", "don't wait"),
        ("--reason a=b", "a=b"),
        ('--reason="R&amp;D &lt;3"', "R&D <3"),
        ("--reason don’t", "don’t"),
        ("--reason «one — two»", "one — two"),
    ],
)
def test_values(typed: str, value: str) -> None:
    """A value keeps its inner quotes, dashes and equals signs, and what Slack escaped is as it was typed."""
    assert command(f"create app.example.com {typed} --port 443").options == {"reason": value, "port": "443"}


@pytest.mark.parametrize(
    ("typed", "dry_run"),
    [("", False), ("--dry-run", True), ("—dry-run", True), ("dry-run=yes", True), ("--dry_run=false", False)],
)
def test_dry_run_is_a_flag(typed: str, dry_run: bool) -> None:
    """The flag needs no value, takes yes and no, and does not eat the host name."""
    found = command(f"create {typed} app.example.com")
    assert (found.dry_run, found.hostname, dict(found.options)) == (dry_run, "app.example.com", {})


def test_every_option_of_create_is_understood() -> None:
    """The table that help is made from is the table that is parsed."""
    valued = {option.name: f"v{i}" for i, option in enumerate(CREATE.options) if option.placeholder}
    typed = " ".join(f"--{name} {value}" for name, value in valued.items())
    assert command(f"create app.example.com {typed}").options == valued


@pytest.mark.parametrize(
    ("text", "sentence", "pointed_at", "corrected"),
    [
        ("crate app.example.com", "`create`", "crate", "create app.example.com"),
        ("delete app.example.com", "`create`, `status`, `list`, `help`", "delete", ""),
        ("app.example.com", "first word", "app.example.com", "create app.example.com"),
        (LINKED, "first word", "app.example.com", "create app.example.com"),
        ("--port 3", "first word", "--port", ""),
        ("create a.b.c --servce x", "`--service`?", "--servce", "create a.b.c --service x"),
        ("create a.b.c servce=x", "`--service`?", "servce=x", "create a.b.c --service=x"),
        ("create a.b.c --ns=x", "no option `--ns`", "--ns=x", ""),
        ("create a.b.c —ranges 10.0.0.0/8", "`--source-ranges`?", "—ranges", "create a.b.c --source-ranges 10.0.0.0/8"),
        ("create a.b.c --port", "`--port number`", "--port", ""),
        ("create a.b.c --port --service x", "needs a value", "--port", ""),
        ("create a.b.c --service=", "needs a value", "--service=", ""),
        ("create a.b.c --port 1 --port 2", "twice", "--port 2", "create a.b.c --port 1"),
        ("create a.b.c --dry-run dry-run=yes", "twice", "dry-run=yes", "create a.b.c --dry-run"),
        ("create a.b.c --dry-run=maybe", "no value", "--dry-run=maybe", "create a.b.c --dry-run"),
        ("create a.b.c dry-run", "two dashes", "dry-run", "create a.b.c --dry-run"),
        ("create", "Which host name?", "", ""),
        ("create --port 3", "Which host name?", "", ""),
        ("create a.b.c d.e.f", "One host name", "d.e.f", "create a.b.c"),
        (f"create a.b.c {LINKED} --port 1", "`a.b.c` is one", "app.example.com", "create a.b.c --port 1"),
        ("status a.b.c d.e.f", "One host name", "d.e.f", "status a.b.c"),
        ("create a.b.c reason=go live now", "needs quotes", "go live now", 'create a.b.c reason="go live now"'),
        ("create a.b.c --reason “go live", "never closed", "“go live", 'create a.b.c --reason "go live"'),
        ("list everything", "nothing more", "everything", "list"),
        ("help me", "nothing more", "me", "help"),
        ("status a.b.c --port 3", "has no options", "--port", ""),
    ],
)
def test_faults(text: str, sentence: str, pointed_at: str, corrected: str) -> None:
    """A fault says what is wrong, points at it, and proposes the command that was meant, where that is clear."""
    found = fault(text)
    assert sentence in found.sentence
    start = found.caret.index("^")
    assert found.line[start:][: len(pointed_at)] == pointed_at
    assert found.caret.count("^") == max(1, len(pointed_at))
    assert found.corrected == (f"{COMMAND} {corrected}" if corrected else "")


def test_a_correction_with_a_second_fault_is_corrected_too() -> None:
    """What is proposed can be sent as it is; if that takes a guess, nothing is proposed."""
    assert fault("crate a.b.c --servce x").corrected == f"{COMMAND} create a.b.c --service x"
    assert fault("crate --servce x").corrected == ""


def test_a_long_line_is_shown_around_its_fault() -> None:
    """The two lines of code stay narrow enough for a phone, and the caret stays under the place."""
    found = fault(f"create {'a' * 250}.com --reason '{'b' * 300}' {'c' * 250}")
    assert len(found.line) <= 80
    assert len(found.caret) <= 80
    assert found.line[found.caret.index("^")] == "c"


def test_a_refused_host_name_is_pointed_at() -> None:
    """Services refuse host names; the answer still has caret and corrected command, options kept."""
    found = hostname_fault(command("create --port 8443 https://app.example.com/x"), "That is a URL.", "app.example.com")
    assert found.sentence == "That is a URL."
    assert found.line[found.caret.index("^") :] == "https://app.example.com/x"
    assert found.corrected == f"{COMMAND} create --port 8443 app.example.com"
    assert hostname_fault(command("create app"), "A single word.").corrected == ""


def test_help_names_every_verb_and_option_and_its_examples_are_commands() -> None:
    """The help cannot drift from the grammar."""
    assert [line.split()[1] for line, _ in HELP.usage] == list(VERBS)
    assert [line.split()[0] for line, _ in HELP.options] == [f"--{option.name}" for option in CREATE.options]
    for line, _ in HELP.examples:
        command(line.removeprefix(COMMAND))


WORDS = st.sampled_from(
    [
        "create",
        "status",
        "list",
        "app.example.com",
        LINKED,
        "--service",
        "port=",
        "—dry-run",
        "“a",
        "b”",
        "'",
        "`",
        "=",
        "-",
    ]
)


@settings(deadline=None)  # a busy machine is not a fault
@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=8).map(" ".join)))
def test_any_text_is_a_command_or_a_fault_that_points_at_something(text: str) -> None:
    """Never an exception; the caret is inside the line or just behind it; a proposed correction is a command."""
    found = parse(text)
    if isinstance(found, Fault):
        assert found.sentence
        assert found.caret.strip("^ ") == ""
        assert found.caret.index("^") <= len(found.line) + 1
        assert not found.corrected or isinstance(parse(found.corrected.removeprefix(COMMAND)), Command)
