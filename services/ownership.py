"""The marks by which the bot finds its own things again: tags, labels, the annotation of a source, the ownership TXT.

Marks are spelled here once. The TXT record has the name and the form that external-dns reads (domain.md §2), so that
an external-dns beside us leaves our records alone.
"""

import re
from collections.abc import Sequence

from services.hostnames import in_zone

INSTALLATION = "nlbtls/installation"  #: label; "nlbtls" alone is a valid label prefix
ENDPOINT = "nlbtls/endpoint"  #: label
HOSTNAME_ANNOTATION = "nlbtls/hostname"  #: on a source Service: the host names that are meant for it
TAG_INSTALLATION = "nlbtls:installation"
TAG_ENDPOINT = "nlbtls:endpoint"
TAG_GENERATION = "nlbtls:generation"

_OWNER = re.compile(r"external-dns/owner=([^,\"]*)")
_HERITAGE = "heritage=external-dns"


def owner_id(installation: str) -> str:
    """Our name in ownership records."""
    return f"nlbtls-{installation}"


def txt_value(installation: str, endpoint_id: str) -> str:
    """The ownership TXT, with the quotes that Route 53 wants around it."""
    owner = f"external-dns/owner={owner_id(installation)}"
    return f'"{_HERITAGE},{owner},external-dns/resource=nlbtls/{endpoint_id}"'


def txt_name(hostname: str, record_type: str, zone: str) -> str:
    """Where external-dns keeps it: `a-app.example.com` for the A record of app.example.com.

    At the apex that name would lie outside the zone, and it must stay a DNS label: then `_nlbtls.` is put before.
    """
    name = f"{record_type.lower()}-{hostname}"
    if in_zone(name, zone) and len(name.partition(".")[0]) <= 63 and len(name) <= 253:
        return name
    return f"_nlbtls-{record_type.lower()}.{hostname}"


def txt_names_to_read(hostname: str, zone: str) -> tuple[str, ...]:
    """Every name under which somebody may have marked the records of a host name; older forms of external-dns too."""
    names = [txt_name(hostname, t, zone) for t in ("A", "AAAA", "CNAME")]
    return tuple(dict.fromkeys((*names, hostname)))


def owners(txt_values: Sequence[str]) -> tuple[str, ...]:
    """Owners that ownership TXT values name; values that are no ownership marks are passed over."""
    return tuple(m.group(1) for v in txt_values if _HERITAGE in v and (m := _OWNER.search(v)))
