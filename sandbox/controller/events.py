"""Events on a Service, counted up when they repeat, as client-go's recorder does."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from kubernetes import client
from kubernetes.client.rest import ApiException

COMPONENT = "service"  #: what the AWS Load Balancer Controller calls itself on a Service's events

_NOT_FOUND = 404
_MAX_MESSAGE = 1024  #: the API server refuses longer ones
_SIMILAR = 10  #: after so many different messages for one reason, further ones share an event
_COMBINED = "(combined from similar events): "


class EventRecorder:
    """Writes core/v1 Events. An identical event raises the count of the last one instead of making another.

    Messages that differ each time (by a request id, say) are combined after the tenth, with the marker that client-go
    puts before them. client-go forgets after ten minutes; here the memory lasts as long as the controller.
    """

    def __init__(self, api_client: Any, clock: Callable[[], float] = time.time) -> None:
        self._core, self._clock = client.CoreV1Api(api_client), clock
        self._seen: dict[tuple[str, ...], tuple[str, int]] = {}
        self._messages: dict[tuple[str, ...], set[str]] = defaultdict(set)

    def record(self, service: Mapping[str, Any], kind: str, reason: str, message: str) -> None:
        """Write one event. `kind` is Normal or Warning. An event that cannot be written is lost, as in a cluster."""
        metadata = service["metadata"]
        namespace, group = metadata["namespace"], (metadata["uid"], kind, reason)
        combined = self._are_too_many(group, message)
        text = f"{_COMBINED if combined else ''}{message}"[:_MAX_MESSAGE]
        key = (*group, _COMBINED if combined else text)
        now = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            if key in self._seen and self._count_up(namespace, key, text, now):
                return
            name = f"{metadata['name']}.{int(self._clock() * 1e9):x}"
            self._core.create_namespaced_event(namespace, self._event(service, name, kind, reason, text, now))
            self._seen[key] = (name, 1)
        except ApiException:
            self._seen.pop(key, None)

    def _are_too_many(self, group: tuple[str, ...], message: str) -> bool:
        known = self._messages[group]
        if message not in known and len(known) >= _SIMILAR:
            return True
        known.add(message)
        return False

    def _count_up(self, namespace: str, key: tuple[str, ...], text: str, now: str) -> bool:
        name, count = self._seen[key]
        try:
            self._core.patch_namespaced_event(
                name,
                namespace,
                {"count": count + 1, "message": text, "lastTimestamp": now},
                _content_type="application/merge-patch+json",
            )
        except ApiException as error:
            if error.status != _NOT_FOUND:
                raise
            return False
        self._seen[key] = (name, count + 1)
        return True

    @staticmethod
    def _event(service: Mapping[str, Any], name: str, kind: str, reason: str, message: str, now: str) -> dict[str, Any]:
        metadata = service["metadata"]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Service",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": "",
        }
