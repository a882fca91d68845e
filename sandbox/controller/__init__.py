"""Stand-in for the AWS Load Balancer Controller: turns Services into network load balancers.

It works like the real one, through the official Kubernetes client and boto3, so it runs against any API server and any
ELBv2. `model` decides (pure), `deploy` acts in AWS, `reconciler` handles one Service, `loop` watches them all.

Not modelled: security groups (source ranges are read but filter nothing), instance targets (the target group stays
empty), elastic IPs and fixed addresses, listener attributes, the resync every ten hours, pod readiness gates, the
mutating webhook.
"""

from collections.abc import Mapping

from sandbox.controller.loop import LoadBalancerController

FAULTS: Mapping[str, str] = {
    "F14": "No subnet has a free address: the controller says FailedBuildModel.",
    "F15": "Nobody reconciles Services: no event, no finalizer, no hostname.",
    "F17": "The controller has no rights in AWS: it says FailedDeployModel with AccessDenied.",
}

__all__ = ["FAULTS", "LoadBalancerController"]
