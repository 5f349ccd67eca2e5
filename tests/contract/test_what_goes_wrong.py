"""What clouds refuse and how networks fail: the same errors everywhere, with the place, the mend, and no secret."""

from __future__ import annotations

import pickle
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from model.errors import (
    CloudError,
    Forbidden,
    Interrupted,
    InvalidRequest,
    LeaseLost,
    NotFound,
    QuotaExceeded,
    Throttled,
    Transient,
    Unauthenticated,
    Unreachable,
)
from model.resources import Kind

WRONG = "this-is-not-the-secret-5f1c"


def attributed(site: Any, error: CloudError) -> None:
    """Every error of a cloud says where, and what was tried."""
    call = error.call
    assert (call.cloud, call.account, call.region) == (site.cloud.name, site.account.name, site.cloud.region)
    assert call.operation


def texts(thing: Any) -> Iterator[str]:
    """All that anybody could print of something that was returned or raised."""
    yield from (repr(thing), str(thing))
    if isinstance(thing, CloudError):
        yield from (str(thing.to_dict()), str(thing.args), thing.detail, thing.mend, repr(thing.call))
        yield repr(pickle.loads(pickle.dumps(thing)).__dict__)
    if isinstance(thing, BaseException):
        for behind in (thing.__cause__, thing.__context__):
            if behind is not None:
                yield from (repr(behind), str(behind))


def no_secret(site: Any, *things: Any) -> None:
    row = site.running.account(site.cloud.partition)
    for thing in things:
        for text in texts(thing):
            for secret in (row["secret"], row["reader_secret"], WRONG):
                assert secret not in text


# -- it passes by itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.NETWORK, Kind.CLUSTER, Kind.INSTANCE])
def test_throttling_and_stumbling_are_waited_out(site: Any, kind: Kind) -> None:
    wanted, before = site.wish(kind), site.fired()
    for status, code in (site.cloud.throttled, site.cloud.stumbles):
        site.fault(site.cloud.creates[kind], status=status, code=code)
    there = site.inventory()
    site.provider.create(site.at(wanted), wanted, site.call(f"k-{wanted.name}"))
    assert site.fired() == before + 2
    assert max(site.new_since(there).values()) == 1
    assert len(site.progress) >= 2


def test_throttling_without_end_ends_at_the_deadline(site: Any) -> None:
    status, code = site.cloud.throttled
    site.fault("*", status=status, code=code, count=-1)
    began = time.monotonic()
    with pytest.raises((Throttled, Unreachable)) as caught:
        list(site.provider.list(Kind.NETWORK, site.cloud.region, site.call(timeout_s=1.0)))
    assert time.monotonic() - began < 2.0
    assert caught.value.retryable


def test_a_cloud_that_only_stumbles_is_told(site: Any) -> None:
    status, code = site.cloud.stumbles
    site.fault("*", status=status, code=code, count=-1)
    with pytest.raises((Transient, Unreachable)) as caught:
        list(site.provider.list(Kind.NETWORK, site.cloud.region, site.call(timeout_s=1.0)))
    assert caught.value.retryable


# -- it does not -------------------------------------------------------------------------------------------------------


def test_a_quota_is_named_with_its_mend(site: Any) -> None:
    wanted, before = site.wish(Kind.INSTANCE), site.fired()
    there = site.inventory()
    status, code = site.cloud.quota
    site.fault(site.cloud.creates[Kind.INSTANCE], status=status, code=code, message="no more of these", count=-1)
    with pytest.raises(QuotaExceeded) as caught:
        site.provider.create(site.at(wanted), wanted, site.call(f"k-{wanted.name}"))
    assert site.fired() == before + 1
    assert caught.value.mend
    assert caught.value.call.code == code
    assert caught.value.call.request_id
    attributed(site, caught.value)
    no_secret(site, caught.value)
    site.running.sandbox.faults.clear()
    site.provider.create(
        site.at(wanted), wanted, site.call(f"k-{wanted.name}")
    )  # what it left does not stand in the way
    site.provider.wait_ready(site.at(wanted), site.call())
    assert max(site.new_since(there).values()) == 1


def test_what_is_not_there_is_said_with_its_place(site: Any, kind: Kind) -> None:
    at = site.at(site.wish(kind))
    with pytest.raises(NotFound) as caught:
        site.provider.get(at, site.call())
    assert caught.value.address == str(at)
    call = caught.value.call
    assert (call.cloud, call.account, call.region) == (site.cloud.name, site.account.name, site.cloud.region)


REFERENCES = [
    (Kind.SUBNET, "network"),
    (Kind.FIREWALL_GROUP, "network"),
    (Kind.CLUSTER, "network"),
    (Kind.CLUSTER, "subnets"),
    (Kind.CLUSTER, "firewall_group"),
    (Kind.NODE_POOL, "cluster"),
    (Kind.NODE_POOL, "subnet"),
    (Kind.INSTANCE, "subnet"),
    (Kind.INSTANCE, "firewall_group"),
]


@pytest.mark.parametrize(("referring", "by"), REFERENCES)
def test_what_it_refers_to_and_is_not_there_is_a_mistake_of_the_request(site: Any, referring: Kind, by: str) -> None:
    """Not NotFound, which speaks of the resource itself; and nothing is half made."""
    wanted = site.wish(referring)
    lost: Any = (*wanted.subnets[1:], "nowhere") if by == "subnets" else "nowhere"
    wanted = replace(wanted, **{by: lost})
    there = site.inventory()
    with pytest.raises(InvalidRequest) as caught:
        site.provider.create(site.at(wanted), wanted, site.call("k"))
    assert "nowhere" in str(caught.value)
    assert caught.value.mend
    assert caught.value.address == str(site.at(wanted))
    attributed(site, caught.value)
    assert site.new_since(there) == {}


def test_a_reader_reads_all_and_writes_nothing(site: Any, kind: Kind) -> None:
    wanted, seen = site.stands(kind)
    reader = site.open(reader=True)
    assert reader.get(seen.address, site.call()).resource == site.provider.get(seen.address, site.call()).resource
    assert wanted.name in site.names(kind, reader)
    assert reader.identity(site.call()).account_id == site.account.account_id
    other, changed = site.wish(kind), site.changed(wanted)
    there = site.inventory()
    attempts: list[Callable[[], Any]] = [
        lambda: reader.create(site.at(other), other, site.call("k")),
        lambda: reader.delete(seen, site.call()),
    ]
    if changed != wanted:
        attempts.append(lambda: reader.update(seen, changed, site.call("u")))
    if kind is Kind.NETWORK:  # it is in use, which a cloud may say first
        attempts.pop(1)
    for attempt in attempts:
        with pytest.raises(Forbidden) as caught:
            attempt()
        attributed(site, caught.value)
        assert caught.value.mend
        no_secret(site, caught.value)
    assert site.new_since(there) == {}
    assert site.provider.get(seen.address, site.call()).resource == seen.resource


def test_a_wrong_secret_is_nobody(site: Any, kind: Kind) -> None:
    wrong = site.open(secrets={"key_id": site.account.secrets["key_id"], "secret": WRONG})
    wanted, region = site.wish(kind), site.cloud.region
    for attempt in (
        lambda: list(wrong.list(kind, region, site.call(), fleet=site.fleet)),
        lambda: wrong.get(site.at(wanted), site.call()),
        lambda: wrong.create(site.at(wanted), wanted, site.call("k")),
        lambda: wrong.wait_gone(site.at(wanted), site.call()),
    ):
        with pytest.raises(Unauthenticated) as caught:
            attempt()
        attributed(site, caught.value)
        assert caught.value.mend
        no_secret(site, caught.value, wrong, wrong.account)


@pytest.fixture(scope="module")
def silent_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_silence_is_not_emptiness(site: Any, kind: Kind, silent_port: int) -> None:
    """What cannot be reached is unknown: never an empty list, never NotFound, never gone."""
    away = site.open(endpoint=f"http://127.0.0.1:{silent_port}")
    wanted, region = site.wish(kind), site.cloud.region
    for attempt in (
        lambda: list(away.list(kind, region, site.call(timeout_s=0.3), fleet=site.fleet)),
        lambda: away.get(site.at(wanted), site.call(timeout_s=0.3)),
        lambda: away.wait_gone(site.at(wanted), site.call(timeout_s=0.3)),
    ):
        with pytest.raises(Unreachable) as caught:
            attempt()
        no_secret(site, caught.value)
    attributed(site, caught.value)


# -- stopped on our side -----------------------------------------------------------------------------------------------


def test_a_lost_lease_writes_nothing(site: Any, kind: Kind) -> None:
    wanted, seen = site.stands(kind)
    other, changed = site.wish(kind), site.changed(wanted)

    def lost() -> None:
        raise LeaseLost("the lease is somebody else's")

    there = site.inventory()
    attempts = [lambda: site.provider.create(site.at(other), other, site.call("k", guard=lost))]
    if changed != wanted:
        attempts.append(lambda: site.provider.update(seen, changed, site.call("u", guard=lost)))
    if kind is not Kind.NETWORK:  # it is in use: refused before anything would be written
        attempts.append(lambda: site.provider.delete(seen, site.call(guard=lost)))
    for attempt in attempts:
        with pytest.raises(LeaseLost):
            attempt()
    assert site.new_since(there) == {}
    assert site.provider.get(seen.address, site.call()).resource == seen.resource


def test_the_guard_is_asked_again_before_a_repetition(site: Any) -> None:
    """The lease may have gone while we waited out a throttling."""
    wanted, asked = site.wish(Kind.SUBNET), []
    status, code = site.cloud.throttled
    site.fault(site.cloud.creates[Kind.SUBNET], status=status, code=code)

    def guard() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise LeaseLost("the lease ran out")

    there = site.inventory()
    with pytest.raises(LeaseLost):
        site.provider.create(site.at(wanted), wanted, site.call("k", guard=guard))
    assert len(asked) == 2
    assert site.new_since(there) == {}


def test_a_cancelled_call_is_interrupted(site: Any, kind: Kind) -> None:
    _, seen = site.stands(kind)
    other = site.wish(kind)
    there = site.inventory()
    for attempt in (
        lambda: site.provider.create(site.at(other), other, site.call("k", cancelled=lambda: True)),
        lambda: site.provider.get(seen.address, site.call(cancelled=lambda: True)),
        lambda: list(site.provider.list(kind, site.cloud.region, site.call(cancelled=lambda: True))),
        lambda: site.provider.wait_ready(seen.address, site.call(cancelled=lambda: True)),
    ):
        with pytest.raises(Interrupted):
            attempt()
    assert site.new_since(there) == {}


def test_a_wait_is_cut_short(site: Any) -> None:
    """Cancelled while the cloud is still at work."""
    wanted = site.wish(Kind.CLUSTER)
    site.provider.create(site.at(wanted), wanted, site.call(f"k-{wanted.name}"))
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(Interrupted):
        site.provider.wait_ready(site.at(wanted), site.call(cancelled=cancelled))


def test_no_request_outlasts_the_deadline(site: Any) -> None:
    site.fault("*", delay_s=3.0, count=1)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        list(site.provider.list(Kind.NETWORK, site.cloud.region, site.call(timeout_s=0.5)))
    assert time.monotonic() - began < 2.0


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_nothing_that_is_returned_shows_a_secret(site: Any, kind: Kind) -> None:
    _, seen = site.stands(kind)
    provider = site.provider
    no_secret(site, provider, provider.account, provider.capabilities, provider.identity(site.call()), seen, seen.raw)
    no_secret(site, list(provider.list(kind, site.cloud.region, site.call())))
    no_secret(site, provider.changes(seen.address, 0.0, site.call()))
    if kind is Kind.CLUSTER:
        access = provider.cluster_access(seen, site.call())
        assert access.token is not None
        token = access.token()
        assert token not in repr(access)
        assert all(token not in text for text in texts(seen))
