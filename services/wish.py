"""What a person typed after the host name, checked and typed. Pure; every fault is one clear sentence."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from services.errors import Refused
from services.model import Scheme

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SERVICE_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_PORT_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")
_POLICY_NAME = re.compile(r"ELBSecurityPolicy-[A-Za-z0-9-]{1,64}")
#: What an NLB listener takes and ACM issues itself (domain.md §5).
KEY_ALGORITHMS = ("RSA_2048", "EC_prime256v1", "EC_secp384r1")


@dataclass(frozen=True)
class Wish:
    """The options of `create`; empty: not said."""

    cluster: str = ""
    namespace: str = ""
    service: str = ""
    port: int = 443
    target_port: str = ""
    scheme: str = Scheme.INTERNET_FACING.value
    source_ranges: tuple[str, ...] = ()
    tls_policy: str = ""
    key_algorithm: str = ""
    path: str = "/"
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it is stored with the request."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Wish":
        """From the stored form; fields that this version does not know are ignored."""
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        if "source_ranges" in known:
            known["source_ranges"] = tuple(known["source_ranges"])
        return cls(**known)


def parse_wish(options: Mapping[str, str]) -> Wish:
    """Options by canonical name ("target-port") to a Wish. Raises Refused with the sentence for the first fault."""
    cluster, namespace, service = _split_service(options)
    if namespace and not _DNS_LABEL.fullmatch(namespace):
        raise Refused(f"{namespace!r} is not a namespace name: lower-case letters, digits and dashes, at most 63.")
    if service and not _SERVICE_NAME.fullmatch(service):
        raise Refused(
            f"{service!r} is not a Service name.",
            hint="A Service name has lower-case letters, digits and dashes, starts with a letter, at most 63 in all.",
        )
    return Wish(
        cluster=cluster,
        namespace=namespace,
        service=service,
        port=_port(options.get("port", "443")),
        target_port=_target_port(options.get("target-port", "")),
        scheme=_one_of("scheme", options.get("scheme", Scheme.INTERNET_FACING.value), [s.value for s in Scheme]),
        source_ranges=_ranges(options.get("source-ranges", "")),
        tls_policy=_tls_policy(options.get("tls-policy", "")),
        key_algorithm=_one_of("key-algorithm", options.get("key-algorithm", ""), ("", *KEY_ALGORITHMS)),
        path=_path(options.get("path", "/")),
        reason=options.get("reason", "")[:300],
    )


def _split_service(options: Mapping[str, str]) -> tuple[str, str, str]:
    parts = options.get("service", "").split("/")
    if len(parts) > 3 or ("service" in options and not all(parts)):
        raise Refused(
            f"{options['service']!r} does not name a Service.",
            hint="Say --service NAME, --service NAMESPACE/NAME or --service CLUSTER/NAMESPACE/NAME.",
        )
    cluster, namespace, service = ["", "", *parts][-3:]
    for option, told in (("cluster", cluster), ("namespace", namespace)):
        if told and options.get(option, told) != told:
            raise Refused(f"--service says {option} {told!r}, --{option} says {options[option]!r}. Which one?")
    return cluster or options.get("cluster", ""), namespace or options.get("namespace", ""), service


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise Refused(f"{text!r} is not a port: a number from 1 to 65535.")
    return int(text)


def _target_port(text: str) -> str:
    if not text:
        return ""
    if text.isascii() and text.isdigit():
        return str(_port(text))
    if not _PORT_NAME.fullmatch(text) or not any(c.isalpha() for c in text) or "--" in text:
        raise Refused(f"{text!r} is neither a port number nor a port name of a container (at most 15 characters).")
    return text


def _one_of(option: str, value: str, known: list[str] | tuple[str, ...]) -> str:
    if value not in known:
        raise Refused(f"--{option} {value!r} is not known. Known: {', '.join(filter(None, known))}.")
    return value


def _ranges(text: str) -> tuple[str, ...]:
    found = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        try:
            network = ipaddress.ip_network(part)
        except ValueError:
            raise Refused(
                f"{part!r} is not an address range.", hint="Write ranges like 203.0.113.0/24, separated by commas."
            ) from None
        if network.version == 6:  # domain.md §1.5: the controller refuses it for an IPv4 load balancer
            raise Refused(f"{part!r} is an IPv6 range, and the load balancer has IPv4 addresses only.")
        found.append(str(network))
    return tuple(sorted(set(found)))


def _tls_policy(text: str) -> str:
    if text and not _POLICY_NAME.fullmatch(text):
        raise Refused(f"{text!r} is not the name of a TLS security policy (ELBSecurityPolicy-…).")
    return text


def _path(text: str) -> str:
    if not text.startswith("/") or len(text) > 200 or not text.isascii() or any(c <= " " for c in text):
        raise Refused(f"{text!r} is not a path to ask for: it starts with / and has no spaces, at most 200 characters.")
    return text
