"""All stand-ins plugged together, and the environment by which the bot, aws, kubectl, dig and curl find them."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import yaml
from kubernetes import config as kubernetes_config

import sandbox.aws.server
import sandbox.controller
import sandbox.data_plane
import sandbox.endpoints
import sandbox.kubernetes.server
import sandbox.slack.server
from sandbox import control
from sandbox.aws.server import AwsStandIn
from sandbox.backend import Backend, backend_pods
from sandbox.calls import OnCall, nobody
from sandbox.cluster_seed import cluster_manifests, seed_cluster
from sandbox.controller.loop import LoadBalancerController
from sandbox.data_plane.plane import DataPlane
from sandbox.data_plane.ports import connect_to
from sandbox.delays import Delays
from sandbox.dns import DnsStandIn
from sandbox.endpoints import EndpointSliceController
from sandbox.faults import Faults
from sandbox.kubernetes.server import KubernetesStandIn
from sandbox.slack.server import SlackStandIn
from sandbox.slots import Slot, take_slot

REGION = "eu-central-1"
DECLARED: tuple[Mapping[str, str], ...] = (
    sandbox.aws.server.FAULTS,
    sandbox.controller.FAULTS,
    sandbox.data_plane.FAULTS,
    sandbox.endpoints.FAULTS,
    sandbox.kubernetes.server.FAULTS,
    sandbox.slack.server.FAULTS,
)
#: Listener ports that people may want: mapped where this process may not bind them.
_PORTS = (80, 443, 853, 465, 636, 993, 995)

CONFIG = """\
# The sandbox's configuration. Anybody may ask; somebody of the user group @oncall approves.
installation = "sandbox"

[[clusters]]
name = "sandbox"
region = "{region}"
context = "nlbtls"

# Names below the two demo zones belong to the demo Service.
[[policy]]
hostnames = ["*.example.com", "*.example.org", "example.org"]
clusters = ["sandbox"]
namespaces = ["demo"]
services = ["demo"]
schemes = ["internet-facing", "internal"]
requesters = ["*"]
approvers = ["@oncall"]

[[targets]]
hostnames = ["*.example.com", "*.example.org", "example.org"]
cluster = "sandbox"
namespace = "demo"
service = "demo"

# Nothing says which Service these belong to: whoever asks chooses.
[[policy]]
hostnames = ["*.example.net"]
clusters = ["sandbox"]
namespaces = ["demo", "shop"]
requesters = ["*"]
approvers = ["@oncall"]
"""


class World:
    """The whole sandbox without the bot. Its files go into `directory`, which is emptied. `on_call`: sandbox.calls."""

    def __init__(
        self,
        directory: Path,
        delays: Delays | None = None,
        *,
        call_log: Path | None = None,
        rate_limits: bool = False,
        on_call: OnCall = nobody,
    ) -> None:
        self.directory = directory
        self.delays = delays or Delays()
        self.faults = Faults(DECLARED)
        self._call_log = call_log
        self._on_call = on_call
        self._slot: Slot | None = None
        self._stops: list[Callable[[], object]] = []
        self.slack = SlackStandIn(self.faults, rate_limits=rate_limits, on_call=on_call)
        self.kubernetes = KubernetesStandIn(self.faults, webhook=True, on_call=on_call)
        self.aws: AwsStandIn
        self.dns: DnsStandIn
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        """Boot everything, in the order in which one needs the other. Raises OSError if an address cannot be had."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self._slot = take_slot()
        self._stops.append(self._slot.release)
        aws_url = self._start_aws()
        dns_port = self.dns.start()
        self._stops.append(self.dns.stop)
        self.kubernetes.start()
        self._stops.append(self.kubernetes.stop)
        kubeconfig = self._write_kubeconfig()
        self._start_cluster(aws_url, kubeconfig)
        slack_url = self.slack.start()
        self._stops.append(self.slack.stop)
        server = control.ControlServer(self._verbs())
        self._stops.append(server.stop)
        self.environment = self._environment(aws_url, slack_url, dns_port, kubeconfig, server.url)

    def stop(self) -> None:
        """End everything, in reverse order."""
        while self._stops:
            self._stops.pop()()

    def write_env_file(self, path: Path) -> None:
        """The environment as KEY=value lines; written whole or not at all."""
        written = path.with_name(path.name + ".new")
        written.write_text("".join(f"{key}={value}\n" for key, value in self.environment.items()))
        written.replace(path)

    # ---- parts

    def _start_aws(self) -> str:
        slot = self._slot
        if slot is None:
            raise AssertionError("a slot is taken before AWS starts")
        self.aws = AwsStandIn(
            self.delays,
            self.faults,
            lambda name: self.dns.cname_of(name),
            regions=(REGION,),
            call_log=self._call_log,
            first_address=slot.first_balancer,
            on_call=self._on_call,
        )
        url = self.aws.start()
        self._stops.append(self.aws.stop)
        self.dns = DnsStandIn(self.aws.public_zones, self.aws.load_balancers)
        return url

    def _start_cluster(self, aws_url: str, kubeconfig: Path) -> None:
        slot = self._slot
        if slot is None:
            raise AssertionError("a slot is taken before the cluster starts")
        manifests = cluster_manifests(slot.pod_network)
        client = kubernetes_config.new_client_from_config(str(kubeconfig), context="sandbox")
        seed_cluster(client, manifests)
        backend = Backend(backend_pods(manifests))
        plane = DataPlane(self.aws, faults=self.faults, delays=self.delays)
        slices = EndpointSliceController(client, self.faults)
        controller = LoadBalancerController(
            client, self._aws_client("elbv2", aws_url), self._aws_client("ec2", aws_url), faults=self.faults,
            delays=self.delays,
        )  # fmt: skip
        for part in (backend, plane, slices, controller):
            part.start()
            self._stops.append(part.stop)

    @staticmethod
    def _aws_client(service: Any, url: str) -> Any:
        return boto3.client(
            service, endpoint_url=url, region_name=REGION, aws_access_key_id="sandbox", aws_secret_access_key="sandbox"
        )

    # ---- files

    def _write_kubeconfig(self) -> Path:
        """Two contexts: `sandbox`, the current one, may do everything; `nlbtls` has the bot's own rights."""
        merged = yaml.safe_load(self.kubernetes.kubeconfig("admin"))
        bot = yaml.safe_load(self.kubernetes.kubeconfig("nlbtls"))
        merged["users"] += bot["users"]
        merged["contexts"].append({"name": "nlbtls", "context": bot["contexts"][0]["context"]})
        path = self.directory / "kubeconfig"
        path.write_text(yaml.safe_dump(merged, sort_keys=False))
        path.chmod(0o600)
        return path

    def _environment(
        self, aws_url: str, slack_url: str, dns_port: int, kubeconfig: Path, control_url: str
    ) -> dict[str, str]:
        bundle, config = self.directory / "ca.pem", self.directory / "nlbtls.toml"
        bundle.write_text(self.aws.root_ca_pem())
        config.write_text(CONFIG.format(region=REGION))
        return {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_SIGNING_SECRET": self.slack.signing_secret,
            "SLACK_API_URL": slack_url,
            "AWS_ENDPOINT_URL": aws_url,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "KUBECONFIG": str(kubeconfig),
            "NLBTLS_CONFIG": str(config),
            "NLBTLS_DATABASE_URL": f"sqlite:///{self.directory / 'nlbtls.db'}",
            "NLBTLS_DNS_SERVERS": f"127.0.0.1:{dns_port}",
            "NLBTLS_DNS_PORT": str(dns_port),
            "NLBTLS_CA_BUNDLE": str(bundle),
            "NLBTLS_CONNECT_TO": connect_to(_PORTS),
            control.URL_VARIABLE: control_url,
        }

    def bot_environment(self) -> dict[str, str]:
        """The environment of a bot process here: ours, without what would lead clients astray (parts.md B0)."""
        astray = {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_PROFILE"}
        kept = {k: v for k, v in os.environ.items() if k not in astray and not k.lower().endswith("_proxy")}
        return {**kept, "AWS_EC2_METADATA_DISABLED": "true", **self.environment}

    # ---- what the command line may ask

    def _verbs(self) -> Mapping[str, control.Verb]:
        return {
            "fault": self._fault,
            "dns-add": self._dns_add,
            "dns-remove": self._dns_remove,
            "where": lambda _: {"slack": self.slack.url, "environment": self.environment},
        }

    def _fault(self, asked: control.Json) -> control.Json:
        self.faults.switch(asked["name"], bool(asked["on"]))
        return {}

    def _dns_add(self, asked: control.Json) -> control.Json:
        self.dns.add_external(asked["name"], asked["type"], asked["value"])
        return {}

    def _dns_remove(self, asked: control.Json) -> control.Json:
        self.dns.remove_external(asked["name"], asked["type"])
        return {}
