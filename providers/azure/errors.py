"""Azure's error codes -> model.errors, by one table. The code decides; class and status only where there is no code.

Callers: session.py. Sources are named per group: [arm] learn.microsoft.com/azure/azure-resource-manager/
troubleshooting/common-deployment-errors, [throttle] .../management/request-limits-and-throttling, [vm]
learn.microsoft.com/azure/virtual-machines/error-codes-messages, [alloc] learn.microsoft.com/troubleshoot/azure/
virtual-machines/windows/allocation-failure, [net] learn.microsoft.com/troubleshoot/azure/virtual-network,
[lb] learn.microsoft.com/troubleshoot/azure/load-balancer/load-balancer-troubleshoot-deployment-errors, [rbac]
learn.microsoft.com/azure/role-based-access-control/troubleshooting, [aks]
learn.microsoft.com/troubleshoot/azure/azure-kubernetes/error-codes, [rest] learn.microsoft.com/rest/api/azure,
[run] seen while running the official SDK (docs of this project).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

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
from providers.base import Account
from providers.unanswered import Unanswered, quoted, unanswered


@dataclass(frozen=True, slots=True)
class Row:
    """One code. api: only for operations that begin so (`aks.`); status: only with that HTTP status (0: any)."""

    code: str
    error: type[CloudError]
    source: str
    api: str = ""
    status: int = 0


def _rows(error: type[CloudError], source: str, codes: str) -> list[Row]:
    return [Row(code, error, source) for code in codes.split()]


ROWS: tuple[Row, ...] = (
    # AKS says OperationNotAllowed while another operation holds the cluster, and for upgrades that cannot be; compute
    # says it for cores beyond the quota. So these rows look at the API too.
    Row("OperationNotAllowed", Transient, "aks", api="aks.", status=409),
    Row("OperationNotAllowed", InvalidRequest, "aks", api="aks."),
    # Disks say it while a machine has them (github.com/Azure/AKS: "Disk ... is attached to VM ...").
    Row("OperationNotAllowed", DependencyInUse, "run", api="compute.disks.delete"),
    Row("OperationNotAllowed", Conflict, "rest", api="compute.disks."),
    Row("OperationNotAllowed", QuotaExceeded, "vm"),
    *_rows(
        Throttled, "throttle",
        "TooManyRequests SubscriptionRequestsThrottled ResourceRequestsThrottled OperationThrottled RequestThrottled "
        "RateLimitExceeded ThrottlingError",
    ),
    *_rows(
        QuotaExceeded, "arm",
        "QuotaExceeded ResourceQuotaExceeded PublicIPCountLimitReached SubscriptionQuotaExceeded "
        "ErrCode_InsufficientVCPUQuota InsufficientVCPUQuota InsufficientCoreQuota "
        "SubnetIsFull InsufficientSubnetSize ResourceGroupQuotaExceeded NetworkSecurityGroupCountLimitReached",
    ),
    *_rows(
        CapacityUnavailable, "alloc",
        "AllocationFailed ZonalAllocationFailed OverconstrainedAllocationRequest OverconstrainedZonalAllocationRequest "
        "SkuNotAvailable InsufficientCapacity AKSCapacityError AKSCapacityHeavyUsage",
    ),
    *_rows(
        NotFound, "arm",
        "ResourceNotFound NotFound ResourceGroupNotFound ParentResourceNotFound EntityNotFound AgentPoolNotFound",
    ),
    *_rows(
        AlreadyExists, "arm",
        "ResourceAlreadyExists AlreadyExists InvalidResourceLocation InvalidResourceGroupLocation",
    ),
    *_rows(
        Conflict, "rest",
        "Conflict PreconditionFailed ConditionNotMet CanceledAndSupersededDueToAnotherOperation OperationPreempted "
        "ResourceExists EtagMismatch",
    ),
    *_rows(
        Transient, "net",
        "AnotherOperationInProgress RetryableError ReferencedResourceNotProvisioned InternalServerError "
        "InternalExecutionError InternalOperationError ServiceUnavailable ServerTimeout GatewayTimeout BadGateway "
        "ResourceGroupBeingDeleted ConcurrentRequest OperationTimedOut ServerBusy RequestTimeout "
        "ResourceDeploymentFailure CreateOrUpdateClusterInProgress",
    ),
    *_rows(
        DependencyInUse, "net",
        "InUseSubnetCannotBeDeleted InUsePrefixCannotBeDeleted InUseNetworkSecurityGroupCannotBeDeleted NicInUse "
        "PublicIPAddressCannotBeDeleted PublicIPAddressInUse NicReservedForAnotherVm CannotDeleteResource "
        "InUseRouteTableCannotBeDeleted OSDiskInUse ResourceInUse InUseNatGatewayCannotBeDeleted",
    ),
    *_rows(
        DependencyInUse, "lb",
        "LoadBalancerInUseByVirtualMachineScaleSet NetworkSecurityGroupInUseByVirtualMachineScaleSet",
    ),
    *_rows(
        QuotaExceeded, "lb",
        "MaxAvailabilitySetsInLoadBalancerReached LoadBalancerRuleCountLimitReachedForNic",
    ),
    *_rows(
        InvalidRequest, "lb",
        "PublicIPAndLBSkuDoNotMatch DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed "
        "DifferentSkuLoadBalancerAndPublicIPAddressNotAllowedInVMSS RulesUseSameBackendPortProtocolAndPool "
        "RulesUseSameFrontendPortProtocolAndIPConfig RulesOfSameLoadBalancerTypeUseSameBackendPortProtocolAndIPConfig "
        "RulesOfSameLoadBalancerTypeUseSameBackendPortProtocolAndVmssIPConfig AnotherInternalLoadBalancerExists "
        "CannotUseInactiveHealthProbe VMScaleSetCannotUseMultipleLoadBalancersOfSameType "
        "VMScaleSetCannotReferenceLoadbalancerWhenLargeScaleOrCrossAZ "
        "LoadBalancerWithoutFrontendIPCantHaveChildResources LoadBalancerSkuCannotBeChanged",
    ),
    *_rows(Transient, "rest", "AttachDiskWhileBeingDetached"),
    *_rows(Conflict, "rest", "ConflictingUserInput"),
    *_rows(
        AlreadyExists, "arm",
        "StorageAccountAlreadyTaken VaultAlreadyExists AlreadyInUse NameAlreadyExists ServerNameAlreadyExists "
        "DatabaseAccountAlreadyExists NamespaceUnavailable NameNotAvailable",
    ),
    # A principal that was made a moment ago is not known everywhere yet.
    *_rows(Transient, "rbac", "PrincipalNotFound"),
    *_rows(AlreadyExists, "rbac", "RoleAssignmentExists RoleDefinitionWithSameNameExists"),
    *_rows(QuotaExceeded, "rbac", "RoleAssignmentLimitExceeded RoleDefinitionLimitExceeded"),
    *_rows(
        InvalidRequest, "rbac",
        "RoleAssignmentUpdateNotPermitted RoleDefinitionDoesNotExist InvalidRoleAssignmentId InvalidPrincipalType",
    ),
    *_rows(DependencyInUse, "rbac", "RoleDefinitionHasAssignments"),
    *_rows(
        InvalidRequest, "rest",
        "AccountNameInvalid InvalidRequestPropertyValue UnsupportedPropertyForSKU "
        "InvalidAutoscaleSetting PublicAccessNotPermitted",
    ),
    *_rows(
        Unauthenticated, "arm",
        "AuthenticationFailed InvalidAuthenticationToken InvalidAuthenticationTokenTenant ExpiredAuthenticationToken "
        "AuthenticationFailedMissingToken InvalidAuthenticationTokenAudience",
    ),
    *_rows(
        Forbidden, "arm",
        "AuthorizationFailed LinkedAuthorizationFailed RequestDisallowedByPolicy ReadOnlyDisabledSubscription "
        "ScopeLocked SubscriptionNotFound InvalidSubscriptionId DisabledSubscription MissingSubscriptionRegistration "
        "SubscriptionNotRegistered SubscriptionNotRegisteredForFeature",
    ),
    *_rows(
        InvalidRequest, "vm",
        "InvalidParameter BadRequest InvalidRequestFormat InvalidRequestContent InvalidRequest InvalidTemplate "
        "PlatformImageNotFound ImageNotFound GalleryImageNotFound MarketplacePurchaseEligibilityFailed "
        "PropertyChangeNotAllowed InvalidResourceReference InvalidAvailabilityZone AvailabilityZoneNotSupported "
        "LocationNotAvailableForResourceType LocationNotAvailableForResourceGroup NoRegisteredProviderFound "
        "LocationRequired InvalidApiVersionParameter MissingApiVersionParameter InvalidResourceType "
        "InvalidResourceNamespace MethodNotAllowed InvalidResourceGroup InvalidResourceName VMSizeNotSupported "
        "ReservedResourceName",
    ),
    *_rows(
        InvalidRequest, "net",
        "NetcfgInvalidSubnet NetcfgSubnetRangesOverlap NetcfgSubnetRangeOutsideVnet InvalidCIDRNotation "
        "InvalidAddressPrefixFormat SecurityRuleConflict SecurityRuleInvalidAddressPrefix SecurityRuleInvalidPortRange "
        "SecurityRuleInvalidPriority SecurityRuleMissingRequiredParameter SecurityRuleParameterRequired "
        "SecurityRuleParameterContainsUnsupportedValue StandardSkuPublicIPAddressesMustBeStatic "
        "PrivateIPAddressNotInSubnet PrivateIPAddressInReservedRange",
    ),
    *_rows(
        InvalidRequest, "aks",
        "K8sVersionNotSupported AgentPoolK8sVersionNotSupported CannotDeleteLastSystemPool InvalidAgentPoolName "
        "ServiceCidrOverlapExistingSubnetsCidr PodCIDRNotLargeEnough LinkedInvalidPropertyId InvalidParameterValue "
        "AvailabilityZoneNotSupportedBySku",
    ),
)  # fmt: skip

_MEND: dict[type[CloudError], str] = {
    Unauthenticated: "log in (az login), or check the account's credential in the fleet; see docs/credentials.md",
    Forbidden: "give this identity the missing permission, or use another credential",
    QuotaExceeded: "ask for more under Subscriptions > Usage + quotas, or place less there",
    CapacityUnavailable: "choose another instance type or zone, or try again later",
    Unreachable: "check network, proxy_url and endpoint of the account",
    Throttled: "it goes on by itself; fewer runs at once would be quicker",
    DependencyInUse: "remove what uses it first",
}
_USAGE = re.compile(r"Current Limit: (\d+), Current Usage: (\d+)")
_QUOTA_NAME = re.compile(r"exceeding approved (.+?) quota", re.IGNORECASE)


def mapper(account: Account) -> Callable[[BaseException, str], CloudError]:
    """(SDK exception, operation like `network.subnets.put`) -> our error. Never raises."""

    def site(operation: str, code: str = "", request_id: str = "") -> CallSite:
        return CallSite("azure", account.name, "", operation, request_id, code)

    def convert(exc: BaseException, operation: str) -> CloudError:
        if isinstance(exc, HttpResponseError) and exc.response is not None:
            return _from_response(exc, operation, site)
        cut_off = _no_token_service(exc) if isinstance(exc, ClientAuthenticationError) else None
        if cut_off is not None:
            return Unreachable(
                cut_off.sentence(operation, "Azure's token service"),
                call=site(operation),
                detail=f"{site(operation)}: {quoted(exc)}",
                mend=cut_off.mend,
            )
        if isinstance(exc, ClientAuthenticationError):
            return Unauthenticated(
                f"no usable Azure credential for account {account.name}",
                call=site(operation),
                detail=_first_line(exc),
                mend=_MEND[Unauthenticated],
            )
        silent = (ServiceRequestError, ServiceResponseError, IncompleteReadError, ConnectionError, TimeoutError)
        if isinstance(exc, silent):
            found = unanswered(exc)
            return Unreachable(
                found.sentence(operation, "Azure"),
                call=site(operation),
                detail=f"{site(operation)}: {quoted(exc)}",
                mend=found.mend,
            )
        kind = "Azure's SDK failed" if isinstance(exc, AzureError) else "unexpected failure"
        return UnknownCloudError(
            f"{operation}: {kind}: {type(exc).__name__}", call=site(operation), detail=_first_line(exc)
        )

    return convert


def _no_token_service(exc: ClientAuthenticationError) -> Unanswered | None:
    """Why the token service was not reached, where that is why there is no token.

    The chain tells of each credential in a line. Those that it only tries (an instance's own service) are silent where
    there is none, which says nothing about the network.
    """
    text = str(exc)
    if "Attempted credentials" in text:
        named = ("EnvironmentCredential:", "WorkloadIdentityCredential:")
        text = "\n".join(line for line in text.splitlines() if line.strip().startswith(named))
    found = unanswered(OSError(text))
    return found if found.known else None


def _from_response(exc: HttpResponseError, operation: str, site: Callable[..., CallSite]) -> CloudError:
    response: Any = exc.response
    headers = response.headers
    code = str(getattr(exc.error, "code", "") or "")
    message = str(getattr(exc.error, "message", "") or exc.message).strip()
    request_id = str(headers.get("x-ms-request-id", ""))
    call = site(operation, code, request_id)
    error = classify(code, operation, int(response.status_code))
    text: dict[str, Any] = {"call": call, "detail": f"{message} ({call})", "mend": _MEND.get(error, "")}
    summary = f"{operation}: {_sentence(message) or code or response.status_code}"
    if issubclass(error, Throttled):
        return error(summary, retry_after_s=retry_after_s(str(headers.get("Retry-After", ""))), **text)
    if issubclass(error, QuotaExceeded):
        usage, name = _USAGE.search(message), _QUOTA_NAME.search(message)
        used, limit = (float(usage[2]), float(usage[1])) if usage else (None, None)
        return error(summary, quota=name[1] if name else code, used=used, limit=limit, **text)
    return error(summary, **text)


def classify(code: str, operation: str, status: int) -> type[CloudError]:
    """The type for a code; without a code (a proxy's page, an empty body) the status has to do.

    A 404 without Azure's code is nobody's "not found": absent is only what Azure itself says is absent.
    """
    for row in ROWS:
        if row.code == code and operation.startswith(row.api) and row.status in (0, status):
            return row.error
    if code and status != 429:  # services name their throttling as they like; the status says it for all of them
        return UnknownCloudError
    by_status = {401: Unauthenticated, 403: Forbidden, 408: Transient, 412: Conflict, 429: Throttled}
    fallback = Transient if status >= 500 else UnknownCloudError
    return by_status.get(status, fallback)


def retry_after_s(text: str) -> float | None:
    """Retry-After in seconds or as a date (RFC 9110, 10.2.3)."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _sentence(message: str) -> str:
    first = message.splitlines()[0] if message else ""
    return first if len(first) <= 240 else first[:237] + "..."


def _first_line(exc: BaseException) -> str:
    return _sentence(str(exc))
