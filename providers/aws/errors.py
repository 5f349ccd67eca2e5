"""AWS's error codes -> model.errors, by table, each row with its source.

Callers: providers.aws.session, which maps every exception of botocore's once. What no row names is UnknownCloudError,
unless its HTTP status says more (429, 5xx).
Sources: [EC2] EC2 API Reference, "Error codes for the Amazon EC2 API"; [EKS] Amazon EKS API Reference, errors of the
actions and "Common errors"; [COMMON] "Common errors" of the query services (IAM, STS); [IAM] IAM API Reference;
[SSM], [KMS], [TRAIL] those services' references;
those of error_rows.py; [BOTO] botocore's retry handlers (botocore/retries/standard.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from botocore import exceptions as boto

from model.errors import (
    AlreadyExists,
    CallSite,
    CapacityUnavailable,
    CloudError,
    Conflict,
    DependencyInUse,
    Forbidden,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    Throttled,
    Transient,
    Unauthenticated,
    UnknownCloudError,
    Unreachable,
)
from providers.aws.error_rows import MORE_ROWS, QUOTA, Row
from providers.unanswered import NO_ANSWER_MEND, quoted, unanswered

CREDENTIALS_MEND = (
    "give credentials for this account: `credential: {profile: NAME}`, `{env_prefix: PREFIX}` with "
    "PREFIX_ACCESS_KEY_ID and PREFIX_SECRET_ACCESS_KEY, or `{chain: true}`; each may add `role_arn` "
    "(docs/aws.md)"
)
_CAPACITY = "another zone or instance type may have stock; or try again later"
_PERMISSION = "the policy of this principal lacks the action; docs/aws.md lists what duoyun needs"


ROWS: tuple[Row, ...] = (
    *MORE_ROWS,
    # throttling
    Row("RequestLimitExceeded", Throttled, "EC2"),
    Row("Throttling", Throttled, "COMMON"),
    Row("ThrottlingException", Throttled, "EKS"),
    Row("ThrottledException", Throttled, "BOTO"),
    Row("RequestThrottled", Throttled, "BOTO"),
    Row("RequestThrottledException", Throttled, "BOTO"),
    Row("TooManyRequestsException", Throttled, "BOTO"),
    Row("EC2ThrottledException", Throttled, "BOTO"),
    Row("BandwidthLimitExceeded", Throttled, "BOTO"),
    # quotas
    Row("VcpuLimitExceeded", QuotaExceeded, "EC2", mend=QUOTA),
    Row("InstanceLimitExceeded", QuotaExceeded, "EC2", mend=QUOTA),
    Row("VpcLimitExceeded", QuotaExceeded, "EC2", mend=QUOTA),
    Row("SubnetLimitExceeded", QuotaExceeded, "EC2", mend=QUOTA),
    Row("SecurityGroupLimitExceeded", QuotaExceeded, "EC2", mend=QUOTA),
    Row("RulesPerSecurityGroupLimitExceeded", QuotaExceeded, "EC2", mend=QUOTA),
    Row("SecurityGroupsPerInstanceLimitExceeded", QuotaExceeded, "EC2", mend=QUOTA),
    Row("InternetGatewayLimitExceeded", QuotaExceeded, "EC2", mend=QUOTA),
    Row("RouteLimitExceeded", QuotaExceeded, "EC2", mend=QUOTA),
    Row("AddressLimitExceeded", QuotaExceeded, "EC2", mend=QUOTA),
    Row("VolumeLimitExceeded", QuotaExceeded, "EC2", mend=QUOTA),
    Row("MaxSpotInstanceCountExceeded", QuotaExceeded, "EC2", mend=QUOTA),
    Row("TagLimitExceeded", QuotaExceeded, "EC2", mend="a resource has at most 50 tags"),
    Row("ResourceLimitExceededException", QuotaExceeded, "EKS", mend=QUOTA),
    Row("LimitExceeded", QuotaExceeded, "IAM", mend=QUOTA),
    Row("LimitExceededException", QuotaExceeded, "KMS", mend=QUOTA),
    # stock
    Row("InsufficientInstanceCapacity", CapacityUnavailable, "EC2", mend=_CAPACITY),
    Row("InsufficientHostCapacity", CapacityUnavailable, "EC2", mend=_CAPACITY),
    Row("InsufficientReservedInstanceCapacity", CapacityUnavailable, "EC2", mend=_CAPACITY),
    Row("InsufficientCapacity", CapacityUnavailable, "EC2", mend=_CAPACITY),
    Row("InsufficientVolumeCapacity", CapacityUnavailable, "EC2", mend=_CAPACITY),
    Row("UnsupportedAvailabilityZoneException", CapacityUnavailable, "EKS", mend="give subnets in other zones"),
    Row("Unsupported", CapacityUnavailable, "EC2", mend="this type is not offered in that zone; choose another"),
    # not there
    Row("InvalidAMIID.NotFound", InvalidRequest, "EC2", mend="the image id is wrong for this region"),
    Row("InvalidAMIID.Unavailable", InvalidRequest, "EC2"),
    Row("Invalid*.NotFound", NotFound, "EC2"),
    Row("Gateway.NotAttached", NotFound, "EC2"),
    Row("ResourceNotFoundException", NotFound, "EKS"),
    Row("NotFoundException", NotFound, "EKS, KMS"),
    Row("ParameterNotFound", NotFound, "SSM"),
    # there already, or changed meanwhile
    Row("InvalidPermission.Duplicate", AlreadyExists, "EC2"),
    Row("InvalidGroup.Duplicate", AlreadyExists, "EC2", mend="another group has this name in the network"),
    Row("RouteAlreadyExists", AlreadyExists, "EC2"),
    Row("Resource.AlreadyAssociated", AlreadyExists, "EC2"),
    Row("EntityAlreadyExists", AlreadyExists, "IAM"),
    Row("AlreadyExistsException", AlreadyExists, "KMS"),
    Row("ResourceInUseException", AlreadyExists, "EKS", "Create*", "another one of this name exists in the region"),
    Row("ResourceInUseException", DependencyInUse, "EKS", "Delete*"),
    Row("ResourceInUseException", Conflict, "EKS", mend="another change of it is under way; wait for its end"),
    Row("InvalidRequestException", Conflict, "EKS", mend="its state does not allow this now"),
    Row("InvalidStateException", Conflict, "EKS"),
    Row("IncorrectInstanceState", Conflict, "EC2"),
    Row("IncorrectState", Conflict, "EC2"),
    Row("InvalidState", Conflict, "EC2"),
    Row("IdempotentParameterMismatch", Conflict, "EC2", mend="the key was used before for something else; plan anew"),
    Row("IdempotentInstanceTerminated", Conflict, "EC2"),
    Row("InvalidSubnet.Conflict", Conflict, "EC2", mend="the range overlaps another subnet of this network"),
    Row("Resource.InUse", DependencyInUse, "EC2"),
    Row("DependencyViolation", DependencyInUse, "EC2"),
    Row("*.InUse", DependencyInUse, "EC2"),
    Row("VolumeInUse", DependencyInUse, "EC2"),
    Row("DeleteConflict", DependencyInUse, "IAM"),
    # who and what
    Row("AuthFailure", Unauthenticated, "EC2", mend=CREDENTIALS_MEND),
    Row("InvalidClientTokenId", Unauthenticated, "COMMON", mend=CREDENTIALS_MEND),
    Row("UnrecognizedClientException", Unauthenticated, "COMMON", mend=CREDENTIALS_MEND),
    Row("SignatureDoesNotMatch", Unauthenticated, "COMMON", mend=CREDENTIALS_MEND),
    Row("InvalidSignatureException", Unauthenticated, "COMMON", mend=CREDENTIALS_MEND),
    Row("IncompleteSignature*", Unauthenticated, "COMMON", mend=CREDENTIALS_MEND),
    Row("MissingAuthenticationToken*", Unauthenticated, "COMMON", mend=CREDENTIALS_MEND),
    Row("ExpiredToken*", Unauthenticated, "COMMON", mend="the session has expired; log in again"),
    Row("RequestExpired", Unauthenticated, "EC2", mend="this machine's clock is wrong, or the session has expired"),
    Row("Blocked", Unauthenticated, "EC2", mend="the account is blocked; ask AWS"),
    Row("OptInRequired", Forbidden, "EC2", mend="enable the region for this account first"),
    Row("PendingVerification", Forbidden, "EC2", mend="the account is being verified; ask AWS"),
    Row("UnauthorizedOperation", Forbidden, "EC2", mend=_PERMISSION),
    Row("AccessDenied*", Forbidden, "COMMON", mend=_PERMISSION),
    Row("NotAuthorized", Forbidden, "COMMON", mend=_PERMISSION),
    Row("CannotDelete", Forbidden, "EC2"),
    # what we asked is wrong
    Row("Invalid*.Malformed", InvalidRequest, "EC2"),
    Row("InvalidParameter*", InvalidRequest, "EC2, EKS"),
    Row("InvalidVpcRange", InvalidRequest, "EC2", mend="a VPC is a /16 to /28"),
    Row("InvalidVpc.Range", InvalidRequest, "EC2", mend="a VPC is a /16 to /28"),
    Row("InvalidSubnet.Range", InvalidRequest, "EC2", mend="the range is not inside the network's"),
    Row("InvalidInstanceType", InvalidRequest, "EC2"),
    Row("InvalidUserData*", InvalidRequest, "EC2"),
    Row("InvalidBlockDeviceMapping", InvalidRequest, "EC2"),
    Row("InvalidAction", InvalidRequest, "COMMON"),
    Row("UnsupportedOperation", InvalidRequest, "EC2"),
    Row("MissingParameter*", InvalidRequest, "EC2"),
    Row("MalformedQueryString", InvalidRequest, "COMMON"),
    Row("MalformedPolicyDocument", InvalidRequest, "IAM"),
    Row("ValidationError", InvalidRequest, "COMMON"),
    Row("ValidationException", InvalidRequest, "KMS, SSM"),
    Row("UnknownParameter", InvalidRequest, "EC2"),
    Row("InvalidLookupAttributesException", InvalidRequest, "TRAIL"),
    # it stumbled
    Row("InternalError", Transient, "EC2"),
    Row("InternalFailure", Transient, "COMMON"),
    Row("ServerException", Transient, "EKS"),
    Row("ServiceUnavailable*", Transient, "COMMON, EKS"),
    Row("Unavailable", Transient, "EC2"),
    Row("RequestTimeout*", Transient, "BOTO"),
    Row("ServiceFailure", Transient, "IAM"),
)

_UNREACHABLE: tuple[type[BaseException], ...] = (
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    boto.ReadTimeoutError,
    boto.ConnectionClosedError,
    boto.ConnectionError,
    boto.SSLError,
    boto.HTTPClientError,
    boto.ProxyConnectionError,
)
_NO_CREDENTIALS: tuple[type[BaseException], ...] = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.ProfileNotFound,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.MetadataRetrievalError,
)


def row_for(code: str, operation: str) -> Row | None:
    return next((r for r in ROWS if fnmatchcase(code, r.code) and fnmatchcase(operation, r.operation)), None)


def to_cloud_error(exc: BaseException, operation: str, *, account: str, region: str) -> CloudError:
    """Never raises. operation: botocore's name, e.g. RunInstances."""
    if isinstance(exc, boto.ClientError):
        return _client_error(exc, operation, account, region)
    site = CallSite(cloud="aws", account=account, region=region, operation=operation)
    summary = f"{operation}: {_one_line(str(exc))}"
    if isinstance(exc, _NO_CREDENTIALS):
        return Unauthenticated(summary, call=site, mend=CREDENTIALS_MEND)
    if isinstance(exc, _UNREACHABLE):
        found = unanswered(exc)
        return Unreachable(
            found.sentence(operation, "AWS"), call=site, detail=f"{site}: {quoted(exc)}", mend=found.mend
        )
    if isinstance(exc, boto.ParamValidationError | boto.NoRegionError | boto.InvalidRegionError):
        return InvalidRequest(summary, call=site)
    if type(exc).__name__ == "ResponseParserError":
        return Transient(f"{operation}: the answer is not AWS's", call=site, mend=NO_ANSWER_MEND)
    return UnknownCloudError(f"{operation}: {type(exc).__name__}: {_one_line(str(exc))}", call=site)


def _client_error(exc: Any, operation: str, account: str, region: str) -> CloudError:
    response: Mapping[str, Any] = exc.response
    code = str(response.get("Error", {}).get("Code", ""))
    message = _one_line(str(response.get("Error", {}).get("Message", "")))
    metadata = response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode") or 0)
    site = CallSite(
        cloud="aws",
        account=account,
        region=region,
        operation=operation,
        request_id=str(metadata.get("RequestId", "")),
        code=code,
    )
    row = row_for(code, operation)
    kind = row.error if row else _by_status(status)
    summary = f"{operation}: {message or code}"
    extra: dict[str, Any] = {"call": site, "mend": row.mend if row else ""}
    if issubclass(kind, Throttled):
        extra["retry_after_s"] = _retry_after_s(metadata.get("HTTPHeaders", {}))
    if issubclass(kind, QuotaExceeded):
        extra |= {"quota": code, "limit": _limit(message)}
    return kind(summary, **extra)


def _by_status(status: int) -> type[CloudError]:
    if status == 429:
        return Throttled
    return Transient if status >= 500 else UnknownCloudError


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "")
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def _limit(message: str) -> float | None:
    """The figure that some quota messages carry: `... than your current vCPU limit of 32 allows`."""
    found = re.search(r"limit of (\d+)", message)
    return float(found[1]) if found else None


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
