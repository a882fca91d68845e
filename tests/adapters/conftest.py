"""What the adapters' tests share: a server that plays back written answers, and environments that hold nothing else."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import yaml

from sandbox.aws.server import FAULTS as AWS_FAULTS
from sandbox.aws.server import AwsStandIn
from sandbox.delays import Delays
from sandbox.faults import Faults
from sandbox.kubernetes.server import FAULTS as KUBERNETES_FAULTS
from sandbox.kubernetes.server import KubernetesStandIn
from services.adapters.kubernetes import connect
from tests.adapters.kubernetes_world import KubernetesWorld

Body = str | dict[str, Any] | list[dict[str, Any]]  # a list: lines of a watch, one chunk each


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return {key: values[0] for key, values in parse_qs(self.body).items()}


@dataclass(frozen=True)
class Answer:
    """An answer to play."""

    status: int
    body: Body
    headers: dict[str, str] = field(default_factory=dict)
    hold: bool = False  #: keep the connection open after the last line, until the player ends


class Player:
    """Plays answers in the order in which they were written, whatever is asked, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[Answer] = []
        self.url = ""
        self.ended = threading.Event()

    def plays(self, body: Body = "", *, status: int = 200, hold: bool = False, **headers: str) -> "Player":
        """Add an answer."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self.answers.append(Answer(status, body, named, hold))
        return self


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    player: Player

    def _play(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.player.asked.append(Asked(self.command, parts.path, query, dict(self.headers), body))
        answer = self.player.answers.pop(0) if self.player.answers else Answer(599, "nothing more to play")
        self.send_response(answer.status)
        for key, value in answer.headers.items():
            self.send_header(key, value)
        if isinstance(answer.body, list):
            self._lines(answer.body, hold=answer.hold)
            return
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        data = text.encode()
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _lines(self, lines: list[dict[str, Any]], *, hold: bool) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            data = json.dumps(line).encode() + b"\n"
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
        if hold:
            self.player.ended.wait(10)
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PATCH = _play  # noqa: N815 -- the names that http.server calls

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no error here."""


@pytest.fixture
def player() -> Iterator[Player]:
    """A server on loopback that plays answers."""
    played = Player()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"player": played}))
    played.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield played
    played.ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Point the standard AWS environment at an endpoint, with keys that only look like keys."""

    def point(url: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        # botocore waits up to a second before its second attempt; that it makes one is all that matters here.
        monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))

    return point


@pytest.fixture
def kubeconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Write a kubeconfig (a URL makes a plain one for it) and name it in KUBECONFIG."""

    def write(content: str) -> Path:
        if content.startswith("http"):
            content = yaml.safe_dump({
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "there",
                "clusters": [{"name": "c", "cluster": {"server": content}}],
                "contexts": [{"name": "there", "context": {"cluster": "c", "user": "u"}}],
                "users": [{"name": "u", "user": {"token": "token-of-u"}}],
            })  # fmt: skip
        path = tmp_path / "kubeconfig"
        path.write_text(content)
        monkeypatch.setenv("KUBECONFIG", str(path))
        return path

    return write


class Ticker:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **duration: float) -> None:
        """Let time pass."""
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Ticker:
    """A clock that moves when it is told to."""
    return Ticker()


@dataclass
class AwsWorld:
    """The AWS stand-in, without delays, and the public DNS that it believes."""

    stand_in: AwsStandIn
    faults: Faults
    public: dict[str, str]  #: CNAME -> target


@pytest.fixture
def aws_world(aws_environment: Callable[[str], None]) -> Iterator[AwsWorld]:
    """AWS on loopback, pointed to by the environment."""
    faults, public = Faults([AWS_FAULTS]), dict[str, str]()
    stand_in = AwsStandIn(Delays().scaled(0), faults, public.get)
    aws_environment(stand_in.start())
    yield AwsWorld(stand_in, faults, public)
    stand_in.stop()


@pytest.fixture
def controller(aws_world: AwsWorld) -> boto3.Session:
    """The session with which the load balancer controller would work."""
    return boto3.Session(region_name="eu-central-1")


@pytest.fixture
def make_nlb(controller: boto3.Session) -> Callable[[str], str]:
    """Makes an NLB as the controller does; its ARN."""

    def make(name: str) -> str:
        tagged = [{"Name": "tag-key", "Values": ["kubernetes.io/role/elb"]}]
        rows = controller.client("ec2").describe_subnets(Filters=tagged)["Subnets"]
        subnets = [row["SubnetId"] for row in rows]
        answer = controller.client("elbv2").create_load_balancer(Name=name, Subnets=subnets, Type="network")
        return answer["LoadBalancers"][0]["LoadBalancerArn"]

    return make


@pytest.fixture
def kubernetes_world(kubeconfig: Callable[[str], Path]) -> Iterator[KubernetesWorld]:
    """An API server on loopback, and the bot's own user in it."""
    faults = Faults([KUBERNETES_FAULTS])
    stand_in = KubernetesStandIn(faults, slow_seconds=1.0)
    stand_in.start()
    kubeconfig(stand_in.kubeconfig("nlbtls"))
    yield KubernetesWorld(stand_in, faults, connect(timeout=5))
    stand_in.stop()
