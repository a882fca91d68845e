"""Watch Services and EndpointSlices, and reconcile what changed."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from kubernetes import client
from kubernetes.client.rest import ApiException
from urllib3.exceptions import HTTPError

from sandbox.controller.reconciler import ServiceReconciler
from sandbox.delays import Delays
from sandbox.faults import Faults
from sandbox.informer import Informer, Key, Object, Worker, WorkQueue, key_of

if TYPE_CHECKING:
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client

_SERVICE, _TARGETS = "service", "targets"
_DEAF_SECONDS = 0.5  #: how often a deaf controller (F15) looks whether it hears again


class LoadBalancerController:
    """Runs beside the API server until it is stopped.

    `api_client` is an ApiClient of the official Kubernetes client, `elbv2` and `ec2` are boto3 clients.
    """

    def __init__(
        self,
        api_client: Any,
        elbv2: "ElasticLoadBalancingv2Client",
        ec2: Any,
        *,
        faults: Faults,
        delays: Delays,
        cluster: str = "sandbox",
    ) -> None:
        core, discovery = client.CoreV1Api(api_client), client.DiscoveryV1Api(api_client)
        self._faults, self._delay = faults, delays.controller
        self._reconciler = ServiceReconciler(api_client, elbv2, ec2, faults, cluster)
        self._queue = WorkQueue()
        self._services = Informer(core.list_service_for_all_namespaces, self._service_changed)
        self._slices = Informer(discovery.list_endpoint_slice_for_all_namespaces, self._slice_changed)
        passing = (ApiException, ClientError, BotoCoreError, HTTPError, OSError)
        self._worker = Worker("load balancer controller", self._queue, self._work, passing)

    def start(self) -> None:
        """Begin to watch and to act."""
        self._services.start()
        self._slices.start()
        self._worker.start()

    def stop(self) -> None:
        """End all threads; what was begun is finished first."""
        self._worker.stop()
        self._slices.stop()
        self._services.stop()

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        """Only what the controller acts on counts, so that its own status and finalizer do not wake it."""
        if _relevant(old) != _relevant(new):
            self._queue.add((_SERVICE, key_of(new or old or {})), self._delay)

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        metadata = (new or old or {})["metadata"]
        service = (metadata.get("labels") or {}).get("kubernetes.io/service-name")
        if service:
            self._queue.add((_TARGETS, (metadata["namespace"], service)), self._delay)

    def _work(self, name: tuple[str, Key]) -> bool:
        what, key = name
        if self._faults.is_on("F15"):
            self._queue.add(name, _DEAF_SECONDS)
            return True
        return self._reconciler.reconcile(key) if what == _SERVICE else self._reconciler.sync_targets(key)


def _relevant(service: Object | None) -> tuple[Any, ...] | None:
    if service is None:
        return None
    metadata = service["metadata"]
    return (
        metadata["uid"],
        metadata.get("annotations") or {},
        service["spec"],
        bool(metadata.get("deletionTimestamp")),
    )
