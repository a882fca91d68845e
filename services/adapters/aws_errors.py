"""AWS's errors turned into ours, once, by code.

Sentences name the IAM action that failed ("acm:RequestCertificate"), because that is what somebody has to allow, and
keep AWS's request id as `reference`, because that is what AWS's support asks for.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore import exceptions as boto

from services.adapters.quoting import LONGEST, cut
from services.errors import Permanent, Refused, ServiceError, Transient

#: Codes that ask for patience. ELB drops "Exception" on the wire; PriorRequestNotComplete is Route 53's, per zone.
_THROTTLING = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "Throttled", "RequestThrottled",
    "RequestThrottledException", "RequestLimitExceeded", "BandwidthLimitExceeded", "SlowDown",
    "TooManyRequestsException", "PriorRequestNotComplete", "PriorRequestNotCompleteException",
    "TransactionInProgressException",
})  # fmt: skip
_BROKEN = frozenset({
    "InternalError", "InternalFailure", "InternalServerError", "InternalServerException", "ServiceUnavailable",
    "ServiceUnavailableException", "RequestTimeout", "RequestTimeoutException", "ConflictException",
    "ConcurrentModification", "HealthUnavailable", "HealthUnavailableException",
})  # fmt: skip
_CREDENTIALS = frozenset({
    "InvalidClientTokenId", "UnrecognizedClientException", "UnrecognizedClient", "InvalidAccessKeyId", "AuthFailure",
    "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "MissingAuthenticationToken",
    "MissingAuthenticationTokenException", "IncompleteSignature", "IncompleteSignatureException", "RequestExpired",
    "SignatureDoesNotMatch", "InvalidSignatureException", "InvalidIdentityToken", "ExpiredIdentityToken",
})  # fmt: skip
_CLOCK = frozenset({"RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException"})
_QUOTA = re.compile(r"^(LimitExceeded|LimitsExceeded|ServiceQuotaExceeded|TooMany\w+?|\w+LimitExceeded)(Exception)?$")
_DENIED = re.compile(r"^(AccessDenied\w*|UnauthorizedOperation|UnauthorizedException|NotAuthorized\w*|Forbidden)$")
_MISSING = re.compile(r"^(NoSuch\w+|\w*NotFound(Exception)?)$")

#: Credentials are not there at all, or not in a usable state.
_NO_CREDENTIALS = (
    boto.NoCredentialsError, boto.PartialCredentialsError, boto.NoAuthTokenError, boto.ProfileNotFound,
    boto.ConfigNotFound, boto.ConfigParseError, boto.SSOError, boto.LoginError, boto.TokenRetrievalError,
    boto.UnknownCredentialError, boto.InvalidConfigError,
)  # fmt: skip
_UNREACHABLE = (
    boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, boto.ChecksumError,
    boto.CredentialRetrievalError, boto.MetadataRetrievalError,
)  # fmt: skip

_CREDENTIALS_HINT = (
    "Give the bot's process a role or the standard AWS variables, and restart it if they came from its environment."
)


@contextmanager
def calling(action: str) -> Iterator[None]:
    """Translate what botocore raises inside; `action` is the IAM action of the call ("acm:ListCertificates")."""
    try:
        yield
    except (boto.ClientError, boto.BotoCoreError) as error:
        # `from None`: some of AWS's messages quote the signed request with its session token; it must not reach a log.
        raise translated(error, action) from None


def code_of(error: boto.ClientError) -> str:
    """AWS's error code, as far as AWS gave one."""
    code = str(error.response.get("Error", {}).get("Code") or "")
    if not code and "Messages" in error.response:
        return "InvalidChangeBatch"  # Route 53's older form has no <Code>: the root element is the code
    return code


def is_throttled(error: boto.ClientError) -> bool:
    """Whether AWS turned the call away for its rate: then it was not carried out, for certain."""
    return code_of(error) in _THROTTLING


def translated(error: boto.ClientError | boto.BotoCoreError, doing: str) -> ServiceError:
    """The one table. `doing` is the IAM action that was tried."""
    if isinstance(error, boto.ClientError):
        return _answered(error, doing)
    return _unanswered(error, doing)


def _answered(error: boto.ClientError, doing: str) -> ServiceError:
    """AWS answered, and the answer is an error."""
    meta: Any = error.response.get("ResponseMetadata", {})
    code, text, reference = code_of(error), message_of(error), str(meta.get("RequestId") or "")
    status = int(meta.get("HTTPStatusCode") or 0)
    if code in _THROTTLING or status == 429:
        sentence = f"AWS asks for fewer calls of {doing} ({code})."
        return Transient(sentence, after=_retry_after(meta), code=code, reference=reference)
    if code in _BROKEN or status >= 500:
        sentence = f"AWS could not do {doing} for the moment ({code or status})."
        return Transient(sentence, after=_retry_after(meta), code=code, reference=reference)
    if code == "InvalidChangeBatch":
        return Refused(f"Route 53 refused the change: {text}", code=code, reference=reference)
    if code in _CREDENTIALS:
        return _unusable(f"AWS does not accept them ({code})", code, reference)
    if _DENIED.match(code) or (status == 403 and not code):
        return _denied(doing, code, text, reference)
    if _QUOTA.match(code):
        return _quota(doing, code, text, reference)
    sentence = f"{doing} failed: {code or status}: {text}"
    if _MISSING.match(code):
        return Refused(sentence, code=code, reference=reference)
    return Permanent(sentence, code=code, reference=reference)


def _unanswered(error: boto.BotoCoreError, doing: str) -> ServiceError:
    """botocore gave up before there was an answer."""
    code = type(error).__name__
    if isinstance(error, boto.NoRegionError):
        hint = "Set AWS_REGION, or the region in the bot's configuration."
        return Permanent("No AWS region is configured.", hint=hint, code=code)
    if isinstance(error, _NO_CREDENTIALS):
        return _unusable(cut(str(error)), code, "")
    if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        sentence = f"The certificate of the AWS endpoint is not trusted, so {doing} was not tried."
        return Permanent(sentence, hint="Set AWS_CA_BUNDLE if a proxy or a private endpoint is meant.", code=code)
    if isinstance(error, _UNREACHABLE):
        return Transient(f"AWS did not answer {doing} ({code}).", code=code)
    return Permanent(f"{doing} failed: {code}: {cut(str(error))}", code=code)


def _unusable(why: str, code: str, reference: str) -> Permanent:
    hint = "Check the clock of the machine and the secret key." if code in _CLOCK else _CREDENTIALS_HINT
    sentence = f"The bot has no usable AWS credentials: {why.rstrip('.')}."
    return Permanent(sentence, hint=hint, code=code, reference=reference)


def _denied(doing: str, code: str, text: str, reference: str) -> Permanent:
    """AWS's own words name the action better than we can: tags on a request, say, need a second one."""
    action = re.search(r"perform:?\s+([\w-]+:\w+)", text)
    who = re.search(r"\barn:aws[\w-]*:(?:iam|sts)::\S*?(?=[\s,]|$)", text)
    name = action.group(1) if action else doing
    sentence = f"AWS does not allow {who.group(0) if who else 'the bot'} to call {name}."
    if "explicit deny" in text:
        kind = re.search(r"explicit deny in an? ([\w -]+?)(?:[:.,]|$)", text)
        where = f"an explicit deny in a {kind.group(1)}" if kind else "an explicit deny"
        hint = f"There is {where}; whoever owns it must exempt this role, allowing the action is not enough."
    else:
        hint = f"Allow {name} in the role's IAM policy; deploy/ has the policy that the bot needs."
    return Permanent(sentence, hint=hint, code=code, reference=reference)


def _quota(doing: str, code: str, text: str, reference: str) -> Permanent:
    sentence = f"A quota of the AWS account is used up ({code} on {doing}): {text}"
    hint = "Ask for an increase in Service Quotas, or remove what is not needed any more, then retry."
    return Permanent(sentence, hint=hint, code=code, reference=reference)


def message_of(error: boto.ClientError) -> str:
    """AWS's message on one line, cut; of a change batch all messages."""
    response: Any = error.response
    many = response.get("messages") or response.get("Error", {}).get("messages") or ()
    text = "; ".join(str(m) for m in many) or str(response.get("Error", {}).get("Message") or "")
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]  # Route 53 prints its list of messages like this
    return cut(text, 4 * LONGEST if code_of(error) == "InvalidChangeBatch" else LONGEST) or "no reason given"


def _retry_after(meta: Any) -> float | None:
    value = str(meta.get("HTTPHeaders", {}).get("retry-after") or "")
    return float(value) if value.isdigit() else None
