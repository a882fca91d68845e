"""The demo application answers as its description says, one server per pod."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from sandbox.backend import PROXY_SIGNATURE, Backend, BackendPod, backend_pods
from sandbox.cluster_seed import cluster_manifests
from sandbox.data_plane.relay import proxy_v2

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    """Two pods, one of which expects PROXY v2."""
    running = Backend([BackendPod("plain", "127.0.0.1", 0), BackendPod("proxied", "127.0.0.2", 0, proxy_protocol=True)])
    running.start()
    yield running
    running.stop()


def get(address: tuple[str, int], path: str, method: str = "GET") -> tuple[int, str]:
    """(status, body) of one request."""
    connection = http.client.HTTPConnection(*address, timeout=5)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def exchange(address: tuple[str, int], sent: bytes) -> bytes:
    """Everything that comes back for these bytes until the server closes."""
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while data := connection.recv(4096):
            received += data
        return received


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/healthz", 200), ("/status/404", 404), ("/status/503", 503), ("/status/9", 200)]
)
def test_answers_with_the_code_that_the_path_asks_for(backend: Backend, path: str, status: int) -> None:
    """Every path is 200, except those that name a code."""
    assert get(backend.addresses["plain"], path)[0] == status


def test_says_which_pod_answered_whom(backend: Backend) -> None:
    """The body names the pod, the path and the client's address, so that a person sees where the request came out."""
    _, body = get(backend.addresses["plain"], "/cart?item=1")

    assert json.loads(body) == {"pod": "plain", "path": "/cart?item=1", "client": "127.0.0.1"}


def test_head_has_no_body(backend: Backend) -> None:
    """HEAD answers like GET, without the body."""
    assert get(backend.addresses["plain"], "/", "HEAD") == (200, "")


def test_believes_a_proxy_header_only_where_it_expects_one(backend: Backend) -> None:
    """A pod with PROXY protocol reports the header's client; one without it cannot read the request and says 400."""
    sent = proxy_v2(("203.0.113.7", 4711), ("127.0.0.2", 443)) + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

    assert sent.startswith(PROXY_SIGNATURE)
    assert b'"client": "203.0.113.7"' in exchange(backend.addresses["proxied"], sent)
    assert exchange(backend.addresses["plain"], sent).startswith(b"HTTP/1.1 400 ")
    assert exchange(backend.addresses["proxied"], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""


def test_a_stopped_pod_refuses_and_comes_back_at_the_same_address(backend: Backend) -> None:
    """stop_pod looks like a dead process, start_pod like its restart."""
    address = backend.addresses["plain"]
    backend.stop_pod("plain")
    with pytest.raises(ConnectionRefusedError):
        get(address, "/")
    backend.start_pod("plain")

    assert backend.addresses["plain"] == address
    assert get(address, "/")[0] == 200


def test_serves_the_pods_of_the_demo_cluster() -> None:
    """Each seeded pod has a server on its own address and container port."""
    pods = backend_pods(cluster_manifests("127.9.9", 8081))

    assert [(pod.name, pod.ip, pod.port) for pod in pods] == [
        ("demo-1", "127.9.9.1", 8081),
        ("demo-2", "127.9.9.2", 8081),
        ("other-1", "127.9.9.3", 8081),
        ("cart-1", "127.9.9.4", 8081),
    ]
