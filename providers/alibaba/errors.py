"""Alibaba Cloud's error codes to ours: one table, read from top to bottom, first match wins.

Callers: session.py, for every failed request. RPC services answer `Code`/`Message`, ACK lower-case `code`/`message`,
which aliyun-python-sdk-core reports as SDK.UnknownServerError with the JSON in its message; both are understood.
Sources: [ecs], [vpc], [slb], [ess], [dns], [acr], [kms], [oss], [sts], [actiontrail], [gateway]: the products' error
tables in the documentation and error-center.alibabacloud.com; [tf]: codes that aliyun/terraform-provider-alicloud or
yunionio/cloudpods act upon; [sdk]: aliyun-python-sdk-core; [family]: the documented meaning of the code's first or last
word.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase

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
from providers.unanswered import quoted, unanswered


@dataclass(frozen=True, slots=True)
class Row:
    """codes, operation: globs, compared with case. source: where the meaning was read."""

    codes: tuple[str, ...]
    error: type[CloudError]
    source: str
    mend: str = ""
    operation: str = "*"


_KEYS = "check the account's access key id and secret (docs/credentials.md)"
_CLOCK = "set this machine's clock: a request is valid for 15 minutes"
_RAM = "ask for a RAM policy that allows this action, or use another access key"
_QUOTA = "raise the quota in the Quota Center, or place less in this region"
_STOCK = "choose another instance type or zone"

TABLE: tuple[Row, ...] = (
    # who we are
    Row(("InvalidAccessKeyId.*", "InvalidAccessKeyId", "MissingAccessKeyId"), Unauthenticated, "[gateway]", _KEYS),
    Row(("SignatureDoesNotMatch", "IncompleteSignature"), Unauthenticated, "[gateway]", _KEYS),
    Row(("InvalidAccessKeySecret",), Unauthenticated, "[sdk] rewrites SignatureDoesNotMatch", _KEYS),
    Row(("InvalidSecurityToken*", "MissingSecurityToken"), Unauthenticated, "[sts]", "get a new security token"),
    Row(("EntityNotExist.Role",), Unauthenticated, "[sts]", "check credential.role_arn in the fleet", "sts:AssumeRole"),
    Row(("InvalidTimeStamp.*", "IllegalTimestamp"), Unauthenticated, "[gateway]", _CLOCK),
    Row(("SDK.InvalidCredential", "SDK.GetSessionCredentialFailed"), Unauthenticated, "[sdk]", _KEYS),
    Row(("SignatureNonceUsed",), Transient, "[gateway] a request that arrived twice: send it with a new nonce"),
    Row(("RequestTimeTooSkewed",), Unauthenticated, "[oss]", _CLOCK),
    # what we may do
    Row(("AccessDenied", "UserDisable"), Forbidden, "[oss]", _RAM),
    Row(("Forbidden.RAM", "NoPermission*", "StatusForbidden", "ForbiddenHelper"), Forbidden, "[ecs] [tf]", _RAM),
    Row(("Forbidden.NoPermission", "Forbidden.Unauthorized"), Forbidden, "[kms] [ess]", _RAM),
    Row(("InvalidRegion.NotAuthorized",), Forbidden, "[family]", "use an account of that region's site"),
    Row(
        ("Forbidden.AccountClosed", "InvalidAccountStatus.*", "Account.Arrearage"),
        Forbidden,
        "[ecs]",
        "settle the bill",
    ),
    Row(("ErrManagedAddonRoleNotAttach",), Forbidden, "[tf]", "authorize ACK's service roles once in its console"),
    Row(
        ("ServiceLinkedRole.*", "Forbidden.NotOpened"),
        Forbidden,
        "[family]",
        "activate the service once in its console",
    ),
    # wait
    Row(("Throttling", "Throttling.*", "ServiceUnavailable.Throttling", "QpsLimitExceeded"), Throttled, "[gateway]"),
    Row(("ServiceUnavailable", "InternalError", "ServiceBusy", "SystemBusy"), Transient, "[gateway]"),
    Row(("LastTokenProcessing", "IdempotentProcessing", "OperationConflict", "TaskConflict"), Transient, "[vpc] [tf]"),
    Row(("Operation.Conflict", "LockTimeout", "OperationFailed.*Processing"), Transient, "[vpc] [tf]"),
    Row(("IncorrectVpcStatus", "IncorrectVSwitchStatus", "IncorrectStatus.*"), Transient, "[vpc] [tf]"),
    Row(("InvalidVpcStatus", "InvalidVswitchStatus", "IncorrectStatus"), Transient, "[vpc] [tf]"),
    Row(("IncorrectInstanceStatus.Initializing",), Transient, "[ecs] [tf]"),
    Row(("ErrorClusterState", "ErrorNodePoolState"), Transient, "[family] the cluster is busy: not in a public table"),
    Row(("SDK.ServerUnreachable", "SDK.HttpError", "SDK.EndpointResolvingError"), Unreachable, "[sdk]"),
    # busy: a change before it is still going on
    Row(
        ("ServiceIsConfiguring", "VServerGroupProcessing", "OperationBusy", "BackendServer.configuring"),
        Transient,
        "[slb]",
    ),
    Row(("ServiceIsStopping", "OperationFailed.LoadBalancerStatus*"), Transient, "[slb] [tf]"),
    Row(("ScalingActivityInProgress", "IncorrectLoadBalancerStatus"), Transient, "[ess]"),
    Row(("LastOperationNotFinished", "RecordForbidden.DNSChange"), Transient, "[dns]"),
    Row(("IncorrectDiskStatus.Initializing", "IncorrectDiskStatus.CreatingSnapshot"), Transient, "[ecs] [tf]"),
    # in use, or guarded
    Row(("IncorrectDiskStatus",), DependencyInUse, "[ecs] it is attached", "detach it first", "ecs:DeleteDisk"),
    Row(("IncorrectDiskStatus", "DiskError", "InvalidDisk.InUse"), Conflict, "[ecs]"),
    Row(("InstanceInUse", "NAMESPACE_HAS_REPO"), DependencyInUse, "[ess] [family]"),
    Row(("OperationDenied.DeleteProtectionIsOn",), Conflict, "[slb]", "switch its deletion protection off first"),
    # there is no more
    Row(("OverQuota", "ORDER.QUOTA_EXCEEDED", "ORDER.QUANTITY_INVALID"), QuotaExceeded, "[slb]", _QUOTA),
    Row(("ListenerNumberOverLimit", "SourceItemsQuotaOverLimit"), QuotaExceeded, "[slb]", _QUOTA),
    Row(("PRODUCT.INSUFFICIENT_STOCK", "ORDER.NOT_ENOUGH_ACTIVITY_STOCK"), CapacityUnavailable, "[slb]", _STOCK),
    Row(("QuotaExceed", "QuotaExceed.*", "QuotaExceeded", "QuotaExceeded.*"), QuotaExceeded, "[ecs] [vpc]", _QUOTA),
    Row(("*LimitExceed", "*LimitExceeded", "*.Quota", "*QuotaFull"), QuotaExceeded, "[ecs] [vpc] [family]", _QUOTA),
    Row(("InvalidVpcQuota*", "ErrorQuotaExceeded", "ErrQuotaExceed*"), QuotaExceeded, "[family]", _QUOTA),
    Row(("OperationDenied.NoStock", "Zone.NotOnSale", "OperationDenied"), CapacityUnavailable, "[ecs]", _STOCK),
    Row(("InvalidResourceType.NotSupported", "ResourceNotAvailable"), CapacityUnavailable, "[ecs] [tf]", _STOCK),
    # the request and the world do not fit
    Row(("DomainRecordDuplicate", "ListenerAlreadyExists", "*.Duplicate"), AlreadyExists, "[dns] [slb] [ess]"),
    Row(("*_ALREADY_EXIST", "*_ALREADY_EXISTS"), AlreadyExists, "[acr]"),
    Row(("DomainRecordConflict", "DomainRecordLocked", "DomainRecordDisable", "DisableDNSSLB"), Conflict, "[dns]"),
    Row(("IncorrectScalingGroupStatus", "IncorrectCapacity.*"), Conflict, "[ess]"),
    Row(("DomainRecordNotBelongToUser", "*.NoExist"), NotFound, "[dns] [tf] what is gone is told like another's"),
    Row(("*_NOT_EXIST", "NoSuchBucket", "TrailNotFoundException"), NotFound, "[acr] [oss] [tf]"),
    Row(("DomainForbidden", "RecordForbidden.*"), Forbidden, "[dns]", "ask the domain's owner, or Alibaba's support"),
    Row(("ORDER.ARREARAGE", "ARREARAGE", "AccountHasArrearage"), Forbidden, "[slb]", "settle the bill"),
    Row(("ORDER.OPEND",), Forbidden, "[slb]", "activate the service once in its console"),
    Row(("ResourcesNotInSameZone", "SubDomainInvalid.*", "INVALID_PARAMETER"), InvalidRequest, "[ecs] [dns] [acr]"),
    Row(("ObtainIpFail", "RegionNotSupport", "KeyFormatError"), InvalidRequest, "[slb]"),
    Row(("DependencyViolation", "DependencyViolation.*", "InUseResource*"), DependencyInUse, "[ecs] [vpc]"),
    Row(("InvalidOperation.DependencyViolation", "Forbbiden*Depend*"), DependencyInUse, "[vpc]"),
    Row(("IdempotentParameterMismatch", "IdempotenceParamNotMatch"), Conflict, "[ecs] [vpc]"),
    Row(("IncorrectInstanceStatus", "IncorrectInstanceStatus.*", "Invalid*Status"), Conflict, "[ecs]"),
    Row(("InvalidOperation.DeletionProtection", "*DeletionProtection"), Conflict, "[ecs]", "lift its protection first"),
    Row(("ErrorNodePoolNotEmpty",), Conflict, "[family] not in a public table"),
    Row(
        ("ClusterNameAlreadyExist", "*AlreadyExist", "*AlreadyExists", "*.Duplicate", "*.Duplicated"),
        AlreadyExists,
        "[tf]",
    ),
    Row(("InvalidPermission.Duplicate",), AlreadyExists, "[ecs]"),
    Row(("ErrorClusterNotFound", "ErrorNodePoolNotFound", "ErrorNodePoolNotExist"), NotFound, "[tf]"),
    # what can never be
    Row(("InvalidImageId.NotFound", "InvalidRegionId.NotFound", "InvalidZoneId.NotFound"), InvalidRequest, "[ecs]"),
    Row(("InvalidAction.NotFound", "InvalidVersion", "UnsupportedOperation*"), InvalidRequest, "[gateway]"),
    Row(("InvalidInstanceType.*", "ImageNotSupportInstanceType", "InvalidUserData.*"), InvalidRequest, "[ecs]"),
    Row(
        (
            "*.NotFound",
            "Forbidden.KeyNotFound",
            "EntityNotExist.*",
            "Forbidden.ResourceNotFound",
            "*NotExist",
            "*NotExists",
            "*.RuleNotExist",
        ),
        NotFound,
        "[family]",
    ),
    Row(("Missing*", "InvalidParam*", "Invalid*", "Illegal*", "*.Malformed"), InvalidRequest, "[family]"),
    Row(
        ("DryRunOperation", "SDK.InvalidParams", "SDK.InvalidRequest", "SDK.InvalidRegionId"),
        InvalidRequest,
        "[ecs] [sdk]",
    ),
)


def row_of(code: str, operation: str = "") -> Row | None:
    """The first row that knows the code, of that operation."""
    return next(
        (
            row
            for row in TABLE
            if fnmatchcase(operation, row.operation) and any(fnmatchcase(code, pattern) for pattern in row.codes)
        ),
        None,
    )


def read_answer(code: str, message: str, request_id: str) -> tuple[str, str, str]:
    """(code, message, request id), unpacked from the JSON that the SDK puts into the message for ACK's answers."""
    head, brace, tail = message.partition("{")
    if code != "SDK.UnknownServerError" or not brace or "ServerResponseBody" not in head:
        return code, message, request_id
    try:
        body = json.loads(brace + tail)
    except json.JSONDecodeError:
        return code, message, request_id
    found = {str(k).lower(): v for k, v in body.items()}
    wire_id = found.get("requestid") or found.get("request_id") or request_id
    return str(found.get("code") or code), str(found.get("message") or message), str(wire_id or "")


def map_error(exc: BaseException, operation: str, *, account: str = "", region: str = "") -> CloudError:
    """An SDK exception as ours. What no row knows becomes UnknownCloudError, or Transient where the status is 5xx."""
    code = str(getattr(exc, "error_code", "") or "")
    status = getattr(exc, "http_status", None)
    message = str(getattr(exc, "message", "") or exc)
    if not code or code == "SDK.HttpError":
        return _unreachable(exc, operation, account, region)
    code, message, request_id = read_answer(code, message, str(getattr(exc, "request_id", "") or ""))
    call = CallSite("alibaba", account, region, operation, request_id, code)
    return map_code(code, message, status if isinstance(status, int) else 0, call)


def map_code(code: str, message: str, status: int, call: CallSite) -> CloudError:
    """By the table; what no row knows by its HTTP status, else UnknownCloudError."""
    sentence = _sentence(call.operation, code, message)
    row = row_of(code, call.operation)
    if row is not None:
        return row.error(sentence, call=call, mend=row.mend)
    if status == 429:
        return Throttled(sentence, call=call)
    return Transient(sentence, call=call) if status >= 500 else UnknownCloudError(sentence, call=call)


def _unreachable(exc: BaseException, operation: str, account: str, region: str) -> CloudError:
    """No code: the answer never came, or what came was no answer of the API."""
    call = CallSite("alibaba", account, region, operation)
    if isinstance(exc, OSError) or getattr(exc, "error_code", None) is not None:  # requests' exceptions are OSErrors
        found = unanswered(exc)
        sentence = found.sentence(operation, "Alibaba Cloud")
        return Unreachable(sentence, call=call, detail=f"{call}: {quoted(exc)}", mend=found.mend)
    return UnknownCloudError(f"{operation}: {type(exc).__name__}: {quoted(exc)}", call=call)


def _sentence(operation: str, code: str, message: str) -> str:
    """One line; the gateway's string to sign, which repeats the whole request, is cut."""
    return f"{operation}: {code}: {message.partition('server string to sign')[0].strip()[:400]}"
