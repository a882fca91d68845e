"""AWS's errors as sentences: the wire forms that AWS uses go in, one of our three kinds comes out."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, NoRegionError, ReadTimeoutError, SSLError

from services.adapters.aws import Aws
from services.adapters.aws_errors import translated
from services.errors import Permanent, Refused, ServiceError, Transient
from services.ports import Record, RecordChange

Point = Callable[[str], None]
ROLE = "arn:aws:sts::123456789012:assumed-role/nlbtls/i-0abc"


def _json_error(code: str, message: str) -> str:
    return json.dumps({"__type": f"com.amazonaws.acm#{code}", "message": message})


def _ask_acm(player: Any, point: Point, status: int, code: str, message: str) -> ServiceError:
    """What a RequestCertificate that is answered so raises. Two answers: the client asks twice where that may help."""
    point(player.url)
    for _ in range(2):
        player.plays(_json_error(code, message), status=status, x_amzn_RequestId="req-1")
    with pytest.raises(ServiceError) as caught:
        Aws("eu-central-1").certificates().request(
            "app.example.com", token="t", tags={"k": "v"}, key_algorithm="RSA_2048"
        )
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "ThrottlingException", Transient),
        (400, "RequestLimitExceeded", Transient),
        (429, "TooManyRequestsException", Transient),
        (500, "InternalServerException", Transient),
        (503, "", Transient),
        (400, "LimitExceededException", Permanent),
        (400, "AccessDeniedException", Permanent),
        (400, "UnrecognizedClientException", Permanent),
        (400, "ValidationException", Permanent),
        (400, "ResourceNotFoundException", Refused),
    ],
)
def test_kind_by_code(player: Any, aws_environment: Point, status: int, code: str, kind: type[ServiceError]) -> None:
    """Each code is one of the three kinds, and keeps AWS's code and request id."""
    error = _ask_acm(player, aws_environment, status, code, "because")
    assert type(error) is kind
    assert error.reference == "req-1"
    if code:
        assert error.code == code


def test_denied_names_action_and_principal(player: Any, aws_environment: Point) -> None:
    """The action that has to be allowed is AWS's word for it, which need not be the one that we called."""
    message = (
        f"User: {ROLE} is not authorized to perform: acm:AddTagsToCertificate on resource: "
        "arn:aws:acm:eu-central-1:123456789012:certificate/* because no identity-based policy allows the "
        "acm:AddTagsToCertificate action"
    )
    error = _ask_acm(player, aws_environment, 400, "AccessDeniedException", message)
    assert error.sentence == f"AWS does not allow {ROLE} to call acm:AddTagsToCertificate."
    assert "Allow acm:AddTagsToCertificate" in error.hint


def test_denied_without_details_names_the_call(player: Any, aws_environment: Point) -> None:
    """Where AWS says little, the call itself names the action."""
    error = _ask_acm(player, aws_environment, 400, "AccessDeniedException", "Denied")
    assert error.sentence == "AWS does not allow the bot to call acm:RequestCertificate."


def test_explicit_deny_is_told_apart(player: Any, aws_environment: Point) -> None:
    """Allowing an action does not help against a service control policy."""
    message = (
        f"User: {ROLE} is not authorized to perform: acm:RequestCertificate on resource: * with an explicit deny in a "
        "service control policy"
    )
    error = _ask_acm(player, aws_environment, 400, "AccessDeniedException", message)
    assert "explicit deny in a service control policy" in error.hint


def test_quota_is_named(player: Any, aws_environment: Point) -> None:
    """The quota is in AWS's message, which is kept."""
    message = "Error: you have reached your limit of 20 certificates in the last year."
    error = _ask_acm(player, aws_environment, 400, "LimitExceededException", message)
    assert "limit of 20 certificates in the last year" in error.sentence
    assert "Service Quotas" in error.hint
    assert len(player.asked) == 2  # botocore takes this code for throttling; see the retries in aws.py


def test_no_secret_of_a_signature_reaches_a_log(player: Any, aws_environment: Point) -> None:
    """AWS quotes the signed headers in this message, the session token among them."""
    message = "The request signature we calculated does not match\n\nx-amz-security-token:FQoGSECRET\n"
    error = _ask_acm(player, aws_environment, 403, "SignatureDoesNotMatch", message)
    assert "SECRET" not in error.sentence + error.hint
    assert (error.__cause__, error.__suppress_context__) == (None, True)
    assert "clock" in error.hint


def test_long_messages_are_cut(player: Any, aws_environment: Point) -> None:
    """A page of text is no sentence."""
    error = _ask_acm(player, aws_environment, 400, "ValidationException", "no " * 1000)
    assert len(error.sentence) < 400


def test_no_credentials(player: Any, aws_environment: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials nothing is sent, and the sentence says what to give."""
    aws_environment(player.url)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Permanent, match="no usable AWS credentials") as caught:
        Aws("eu-central-1").identity()
    assert "standard AWS variables" in caught.value.hint
    assert player.asked == []


def test_missing_profile(aws_environment: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that is not there is told to whoever needs it, and does not keep the bot from starting."""
    aws_environment("http://127.0.0.1:1")
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    aws = Aws("eu-central-1")
    with pytest.raises(Permanent, match="nowhere"):
        aws.identity()


def test_malformed_endpoint(aws_environment: Point) -> None:
    """A slip in AWS_ENDPOINT_URL is told as such."""
    aws_environment("localhost")
    with pytest.raises(Permanent, match="malformed") as caught:
        Aws("eu-central-1").certificates()
    assert "AWS_ENDPOINT_URL" in caught.value.hint


def test_nobody_listens(aws_environment: Point) -> None:
    """A refused connection may work later."""
    aws_environment("http://127.0.0.1:1")
    with pytest.raises(Transient, match="EndpointConnectionError"):
        Aws("eu-central-1").zones().list()


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ReadTimeoutError(endpoint_url="https://acm"), Transient, "did not answer acm:ListCertificates"),
        (SSLError(endpoint_url="https://acm", error=OSError("CERTIFICATE_VERIFY_FAILED")), Permanent, "not trusted"),
        (SSLError(endpoint_url="https://acm", error=OSError("EOF occurred")), Transient, "did not answer"),
        (NoRegionError(), Permanent, "No AWS region"),
    ],
)
def test_what_goes_wrong_below_http(error: BotoCoreError, kind: type[ServiceError], words: str) -> None:
    """Time-outs heal, a certificate that is not trusted does not."""
    result = translated(error, "acm:ListCertificates")
    assert type(result) is kind
    assert words in result.sentence


CHANGE = RecordChange("CREATE", Record("app.example.com", "CNAME", ("x.example.net",), 300))


@pytest.mark.parametrize(
    "body",
    [
        "<ErrorResponse xmlns='https://route53.amazonaws.com/doc/2013-04-01/'><Error><Type>Sender</Type>"
        "<Code>InvalidChangeBatch</Code><Message>[Tried to create resource record set [name='app.example.com.', "
        "type='CNAME'] but it already exists, RRSet of type TXT is wrong]</Message></Error>"
        "<RequestId>req-2</RequestId></ErrorResponse>",
        "<InvalidChangeBatch xmlns='https://route53.amazonaws.com/doc/2013-04-01/'><Messages><Message>Tried to create"
        "</Message></Messages><RequestId>req-2</RequestId></InvalidChangeBatch>",
    ],
)
def test_refused_batch(player: Any, aws_environment: Point, body: str) -> None:
    """Both of Route 53's forms are a refusal, with all reasons where botocore lets them through; asked once only."""
    aws_environment(player.url)
    player.plays(body, status=400)
    with pytest.raises(Refused) as caught:
        Aws("eu-central-1").zones().change("Z1", [CHANGE], "why")
    assert (caught.value.code, caught.value.reference) == ("InvalidChangeBatch", "req-2")
    assert len(player.asked) == 1
    if "<Error>" in body:
        assert caught.value.sentence.startswith("Route 53 refused the change: Tried to create")
        assert "already exists, RRSet of type TXT is wrong" in caught.value.sentence


def test_a_change_is_never_sent_twice(player: Any, aws_environment: Point) -> None:
    """A second CREATE after a lost answer would be refused because of the first, as if it were foreign."""
    aws_environment(player.url)
    player.plays("", status=503).plays("", status=503)
    with pytest.raises(Transient):
        Aws("eu-central-1").zones().change("Z1", [CHANGE], "why")
    assert len(player.asked) == 1


def test_a_change_that_was_turned_away_is_sent_again(player: Any, aws_environment: Point) -> None:
    """Throttled means not carried out: the batch may go out again, three times in all."""
    throttled = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
    aws_environment(player.url)
    player.plays(throttled, status=400).plays(throttled, status=400).plays(throttled, status=400)
    with pytest.raises(Transient):
        Aws("eu-central-1").zones().change("Z1", [CHANGE], "why")
    assert len(player.asked) == 3


def test_one_client_per_service(aws_environment: Point) -> None:
    """Adapters are made once: their caches are shared."""
    aws_environment("http://127.0.0.1:1")
    aws = Aws("eu-central-1")
    assert aws.zones() is aws.zones()
    assert aws.certificates() is aws.certificates()
