"""Other people and other fleets in the same account: seen where asked for, never taken, never touched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from model.errors import AlreadyExists, Conflict, NotFound
from model.resources import FirewallGroup, Kind, State
from orchestrator.compare import diff_resource


@pytest.fixture(scope="session")
def _neighbours() -> dict[str, Any]:
    return {}


@pytest.fixture
def neighbour(site: Any, _neighbours: dict[str, Any]) -> Iterator[Any]:
    """Another fleet in the same account and region, with names of ours."""
    if site.cloud.name not in _neighbours:
        made = replace(site, fleet="neighbour", numbers=count(1), standing={}, zoned=0, wished=set())
        made.base(Kind.NETWORK)
        _neighbours[site.cloud.name] = made
    yield _neighbours[site.cloud.name]


# -- strangers ---------------------------------------------------------------------------------------------------------


def test_what_is_nobodys_is_listed_and_not_as_ours(site: Any) -> None:
    name = f"theirs-{next(site.numbers)}"
    site.cloud.stranger.network(site.account, site.cloud.region, name)
    site.provider.wait_ready(replace(site.stands(Kind.NETWORK)[1].address, name=name), site.call())
    everything = {o.address.name: o for o in site.provider.list(Kind.NETWORK, site.cloud.region, site.call())}
    assert everything[name].owner == ""
    assert everything[name].state is State.READY
    assert everything[name].resource.cidr == "10.77.0.0/16"
    assert name not in site.names(Kind.NETWORK)
    assert set(site.names(Kind.NETWORK)) <= set(everything)
    named = site.provider.get(everything[name].address, site.call())
    assert (named.provider_id, named.owner) == (everything[name].provider_id, "")


def test_who_opened_a_port_behind_our_back(site: Any) -> None:
    wanted = site.wish(Kind.FIREWALL_GROUP)
    seen = site.make(wanted)
    since = time.time() - 2
    site.cloud.stranger.open_port(site.account, site.cloud.region, seen.provider_id, 22)
    now = site.provider.get(seen.address, site.call())
    (difference,) = diff_resource(now, wanted, wanted)
    assert difference.before == "ingress allow tcp 22 from 0.0.0.0/0"
    assert difference.after is None
    found = site.provider.changes(seen.address, since, site.call())
    assert found
    assert site.cloud.stranger.actor(site.account) in found[0].actor
    assert found[0].operation
    assert {c.address for c in found} == {seen.address}
    assert [c.at_s for c in found] == sorted((c.at_s for c in found), reverse=True)
    assert all(c.at_s >= since - 1 for c in found)
    assert site.provider.changes(seen.address, time.time() + 3600, site.call()) == ()
    mended = site.provider.update(now, wanted, site.call("mend"))
    assert diff_resource(mended, wanted, wanted) == ()


# -- another fleet -----------------------------------------------------------------------------------------------------


def test_another_fleets_resource_of_our_name_is_not_ours(site: Any, neighbour: Any, kind: Kind) -> None:
    """Not returned, not waited for, not listed; creating ours beside it works or is refused, and it stays as it is."""
    theirs_wanted = neighbour.wish(kind)
    theirs = neighbour.make(replace(theirs_wanted, name=f"same-{theirs_wanted.name}-{next(site.numbers)}"))
    at = theirs.address
    assert theirs.owner == neighbour.fleet
    with pytest.raises(NotFound):
        site.provider.get(at, site.call())
    site.provider.wait_gone(at, site.call(timeout_s=5.0))
    assert site.provider.changes(at, 0.0, site.call()) == ()
    assert at.name not in site.names(kind)
    assert at.name in neighbour.names(kind)
    ours = replace(site.wish(kind), name=at.name)
    try:
        made = site.provider.create(at, ours, site.call("k-same"))
    except (AlreadyExists, Conflict) as refused:
        assert refused.address == str(at)
        assert refused.mend
    else:
        assert (made.owner, made.address) == (site.fleet, at)
        assert made.provider_id != theirs.provider_id
        ready = site.provider.wait_ready(at, site.call())
        assert ready.provider_id == made.provider_id
        site.provider.delete(ready, site.call())
        site.provider.wait_gone(at, site.call())
    still = neighbour.provider.get(at, neighbour.call())
    assert (still.resource, still.provider_id, still.owner) == (theirs.resource, theirs.provider_id, neighbour.fleet)


def test_references_are_within_the_fleet(site: Any, neighbour: Any) -> None:
    """A subnet's network is ours, also where the neighbour has one of that name."""
    shared = f"shared-{next(site.numbers)}"
    ours, theirs = (s.make(replace(s.wish(Kind.NETWORK), name=shared)) for s in (site, neighbour))
    assert ours.provider_id != theirs.provider_id
    group = FirewallGroup(name=f"in-{shared}", network=shared)
    made = site.make(group)
    assert diff_resource(made, group, group) == ()
    site.provider.delete(made, site.call())
    site.provider.wait_gone(made.address, site.call())
    for where, network in ((site, ours), (neighbour, theirs)):
        where.provider.delete(network, where.call())
        where.provider.wait_gone(network.address, where.call())
