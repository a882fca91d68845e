"""DNS held elsewhere: what a person must enter there, and what is found instead, in words. Pure; domain.md F5, F8, F36.

A look goes: `questions(instructions)`, each asked with Resolver.ask, plus the addresses of both names for an
application record, gathered in an ExternalLook; then `describe_finding`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.hostnames import MAX_NAME, in_zone, is_public_suffix, registrable_domain, relative_to
from services.model import Instructions
from services.ports import DnsAnswer, Found

VALIDATION = "validation"
APPLICATION = "application"
ALIAS = "ALIAS/ANAME"

Question = tuple[str, str]

_NOT_ASKED = DnsAnswer(Found.UNKNOWN)
_SILENCE = "No name server answered; this says nothing about the record."


@dataclass(frozen=True)
class ExternalLook:
    """What DNS said. The addresses are what recursive resolvers give and matter for application records only."""

    answers: Mapping[Question, DnsAnswer] = field(default_factory=dict)
    addresses: Sequence[str] = ()  #: of the host name
    target_addresses: Sequence[str] = ()  #: of the load balancer

    def answer(self, name: str, type_: str) -> DnsAnswer:
        """The answer to one question; UNKNOWN if it was not asked."""
        return self.answers.get((name, type_), _NOT_ASKED)


# ---- instructions


def validation_instructions(hostname: str, record_name: str, record_value: str, zone: str) -> Instructions:
    """The CNAME by which ACM validates the name. `zone`: as Resolver.zone_of says, may be empty."""
    zone = _plausible_zone(hostname, zone)
    relative = relative_to(record_name, zone)
    return Instructions(
        purpose=VALIDATION,
        type="CNAME",
        name=record_name,
        relative_name=relative,
        zone=zone,
        value=record_value,
        traps=(
            _relative_trap(relative, zone),
            "Keep the leading underscore of the name. In the value it may be left out where a provider forbids it.",
            _DOT_TRAP,
            _PROXY_TRAP,
            _TYPE_TRAP,
            "Leave the record in place for good: every renewal needs it.",
        ),
    )


def application_instructions(hostname: str, nlb_hostname: str, zone: str, dual_stack: bool) -> Instructions:
    """The record that leads the host name to the load balancer: a CNAME, or at an apex, where none may be, an alias."""
    zone = _plausible_zone(hostname, zone)
    relative = relative_to(hostname, zone)
    at_apex = hostname == zone
    families = "IPv4 and IPv6 (A and AAAA)" if dual_stack else "IPv4 (A) only"
    alias_traps = (
        f"{hostname} is the zone's apex: a CNAME is illegal there. Use your provider's ALIAS, ANAME or flattened "
        "CNAME; if it has none, a host name below the apex is needed.",
        f"The load balancer has {families}; let the alias follow its name, do not copy its addresses.",
    )
    cname_traps = (
        _relative_trap(relative, zone),
        _TYPE_TRAP,
        f"Delete any other record at {hostname} first: a CNAME cannot stand beside one.",
    )
    return Instructions(
        purpose=APPLICATION,
        type=ALIAS if at_apex else "CNAME",
        name=hostname,
        relative_name=relative,
        zone=zone,
        value=nlb_hostname,
        traps=(*(alias_traps if at_apex else cname_traps), _DOT_TRAP, _PROXY_TRAP),
    )


_DOT_TRAP = (
    "Enter the value without quotes. If your provider takes a value without a final dot as relative to the zone, end "
    "it with a dot."
)
_PROXY_TRAP = "Turn proxying off for this record (at Cloudflare: grey cloud, “DNS only”)."
_TYPE_TRAP = "The type is CNAME, not TXT."


def _relative_trap(relative: str, zone: str) -> str:
    return f"Most providers append the zone themselves: then enter only {relative} as the name, without .{zone}."


def _plausible_zone(hostname: str, zone: str) -> str:
    """The zone if it can be the owner's: an unregistered name is answered for by its public suffix."""
    return zone if zone and in_zone(hostname, zone) and not is_public_suffix(zone) else registrable_domain(hostname)


# ---- what to ask


def questions(instructions: Instructions) -> Sequence[Question]:
    """What to ask to tell the right record and the usual wrong ones apart."""
    name = instructions.name
    asked = [(name, "CNAME"), (name, "A"), (name, "AAAA"), (name, "TXT"), (_doubled(instructions), "CNAME")]
    if instructions.purpose == VALIDATION:
        asked.append((_bare(instructions), "CNAME"))
    return [(n, t) for n, t in asked if len(n) <= MAX_NAME]


def _doubled(instructions: Instructions) -> str:
    return f"{instructions.name}.{instructions.zone}"


def _bare(instructions: Instructions) -> str:
    return instructions.name.removeprefix("_")


# ---- what was found


def describe_finding(instructions: Instructions, look: ExternalLook) -> tuple[bool, str]:
    """Whether the record is right, and one sentence on what was found, by whom."""
    ok, sentence = _judge_name(instructions, look)
    return ok, sentence if ok else _misplaced(instructions, look) or sentence


def _judge_name(instructions: Instructions, look: ExternalLook) -> tuple[bool, str]:
    """What is at the very name."""
    cname = look.answer(instructions.name, "CNAME")
    if cname.found is Found.RECORDS:
        return _judge_cname(instructions, look, cname)
    addresses = _addresses_at(instructions, look)
    if instructions.purpose == APPLICATION and addresses.found is Found.RECORDS:
        return _judge_addresses(instructions, look, addresses)
    absent = _absent(instructions, cname if instructions.type == "CNAME" else addresses)
    return False, _other_type(instructions, look, addresses) or absent


def _judge_cname(instructions: Instructions, look: ExternalLook, answer: DnsAnswer) -> tuple[bool, str]:
    wrong = [value for value in answer.values if not _is_wanted(instructions, value)]
    if not wrong:
        return True, f"Right record found at {answer.asked}.{_cache_remark(instructions, look)}"
    if len(wrong) < len(answer.values):  # a CNAME has one value, so these came from different servers
        return False, f"{answer.asked} do not agree yet: some still answer {', '.join(wrong)}."
    if instructions.purpose == APPLICATION and _leads_to_target(look.addresses, look):
        return True, f"{answer.asked} answers {wrong[0]}, which leads to the load balancer's addresses."
    return False, _wrong_value(instructions, wrong[0], answer.asked)


def _is_wanted(instructions: Instructions, value: str) -> bool:
    """ACM accepts its value also without the leading underscore, as some providers forbid that (domain.md §5)."""
    wanted = instructions.value
    return value == wanted or (instructions.purpose == VALIDATION and value == wanted.removeprefix("_"))


def _wrong_value(instructions: Instructions, value: str, asked: str) -> str:
    if _is_wanted(instructions, value.removesuffix("." + instructions.zone)):
        return (
            f"Found, but the value ends with .{instructions.zone}: your provider appended the zone; "
            "end the value with a dot."
        )
    if _is_wanted(instructions, value.strip('"').removesuffix(".")):
        return "Found, but the value has quotes in it; enter it without."
    return f"Found at {asked}, but it points to {value} instead of {instructions.value}."


def _cache_remark(instructions: Instructions, look: ExternalLook) -> str:
    """F36: authoritative servers are right, resolvers may hold the old answer or the old absence for a while."""
    if instructions.purpose == APPLICATION and look.target_addresses and not _leads_to_target(look.addresses, look):
        return " Resolvers may go on with what they had cached for some minutes."
    return ""


def _addresses_at(instructions: Instructions, look: ExternalLook) -> DnsAnswer:
    """A and AAAA at the name as one answer."""
    answers = [look.answer(instructions.name, type_) for type_ in ("A", "AAAA")]
    found = [answer for answer in answers if answer.found is Found.RECORDS]
    if not found:
        return next((answer for answer in answers if answer.found is not Found.UNKNOWN), answers[0])
    return DnsAnswer(Found.RECORDS, tuple(v for answer in found for v in answer.values), found[0].asked)


def _leads_to_target(addresses: Sequence[str], look: ExternalLook) -> bool:
    return bool(addresses) and set(addresses) <= set(look.target_addresses)


def _judge_addresses(instructions: Instructions, look: ExternalLook, answer: DnsAnswer) -> tuple[bool, str]:
    """No CNAME but addresses: an alias or flattened CNAME (right), a proxy or an old record (wrong)."""
    seen = ", ".join(answer.values)
    if not look.target_addresses:
        return False, f"{answer.asked} answers {seen}; the load balancer's own name does not resolve yet to compare."
    if _leads_to_target(answer.values, look):
        return True, f"Right: {answer.asked} answers with the load balancer's addresses."
    strangers = [address for address in answer.values if address not in look.target_addresses]
    if len(strangers) < len(answer.values):
        return False, f"{answer.asked} also answers {', '.join(strangers)}: not an address of the load balancer."
    if instructions.type == ALIAS:
        return False, (
            f"{answer.asked} answers {seen}: not the load balancer's addresses. Point the {ALIAS} to "
            f"{instructions.value} and turn any proxy off."
        )
    return False, _address_instead(instructions, look, seen)


def _misplaced(instructions: Instructions, look: ExternalLook) -> str:
    """The right record at a wrong name. Other values there prove nothing: a wildcard record answers everywhere."""
    name, doubled, bare = instructions.name, _doubled(instructions), _bare(instructions)
    if _has_wanted(instructions, look.answer(doubled, "CNAME")):
        return (
            f"Found at {doubled}: your provider appended the zone; enter only {instructions.relative_name} as the name."
        )
    if bare != name and _has_wanted(instructions, look.answer(bare, "CNAME")):
        return f"Found at {bare}: the leading underscore is missing; the name is {instructions.relative_name}."
    return ""


def _has_wanted(instructions: Instructions, answer: DnsAnswer) -> bool:
    suffix = "." + instructions.zone
    return answer.found is Found.RECORDS and any(
        _is_wanted(instructions, value.removesuffix(suffix)) for value in answer.values
    )


def _other_type(instructions: Instructions, look: ExternalLook, addresses: DnsAnswer) -> str:
    text = look.answer(instructions.name, "TXT")
    if any(instructions.value in value for value in text.values):
        return f"Found as TXT at {text.asked}; the type must be {instructions.type}."
    if addresses.found is Found.RECORDS:
        return _address_instead(instructions, look, ", ".join(addresses.values))
    if text.found is Found.RECORDS and instructions.type == "CNAME":
        return f"There is a TXT record at {instructions.name}, and no CNAME; a CNAME cannot stand beside it."
    return ""


def _address_instead(instructions: Instructions, look: ExternalLook, seen: str) -> str:
    type_ = "A" if look.answer(instructions.name, "A").found is Found.RECORDS else "AAAA"
    return f"There is an {type_} record instead of a CNAME ({seen}): turn the proxy off, or replace the record."


def _absent(instructions: Instructions, answer: DnsAnswer) -> str:
    if answer.found is Found.UNKNOWN:
        return _SILENCE
    if answer.found is Found.NO_NAME:
        return f"{answer.asked} knows no such name yet."
    return f"{answer.asked} knows the name {instructions.name}, but no {instructions.type} record there yet."
