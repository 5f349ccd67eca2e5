"""The table of errors: every answer of an API server has one type, and says what to do. Pure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from model.errors import (
    AlreadyExists,
    Conflict,
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
from providers.kubernetes.errors import map_error


def answer(status: int, reason: str = "", message: str = "", causes: Any = (), headers: Any = None) -> ApiException:
    exc = ApiException(status=status, reason="HTTP")
    body = {"kind": "Status", "reason": reason, "message": message, "code": status, "details": {"causes": list(causes)}}
    exc.body, exc.headers = json.dumps(body), headers or {}
    return exc


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (answer(400, "BadRequest"), InvalidRequest),
        (answer(401, "Unauthorized"), Unauthenticated),
        (answer(403, "Forbidden"), Forbidden),
        (answer(404, "NotFound"), NotFound),
        (answer(405, "MethodNotAllowed"), InvalidRequest),
        (answer(408, "Timeout"), Transient),
        (answer(409, "AlreadyExists"), AlreadyExists),
        (answer(409, "Conflict"), Conflict),
        (answer(410, "Expired"), Conflict),
        (answer(418), UnknownCloudError),
        (answer(422, "Invalid"), InvalidRequest),
        (answer(429, "TooManyRequests"), Throttled),
        (answer(500, "InternalError"), Transient),
        (answer(503, "ServiceUnavailable"), Transient),
        (answer(504, "Timeout"), Transient),
        (ConnectionResetError("reset"), Unreachable),
        (ValueError("no JSON"), Unreachable),
        (KeyError("a bug"), UnknownCloudError),
    ],
)
def test_every_answer_has_one_type(exc: BaseException, kind: type) -> None:
    assert type(map_error(exc, "get pods n/p")) is kind


def test_a_quota_of_the_namespace_is_a_quota() -> None:
    message = (
        'pods "web" is forbidden: exceeded quota: small, requested: limits.memory=1Gi, used: limits.memory=3Gi, '
        "limited: limits.memory=3Gi"
    )
    error = map_error(answer(403, "Forbidden", message), "create pods n")
    assert isinstance(error, QuotaExceeded)
    assert error.quota == "small"


def test_a_namespace_that_is_going_is_waited_for() -> None:
    cause = {
        "reason": "NamespaceTerminating",
        "message": "namespace n is being terminated",
        "field": "metadata.namespace",
    }
    assert isinstance(map_error(answer(403, "Forbidden", "x", [cause]), "patch configmaps n/a"), Transient)


def test_a_conflict_names_manager_and_field_and_an_invalid_request_its_causes() -> None:
    cause = {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "helm" using apps/v1',
        "field": '.spec.template.spec.containers[name="web"].image',
    }
    error = map_error(answer(409, "Conflict", "Apply failed", [cause]), "patch deployments.apps n/web")
    assert "spec.template.spec.containers[name=web].image is owned by helm" in error.summary
    cause = {"reason": "FieldValueInvalid", "message": "must not be negative", "field": "spec.replicas"}
    assert "spec.replicas: must not be negative" in map_error(answer(422, "Invalid", "x", [cause]), "p").detail


@pytest.mark.parametrize(
    ("value", "seconds"), [("3", 3.0), ("0.5", 0.5), ("Wed, 21 Oct 2026 07:28:00 GMT", None), (None, None)]
)
def test_retry_after_is_read_where_it_is_a_number(value: str | None, seconds: float | None) -> None:
    error = map_error(answer(429, "TooManyRequests", headers={"Retry-After": value} if value else {}), "get pods")
    assert isinstance(error, Throttled)
    assert error.retry_after_s == seconds
