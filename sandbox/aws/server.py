"""The AWS stand-in: starts moto with our backends on a loopback port, and shows its state to the other stand-ins."""

import ipaddress
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from moto.acm.models import acm_backends
from moto.core.base_backend import BackendDict
from moto.ec2.models import ec2_backends
from moto.elb.models import elb_backends
from moto.elbv2.models import elbv2_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.route53.models import route53_backends
from werkzeug.serving import BaseWSGIServer, make_server

from sandbox.aws import acm, ec2, elbv2, gate, model, route53
from sandbox.aws.certificates import RequestedCertificate
from sandbox.aws.seed import seed
from sandbox.aws.world import ACCOUNT, World, bind
from sandbox.calls import OnCall, nobody
from sandbox.delays import Delays
from sandbox.faults import Faults

FAULTS = {**gate.FAULTS, **acm.FAULTS, **elbv2.FAULTS}

_REPLACED = (
    (acm_backends, acm.AcmBackend),
    (route53_backends, route53.ZoneBackend),
    (elbv2_backends, elbv2.BalancerBackend),
    (elb_backends, elbv2.SharedHostBackend),
    (ec2_backends, ec2.NetworkBackend),
)
_ORIGINALS = tuple(backends.backend for backends, _ in _REPLACED)
_LOOK_EVERY = 0.25  # seconds between two looks at pending certificates, if looking is cheap
_LOOK_SHARE = 20  # looking may take one part in so many of the time


class _QuietHandler(MotoRequestHandler):  # type: ignore[misc]
    """Requests go to the call log, not to the console."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class AwsStandIn:
    """ACM, Route 53, ELBv2, EC2 and STS of one account. One at a time in a process, as moto's state is global.

    `resolve_cname` says what public DNS answers for a CNAME question, None for nothing; ACM believes only that.
    `clock` gives seconds since the epoch. `call_log` receives one JSON line per call. `first_address` is the first
    loopback address given to a load balancer; the following ones are taken in order. `on_call`: see sandbox.calls.
    """

    def __init__(
        self,
        delays: Delays,
        faults: Faults,
        resolve_cname: Callable[[str], str | None],
        clock: Callable[[], float] = time.time,
        regions: Sequence[str] = ("eu-central-1",),
        *,
        call_log: Path | None = None,
        first_address: str = "127.0.10.1",
        on_call: OnCall = nobody,
    ) -> None:
        self._regions = tuple(regions)
        self._world = World(delays, faults, resolve_cname, clock, addresses=_addresses(first_address).__next__)
        self._call_log = call_log
        self._on_call = on_call
        self._stopping = threading.Event()
        self._server: BaseWSGIServer | None = None
        self._gate: gate.Gate | None = None
        self._threads: list[threading.Thread] = []
        self._balancers: tuple[tuple[Any, ...], tuple[model.LoadBalancer, ...]] = ((), ())

    def start(self) -> str:
        """Start with an empty account, seed it, and return the endpoint URL for AWS_ENDPOINT_URL."""
        _forget_everything()
        for backends, replacement in _REPLACED:
            backends.backend = bind(replacement, self._world)
        seed(self._regions)
        application = DomainDispatcherApplication(create_backend_app)
        self._gate = gate.Gate(application, self._world, self._call_log, self._on_call)
        self._server = make_server("127.0.0.1", 0, self._gate, threaded=True, request_handler=_QuietHandler)
        self._stopping.clear()
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.1,), name="aws", daemon=True),
            threading.Thread(target=self._look_at_certificates, name="aws-acm", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Stop serving and give moto its own backends back."""
        self._stopping.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        for thread in self._threads:
            thread.join()
        if self._gate:
            self._gate.close()
        _forget_everything()
        for (backends, _), original in zip(_REPLACED, _ORIGINALS, strict=True):
            backends.backend = original
        self._server, self._gate, self._threads = None, None, []

    def root_ca_pem(self) -> str:
        """The root that signed every certificate of this stand-in, for NLBTLS_CA_BUNDLE. Known before start()."""
        return self._world.authority.root_pem()

    def public_zones(self) -> tuple[model.PublicZone, ...]:
        """The public hosted zones, oldest first, with the records that are served now."""
        zones: tuple[model.PublicZone, ...] = route53_backends[ACCOUNT]["aws"].public_zones()
        return zones

    def load_balancers(self) -> tuple[model.LoadBalancer, ...]:
        """The network load balancers of all regions. The same tuple as long as nothing changed."""
        parts = tuple(backend.views() for backend in list(elbv2_backends[ACCOUNT].values()))
        before, joined = self._balancers
        if parts != before:
            joined = tuple(balancer for part in parts for balancer in part)
            self._balancers = (parts, joined)
        return joined

    def target_group(self, arn: str) -> model.TargetGroup | None:
        """The target group with this ARN; None if there is none."""
        group: model.TargetGroup | None = elbv2_backends[ACCOUNT][_region(arn)].group_view(arn)
        return group

    def certificate(self, arn: str) -> model.Certificate | None:
        """The certificate with this ARN, with its private key; None if there is none."""
        found = acm_backends[ACCOUNT][_region(arn)]._certificates.get(arn)
        if found is None:
            return None
        found.check()
        if isinstance(found, RequestedCertificate):
            return found.view()
        pem, chain, key = (text.decode() for text in (found.cert, found.chain, found.key))  # imported
        return model.Certificate(arn, found.status, tuple(found.sans), pem, chain, key)

    def set_target_health(
        self, tg_arn: str, ip: str, port: int, state: str, reason: str | None = None, description: str | None = None
    ) -> None:
        """Note what a health check found, in ELBv2's words. A target that is gone is left alone."""
        elbv2_backends[ACCOUNT][_region(tg_arn)].set_health(tg_arn, ip, port, state, reason, description)

    def _look_at_certificates(self) -> None:
        """ACM looks at DNS by itself: a validation counts from the record's appearance, not from the next call."""
        pause = _LOOK_EVERY
        while not self._stopping.wait(pause):
            began = time.monotonic()
            for backend in list(acm_backends[ACCOUNT].values()):
                for certificate in backend.pending():
                    certificate.check()
            pause = max(_LOOK_EVERY, _LOOK_SHARE * (time.monotonic() - began))


def _region(arn: str) -> str:
    return arn.split(":")[3]


def _forget_everything() -> None:
    """Drop all of moto's state. Its own reset() fills every backend anew before it drops it, which takes seconds."""
    for backends in list(BackendDict._instances):
        backends.clear()
    BackendDict._instances.clear()


def _addresses(first: str) -> Iterator[str]:
    """Loopback addresses from the first one on, without those that end in 0 or 255, to the end of 127.0.0.0/12."""
    address, last = ipaddress.IPv4Address(first), ipaddress.IPv4Address("127.15.255.254")
    while address <= last:
        if int(address) % 256 not in (0, 255):
            yield str(address)
        address += 1
