"""The outside as the services see it, made of the real adapters: one AWS door per region, one client per cluster."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from bot.settings import ClusterTable, Config, Environment
from services.adapters.aws import Aws
from services.adapters.connect_to import ConnectTo
from services.adapters.kubernetes import KubernetesCluster, connect
from services.adapters.resolver import PublicResolver
from services.adapters.tls import SocketTlsProber
from services.ports import Certificates, Clock, Cluster, LoadBalancers, Resolver, TlsProber, Zones


class RealWorld:
    """Implements `services.ports.World`. Clients are made when first needed, so that one missing credential is told
    to the person whose request needs it and does not keep the bot from starting."""

    def __init__(self, environment: Environment, config: Config, clock: Clock) -> None:
        self._tables: Mapping[str, ClusterTable] = {c.name: c for c in config.clusters}
        self._installation = config.installation
        self._aws = {region: Aws(region, clock=clock) for region in {c.region for c in config.clusters}}
        self._kubernetes: dict[str, KubernetesCluster] = {}
        servers = environment.nlbtls_dns_servers or None
        self._resolver = PublicResolver(servers, environment.nlbtls_dns_port)
        connect_to = ConnectTo.parse(environment.nlbtls_connect_to)
        self._prober = SocketTlsProber(environment.nlbtls_ca_bundle or None, connect_to)

    @property
    def installation(self) -> str:
        """See the port."""
        return self._installation

    @cached_property
    def clusters(self) -> Sequence[str]:
        """See the port."""
        return tuple(self._tables)

    @property
    def resolver(self) -> Resolver:
        """See the port."""
        return self._resolver

    @property
    def prober(self) -> TlsProber:
        """See the port."""
        return self._prober

    def region(self, cluster: str) -> str:
        """See the port."""
        return self._tables[cluster].region

    def certificates(self, cluster: str) -> Certificates:
        """See the port."""
        return self._aws[self.region(cluster)].certificates()

    def load_balancers(self, cluster: str) -> LoadBalancers:
        """See the port."""
        return self._aws[self.region(cluster)].load_balancers()

    def zones(self) -> Zones:
        """Route 53 is the same in every region."""
        return next(iter(self._aws.values())).zones()

    def kubernetes(self, cluster: str) -> Cluster:
        """See the port. Raises Permanent if there is no usable kubeconfig."""
        return self.connected(cluster)

    def connected(self, cluster: str) -> KubernetesCluster:
        """The adapter itself, for the watch."""
        if cluster not in self._kubernetes:
            self._kubernetes[cluster] = connect(self._tables[cluster].context)
        return self._kubernetes[cluster]

    def account(self) -> str:
        """The AWS account that the credentials belong to. Raises ServiceError."""
        return next(iter(self._aws.values())).identity()
