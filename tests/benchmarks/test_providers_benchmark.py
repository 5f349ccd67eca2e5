"""Tiny runs of the provider layer's benchmark on the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.providers import peak_mib
from benchmarks.providing import listing, overhead, storm
from benchmarks.providing.worlds import Local
from sandbox.threaded import shared


@pytest.fixture(scope="module")
def world() -> Iterator[Local]:
    with shared() as running, Local(running).counting() as counted:
        yield counted


def test_a_tiny_listing_sees_every_copy_with_hardly_more_requests_than_must_be(world: Local) -> None:
    found = listing.run(world, total=30)
    assert found["resources"] == 3 * (6 + 4 + 1)
    assert 0 < found["api_calls"] <= found["api_calls_fewest"] + 4
    assert found["resources_per_s"] > 0
    assert 10 < peak_mib() < 10_000


def test_a_tiny_storm_makes_each_disk_once(world: Local) -> None:
    found = storm.run(world, creates=9, rate=0.3)
    assert (found["succeeded"], found["doubles"], found["missing"]) == (9, 0, 0)
    assert sum(found["requests"].values()) >= 9 * 2
    assert storm.run(world, creates=9, rate=0.0)["requests"] != {}  # the storm is over, and what is there stays once


def test_bare_and_ours_send_the_same(world: Local) -> None:
    found = overhead.run(world, rows=2, rounds=1, calls=1)
    assert {cloud: row["requests"] for cloud, row in found.items()} == {"aws": 2, "azure": 1, "alibaba": 1}
    assert all(row["bare_cpu_ms"] > 0 and row["ours_cpu_ms"] > 0 for row in found.values())
