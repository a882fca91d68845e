"""Settings: the environment (design §9) and one TOML file. Everything wrong is told at once; nothing is guessed.

Secrets come from the environment only.
"""

import tomllib
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.policy import Policy, Rule, TargetRule

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]


class SettingsError(Exception):
    """The settings cannot be used. The text lists every fault, a line each."""


class Environment(BaseSettings):
    """What the environment says. AWS and Kubernetes variables are read by their own client libraries."""

    model_config = SettingsConfigDict(env_prefix="", extra="ignore")

    slack_bot_token: SecretStr
    slack_app_token: SecretStr
    slack_signing_secret: SecretStr = SecretStr("")  #: needed for HTTP mode only
    slack_api_url: str = "https://slack.com/api/"
    nlbtls_config: Path
    nlbtls_database_url: str = "sqlite:///nlbtls.db"
    nlbtls_dns_servers: Annotated[tuple[tuple[str, int], ...], NoDecode] = ()  #: empty: the system's resolvers
    nlbtls_dns_port: int = 53  #: port of authoritative servers
    nlbtls_ca_bundle: str = ""  #: trust for the probe; empty: the system's
    nlbtls_connect_to: str = ""  #: curl's --connect-to form
    nlbtls_http_address: str = ""  #: host:port of /livez and /readyz; empty: not served
    nlbtls_log_level: str = "INFO"

    @field_validator("slack_api_url")
    @classmethod
    def _with_slash(cls, value: str) -> str:
        return value if value.endswith("/") else value + "/"  # the SDK appends method names as they are

    @field_validator("nlbtls_dns_servers", mode="before")
    @classmethod
    def _servers(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(_host_port(part.strip(), 53) for part in value.split(",") if part.strip())


def _host_port(text: str, default: int) -> tuple[str, int]:
    """host, host:port, [v6] or [v6]:port."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if port and not port.isdigit():
        raise ValueError(f"{text!r} is not host:port")
    return host, int(port or default)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClusterTable(_Table):
    """One [[clusters]]: a Kubernetes cluster and the AWS region of its load balancers."""

    name: Name
    region: str
    context: str | None = None  #: of the kubeconfig; none: its current one, or in-cluster


class PolicyTable(_Table):
    """One [[policy]] rule; see services.policy.Rule."""

    hostnames: list[str] = Field(min_length=1)
    requesters: list[str] = Field(min_length=1)
    approvers: list[str] = Field(min_length=1)
    clusters: list[str] = ["*"]
    namespaces: list[str] = Field(min_length=1)
    services: list[str] = ["*"]
    schemes: list[str] = ["internet-facing"]
    source_ranges: list[str] = ["0.0.0.0/0", "::/0"]
    channels: list[str] = ["*"]
    approvals: int = Field(default=1, ge=1, le=10)
    four_eyes: bool = True
    expires_after_hours: float = Field(default=24, gt=0, le=24 * 14)

    @field_validator("approvers")
    @classmethod
    def _no_everybody(cls, value: list[str]) -> list[str]:
        if "*" in value:
            raise ValueError('approvers must be named: "@group" or a person\'s id, never "*"')
        return value

    @field_validator("source_ranges")
    @classmethod
    def _ranges(cls, value: list[str]) -> list[str]:
        return [str(ip_network(v)) for v in value]


class TargetTable(_Table):
    """One [[targets]]: host names of these patterns belong to this Service."""

    hostnames: list[str] = Field(min_length=1)
    cluster: str
    namespace: str
    service: str


class Config(_Table):
    """The TOML file."""

    installation: Name = "default"
    tls_policy: str = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
    clusters: list[ClusterTable] = Field(min_length=1)
    policy: list[PolicyTable] = Field(min_length=1)
    targets: list[TargetTable] = []

    def as_policy(self) -> Policy:
        """The policy as services know it."""
        return Policy(tuple(_rule(p) for p in self.policy), tuple(_target(t) for t in self.targets))


def _rule(table: PolicyTable) -> Rule:
    return Rule(
        hostnames=tuple(table.hostnames),
        requesters=tuple(table.requesters),
        approvers=tuple(table.approvers),
        clusters=tuple(table.clusters),
        namespaces=tuple(table.namespaces),
        services=tuple(table.services),
        schemes=tuple(table.schemes),
        source_ranges=tuple(table.source_ranges),
        channels=tuple(table.channels),
        approvals=table.approvals,
        four_eyes=table.four_eyes,
        expires_after=timedelta(hours=table.expires_after_hours),
    )


def _target(table: TargetTable) -> TargetRule:
    return TargetRule(tuple(table.hostnames), table.cluster, table.namespace, table.service)


def load_environment() -> Environment:
    """The environment. Raises SettingsError with every fault."""
    try:
        return Environment.model_validate({})  # pydantic-settings fills the fields
    except ValidationError as error:
        raise SettingsError(_faults("the environment", error, upper=True)) from None


def load_config(path: Path) -> Config:
    """The TOML file. Raises SettingsError with every fault."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise SettingsError(_faults(str(path), error)) from None
    names = [c.name for c in config.clusters]
    faults = [f"two clusters are called {n!r}" for n in sorted({n for n in names if names.count(n) > 1})]
    faults += [
        f"[[targets]] speaks of an unknown cluster {t.cluster!r}" for t in config.targets if t.cluster not in names
    ]
    if faults:
        raise SettingsError("\n".join(f"{path}: {f}." for f in faults))
    return config


def _faults(where: str, error: ValidationError, *, upper: bool = False) -> str:
    lines = []
    for fault in error.errors(include_input=False, include_url=False):  # an input may be a secret
        place = ".".join(str(part) for part in fault["loc"])
        lines.append(f"{where}: {place.upper() if upper else place}: {fault['msg']}")
    return "\n".join(lines)
