"""The kinds that are served, and what is particular to each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.kubernetes.schema import Shape, shape

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, eq=False)
class Resource:
    """One row of API discovery. `skeleton` is the object that a type has before anything is set (Go's zero value)."""

    group: str
    version: str
    plural: str
    kind: str
    definition: str = ""  #: empty for a custom resource, which keeps whatever it is given
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = False
    has_generation: bool = False
    returns_deleted: bool = False  #: a delete answers with the object instead of a Status
    skeleton: Mapping[str, Any] = field(default_factory=dict)
    field_labels: tuple[str, ...] = ()  #: what a field selector may ask for, beside metadata.name and namespace

    @property
    def api_version(self) -> str:
        """`v1`, `discovery.k8s.io/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """Lower-case kind."""
        return self.kind.lower()

    @property
    def shape(self) -> Shape:
        """Of the whole object."""
        return shape(self.definition)


def _core(plural: str, kind: str, **more: Any) -> Resource:
    return Resource("", "v1", plural, kind, f"io.k8s.api.core.v1.{kind}", **more)


_EVENT_FIELDS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

NAMESPACES = _core(
    "namespaces", "Namespace", namespaced=False, short_names=("ns",), has_status=True,
    skeleton={"metadata": {}, "spec": {}, "status": {}}, field_labels=("status.phase",),
)  # fmt: skip
SERVICES = _core(
    "services", "Service", short_names=("svc",), categories=("all",), has_status=True, returns_deleted=True,
    skeleton={"metadata": {}, "spec": {}, "status": {"loadBalancer": {}}}, field_labels=("spec.clusterIP", "spec.type"),
)  # fmt: skip
EVENTS = _core(
    "events", "Event", short_names=("ev",),
    skeleton={
        "metadata": {}, "involvedObject": {}, "source": {}, "firstTimestamp": None, "lastTimestamp": None,
        "eventTime": None, "reportingComponent": "", "reportingInstance": "",
    },
    field_labels=(
        *(f"involvedObject.{name}" for name in _EVENT_FIELDS), "reason", "reportingComponent", "source", "type",
    ),
)  # fmt: skip
PODS = _core(
    "pods", "Pod", short_names=("po",), categories=("all",), has_status=True, returns_deleted=True, has_generation=True,
    skeleton={"metadata": {}, "spec": {}, "status": {}},
    field_labels=("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP"),
)  # fmt: skip
CONFIG_MAPS = _core("configmaps", "ConfigMap", short_names=("cm",), skeleton={"metadata": {}})
ENDPOINT_SLICES = Resource(
    "discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", "io.k8s.api.discovery.v1.EndpointSlice",
    has_generation=True, skeleton={"metadata": {}, "addressType": "", "endpoints": None, "ports": None},
)  # fmt: skip
LEASES = Resource(
    "coordination.k8s.io", "v1", "leases", "Lease", "io.k8s.api.coordination.v1.Lease",
    skeleton={"metadata": {}, "spec": {}},
)  # fmt: skip
TARGET_GROUP_BINDINGS = Resource(
    "elbv2.k8s.aws", "v1beta1", "targetgroupbindings", "TargetGroupBinding", has_status=True, has_generation=True,
    skeleton={"metadata": {}},
)  # fmt: skip

#: Installed in every cluster.
BUILT_IN = (NAMESPACES, SERVICES, EVENTS, PODS, CONFIG_MAPS, ENDPOINT_SLICES, LEASES)
#: Brought by the AWS Load Balancer Controller.
CONTROLLER = (TARGET_GROUP_BINDINGS,)
