"""The load balancers' traffic: real TLS on loopback addresses, forwarded to real pods on loopback addresses.

`fronts` decides what to serve (pure), `plane` serves it, `health` asks the targets. It reads AWS by `plane.AwsView`.

Not modelled: UDP, ALPN, IPv6 addresses, security groups and source ranges, cross-zone settings (a zone without healthy
targets stays in DNS), idle time-outs, flow hashing (targets take turns), TLS 1.0 and 1.1.
"""

from collections.abc import Mapping

from sandbox.data_plane.plane import AwsView, DataPlane
from sandbox.data_plane.ports import connect_to, listen_port

FAULTS: Mapping[str, str] = {
    "F22": "Every target fails its health checks; traffic still flows, as a load balancer then fails open.",
    "F27": "Listeners serve a self-made certificate for another name.",
    "nlb-one-address-dead": "One address of every load balancer refuses connections.",
}

__all__ = ["FAULTS", "AwsView", "DataPlane", "connect_to", "listen_port"]
