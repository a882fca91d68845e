"""Settings: every field is read, every fault is told at once in words, and nothing secret is ever in them."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from bot.settings import Environment, SettingsError, load, load_config
from services.policy import Policy, Rule, TargetRule

SECRET = "hunter2-hunter2"
MINIMAL = """
[[clusters]]
name = "main"
region = "eu-west-1"
[[policy]]
hostnames = ["*.example.com"]
requesters = ["*"]
approvers = ["@oncall"]
namespaces = ["demo"]
"""
FULL = """
installation = "production"
tls_policy = "ELBSecurityPolicy-TLS13-1-3-2021-06"
[[clusters]]
name = "main"
region = "eu-west-1"
context = "prod"
[[clusters]]
name = "other"
region = "us-east-1"
[[policy]]
hostnames = ["*.apps.example.com"]
requesters = ["@team-web", "U0123456"]
approvers = ["@oncall", "U0999999"]
clusters = ["main"]
namespaces = ["web", "shop-*"]
services = ["frontend"]
schemes = ["internal", "internet-facing"]
source_ranges = ["10.0.0.0/8", "2001:db8::/32"]
channels = ["C0PLATFORM1"]
approvals = 2
four_eyes = false
expires_after_hours = 0.5
[[targets]]
hostnames = ["www.apps.example.com"]
cluster = "other"
namespace = "web"
service = "frontend"
"""

Say = Callable[..., None]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Say:
    """Set the environment: a good one, but for what a test says (None: not set)."""
    config = tmp_path / "nlbtls.toml"
    config.write_text(MINIMAL)
    good: Mapping[str, str | None] = {
        "SLACK_BOT_TOKEN": f"xoxb-{SECRET}",
        "SLACK_APP_TOKEN": f"xapp-{SECRET}",
        "NLBTLS_CONFIG": str(config),
    }

    def set_(toml: str | None = None, **variables: str | None) -> None:
        if toml is not None:
            config.write_text(toml)
        for name, value in {**good, **variables}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return set_


def faults() -> list[str]:
    """What the settings are refused for, a line each."""
    with pytest.raises(SettingsError) as refused:
        load()
    assert SECRET not in str(refused.value)
    return str(refused.value).splitlines()


# ---- the environment


def test_little_is_needed(say: Say) -> None:
    """Two tokens and a file; Slack is Slack, and the system's resolvers and roots are used."""
    say()
    environment, config = load()

    assert environment.slack_bot_token.get_secret_value() == f"xoxb-{SECRET}"
    assert environment.slack_api_url == "https://slack.com/api/"
    assert environment.nlbtls_dns_servers == ()
    assert environment.nlbtls_dns_port == 53
    assert environment.nlbtls_http_address is None
    assert environment.nlbtls_log_level == "INFO"
    assert config.installation == "default"


def test_every_variable_is_read(say: Say, tmp_path: Path) -> None:
    """Those of design §9 and of the README."""
    bundle = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(bundle))
    say(
        SLACK_API_URL="http://127.0.0.1:1/api",
        SLACK_SIGNING_SECRET=SECRET,
        NLBTLS_DATABASE_URL="sqlite:////tmp/x.db",
        NLBTLS_DNS_SERVERS="10.0.0.2, localhost:5353,[2001:db8::1]:54, 2001:db8::2",
        NLBTLS_DNS_PORT="5300",
        NLBTLS_CA_BUNDLE=str(bundle),
        NLBTLS_CONNECT_TO=":443::10443",
        NLBTLS_HTTP_ADDRESS="0.0.0.0:8080",
        NLBTLS_LOG_LEVEL="debug",
    )
    environment, _ = load()

    assert environment.slack_api_url == "http://127.0.0.1:1/api/"
    assert environment.slack_signing_secret.get_secret_value() == SECRET
    assert environment.nlbtls_database_url == "sqlite:////tmp/x.db"
    assert environment.nlbtls_dns_servers == (
        *(("10.0.0.2", 53), ("127.0.0.1", 5353)),
        *(("2001:db8::1", 54), ("2001:db8::2", 53)),
    )
    assert environment.nlbtls_dns_port == 5300
    assert environment.nlbtls_ca_bundle == str(bundle)
    assert environment.nlbtls_connect_to == ":443::10443"
    assert environment.nlbtls_http_address == ("0.0.0.0", 8080)
    assert environment.nlbtls_log_level == "DEBUG"


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("SLACK_BOT_TOKEN", None, "Field required"),
        ("SLACK_BOT_TOKEN", "", "at least 1"),
        ("SLACK_APP_TOKEN", None, "Field required"),
        ("SLACK_API_URL", "slack.com/api", "match pattern"),
        ("NLBTLS_CONFIG", None, "Field required"),
        ("NLBTLS_CONNECT_TO", "localhost", "HOST1:PORT1:HOST2:PORT2"),
        ("NLBTLS_CONNECT_TO", ":443::99999", "not a port"),
        ("NLBTLS_HTTP_ADDRESS", "localhost", "not host:port"),
        ("NLBTLS_HTTP_ADDRESS", "8080", "not host:port"),
        ("NLBTLS_HTTP_ADDRESS", "127.0.0.1:99999", "not host:port"),
        ("NLBTLS_HTTP_ADDRESS", "[::1]", "not host:port"),
        ("NLBTLS_DNS_SERVERS", "10.0.0.2:domain", "not host:port"),
        ("NLBTLS_DNS_SERVERS", "10.0.0.2,resolver..example.com", "no address"),
        ("NLBTLS_DNS_SERVERS", "[10.0.0.2", "not"),
        ("NLBTLS_DNS_PORT", "0", "greater than or equal to 1"),
        ("NLBTLS_DNS_PORT", "domain", "integer"),
        ("NLBTLS_CA_BUNDLE", "/nowhere/ca.pem", "cannot be read: No such file"),
        ("NLBTLS_CA_BUNDLE", __file__, "no certificates in PEM form"),
        ("NLBTLS_LOG_LEVEL", "chatty", "DEBUG, INFO"),
    ],
)
def test_a_bad_variable_is_told_by_name(say: Say, variable: str, value: str | None, told: str) -> None:
    """In one line, at start: not in a traceback, and not hours later."""
    say(**{variable: value})
    (line,) = faults()

    assert line.startswith(f"the environment: {variable}: ")
    assert told in line


def test_all_faults_are_told_at_once(say: Say) -> None:
    """Of the environment and of the file."""
    say(MINIMAL + 'colour = "blue"', SLACK_BOT_TOKEN=None, SLACK_APP_TOKEN=None, NLBTLS_LOG_LEVEL="chatty")

    assert [line.split(": ")[1] for line in faults()] == [
        *("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "NLBTLS_LOG_LEVEL"),
        "policy.0.colour",
    ]


def test_secrets_are_not_in_the_text_of_the_settings(say: Say) -> None:
    """Neither tokens nor the password of a database."""
    say(NLBTLS_DATABASE_URL=f"postgresql://nlbtls:{SECRET}@db/nlbtls", SLACK_SIGNING_SECRET=SECRET)
    environment, _ = load()

    assert SECRET not in repr(environment)
    assert SECRET not in str(environment)


def test_a_secret_in_the_wrong_variable_is_not_repeated(say: Say) -> None:
    """A token pasted where a number belongs."""
    say(NLBTLS_DNS_PORT=f"xoxb-{SECRET}", SLACK_API_URL=f"xoxb-{SECRET}")

    assert len(faults()) == 2


# ---- the file


def test_every_field_of_the_file_is_read(say: Say) -> None:
    """As docs/configuration.md lists them."""
    say(FULL)
    _, config = load()

    assert (config.installation, config.tls_policy) == ("production", "ELBSecurityPolicy-TLS13-1-3-2021-06")
    assert [(c.name, c.region, c.context) for c in config.clusters] == [
        *[("main", "eu-west-1", "prod"), ("other", "us-east-1", None)],
    ]
    assert config.as_policy() == Policy(
        (
            Rule(
                hostnames=("*.apps.example.com",),
                requesters=("@team-web", "U0123456"),
                approvers=("@oncall", "U0999999"),
                clusters=("main",),
                namespaces=("web", "shop-*"),
                services=("frontend",),
                schemes=("internal", "internet-facing"),
                source_ranges=("10.0.0.0/8", "2001:db8::/32"),
                channels=("C0PLATFORM1",),
                approvals=2,
                four_eyes=False,
                expires_after=timedelta(minutes=30),
            ),
        ),
        (TargetRule(("www.apps.example.com",), "other", "web", "frontend"),),
    )


def test_a_rule_that_says_little_has_the_documented_defaults(say: Say) -> None:
    """The same as services.policy.Rule's own."""
    say()
    _, config = load()

    assert config.as_policy().rules == (Rule(("*.example.com",), ("*",), ("@oncall",), namespaces=("demo",)),)


def test_the_documentation_names_every_field_and_its_example_is_valid(tmp_path: Path) -> None:
    """docs/configuration.md and the code do not drift apart."""
    text = (Path(__file__).parents[2] / "docs/configuration.md").read_text(encoding="utf-8")
    example = tmp_path / "example.toml"
    example.write_text(text.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    config = load_config(example)

    tables = (config.policy[0], config.clusters[0], config.targets[0])
    fields = {name for table in tables for name in type(table).model_fields}
    assert [name for name in fields if f"`{name}`" not in text and f"\n{name} = " not in text] == []


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (MINIMAL.replace('"main"', '"Main!"'), "clusters.0.name"),
        (MINIMAL.replace('region = "eu-west-1"', ""), "clusters.0.region: Field required"),
        (MINIMAL.replace('"eu-west-1"', '""'), "clusters.0.region"),
        (MINIMAL.replace("namespaces", "namespace"), "policy.0.namespace: Extra inputs"),
        (MINIMAL.replace('approvers = ["@oncall"]', 'approvers = ["*"]'), 'approvers must be named: "@group"'),
        (MINIMAL.replace('approvers = ["@oncall"]', "approvers = []"), "policy.0.approvers"),
        (MINIMAL + 'source_ranges = ["10.0.0.1/8"]', "has host bits set"),
        (MINIMAL + 'source_ranges = ["everywhere"]', "does not appear to be an IPv4 or IPv6 network"),
        (MINIMAL + 'schemes = ["public"]', "'internet-facing' or 'internal'"),
        (MINIMAL + "approvals = 0", "policy.0.approvals"),
        (MINIMAL + "expires_after_hours = 0", "policy.0.expires_after_hours"),
        (MINIMAL + "expires_after_hours = 1000", "policy.0.expires_after_hours"),
        ("installation = 'a b'\n" + MINIMAL, "installation"),
        ("colour = 'blue'\n" + MINIMAL, "colour: Extra inputs are not permitted"),
        (MINIMAL.split("[[policy]]")[0], "policy: Field required"),
        ("", "clusters: Field required"),
        ("[[clusters]", "is not valid TOML"),
        (
            MINIMAL + '[[targets]]\nhostnames = ["a"]\ncluster = "mian"\nnamespace = "n"\nservice = "s"',
            "[[targets]] speaks of an unknown cluster 'mian'.",
        ),
        (MINIMAL + '[[clusters]]\nname = "main"\nregion = "eu-west-2"', "two clusters are called 'main'."),
    ],
)
def test_a_bad_file_is_told_by_place(say: Say, toml: str, told: str) -> None:
    """With the file's name in front."""
    say(toml)

    assert any(told in line and "nlbtls.toml" in line for line in faults())


def test_a_file_that_cannot_be_read_is_a_sentence(say: Say, tmp_path: Path) -> None:
    """Missing, a folder, not text."""
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, told in ((tmp_path / "none.toml", "No such file"), (tmp_path, "Is a directory"), (binary, "not UTF-8")):
        say(NLBTLS_CONFIG=str(path))
        (line,) = faults()
        assert told in line


def test_nothing_is_read_from_a_file_of_variables(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .env that lies about would be a surprise."""
    (tmp_path / ".env").write_text("NLBTLS_DNS_PORT=1\n")
    monkeypatch.chdir(tmp_path)
    say()

    assert load()[0].nlbtls_dns_port == Environment.model_fields["nlbtls_dns_port"].default
