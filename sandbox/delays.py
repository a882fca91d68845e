"""How long the stand-ins take, in seconds. One place, so that a demo, a test and a benchmark can each choose."""

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Delays:
    """Seconds between a call and its visible effect. The defaults keep a demo under a minute."""

    certificate_record: float = 1.5  #: RequestCertificate until DescribeCertificate shows the ResourceRecord
    certificate_issue: float = 2.0  #: validation CNAME resolvable until the status is ISSUED
    change_insync: float = 1.5  #: ChangeResourceRecordSets until GetChange says INSYNC and DNS serves the change
    load_balancer_active: float = 4.0  #: CreateLoadBalancer until the state is active and addresses resolve
    target_healthy: float = 1.5  #: RegisterTargets until the first health check may say healthy
    controller: float = 0.3  #: Service seen by the load balancer controller until it acts

    def scaled(self, factor: float) -> "Delays":
        """The same delays, all multiplied by factor (0 makes everything immediate)."""
        return replace(self, **{f.name: getattr(self, f.name) * factor for f in fields(self)})
