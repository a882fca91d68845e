"""What is in the account before anybody acts: a network, and hosted zones of three kinds."""

from collections.abc import Iterable

from moto.ec2.models import ec2_backends
from moto.route53.models import route53_backends

from sandbox.aws.world import ACCOUNT

ZONE = "example.com"
UNDELEGATED_ZONE = "internal-only.example.net"


def seed(regions: Iterable[str]) -> None:
    """A VPC with two public subnets per region; example.com, public and private; a zone that nobody delegated.

    The private zone is made first, so that whoever takes the first zone of a name takes the wrong one.
    """
    vpcs = {region: _network(region) for region in regions}
    region, vpc_id = next(iter(vpcs.items()))
    zones = route53_backends[ACCOUNT]["aws"]
    zones.create_hosted_zone(ZONE, True, "seed-private", vpcid=vpc_id, vpcregion=region, comment="inside the VPC only")
    zones.create_hosted_zone(ZONE, False, "seed-public", comment="delegated")
    zones.create_hosted_zone(UNDELEGATED_ZONE, False, "seed-undelegated", comment="no parent delegates it")


def _network(region: str) -> str:
    ec2 = ec2_backends[ACCOUNT][region]
    vpc = ec2.create_vpc("10.20.0.0/16")
    ec2.create_tags([vpc.id], {"Name": "sandbox"})
    for number, letter in enumerate("ab", start=1):
        subnet = ec2.create_subnet(vpc.id, f"10.20.{number}.0/24", availability_zone=f"{region}{letter}")
        ec2.create_tags([subnet.id], {"Name": f"sandbox-public-{letter}", "kubernetes.io/role/elb": "1"})
    vpc_id: str = vpc.id
    return vpc_id
