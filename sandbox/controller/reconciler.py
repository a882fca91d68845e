"""One Service, once: what exists is made equal to what the Service asks for, and the Service is told."""

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from kubernetes import client
from kubernetes.client.rest import ApiException

from sandbox.controller.bindings import Bindings
from sandbox.controller.deploy import Deployed, Deployer
from sandbox.controller.events import EventRecorder
from sandbox.controller.model import (
    FINALIZER,
    BuildFailure,
    Model,
    Service,
    build_model,
    is_deletion_protected,
    is_served,
)
from sandbox.controller.subnets import choose_subnets
from sandbox.controller.targets import ready_targets
from sandbox.faults import Faults
from sandbox.informer import Key

if TYPE_CHECKING:
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client

_MERGE = "application/merge-patch+json"
_MANAGER = "controller"
_NOT_FOUND = 404
_ROLE = "arn:aws:sts::123456789012:assumed-role/sandbox-aws-load-balancer-controller/1700000000"


class ServiceReconciler:
    """Reconciles Services by name, reading each one fresh. True means done, False means try again later."""

    def __init__(
        self, api_client: Any, elbv2: "ElasticLoadBalancingv2Client", ec2: Any, faults: Faults, cluster: str
    ) -> None:
        self._core, self._discovery = client.CoreV1Api(api_client), client.DiscoveryV1Api(api_client)
        self._elbv2, self._ec2, self._faults, self._cluster = elbv2, ec2, faults, cluster
        self._deployer = Deployer(elbv2, cluster)
        self._bindings = Bindings(api_client)
        self._events = EventRecorder(api_client)
        self._deployed: dict[Key, tuple[Model, Deployed]] = {}

    def reconcile(self, key: Key) -> bool:
        """Deploy, update or clean up, whichever the Service's present state asks for."""
        service = self._read(key)
        if service is None:
            self._deployed.pop(key, None)
            return True
        if is_served(service):
            return self._serve(key, service)
        if FINALIZER in (service["metadata"].get("finalizers") or []):
            return self._clean_up(key, service)
        return True

    def sync_targets(self, key: Key) -> bool:
        """Bring the target groups of a deployed Service in step with its EndpointSlices."""
        if key not in self._deployed:
            return True  # its first deployment registers the targets
        model, deployed = self._deployed[key]
        namespace, name = key
        slices = self._discovery.list_namespaced_endpoint_slice(
            namespace, label_selector=f"kubernetes.io/service-name={name}", _preload_content=False
        ).json()["items"]
        for group in model.target_groups:
            if group.target_type == "ip":
                wanted = ready_targets(slices, group.service_port_name)
                self._deployer.sync_targets(deployed.target_groups[group.name], wanted)
        return True

    def _read(self, key: Key) -> Service | None:
        namespace, name = key
        try:
            answer = self._core.read_namespaced_service(name, namespace, _preload_content=False)
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        found: Service = json.loads(answer.data)
        return found

    def _serve(self, key: Key, service: Service) -> bool:
        built = self._build(service)
        if isinstance(built, BuildFailure):
            self._warn(service, "FailedBuildModel", f"Failed build model due to {built.message}")
            return False
        model, subnets = built
        if not self._add_finalizer(service):
            return False
        try:
            if self._faults.is_on("F17"):
                raise _access_denied("CreateTargetGroup")
            deployed = self._deployer.deploy(model, subnets)
        except (ClientError, BotoCoreError) as error:
            self._warn(service, "FailedDeployModel", f"Failed deploy model due to {self._in_words(error)}")
            return False
        self._deployed[key] = (model, deployed)
        self._bindings.sync(model, deployed)
        if not self._write_status(service, [{"hostname": deployed.dns_name}]):
            return False
        self._events.record(service, "Normal", "SuccessfullyReconciled", "Successfully reconciled")
        return self.sync_targets(key)

    def _build(self, service: Service) -> tuple[Model, list[tuple[str, str]]] | BuildFailure:
        model = build_model(service, self._cluster)
        if isinstance(model, BuildFailure):
            return model
        subnets = choose_subnets(
            model, self._ec2.describe_subnets()["Subnets"], self._cluster, exhausted=self._faults.is_on("F14")
        )
        return subnets if isinstance(subnets, BuildFailure) else (model, subnets)

    def _clean_up(self, key: Key, service: Service) -> bool:
        metadata = service["metadata"]
        stack = f"{metadata['namespace']}/{metadata['name']}"
        if is_deletion_protected(service):
            reason = f"deletion_protection is enabled, cannot delete the service: {stack}"
            self._warn(service, "FailedBuildModel", f"Failed build model due to {reason}")
            return False
        try:
            if self._faults.is_on("F17"):
                raise _access_denied("DeleteLoadBalancer")
            self._bindings.clean_up(metadata["namespace"], metadata["name"])
            self._deployer.clean_up(stack)
        except (ClientError, BotoCoreError) as error:
            self._warn(service, "FailedDeployModel", f"Failed deploy model due to {self._in_words(error)}")
            return False
        self._deployed.pop(key, None)
        return self._write_status(service, []) and self._remove_finalizer(service)

    def _add_finalizer(self, service: Service) -> bool:
        finalizers = list(service["metadata"].get("finalizers") or [])
        if FINALIZER in finalizers:
            return True
        return self._write_finalizers(service, [*finalizers, FINALIZER], "FailedAddFinalizer", "add finalizer")

    def _remove_finalizer(self, service: Service) -> bool:
        finalizers = [name for name in service["metadata"].get("finalizers") or [] if name != FINALIZER]
        return self._write_finalizers(service, finalizers, "FailedRemoveFinalizer", "remove finalizer")

    def _write_finalizers(self, service: Service, finalizers: list[str], reason: str, doing: str) -> bool:
        metadata = service["metadata"]
        body = {"metadata": {"finalizers": finalizers}}
        try:
            self._core.patch_namespaced_service(
                metadata["name"], metadata["namespace"], body, field_manager=_MANAGER, _content_type=_MERGE
            )
        except ApiException as error:
            if error.status == _NOT_FOUND:  # it went while we worked
                return True
            self._warn(service, reason, f"Failed {doing} due to {_api_words(error)}")
            return False
        return True

    def _write_status(self, service: Service, ingress: list[dict[str, str]]) -> bool:
        metadata = service["metadata"]
        current = (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or []
        if current == ingress:
            return True
        body = {"status": {"loadBalancer": {"ingress": ingress or None}}}
        try:
            self._core.patch_namespaced_service_status(
                metadata["name"], metadata["namespace"], body, field_manager=_MANAGER, _content_type=_MERGE
            )
        except ApiException as error:
            reason = "FailedUpdateStatus" if ingress else "FailedCleanupStatus"
            self._warn(service, reason, f"Failed update status due to {_api_words(error)}")
            return False
        return True

    def _warn(self, service: Service, reason: str, message: str) -> None:
        self._events.record(service, "Warning", reason, message)

    def _in_words(self, error: ClientError | BotoCoreError) -> str:
        """As the controller's own AWS library words it; codes that are in the service model go without "api error"."""
        if not isinstance(error, ClientError):
            return str(error)
        details, meta = error.response["Error"], error.response.get("ResponseMetadata", {})
        code, status = details.get("Code", ""), meta.get("HTTPStatusCode", 400)
        kind: Any = self._elbv2.exceptions.from_code(code)  # the base class, where the service model lacks the code
        return (
            f"operation error Elastic Load Balancing v2: {error.operation_name}, https response error "
            f"StatusCode: {status}, RequestID: {meta.get('RequestId', '')}, "
            f"{'api error ' if kind is ClientError else ''}{code}: {details.get('Message', '')}"
        )


def _access_denied(operation: str) -> ClientError:
    """What AWS answers to a controller whose role lacks the right (F17)."""
    action = f"elasticloadbalancing:{operation}"
    message = f"User: {_ROLE} is not authorized to perform: {action} because no identity-based policy allows it"
    return ClientError(
        {
            "Error": {"Code": "AccessDenied", "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": 403,
                "RequestId": "00000000-0000-4000-8000-000000000017",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        operation,
    )


def _api_words(error: ApiException) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
