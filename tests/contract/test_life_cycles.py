"""Every kind on every cloud, from birth to death: what is wanted is what is seen, and nothing is made twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from model.errors import DependencyInUse, NotBuiltYet, NotFound
from model.resources import (
    TAG_FLEET,
    TAG_KEY,
    TAG_NAME,
    UNKNOWN,
    Capacity,
    Cluster,
    FieldDiff,
    Instance,
    Kind,
    NodePool,
    Observed,
    State,
)
from orchestrator.compare import diff_resource
from orchestrator.registry import CLOUDS
from providers.base import OPTIONAL_FIELDS, CloudProvider

USER_DATA = "#cloud-config\nruncmd: []\n"


def differences(seen: Observed, wanted: Any) -> tuple[FieldDiff, ...]:
    """As a plan or a drift scan tells them; what the adapter says of write-only fields aside."""
    return diff_resource(seen, wanted, wanted)


def test_every_registered_cloud_is_tested(sites: Any) -> None:
    assert set(sites) == set(CLOUDS)


def test_an_adapter_keeps_the_protocol(site: Any) -> None:
    assert isinstance(site.provider, CloudProvider)
    assert site.provider.account == site.account
    verbs = {c.kind: c.verbs for c in site.provider.capabilities}
    for kind in (
        Kind.NETWORK,
        Kind.SUBNET,
        Kind.FIREWALL_GROUP,
        Kind.CLUSTER,
        Kind.NODE_POOL,
        Kind.INSTANCE,
    ):  # the others: test_more_kinds.py
        assert verbs[kind] >= {"list", "get", "create", "update", "delete", "changes"}
    assert Kind.KUBERNETES_OBJECT not in verbs


def test_an_optional_field_is_declared_exactly_where_it_can_be_set(site: Any) -> None:
    """Planning trusts the declaration; what is not declared is refused by the adapter as well, before it writes."""
    (declared,) = (c.fields for c in site.provider.capabilities if c.kind is Kind.CLUSTER)
    assert declared <= OPTIONAL_FIELDS[Kind.CLUSTER]
    assert ("public_access_cidrs" in declared) is site.cloud.access_lists
    if not site.cloud.access_lists:
        wanted, there = site.wish(Kind.CLUSTER, public_access_cidrs=("203.0.113.0/24",)), site.inventory()
        with pytest.raises(NotBuiltYet, match="public_access_cidrs"):
            site.provider.create(site.at(wanted), wanted, site.call("k"))
        assert site.new_since(there) == {}


def test_who_we_are(site: Any) -> None:
    identity = site.provider.identity(site.call())
    assert identity.account_id == site.account.account_id
    assert identity.principal


def test_from_birth_to_death(site: Any, kind: Kind) -> None:
    wanted = site.wish(kind)
    other = site.changed(wanted)
    at, provider, before = site.at(wanted), site.provider, site.inventory()
    with pytest.raises(NotFound) as missing:
        provider.get(at, site.call())
    assert missing.value.address == str(at)

    made = provider.create(at, wanted, site.call(f"k-{wanted.name}"))
    assert (made.address, made.owner) == (at, site.fleet)
    assert made.state in (State.PENDING, State.READY)
    ready = provider.wait_ready(at, site.call())
    assert (ready.state, ready.provider_id) == (State.READY, made.provider_id)
    seen = provider.get(at, site.call())
    assert (seen.address, seen.owner, seen.provider_id) == (at, site.fleet, made.provider_id)
    assert differences(seen, wanted) == ()
    (listed,) = [o for o in provider.list(kind, at.region, site.call(), fleet=site.fleet) if o.address == at]
    assert differences(listed, wanted) == ()
    assert listed.provider_id == made.provider_id

    assert max(site.new_since(before).values()) == 1

    assert (differences(seen, other) == ()) is (other == wanted)
    assert provider.needs_replace(seen.resource, other) == ()
    updated = provider.update(seen, other, site.call(f"u-{wanted.name}"))
    assert (updated.address, updated.provider_id) == (at, made.provider_id)
    ready = provider.wait_ready(at, site.call())
    assert differences(ready, other) == ()
    assert differences(provider.get(at, site.call()), other) == ()

    provider.delete(ready, site.call())
    provider.wait_gone(at, site.call())
    with pytest.raises(NotFound):
        provider.get(at, site.call())
    assert wanted.name not in site.names(kind)
    assert site.new_since(before) == {}
    provider.delete(ready, site.call())  # what is gone stays gone, and nobody minds
    provider.wait_gone(at, site.call())


def test_a_field_that_does_not_differ_is_not_written(site: Any, kind: Kind) -> None:
    wanted, seen = site.stands(kind)
    writes: list[int] = []
    again = site.provider.update(seen, wanted, site.call("u", guard=lambda: writes.append(1)))
    assert differences(again, wanted) == ()
    assert writes == []


def test_other_peoples_tags_stay(site: Any, kind: Kind) -> None:
    """Removing a tag from the wish is no order to take it away; ours are ours and not shown as the user's."""
    wanted = site.wish(kind)
    seen = site.make(wanted)
    assert not {TAG_FLEET, TAG_NAME, TAG_KEY} & set(seen.resource.tags)
    assert dict(seen.resource.tags) == dict(wanted.tags)
    if wanted.tags and (kind is not Kind.SUBNET or site.cloud.subnet_tags):
        site.provider.update(seen, replace(wanted, tags={"owner": "ops"}), site.call("u"))
        kept = site.provider.wait_ready(site.at(wanted), site.call()).resource.tags
        assert dict(kept) == {**wanted.tags, "owner": "ops"}


# -- once, whatever happens --------------------------------------------------------------------------------------------


def test_the_same_key_twice_is_one_resource(site: Any, kind: Kind) -> None:
    """At once, after it is ready, from another process, and under another key."""
    wanted = site.wish(kind)
    there = site.inventory()
    at, key = site.at(wanted), f"k-{wanted.name}"
    first = site.provider.create(at, wanted, site.call(key))
    assert site.provider.create(at, wanted, site.call(key)).provider_id == first.provider_id
    site.provider.wait_ready(at, site.call())
    other = site.open()
    assert other.create(at, wanted, site.call(key)).provider_id == first.provider_id
    assert other.create(at, wanted, site.call("another")).provider_id == first.provider_id
    assert max(site.new_since(there).values()) == 1


def test_a_lost_answer_makes_nothing_twice(site: Any, kind: Kind) -> None:
    wanted = site.wish(kind)
    there = site.inventory()
    at, key, before = site.at(wanted), f"k-{wanted.name}", site.fired()
    site.fault(site.cloud.creates[kind], drop_answer=True)
    made = site.provider.create(at, wanted, site.call(key))
    assert site.fired() == before + 1
    assert site.open().create(at, wanted, site.call(key)).provider_id == made.provider_id
    ready = site.provider.wait_ready(at, site.call())
    assert ready.provider_id == made.provider_id
    assert differences(ready, wanted) == ()
    assert max(site.new_since(there).values()) == 1


@pytest.mark.parametrize("kind", [Kind.NETWORK, Kind.CLUSTER, Kind.INSTANCE])
def test_a_process_that_died_without_an_answer_is_taken_up_by_another(site: Any, kind: Kind) -> None:
    """The request was carried out, the answer lost, and the first process does not try again."""
    from model.errors import Interrupted, Unreachable

    wanted = site.wish(kind)
    there = site.inventory()
    at, key, before = site.at(wanted), f"k-{wanted.name}", site.fired()
    site.fault(site.cloud.creates[kind], drop_answer=True)
    died = site.call(key, cancelled=lambda: site.fired() > before)
    with pytest.raises((Interrupted, Unreachable)):
        site.provider.create(at, wanted, died)
    other = site.open()
    made = other.create(at, wanted, site.call(key))
    assert other.wait_ready(at, site.call()).provider_id == made.provider_id
    assert max(site.new_since(there).values()) == 1


def test_the_same_key_after_it_was_destroyed_makes_a_new_one(site: Any) -> None:
    """Destroyed and deployed again: a cloud that remembers the key must not give us the dead one back."""
    wanted = site.wish(Kind.INSTANCE)
    there = site.inventory()
    at = site.at(wanted)
    first = site.make(wanted)
    site.provider.delete(first, site.call())
    site.provider.wait_gone(at, site.call())
    second = site.make(wanted)
    assert second.state is State.READY
    assert max(site.new_since(there).values()) == 1


def test_many_threads_share_one_adapter(site: Any) -> None:
    wishes = [site.wish(Kind.FIREWALL_GROUP) for _ in range(6)]

    def make(wanted: Any) -> str:
        return str(site.make(wanted).provider_id)

    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(make, wishes))
    assert len(set(ids)) == len(wishes)
    assert {w.name for w in wishes} <= set(site.names(Kind.FIREWALL_GROUP))


# -- what cannot be ----------------------------------------------------------------------------------------------------


def test_a_network_that_is_used_does_not_go(site: Any) -> None:
    there, network = site.inventory(), site.wish(Kind.NETWORK, cidr="10.40.0.0/16")
    seen = site.make(network)
    inside = site.make(site.wish(Kind.SUBNET, network=network.name))
    with pytest.raises(DependencyInUse) as refused:
        site.provider.delete(seen, site.call(timeout_s=5.0))
    assert refused.value.retryable
    assert site.provider.get(inside.address, site.call()).state is State.READY
    for observed in (inside, seen):
        site.provider.delete(observed, site.call())
        site.provider.wait_gone(observed.address, site.call())
    assert site.new_since(there) == {}


UNCHANGEABLE: list[tuple[Kind, Callable[[Any, Any], dict[str, Any]]]] = [
    (Kind.SUBNET, lambda _site, _w: {"network": "other"}),
    (Kind.SUBNET, lambda _site, _w: {"cidr": "10.40.240.0/24"}),
    (Kind.CLUSTER, lambda _site, _w: {"network": "other"}),
    (Kind.CLUSTER, lambda _site, _w: {"version": "1.33"}),
    (Kind.NODE_POOL, lambda _site, _w: {"cluster": "other"}),
    (Kind.NODE_POOL, lambda _site, _w: {"instance_type": "other"}),
    (Kind.NODE_POOL, lambda site, _w: {"zone": site.cloud.zones[1]}),
    (Kind.NODE_POOL, lambda site, _w: {"subnet": site.subnets()[1]}),
    (Kind.NODE_POOL, lambda _site, _w: {"capacity": Capacity.SPOT}),
    (Kind.INSTANCE, lambda site, _w: {"zone": site.cloud.zones[1]}),
    (Kind.INSTANCE, lambda site, _w: {"subnet": site.subnets()[1]}),
    (Kind.INSTANCE, lambda _site, _w: {"disk_gib": 60}),
    (Kind.INSTANCE, lambda _site, _w: {"public_ip": True}),
]


@pytest.mark.parametrize(("fixed", "change"), UNCHANGEABLE)
def test_what_cannot_change_in_place_is_named(
    site: Any, fixed: Kind, change: Callable[[Any, Any], dict[str, Any]]
) -> None:
    wanted = site.wish(fixed)
    changes = change(site, wanted)
    assert site.provider.needs_replace(wanted, replace(wanted, **changes)) == (*changes,)


@pytest.mark.parametrize("change", [{"user_data": USER_DATA}, {"machine_image": "debian-13"}], ids=str)
def test_what_a_machine_was_made_from_is_remembered(site: Any, change: dict[str, str]) -> None:
    """No cloud gives these back as they were wanted; a plan compares what is seen, and must notice all the same."""
    wanted, seen = site.stands(Kind.INSTANCE)
    for before in (wanted, seen.resource, site.open().get(seen.address, site.call()).resource):
        assert site.provider.needs_replace(before, replace(wanted, **change)) == (*change,)


def test_nothing_needs_replacing_where_nothing_differs(site: Any, kind: Kind) -> None:
    """Also against what the cloud tells: what it does not give back is no reason to replace anything."""
    wanted, seen = site.stands(kind)
    assert site.provider.needs_replace(wanted, wanted) == ()
    assert site.provider.needs_replace(seen.resource, wanted) == ()


def test_waiting_for_what_is_not_there(site: Any, kind: Kind) -> None:
    missing = site.at(site.wish(kind))
    site.provider.wait_gone(missing, site.call())
    assert site.provider.changes(missing, 0.0, site.call()) == ()


def test_what_never_appears_is_not_waited_for_until_the_deadline(site: Any) -> None:
    with pytest.raises(NotFound):
        site.provider.wait_ready(site.at(site.wish(Kind.NETWORK)), site.call(timeout_s=60.0))


# -- what is behind it -------------------------------------------------------------------------------------------------


def test_a_cluster_answers_and_shows_its_nodes(site: Any) -> None:
    """With a token where the cloud gives tokens; the pool's one node is in its zone and bears our labels."""
    _, pool = site.stands(Kind.NODE_POOL)
    assert isinstance(pool.resource, NodePool)
    cluster = site.provider.get(site.stands(Kind.CLUSTER)[1].address, site.call())
    assert isinstance(cluster.resource, Cluster)
    nodes = site.nodes(cluster)
    labelled = [n["metadata"]["labels"] for n in nodes if n["metadata"]["labels"].get("duoyun.dev/site") == "here"]
    assert labelled
    assert {row["topology.kubernetes.io/zone"] for row in labelled} == {site.cloud.zones[0]}


def test_an_instance_runs_what_it_was_told_to(site: Any) -> None:
    _, seen = site.stands(Kind.INSTANCE)
    assert isinstance(seen.resource, Instance)
    assert seen.resource.disk_encrypted is not UNKNOWN
    assert site.http_status(f"http://{seen.private_ip}:8080/") == 200
