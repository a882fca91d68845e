"""Reading DNS messages: from a reply to what it says about one question. Pure, for adapters/resolver.py."""

from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rdtypes.nsbase
import dns.rdtypes.txtbase
import dns.rrset

from services.ports import DnsAnswer, Found

_PAYLOAD = 1232  # passes unfragmented nearly everywhere (DNS flag day 2020)


@dataclass(frozen=True)
class Question:
    """A name and a record type."""

    name: dns.name.Name
    type: dns.rdatatype.RdataType

    @classmethod
    def of(cls, name: str, type_: str) -> "Question | None":
        """None for a text that cannot be a name (a label or the whole too long, say)."""
        try:
            return cls(dns.name.from_text(name), dns.rdatatype.from_text(type_))
        except dns.exception.DNSException:
            return None

    def message(self, *, recursive: bool) -> dns.message.QueryMessage:
        """A fresh query, with an id of its own."""
        flags = dns.flags.RD if recursive else dns.flags.Flag(0)
        return dns.message.make_query(self.name, self.type, use_edns=0, payload=_PAYLOAD, flags=flags)


def answer_in(reply: dns.message.Message, question: Question, asked: str, *, authoritative: bool) -> DnsAnswer | None:
    """What the reply says of exactly this name and type; None if it says nothing (failure, referral, no authority).

    A CNAME at the name means that there is no other type, also when the name that it leads to does not exist.
    """
    if reply.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return None
    if authoritative and not reply.flags & dns.flags.AA:
        return None
    records = _rrset(reply.answer, question.name, question.type)
    if records is not None:
        return DnsAnswer(Found.RECORDS, values(records), asked)
    if _rrset(reply.answer, question.name, dns.rdatatype.CNAME) is not None:
        return DnsAnswer(Found.NO_DATA, asked=asked)
    if reply.rcode() == dns.rcode.NXDOMAIN:
        return DnsAnswer(Found.NO_NAME, asked=asked)
    return None if _is_referral(reply) else DnsAnswer(Found.NO_DATA, asked=asked)


def delegation_in(reply: dns.message.Message, question: Question, asked: str) -> DnsAnswer | None:
    """What a server of the parent zone says of a child's NS set: mostly a referral, which carries no authority."""
    if reply.rcode() == dns.rcode.NOERROR:
        for section in (reply.answer, reply.authority):
            records = _rrset(section, question.name, dns.rdatatype.NS)
            if records is not None:
                return DnsAnswer(Found.RECORDS, values(records), asked)
    return answer_in(reply, question, asked, authoritative=True)


def soa_owner(reply: dns.message.Message, name: dns.name.Name) -> dns.name.Name | None:
    """The zone that a reply to a SOA question places the name in.

    None where a CNAME was followed: the SOA in such a reply belongs to the zone of the CNAME's target.
    """
    if _rrset(reply.answer, name, dns.rdatatype.SOA) is not None:
        return name
    if reply.answer:
        return None
    owners = [records.name for records in reply.authority if records.rdtype == dns.rdatatype.SOA]
    return next((owner for owner in owners if name.is_subdomain(owner) and owner != dns.name.root), None)


def end_of_chain(reply: dns.message.Message, name: dns.name.Name) -> dns.name.Name:
    """Where the CNAMEs of a reply lead to; the name itself if there are none (or they go round in a circle)."""
    seen = {name}
    while (records := _rrset(reply.answer, name, dns.rdatatype.CNAME)) is not None:
        name = dns.name.from_text(values(records)[0])
        if name in seen:
            break
        seen.add(name)
    return name


def values_at(reply: dns.message.Message, name: dns.name.Name, type_: dns.rdatatype.RdataType) -> tuple[str, ...]:
    """Values of one type at one name in the answer section; empty if there are none."""
    records = _rrset(reply.answer, name, type_)
    return () if records is None else values(records)


def values(records: dns.rrset.RRset) -> tuple[str, ...]:
    """Record values as the ports want them; sorted, as servers rotate them and a look must not differ by that."""
    return tuple(sorted(_value(rdata) for rdata in records))


def text(name: dns.name.Name) -> str:
    """A name in lower case without trailing dot; empty for the root."""
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""


def _value(rdata: dns.rdata.Rdata) -> str:
    if isinstance(rdata, dns.rdtypes.nsbase.NSBase):  # NS and CNAME
        return text(rdata.target)
    if isinstance(rdata, dns.rdtypes.txtbase.TXTBase):
        return b"".join(rdata.strings).decode(errors="replace")
    return rdata.to_text()


def _rrset(
    section: list[dns.rrset.RRset], name: dns.name.Name, type_: dns.rdatatype.RdataType
) -> dns.rrset.RRset | None:
    return next((records for records in section if records.rdtype == type_ and records.name == name), None)


def _is_referral(reply: dns.message.Message) -> bool:
    types = {records.rdtype for records in reply.authority}
    return not reply.flags & dns.flags.AA and dns.rdatatype.NS in types and dns.rdatatype.SOA not in types
