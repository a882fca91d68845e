"""Settings: the environment (design §9) and one TOML file. Everything wrong is told at once; nothing is guessed.

Secrets come from the environment only.
"""

import logging
import os
import socket
import ssl
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.adapters.connect_to import ConnectTo
from services.model import Scheme
from services.policy import Policy, Rule, TargetRule

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]
Word = Annotated[str, StringConstraints(min_length=1)]
Secret = Annotated[SecretStr, Field(min_length=1)]
HostPort = tuple[str, int]


class SettingsError(Exception):
    """The settings cannot be used. The text lists every fault, a line each."""


class Environment(BaseSettings):
    """What the environment says. AWS and Kubernetes variables are read by their own client libraries."""

    model_config = SettingsConfigDict(env_prefix="", extra="ignore")

    slack_bot_token: Secret
    slack_app_token: Secret
    slack_signing_secret: SecretStr = SecretStr("")  #: needed for HTTP mode only
    slack_api_url: str = Field("https://slack.com/api/", pattern=r"^https?://[^/]")
    nlbtls_config: Path
    nlbtls_database_url: str = Field("sqlite:///nlbtls.db", repr=False)  #: may hold a password
    nlbtls_dns_servers: Annotated[tuple[HostPort, ...], NoDecode] = ()  #: empty: the system's resolvers
    nlbtls_dns_port: int = Field(53, ge=1, le=65535)  #: port of authoritative servers
    nlbtls_ca_bundle: str = ""  #: trust for the probe; empty: the system's
    nlbtls_connect_to: str = ""  #: curl's --connect-to form
    nlbtls_http_address: Annotated[HostPort | None, NoDecode] = None  #: of /livez and /readyz; None: not served
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
        return tuple(_server(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("nlbtls_http_address", mode="before")
    @classmethod
    def _address(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return _host_port(value.strip(), None) if value.strip() else None

    @field_validator("nlbtls_connect_to")
    @classmethod
    def _rules(cls, value: str) -> str:
        ConnectTo.parse(value)
        return value

    @field_validator("nlbtls_ca_bundle")
    @classmethod
    def _bundle(cls, value: str) -> str:
        try:
            ssl.create_default_context(cafile=value or None)
        except ssl.SSLError:
            raise ValueError(f"{value} holds no certificates in PEM form") from None
        except OSError as error:
            raise ValueError(f"{value} cannot be read: {error.strerror}") from None
        return value

    @field_validator("nlbtls_log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        levels = logging.getLevelNamesMapping()
        if value.upper() not in levels:
            raise ValueError(f"{value!r} is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL")
        return value.upper()


def _server(text: str) -> HostPort:
    """A resolver by address, or by a name that the system knows now (localhost, a cluster's own DNS)."""
    host, port = _host_port(text, 53)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise ValueError(f"{text!r}: {host!r} is no address, and the system knows none for it") from None
    ipv4_first = sorted(found, key=lambda f: f[0] is not socket.AF_INET)  # of localhost, the one that is served
    return str(ipv4_first[0][4][0]), port


def _host_port(text: str, default: int | None) -> HostPort:
    """host, host:port, [v6] or [v6]:port; with no default the port must be said."""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        port = rest.removeprefix(":") if closed else "?"
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if not port and default is not None:
        return host, default
    if not (port.isascii() and port.isdigit() and 0 <= int(port) <= 65535):
        raise ValueError(f"{text!r} is not host:port")
    return host, int(port)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClusterTable(_Table):
    """One [[clusters]]: a Kubernetes cluster and the AWS region of its load balancers."""

    name: Name
    region: Word
    context: Word | None = None  #: of the kubeconfig; none: its current one, or in-cluster


class PolicyTable(_Table):
    """One [[policy]] rule; see services.policy.Rule."""

    hostnames: list[Word] = Field(min_length=1)
    requesters: list[Word] = Field(min_length=1)
    approvers: list[Word] = Field(min_length=1)
    clusters: list[Word] = ["*"]
    namespaces: list[Word] = Field(min_length=1)
    services: list[Word] = ["*"]
    schemes: list[Scheme] = [Scheme.INTERNET_FACING]
    source_ranges: list[str] = ["0.0.0.0/0", "::/0"]
    channels: list[Word] = ["*"]
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

    hostnames: list[Word] = Field(min_length=1)
    cluster: Word
    namespace: Word
    service: Word


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
        schemes=tuple(scheme.value for scheme in table.schemes),
        source_ranges=tuple(table.source_ranges),
        channels=tuple(table.channels),
        approvals=table.approvals,
        four_eyes=table.four_eyes,
        expires_after=timedelta(hours=table.expires_after_hours),
    )


def _target(table: TargetTable) -> TargetRule:
    return TargetRule(tuple(table.hostnames), table.cluster, table.namespace, table.service)


def load(environ: Mapping[str, str] = os.environ) -> tuple[Environment, Config]:
    """Environment and TOML file. Raises SettingsError with the faults of both."""
    faults = []
    environment = config = None
    try:
        environment = load_environment()
    except SettingsError as error:
        faults.append(str(error))
    path = environ.get("NLBTLS_CONFIG")
    if path:
        try:
            config = load_config(Path(path))
        except SettingsError as error:
            faults.append(str(error))
    if environment is None or config is None:
        raise SettingsError("\n".join(faults))
    return environment, config


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
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8 text.") from None
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
        said = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {place.upper() if upper else place}: {said}")
    return "\n".join(lines)
