"""A small world in memory behind the ports of the services. Not mocks: it behaves.

A requested certificate is pending until the public sees its record; CREATE of a record that exists is refused; a
Service gets a load balancer once its controller looked; time passes only when the clock is moved. A test may count
calls, make the nth call of an operation fail, act between a look and a change, or let the process die at any point.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from tests.unit.worlds_aws import Acm, PublicDns, Route53
from tests.unit.worlds_cluster import Client, Elb, KubernetesInMemory, Pod
from tests.unit.worlds_gate import REGION, Clock, Gate


@dataclass
class People:
    """Groups by handle."""

    gate: Gate
    groups: dict[str, frozenset[str]] = field(default_factory=dict)

    def members(self, handle: str) -> frozenset[str] | None:
        self.gate.enter("directory.members")
        return self.groups.get(handle)


class InMemoryWorld:
    """One account, one region, one cluster ("main"), zone example.com here and example.org elsewhere.

    In the cluster: Service demo/app, target port 8080, with two ready pods.
    """

    installation = "test"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.gate = Gate()
        self.route53 = Route53(self.gate, clock)
        self.public = PublicDns(self.gate, self.route53)
        self.acm = Acm(self.gate, clock, self.public)
        self.cluster = KubernetesInMemory(self.gate, clock)
        self.elb = Elb(self.gate, clock, self.cluster)
        self.client = Client(self.gate, self.acm, self.elb)
        self.people = People(self.gate, {"oncall": frozenset({"U-oncall", "U-second"})})
        self.clusters: tuple[str, ...] = ("main",)
        self.public.balancers = self.elb.answering
        self.route53.add_zone("Z1", "example.com")
        self.public.delegated["example.com"] = self.route53.servers["Z1"]
        self.public.delegated["example.org"] = ("ns1.elsewhere.test",)
        self.cluster.add("app")
        for n in (1, 2):
            self.cluster.pods.append(Pod("demo", f"10.0.0.{n}", {"app": "app"}))

    @property
    def resolver(self) -> PublicDns:
        return self.public

    @property
    def prober(self) -> Client:
        return self.client

    def region(self, cluster: str) -> str:
        if cluster not in self.clusters:
            raise KeyError(cluster)  # as bot/world.py does
        return REGION

    def certificates(self, cluster: str) -> Acm:
        self.region(cluster)
        return self.acm

    def load_balancers(self, cluster: str) -> Elb:
        self.region(cluster)
        return self.elb

    def zones(self) -> Route53:
        return self.route53

    def kubernetes(self, cluster: str) -> KubernetesInMemory:
        self.region(cluster)
        return self.cluster

    def hurry(self) -> None:
        """Nothing takes any time, so that a story has few turns."""
        self.acm.record_delay = self.route53.spread = timedelta(0)
        self.cluster.controller_delay = self.cluster.provisioning = timedelta(0)

    # ---- what people outside do

    def publish(self, name: str, value: str) -> None:
        """The owner of DNS held elsewhere makes a CNAME."""
        self.public.elsewhere[name, "CNAME"] = (value,)
