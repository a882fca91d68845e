"""Host names as people type them, and the name arithmetic that zones and policy share. Pure.

Sources: RFC 1123 and RFC 5890 (labels), UTS 46 (Unicode names), the public suffix list (its ICANN section), and ACM's
limit of 64 characters for a certificate's common name (domain.md §5).
"""

import ipaddress
import re
from functools import cache
from urllib.parse import urlsplit

import idna
from publicsuffixlist import PublicSuffixList

from services.errors import Refused

MAX_NAME = 253
MAX_LABEL = 63
MAX_COMMON_NAME = 64

#: Under these no public CA issues. `.test` and `.example` are left to ACM's own answer: test installations live there.
RESERVED = ("localhost", "local", "internal", "arpa", "onion", "invalid")

_QUOTES = "\"'`´\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb"
_LINK = re.compile(r"<((?:https?|mailto):[^|>]*)(?:\|([^>]*))?>")
_LABEL = re.compile(r"[a-z0-9-]+")


def parse_hostname(text: str) -> str:
    """The host name in `text`: A-labels, lower case, no trailing dot.

    Raises Refused with a sentence that names the fault and the code "hostname"; its `hint` is the host name that was
    probably meant (not a sentence: it goes where the name stood in the command), or empty.
    """
    try:
        return _parsed(text)
    except Refused as error:
        raise Refused(error.sentence, hint=error.hint, code="hostname") from error


def _parsed(text: str) -> str:
    name = _unlink(text.strip().strip(_QUOTES).strip()).strip(_QUOTES)
    if not name:
        raise Refused("The host name is missing.")
    _refuse_other_kinds(name)
    ascii_name = _to_ascii(name)
    _refuse_bad_labels(ascii_name)
    _refuse_bad_lengths(ascii_name)
    _refuse_not_public(ascii_name)
    return ascii_name


def show(hostname: str) -> str:
    """The name for people: an internationalised one in both forms, so that look-alike letters are seen."""
    try:
        unicode_name = idna.decode(hostname)
    except idna.IDNAError:
        return hostname
    return hostname if unicode_name == hostname else f"{unicode_name} ({hostname})"


def registrable_domain(hostname: str) -> str:
    """The part that one registers (example.co.uk), by the ICANN section; the name itself where the list has none."""
    return str(_suffixes().privatesuffix(hostname) or hostname)


def is_public_suffix(name: str) -> bool:
    """Whether names are registered directly below this one (com, co.uk)."""
    return bool(_suffixes().publicsuffix(name, accept_unknown=False) == name)


def in_zone(name: str, zone: str) -> bool:
    """Whether `name` is the zone's apex or lies below it, by whole labels."""
    return name == zone or name.endswith("." + zone)


def relative_to(name: str, zone: str) -> str:
    """`name` as a provider that appends the zone wants it: "@" at the apex. A name outside the zone: ValueError."""
    if name == zone:
        return "@"
    if not in_zone(name, zone):
        raise ValueError(f"{name} does not lie in {zone}")
    return name.removesuffix("." + zone)


def matches(pattern: str, hostname: str) -> bool:
    """Whether a policy pattern covers a host name (in A-labels, as parse_hostname returns it).

    `app.example.com` is exact; `*.example.com` is any name below, at any depth, never the apex; `*` is everything; a
    `*` inside the first label (`app-*.example.com`) stands for any part of that one label, but never for a part of an
    encoded one (RFC 6125 §6.4.3: xn--… is not what people see).
    """
    pattern = _ascii_pattern(pattern)
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return hostname != pattern[2:] and in_zone(hostname, pattern[2:])
    first, _, rest = pattern.partition(".")
    label, _, parent = hostname.partition(".")
    if "*" not in first:
        return pattern == hostname
    if label.startswith("xn--"):
        return False
    return rest == parent and re.fullmatch(re.escape(first).replace(r"\*", ".*"), label) is not None


# ---- the faults, in the order in which they are looked for


def _unlink(text: str) -> str:
    """Undo Slack's auto-linking: `<http://app.example.com|app.example.com>`, also for a part of the name."""
    return _LINK.sub(_label_of_link, text)


def _label_of_link(link: re.Match[str]) -> str:
    url, label = link.group(1), link.group(2)
    if label is None or url.startswith("mailto:"):
        return url.removeprefix("mailto:")
    if "/" not in label and _host_of(url) != _host_of("//" + label):
        raise Refused(f"The link shows {label} but leads to {_host_of(url)}; type the host name you mean.")
    return label


def _host_of(url: str) -> str:
    try:
        return _ascii(urlsplit(url if "//" in url else "//" + url).hostname or "")
    except ValueError:  # also what idna raises
        return ""


def _refuse_other_kinds(name: str) -> None:
    """Things that are recognisably something else than a host name."""
    if name.split() != [name]:
        raise Refused(f"“{name}” has a space in it; one host name is one word.")
    if _is_address(name):
        raise Refused(f"{name} is an IP address; a certificate is for a host name such as app.example.com.")
    if "://" in name or any(c in name for c in "/?#") or re.search(r":\d*$", name):
        _refuse_url(name)
    if "@" in name:
        _, _, host = name.rpartition("@")
        raise Refused(f"{name} is an e-mail address; give the host name alone.", hint=_probably(host))
    if "*" in name:
        raise Refused(f"{name} is a wildcard. Wildcards come later; for now one host name per endpoint.")


def _refuse_url(name: str) -> None:
    host = _host_of(name)
    if _is_address(host):
        raise Refused(f"{host} is an IP address; a certificate is for a host name such as app.example.com.")
    fault = "is a URL" if "://" in name else "has a port or a path in it"
    raise Refused(f"{name} {fault}; give the host name alone.", hint=_probably(host))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _probably(name: str) -> str:
    """A correction, if it is a host name that would be taken."""
    try:
        return parse_hostname(name)
    except Refused:
        return ""


def _ascii(name: str) -> str:
    """UTS 46 mapping (case, width, kinds of dot), one trailing dot off, then IDNA 2008 for the labels that need it."""
    labels = idna.uts46_remap(name, std3_rules=False, transitional=False).removesuffix(".").split(".")
    return ".".join(label if label.isascii() else idna.alabel(label).decode() for label in labels)


def _to_ascii(name: str) -> str:
    """ASCII labels are let through whatever they are: there are clearer words for their faults."""
    try:
        return _ascii(name)
    except idna.InvalidCodepoint as error:
        strange = next((c for c in name if not c.isascii() and not c.isalnum()), "")
        fault = f"“{strange}” cannot be in one" if strange else _reason(error)
        raise Refused(f"“{name}” is not a host name: {fault}.") from error
    except idna.IDNAError as error:
        raise Refused(f"“{name}” is not a host name: {_reason(error)}.") from error


def _reason(error: idna.IDNAError) -> str:
    reason = str(error).rstrip(".")
    return reason[:1].lower() + reason[1:]


def _refuse_bad_labels(name: str) -> None:
    labels = name.split(".")
    if "" in labels:
        hint = _probably(".".join(label for label in labels if label)) if any(labels) else ""
        raise Refused(f"“{name}” has two dots in a row or starts with one: a part of the name is empty.", hint=hint)
    if "_" in name:
        sentence = f"{name} has an underscore; host names have letters, digits and hyphens only."
        raise Refused(sentence, hint=_probably(name.replace("_", "-")))
    for label in labels:
        _refuse_bad_label(label, name)
    if len(labels) > 1 and labels[-1].isdigit():
        raise Refused(f"{name} is not a host name: its last part is a number.")


def _refuse_bad_label(label: str, name: str) -> None:
    if not _LABEL.fullmatch(label):
        strange = next(c for c in label if not _LABEL.fullmatch(c))
        raise Refused(f"“{name}” is not a host name: “{strange}” cannot be in one.")
    if len(label) > MAX_LABEL:
        raise Refused(f"The part {label} has {len(label)} characters; {MAX_LABEL} are possible between two dots.")
    if label.startswith("-") or label.endswith("-"):
        fixed = ".".join(part.strip("-") for part in name.split("."))
        raise Refused(f"The part {label} starts or ends with a hyphen; host names cannot.", hint=_probably(fixed))
    if label[2:4] == "--":
        _refuse_bad_encoding(label)


def _refuse_bad_encoding(label: str) -> None:
    """ACM takes "--" in third place only in valid A-labels (domain.md §5)."""
    try:
        idna.ulabel(label)
    except idna.IDNAError as error:
        raise Refused(f"The part {label} looks encoded (--) but is no valid internationalised name.") from error


def _refuse_bad_lengths(name: str) -> None:
    if len(name) > MAX_NAME:
        raise Refused(f"The host name has {len(name)} characters; {MAX_NAME} are possible.")
    if len(name) > MAX_COMMON_NAME:
        raise Refused(
            f"{name} has {len(name)} characters; a certificate's common name has room for {MAX_COMMON_NAME}, and the "
            "only name of a certificate must fit there. Choose a shorter name."
        )


def _refuse_not_public(name: str) -> None:
    reserved = next((suffix for suffix in RESERVED if in_zone(name, suffix)), "")
    if reserved:
        raise Refused(f"{name} is for private use ({reserved} is reserved): it cannot get a public certificate.")
    if "." not in name:
        raise Refused(f"{name} is a single word; a full host name such as app.example.com is needed.")
    if is_public_suffix(name):
        raise Refused(f"{name} is a public suffix: names are registered below it, such as app.{name}.")


@cache
def _suffixes() -> PublicSuffixList:
    """The list that comes with the package; parsed once, needs no network."""
    return PublicSuffixList(only_icann=True)


@cache
def _ascii_pattern(pattern: str) -> str:
    """A pattern from a configuration in the form of host names; one that is no name matches nothing but itself."""
    try:
        return _ascii(pattern.strip())
    except idna.IDNAError:
        return pattern
