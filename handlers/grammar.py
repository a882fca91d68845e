"""What people type after /nlbtls: text -> Command | Fault. Pure; names and values are checked by services, not here.

Lenient where a phone or Slack changed what was typed: em dashes for `--`, smart quotes, names made into links. Strict
where guessing could do the wrong thing: every fault says where it is and, where that is clear, what was meant.
"""

import difflib
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

COMMAND = "/nlbtls"
DRY_RUN = "dry-run"


class Host(Enum):
    """Whether a verb takes a host name."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


@dataclass(frozen=True)
class Option:
    """One option. Without a placeholder it is a flag."""

    name: str
    placeholder: str
    meaning: str

    @property
    def usage(self) -> str:
        """As it is typed."""
        return f"--{self.name} {self.placeholder}".rstrip()


@dataclass(frozen=True)
class Verb:
    """One thing that people can ask for."""

    name: str
    host: Host
    meaning: str
    options: tuple[Option, ...] = ()

    @property
    def usage(self) -> str:
        """As it is typed."""
        host = {Host.REQUIRED: "<host>", Host.OPTIONAL: "[host]", Host.NONE: ""}[self.host]
        options = "[options]" if len(self.options) > 1 else "".join(f"[{option.usage}]" for option in self.options)
        return " ".join(filter(None, [COMMAND, self.name, host, options]))


CREATE = Verb(
    "create",
    Host.REQUIRED,
    "Plan an HTTPS name for a Service; a second person approves before anything is changed.",
    (
        Option("service", "[[cluster/]namespace/]name", "the Service that shall answer; found by itself if left out"),
        Option("namespace", "name", "where the Service is"),
        Option("cluster", "name", "where the namespace is"),
        Option("port", "number", "port of the load balancer (443)"),
        Option("target-port", "number or name", "port of the pods (what the Service says)"),
        Option("scheme", "internet-facing or internal", "where the load balancer can be reached from"),
        Option("source-ranges", "203.0.113.0/24,…", "who may connect, separated by commas (everybody)"),
        Option("path", "/healthz", "what the probe asks for (/)"),
        Option("key-algorithm", "RSA_2048, EC_prime256v1 or EC_secp384r1", "kind of key of the certificate"),
        Option("tls-policy", "ELBSecurityPolicy-…", "TLS versions and ciphers of the listener"),
        Option("reason", '"why"', "shown to the approvers and kept"),
        Option(DRY_RUN, "", "show the plan and stop"),
    ),
)
STATUS = Verb("status", Host.OPTIONAL, "What is known of a host name and of its requests.")
LIST = Verb(
    "list", Host.NONE, "All endpoints and open requests.", (Option("page", "number", "further pages of the list"),)
)
HELP_VERB = Verb("help", Host.NONE, "This text.")
VERBS: Mapping[str, Verb] = {verb.name: verb for verb in (CREATE, STATUS, LIST, HELP_VERB)}


@dataclass(frozen=True)
class Help:
    """The help as data: pairs of what to type and what it does."""

    usage: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str], ...]
    examples: tuple[tuple[str, str], ...]


HELP = Help(
    usage=tuple((verb.usage, verb.meaning) for verb in VERBS.values()),
    options=tuple((option.usage, option.meaning) for option in CREATE.options),
    examples=(
        (f"{COMMAND} create app.example.com", "the Service is found by itself, or you choose it from a list"),
        (f"{COMMAND} create app.example.com --service shop/web --dry-run", "show what would be done, change nothing"),
        (f'{COMMAND} create app.example.com service=shop/web reason="new shop"', "options without dashes work too"),
        (f"{COMMAND} status app.example.com", "how far it is, and who has to move next"),
    ),
)


@dataclass(frozen=True)
class Command:
    """What was asked for. `hostname` and the values of `options` are as typed, not validated."""

    verb: str
    hostname: str = ""
    options: Mapping[str, str] = field(default_factory=dict)  #: by canonical name: "target-port"
    dry_run: bool = False
    line: str = ""  #: what was typed, on one line
    hostname_at: tuple[int, int] = (0, 0)  #: where in `line` the host name stands


@dataclass(frozen=True)
class Fault:
    """Why the text is not a command. `line` and `caret` are two lines of a code block, the caret under the place."""

    sentence: str
    line: str
    caret: str
    corrected: str = ""  #: the whole command as it was probably meant; empty if that cannot be known


def parse(text: str) -> Command | Fault:
    """The command in `text` (what stands after /nlbtls). Empty text asks for help. Never raises."""
    line = _on_one_line(text)
    try:
        return _command(line, _tokens(line))
    except _Wrong as wrong:
        return replace(wrong.fault, corrected=_settled(wrong.fault.corrected))


def _settled(corrected: str, tries: int = 8) -> str:
    """A correction that is a command: one with a further fault is corrected further, or not offered at all."""
    line = corrected.removeprefix(COMMAND).strip()
    try:
        _command(line, _tokens(line))
    except _Wrong as wrong:
        return _settled(wrong.fault.corrected, tries - 1) if wrong.fault.corrected and tries else ""
    return corrected


def hostname_fault(command: Command, sentence: str, meant: str = "") -> Fault:
    """The fault for a host name that services refused; `meant`: the host name to put in its place, if it is known."""
    return _fault(command.line, *command.hostname_at, sentence, meant or None)


# ---- words

_DASH = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_NAME = rf"[A-Za-z][\w{re.escape(_DASH)}]*"
_ASSIGNED = re.compile(rf"(?P<dashes>[{re.escape(_DASH)}]*)(?P<name>{_NAME})=")
_DASHED = re.compile(rf"(?P<dashes>[{re.escape(_DASH)}]+)(?P<name>{_NAME})(?=\s|$)")
_WORD = re.compile(r"(?:<[^<>]*>|\S)+")  # what Slack made a link is one word, whatever its label holds
_LINK = re.compile(r"<[^<>|]*\|([^<>]*)>|<((?:https?://|mailto:)[^<>|]*)>")
_QUOTES = ("\"\u201c\u201d\u201e\u201f\u00ab\u00bb", "'\u2018\u2019\u201a\u201b\u00b4", "`")  # fmt: skip
_INVISIBLE = re.compile("[\u200b\u2060\ufeff]")


@dataclass(frozen=True)
class _Token:
    """One word, or one option with the value that is tied to it by `=`."""

    start: int
    end: int
    text: str  #: the word without its quotes; of an option its value
    option: str = ""  #: the canonical spelling of an option's name
    tied: bool = False  #: option with `=`
    dashed: bool = False
    quoted: bool = False
    value_at: int = 0  #: where `text` begins, with its quotes


class _Wrong(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.sentence)
        self.fault = fault


def _on_one_line(text: str) -> str:
    return re.sub(r"\s", " ", _INVISIBLE.sub("", text)).strip()


def _unlinked(text: str) -> str:
    """Undo Slack's automatic links: their label is what was typed."""
    return _LINK.sub(lambda link: link.group(1) or link.group(2) or "", text)


def _plain(text: str) -> str:
    """A value as it was typed: without links, without the three entities that Slack escapes."""
    return _unlinked(text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _tokens(line: str) -> deque[_Token]:
    found: deque[_Token] = deque()
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        found.append(_token(line, at))
        at = found[-1].end
    return found


def _token(line: str, at: int) -> _Token:
    if dashed := _DASHED.match(line, at):
        return _Token(at, dashed.end(), "", _canonical(dashed["name"]), dashed=True)
    if assigned := _ASSIGNED.match(line, at):
        text, end, quoted = _value_at(line, assigned.end())
        name = _canonical(assigned["name"])
        dashes = bool(assigned["dashes"])
        return _Token(at, end, text, name, tied=True, dashed=dashes, quoted=quoted, value_at=assigned.end())
    text, end, quoted = _value_at(line, at)
    return _Token(at, end, text, quoted=quoted, value_at=at)


def _value_at(line: str, at: int) -> tuple[str, int, bool]:
    """A quoted text or a word: its text, where it ends, whether it was quoted."""
    for quotes in _QUOTES:
        if at < len(line) and line[at] in quotes:
            closing = re.compile(rf"[{quotes}](?=\s|$)").search(line, at + 1)
            if not closing:
                closed = f'"{line[at + 1 :]}"' if at + 1 < len(line) else None
                raise _wrong(line, at, len(line), "This quote is never closed.", closed)
            return line[at + 1 : closing.start()], closing.end(), True
    word = _WORD.match(line, at)
    return (word.group(), word.end(), False) if word else ("", at, False)


def _canonical(name: str) -> str:
    return re.sub(rf"[_{re.escape(_DASH)}]", "-", name).lower()


# ---- sentences


def _command(line: str, tokens: deque[_Token]) -> Command:
    if not tokens or any(t.option in ("help", "h") and t.dashed and not t.tied for t in tokens):
        return Command(HELP_VERB.name, line=line)
    verb = _verb(line, tokens.popleft())
    words: list[_Token] = []
    options: dict[str, str] = {}
    before: _Token | None = None
    while tokens:
        token = tokens.popleft()
        if token.option:
            option = _option(line, verb, token)
            if option.name in options:
                raise _twice(line, verb, option, token, tokens)
            options[option.name], before = _value(line, verb, option, token, tokens)
        else:
            _refuse_stray(line, verb, token, words, before, tokens)
            words.append(token)
            before = None
    if verb.host is Host.REQUIRED and not words:
        raise _wrong(line, len(line) + 1, len(line) + 2, f"Which host name? For example `{verb.name} app.example.com`.")
    host = words[0] if words else _Token(0, 0, "")
    dry_run = options.pop(DRY_RUN, "") == "yes"
    return Command(verb.name, host.text, options, dry_run, line, (host.start, host.end))


def _verb(line: str, token: _Token) -> Verb:
    word = token.text.lower()
    if word in VERBS and not token.option:
        return VERBS[word]
    known = ", ".join(f"`{name}`" for name in VERBS)
    near = difflib.get_close_matches(word, VERBS, 1)
    if near and not token.option:
        raise _wrong(line, token.start, token.end, f"I do not know `{_short(word)}`. I know {known}.", near[0])
    looks_like_host = not token.option and "." in word
    first = f"{CREATE.name} {line[token.start : token.end]}" if looks_like_host else None
    raise _wrong(line, token.start, token.end, f"The first word says what to do: {known}.", first)


def _option(line: str, verb: Verb, token: _Token) -> Option:
    for option in verb.options:
        if option.name == token.option:
            return option
    name = f"`--{_short(token.option)}`"
    typed = line[token.start : token.end]
    if not verb.options:
        raise _wrong(line, token.start, token.end, f"`{verb.name}` has no options.", "" if token.tied else None)
    near = _nearest(token.option, verb)
    fixed = f"--{near}{typed[typed.index('=') :]}" if near and token.tied else f"--{near}" if near else None
    ask = f" Did you mean `--{near}`?" if near else f" It has {', '.join(f'`--{o.name}`' for o in verb.options)}."
    raise _wrong(line, token.start, token.end, f"`{verb.name}` has no option {name}.{ask}", fixed)


def _nearest(name: str, verb: Verb) -> str:
    """The option that was probably meant: one that it begins or ends, else the most similar one; or nothing."""
    names = [option.name for option in verb.options]
    parts = [n for n in names if len(name) > 1 and (n.startswith(name) or n.endswith(f"-{name}"))]
    return next(iter(parts if len(parts) == 1 else difflib.get_close_matches(name, names, 1)), "")


def _value(line: str, verb: Verb, option: Option, token: _Token, rest: deque[_Token]) -> tuple[str, _Token | None]:
    """The value of an option, and the token that it came from (a flag has none)."""
    if not option.placeholder:
        return _flag(line, option, token), None
    if not token.tied and rest and not _is_option(verb, rest[0]):
        token = rest.popleft()
        text = line[token.start : token.end] if token.option else token.text  # "a=b" after an option is a value
        return _plain(text), token
    if not token.text.strip():
        raise _wrong(line, token.start, token.end, f"`--{option.name}` needs a value: `{option.usage}`.")
    return _plain(token.text), token


def _is_option(verb: Verb, token: _Token) -> bool:
    return bool(token.option) and (token.dashed or any(o.name == token.option for o in verb.options))


def _twice(line: str, verb: Verb, option: Option, token: _Token, rest: deque[_Token]) -> _Wrong:
    separate = bool(option.placeholder) and not token.tied and bool(rest) and not _is_option(verb, rest[0])
    end = rest[0].end if separate else token.end
    return _wrong(line, token.start, end, f"`--{option.name}` is there twice; which one counts?", "")


def _flag(line: str, option: Option, token: _Token) -> str:
    if not token.tied or token.text.lower() in ("true", "yes", "on", "1"):
        return "yes"
    if token.text.lower() in ("false", "no", "off", "0"):
        return "no"
    raise _wrong(line, token.start, token.end, f"`--{option.name}` takes no value.", f"--{option.name}")


def _refuse_stray(
    line: str, verb: Verb, token: _Token, words: list[_Token], before: _Token | None, rest: deque[_Token]
) -> None:
    """Words beyond the one that a verb takes, with what was probably meant. `before`: the option value next to it."""
    if verb.host is Host.NONE:
        raise _wrong(line, token.start, token.end, f"`{verb.name}` takes nothing more.", "")
    name = _canonical(token.text.strip(_DASH))
    if any(option.name == name and not token.quoted for option in verb.options):
        raise _wrong(line, token.start, token.end, f"Options begin with two dashes: `--{name}`.", f"--{name}")
    if not words:
        return
    if before and not before.quoted and "." not in token.text:
        end = next((t.start for t in rest if t.option), len(line))
        value = line[before.value_at : end].rstrip()
        raise _wrong(
            line, before.value_at, before.value_at + len(value), "A value with spaces needs quotes.", f'"{value}"'
        )
    raise _wrong(
        line, token.start, token.end, f"One host name at a time: `{_short(words[0].text)}` is one already.", ""
    )


# ---- faults


def _short(text: str) -> str:
    text = _unlinked(text).replace("`", "'")
    return text if len(text) <= 60 else f"{text[:59]}…"


def _wrong(line: str, start: int, end: int, sentence: str, instead: str | None = None) -> _Wrong:
    return _Wrong(_fault(line, start, end, sentence, instead))


#: Characters of the line shown around a fault: what fits on a phone in landscape.
_WINDOW = 72


def _fault(line: str, start: int, end: int, sentence: str, instead: str | None) -> Fault:
    """A fault at line[start:end]. `instead`: what should stand there; None: not known."""
    corrected = ""
    if instead is not None:
        before, after = line[:start], line[end:]
        if not instead:  # what is left out takes its space along
            after = after.lstrip()
        corrected = _unlinked(f"{COMMAND} {before}{instead}{after}".rstrip())
    left, place = f"{COMMAND} {_unlinked(line[:start])}", _unlinked(line[start:end]) or " "
    if len(left) + len(place) > _WINDOW and len(left) > _WINDOW // 2:
        left = "…" + left[1 - _WINDOW // 2 :]
    if len(place) > _WINDOW // 2:
        place = place[: _WINDOW // 2 - 1] + "…"
    right = _unlinked(line[end:])
    room = max(1, _WINDOW - len(left) - len(place))
    shown = left + place + (right if len(right) <= room else right[: room - 1] + "…")
    return Fault(sentence, shown.rstrip(), " " * len(left) + "^" * len(place), corrected)
