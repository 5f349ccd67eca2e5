"""The fault table as the clouds' own SDKs meet it, over real HTTP, and as our adapters' tables read it."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from model import errors
from providers.base import Call
from providers.calls import Calls

MEANS: dict[str, type[errors.CloudError] | tuple[type[errors.CloudError], ...]] = {
    "throttled": errors.Throttled,
    "quota": errors.QuotaExceeded,
    "capacity": errors.CapacityUnavailable,
    "unavailable": errors.Transient,
    "internal": errors.Transient,
    "forbidden": errors.Forbidden,
    "not_found": errors.NotFound,
    "conflict": (errors.Conflict, errors.DependencyInUse, errors.Transient, errors.AlreadyExists),
}


def refusal(service: Any, name: str) -> tuple[int, errors.CloudError]:
    """(status, our error) of a create that is refused."""
    with pytest.raises(Exception) as caught:
        service.create(name)
    return service.status_of(caught.value), service.mapper(caught.value, service.writes)


@pytest.mark.parametrize("error", MEANS)
def test_an_error_comes_in_the_clouds_own_words_and_is_understood(service: Any, error: str, name: str) -> None:
    if (service.name, error) in (("kubernetes", "capacity"), ("kubernetes", "quota")):
        pytest.skip("a cluster's API has no such word of its own")
    service.fault(service.writes, error=error)
    _status, ours = refusal(service, name)
    assert isinstance(ours, MEANS[error]), ours
    assert name not in service.names()


@pytest.mark.parametrize(
    ("cloud", "status", "code"),
    [
        ("aws", 503, "RequestLimitExceeded"),
        ("azure", 429, "TooManyRequests"),
        ("alibaba", 400, "Throttling.User"),
        ("kubernetes", 429, "TooManyRequests"),
    ],
)
def test_throttling_has_the_clouds_status_and_code(
    services: dict[str, Any], cloud: str, status: int, code: str, name: str
) -> None:
    service = services[cloud]
    service.running.sandbox.faults.clear()
    service.fault(service.writes, error="throttled")
    found, ours = refusal(service, name)
    assert found == status
    assert isinstance(ours, errors.Throttled)
    assert code in repr(ours.__dict__) + str(ours)


def test_retry_after_is_waited_for(service: Any, name: str) -> None:
    if service.name == "alibaba":
        pytest.skip("its SDK hands no headers to its caller: our adapter backs off by itself")
    service.fault(service.writes, error="throttled", retry_after_s=1.0, count=1)
    calls = Calls(service.mapper, base_s=0.001, cap_s=0.002)
    began_s = time.monotonic()
    calls.run(service.writes, lambda: service.create(name), Call(deadline_s=began_s + 30), write=True)
    assert time.monotonic() - began_s >= 1.0
    assert service.names().count(name) == 1


def test_a_dropped_answer_and_a_second_try_make_one_resource(service: Any, name: str) -> None:
    service.fault(service.writes, drop_answer=True, match="" if service.name == "kubernetes" else name)
    with pytest.raises(Exception) as caught:
        service.create(name)
    assert isinstance(service.mapper(caught.value, service.writes), errors.Unreachable)
    assert service.names().count(name) == 1  # it was executed
    with contextlib.suppress(*(() if service.name != "kubernetes" else (Exception,))):
        service.create(name)  # the same token, name or body; a cluster says that it exists already
    assert service.names().count(name) == 1


def test_a_write_that_arrives_twice_makes_one_resource(service: Any, name: str) -> None:
    if service.name == "kubernetes":
        with pytest.raises(ValueError, match="twice"):
            service.fault(service.writes, duplicate=True)
        return
    service.fault(service.writes, duplicate=True)
    service.create(name)
    assert service.names().count(name) == 1
    assert service.log()[-1]["effect"] == "executed twice"


def test_a_stale_read_shows_the_state_before_the_write_and_then_no_more(service: Any, name: str) -> None:
    stale = service.fault(service.reads, stale_s=60, count=2)
    before = service.names()
    service.create(name)
    fired = len(service.log())
    assert service.names() == before
    assert service.names() == before
    assert name in service.names()  # twice was all
    effects = [row["effect"] for row in service.log()[fired:]]
    assert effects == ["stale answer, at most 60 s behind"] * 2
    assert all(row["fault"] == stale for row in service.log()[fired:])


def test_a_read_is_no_longer_stale_once_its_seconds_are_over(service: Any, name: str) -> None:
    service.fault(service.reads, stale_s=0.2, count=-1)
    service.names()
    service.create(name)
    time.sleep(0.25)
    assert name in service.names()


def test_one_field_of_an_answer_is_corrupted(service: Any, name: str) -> None:
    field = {"aws": "value", "azure": "name", "alibaba": "VpcName", "kubernetes": "metadata.name"}[service.name]
    service.create(name)
    service.fault(service.reads, corrupt=f"{field}=gibberish")
    assert "gibberish" in service.names()
    assert "gibberish" not in service.names()


def test_a_service_that_has_gone_refuses_everybody_and_comes_back(service: Any) -> None:
    service.fault(service.reads, disappear_s=0.6)
    began_s = time.monotonic()
    failed = []
    while time.monotonic() - began_s < 20:
        try:
            service.names()
            break
        except Exception as exc:
            failed.append(service.mapper(exc, service.reads))
            time.sleep(0.02)
    assert failed
    assert all(isinstance(error, errors.Unreachable) for error in failed), failed
    assert time.monotonic() - began_s >= 0.5
