"""Codes to errors: by table, never by message."""

import pytest
from botocore import exceptions as boto
from hypothesis import given
from hypothesis import strategies as st

from model import errors as ours
from providers.aws.errors import ROWS, row_for, to_cloud_error


def client_error(code: str, message: str = "no", status: int = 400, operation: str = "RunInstances", **headers: str):
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"RequestId": "r-1", "HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    return boto.ClientError(response, operation)  # type: ignore[arg-type]


def mapped(exc: BaseException, operation: str = "RunInstances") -> ours.CloudError:
    return to_cloud_error(exc, operation, account="a", region="r")


@pytest.mark.parametrize(
    ("code", "operation", "error"),
    [
        ("RequestLimitExceeded", "RunInstances", ours.Throttled),
        ("ThrottlingException", "CreateCluster", ours.Throttled),
        ("VcpuLimitExceeded", "RunInstances", ours.QuotaExceeded),
        ("ResourceLimitExceededException", "CreateCluster", ours.QuotaExceeded),
        ("InsufficientInstanceCapacity", "RunInstances", ours.CapacityUnavailable),
        ("InvalidVpcID.NotFound", "DeleteVpc", ours.NotFound),
        ("InvalidAMIID.NotFound", "RunInstances", ours.InvalidRequest),
        ("ResourceNotFoundException", "DescribeCluster", ours.NotFound),
        ("InvalidPermission.Duplicate", "AuthorizeSecurityGroupIngress", ours.AlreadyExists),
        ("ResourceInUseException", "CreateCluster", ours.AlreadyExists),
        ("ResourceInUseException", "DeleteCluster", ours.DependencyInUse),
        ("ResourceInUseException", "UpdateClusterConfig", ours.Conflict),
        ("DependencyViolation", "DeleteVpc", ours.DependencyInUse),
        ("IncorrectInstanceState", "StopInstances", ours.Conflict),
        ("AuthFailure", "DescribeVpcs", ours.Unauthenticated),
        ("ExpiredTokenException", "ListClusters", ours.Unauthenticated),
        ("UnauthorizedOperation", "CreateVpc", ours.Forbidden),
        ("AccessDeniedException", "CreateCluster", ours.Forbidden),
        ("InvalidParameterValue", "RunInstances", ours.InvalidRequest),
        ("InternalError", "RunInstances", ours.Transient),
        ("ServiceUnavailableException", "CreateCluster", ours.Transient),
    ],
)
def test_known_codes(code: str, operation: str, error: type[ours.CloudError]) -> None:
    found = mapped(client_error(code, operation=operation), operation)
    assert type(found) is error
    assert found.call.request_id == "r-1"
    assert found.call.code == code
    assert str(found.call) == f"aws/a/r {operation} (code {code}, request id r-1)"


@given(st.text(max_size=30), st.integers(200, 599))
def test_any_code_gives_one_of_ours_and_unknown_ones_keep_it(code: str, status: int) -> None:
    found = mapped(client_error(code, status=status))
    assert found.call.code == code
    if row_for(code, "RunInstances") is None:
        expected = ours.Throttled if status == 429 else ours.Transient if status >= 500 else ours.UnknownCloudError
        assert type(found) is expected


def test_retry_after_and_limits_are_read() -> None:
    throttled = mapped(client_error("Throttling", **{"retry-after": "7"}))
    assert isinstance(throttled, ours.Throttled)
    assert throttled.retry_after_s == 7.0
    message = "You have requested more vCPU capacity than your current vCPU limit of 32 allows"
    quota = mapped(client_error("VcpuLimitExceeded", message))
    assert isinstance(quota, ours.QuotaExceeded)
    assert (quota.quota, quota.limit) == ("VcpuLimitExceeded", 32.0)


@pytest.mark.parametrize(
    ("exc", "error"),
    [
        (boto.EndpointConnectionError(endpoint_url="https://x"), ours.Unreachable),
        (boto.ReadTimeoutError(endpoint_url="https://x"), ours.Unreachable),
        (boto.ConnectionClosedError(endpoint_url="https://x"), ours.Unreachable),
        (boto.SSLError(endpoint_url="https://x", error="bad"), ours.Unreachable),
        (boto.NoCredentialsError(), ours.Unauthenticated),
        (boto.ProfileNotFound(profile="p"), ours.Unauthenticated),
        (boto.ParamValidationError(report="bad"), ours.InvalidRequest),
        (RuntimeError("what"), ours.UnknownCloudError),
    ],
)
def test_failures_without_an_answer(exc: BaseException, error: type[ours.CloudError]) -> None:
    assert type(mapped(exc)) is error


def test_every_row_has_a_source_and_can_be_reached() -> None:
    for index, row in enumerate(ROWS):
        assert row.source
        sample = row.code.replace("*", "X")
        operation = row.operation.replace("*", "X")
        assert row_for(sample, operation) is row, f"row {index} {row.code} is hidden by an earlier one"
