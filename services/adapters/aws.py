"""The door to one AWS account and region: one session, and one client per service.

Everything comes from the standard AWS environment (AWS_ENDPOINT_URL included), read by botocore itself. Clients are
thread-safe, making them is not; hence the lock.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import boto3
from botocore.config import Config

from services.adapters.acm import Acm
from services.adapters.aws_errors import calling
from services.adapters.elbv2 import Elbv2
from services.adapters.route53 import Route53
from services.errors import Permanent
from services.ports import Clock

_Adapter = TypeVar("_Adapter")

#: Seconds. A call that takes longer is better tried again later: the reconciler reschedules, and a turn serves many.
_CONNECT, _READ = 3, 10
_IDENTITY = "sts:GetCallerIdentity"


def _now() -> datetime:
    return datetime.now(UTC)


class Aws:
    """AWS as the bot uses it.

    Nothing is read from the environment before the first use; where it cannot be used at all (a profile that is not
    there, a malformed endpoint) each use raises Permanent.
    """

    def __init__(self, region: str, session: boto3.Session | None = None, *, clock: Clock = _now) -> None:
        self.region = region
        self._clock = clock
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}
        self._session = session

    def certificates(self) -> Acm:
        """ACM in this region."""
        return self._once("acm", lambda: Acm(self._client("acm", attempts=2)))

    def zones(self) -> Route53:
        """Route 53, which is the same in every region."""
        return self._once("route53", self._zones)

    def _zones(self) -> Route53:
        # One attempt to write: were the answer to a CREATE lost, a second one would be refused because of the first.
        reader, writer = self._client("route53", attempts=2), self._client("route53", attempts=1)
        return Route53(reader, writer, self._clock)

    def load_balancers(self) -> Elbv2:
        """ELBv2 in this region."""
        return self._once("elbv2", lambda: Elbv2(self._client("elbv2", attempts=2), self._clock))

    def identity(self) -> str:
        """The account id. Fails with a sentence about credentials if there are none: for the check at start."""
        client = self._once("sts", lambda: self._client("sts", attempts=2))
        with calling(_IDENTITY):
            return str(client.get_caller_identity()["Account"])

    def _once(self, service: str, make: Callable[[], _Adapter]) -> _Adapter:
        with self._lock:
            if service not in self._made:
                self._made[service] = make()
            return cast(_Adapter, self._made[service])

    def _client(self, service: str, *, attempts: int) -> Any:
        config = Config(
            connect_timeout=_CONNECT,
            read_timeout=_READ,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=20,
            user_agent_extra="nlbtls",
        )
        try:
            with calling(f"{service}:*"):
                self._session = self._session or boto3.Session(region_name=self.region)
                make: Any = self._session.client
                return make(service, region_name=self.region, config=config)
        except ValueError:  # botocore's word for an AWS_ENDPOINT_URL that is none
            hint = "Correct AWS_ENDPOINT_URL or AWS_REGION."
            raise Permanent("The AWS endpoint or region in the environment is malformed.", hint=hint) from None
