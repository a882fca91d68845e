"""TargetGroupBinding objects: what the controller shows of its target groups, where the API serves the resource."""

from typing import Any

from kubernetes import client
from kubernetes.client.rest import ApiException

from sandbox.controller.deploy import Deployed
from sandbox.controller.model import Model

_WHERE = ("elbv2.k8s.aws", "v1beta1")
_PLURAL = "targetgroupbindings"
_NOT_FOUND = 404


class Bindings:
    """Keeps one TargetGroupBinding per target group. A cluster without the resource is served without them."""

    def __init__(self, api_client: Any) -> None:
        self._custom = client.CustomObjectsApi(api_client)

    def sync(self, model: Model, deployed: Deployed) -> None:
        """Create the missing, delete the surplus."""
        existing = self._existing(model.namespace, model.service)
        if existing is None:
            return
        for group in model.target_groups:
            if group.name not in existing:
                body = _binding(model, group.name, group.service_port, group.target_type, deployed)
                self._custom.create_namespaced_custom_object(*_WHERE, model.namespace, _PLURAL, body)
        self._delete(model.namespace, existing - {group.name for group in model.target_groups})

    def clean_up(self, namespace: str, service: str) -> None:
        """Delete all bindings of a Service."""
        self._delete(namespace, self._existing(namespace, service) or set())

    def _existing(self, namespace: str, service: str) -> set[str] | None:
        selector = f"service.k8s.aws/stack-name={service},service.k8s.aws/stack-namespace={namespace}"
        try:
            found = self._custom.list_namespaced_custom_object(*_WHERE, namespace, _PLURAL, label_selector=selector)
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return {item["metadata"]["name"] for item in found["items"]}

    def _delete(self, namespace: str, names: set[str]) -> None:
        for name in names:
            try:
                self._custom.delete_namespaced_custom_object(*_WHERE, namespace, _PLURAL, name)
            except ApiException as error:
                if error.status != _NOT_FOUND:
                    raise


def _binding(model: Model, name: str, service_port: int, target_type: str, deployed: Deployed) -> dict[str, Any]:
    return {
        "apiVersion": "/".join(_WHERE),
        "kind": "TargetGroupBinding",
        "metadata": {
            "name": name,
            "namespace": model.namespace,
            "labels": {
                "service.k8s.aws/stack-name": model.service,
                "service.k8s.aws/stack-namespace": model.namespace,
            },
        },
        "spec": {
            "targetGroupARN": deployed.target_groups[name],
            "targetType": target_type,
            "ipAddressType": "ipv4",
            "vpcID": deployed.vpc_id,
            "serviceRef": {"name": model.service, "port": service_port},
        },
    }
