"""What providers.fake has beside the contract: time that only waits move, and runs that repeat by their seed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from model.errors import Unauthenticated
from model.resources import Address, Cluster, Kind, Network, State, Subnet
from providers.base import Account, Call
from providers.fake import FakeCloud
from providers.fake.cloud import MEDIAN_S

REGION = "nowhere-1"


def open_(cloud: FakeCloud, **secrets: str) -> Any:
    pair = {"key_id": "fake", "secret": "fake-secret", **secrets}
    return cloud.open(Account("fake", "fake", "fake", "1", secrets=pair))


def at(kind: Kind, name: str) -> Address:
    return Address("fake", "1", REGION, kind, name)


def built(seed: int) -> FakeCloud:
    """A network, a subnet and a cluster, waited for."""
    cloud = FakeCloud(seed)
    provider, call = open_(cloud), Call(fleet="f", key="k")
    for wanted in (
        Network(name="n", cidr="10.0.0.0/16"),
        Subnet(name="s", network="n", cidr="10.0.0.0/24"),
        Cluster(name="c", version="1.35", network="n", subnets=("s",)),
    ):
        made = provider.create(at(wanted.KIND, wanted.name), wanted, call)
        assert made.state is State.PENDING
        assert provider.wait_ready(made.address, call).state is State.READY
    return cloud


def test_minutes_pass_in_no_time() -> None:
    began_s = time.monotonic()
    cloud = built(1)
    assert MEDIAN_S[Kind.CLUSTER] / 3 < cloud.now_s < MEDIAN_S[Kind.CLUSTER] * 3
    assert time.monotonic() - began_s < cloud.now_s / 20


def test_a_run_repeats_by_its_seed() -> None:
    assert built(1).now_s == built(1).now_s
    assert built(1).now_s != built(2).now_s
    assert [r.id for r in built(1).rows()] == [r.id for r in built(1).rows()]


def test_without_a_wait_nothing_becomes_ready() -> None:
    cloud = FakeCloud()
    provider, call = open_(cloud), Call(fleet="f")
    network = at(Kind.NETWORK, "n")
    provider.create(network, Network(name="n", cidr="10.0.0.0/16"), call)
    assert provider.get(network, call).state is State.PENDING
    cloud.pass_s(3600)
    assert provider.get(network, call).state is State.READY


def test_a_key_that_is_none_is_nobody() -> None:
    with pytest.raises(Unauthenticated):
        open_(FakeCloud(), secret="wrong").identity(Call())
