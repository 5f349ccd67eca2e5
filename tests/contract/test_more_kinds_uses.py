"""What instance groups, load balancers, DNS records and registries are for; and what is only read.

Written once against the protocol; further.py says which clouds run it.
"""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest

from model.errors import (
    InvalidRequest,
    NotBuiltYet,
    NotFound,
    Unreachable,
)
from model.plan import Action, Op
from model.resources import DnsRecord, Kind, TrafficWeight
from orchestrator.abilities import lacking
from tests.contract.further import Here, cases, differences, only, read
from tools.conformance.more import MADE, READ, listener

# -- what a kind is for ------------------------------------------------------------------------------------------------


@only(Kind.DNS_RECORD)
def test_weights_share_a_name_where_they_are_declared(here: Here, kind: Kind) -> None:
    site = here.site
    (fields,) = (c.fields for c in site.provider.capabilities if c.kind is kind)
    shares = (TrafficWeight(value="192.0.2.1", weight=9), TrafficWeight(value="192.0.2.2", weight=1))
    wanted = here.wish(kind, answers=shares)
    assert isinstance(wanted, DnsRecord)
    assert wanted.weighted
    if "weights" not in fields:
        with pytest.raises((InvalidRequest, NotBuiltYet)):
            site.provider.create(site.at(wanted), wanted, site.call("k"))
        return
    before = site.inventory()
    seen = site.make(wanted)
    assert differences(seen, wanted) == ()
    shifted = replace(wanted, answers=(replace(shares[0], weight=0), replace(shares[1], weight=255)))
    site.provider.update(seen, shifted, site.call("u"))
    assert differences(site.provider.get(seen.address, site.call()), shifted) == ()
    alone = replace(wanted, answers=shares[1:])
    site.provider.update(site.provider.get(seen.address, site.call()), alone, site.call("u2"))
    seen = site.provider.get(seen.address, site.call())
    assert differences(seen, alone) == ()
    here.gone(seen)
    assert site.new_since(before) == {}


@only(Kind.LOAD_BALANCER)
def test_a_load_balancer_answers_somewhere(here: Here, kind: Kind) -> None:
    wanted, seen = here.stands(kind)
    assert seen.endpoints
    assert [line.port for line in seen.resource.listeners] == [line.port for line in wanted.listeners]
    more = replace(wanted, listeners=(*wanted.listeners, listener(9443, 9443)))
    assert {d.path for d in differences(seen, more)} == {"listeners"}


@only(Kind.INSTANCE_GROUP)
def test_a_group_has_its_machines(here: Here, kind: Kind) -> None:
    """They are the group's, not ours one by one: no wish of a single instance may be met by one of them."""
    site = here.site
    wanted, seen = here.stands(kind)
    assert seen.resource.size == wanted.size
    assert len(seen.raw["members"]) == wanted.size
    machines = [
        o.address.name for o in site.provider.list(Kind.INSTANCE, site.cloud.region, site.call(), fleet=site.fleet)
    ]
    assert wanted.name not in machines


@only(Kind.REGISTRY)
def test_a_registry_says_where_and_who(here: Here, kind: Kind) -> None:
    wanted, seen = here.stands(kind)
    assert wanted.name in seen.resource.url
    assert seen.resource.pull_identity


# -- what is only read -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def strangers() -> dict[tuple[str, Kind], dict[str, Any]]:
    """What a stranger made, once: the fields that must be seen."""
    return {}


@read
def test_a_strangers_is_seen_as_it_is(here: Here, kind: Kind, strangers: Any) -> None:
    site, name = here.site, f"theirs-{kind.replace('_', '-')}"
    expected = dict(here.more.strangers[kind](site.account, site.cloud.region, name))
    shown = expected.pop("name", name)
    rows = [o for o in site.provider.list(kind, site.cloud.region, site.call()) if o.resource.name == shown]
    assert len(rows) == 1, rows
    (seen,) = rows
    assert (seen.owner, seen.address.kind, seen.address.region) == ("", kind, site.cloud.region)
    assert {field: getattr(seen.resource, field) for field in expected} == expected
    assert expected
    assert site.provider.get(seen.address, site.call()) == seen
    assert [
        o for o in site.provider.list(kind, site.cloud.region, site.call(), fleet=site.fleet) if o.owner == ""
    ] == []
    reader = site.open(reader=True)
    assert reader.get(seen.address, site.call()).resource == seen.resource
    with pytest.raises(NotFound):
        site.provider.get(replace(seen.address, name="nowhere-at-all"), site.call())


@pytest.fixture(scope="module")
def silent_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(("cloud", "kind"), cases((*MADE, *READ)))
def test_silence_is_not_emptiness(here: Here, kind: Kind, silent_port: int) -> None:
    away = here.site.open(endpoint=f"http://127.0.0.1:{silent_port}")
    with pytest.raises(Unreachable):
        list(away.list(kind, here.site.cloud.region, here.site.call(timeout_s=0.3)))


@only(Kind.LOAD_BALANCER)
def test_layer_7_is_refused_while_planning_where_an_adapter_has_none(here: Here, kind: Kind) -> None:
    """And nowhere else: an adapter that declares it must make one."""
    site = here.site
    (fields,) = (c.fields for c in site.provider.capabilities if c.kind is kind)
    wanted = here.wish(kind, layer=7)
    action = Action(id="a", op=Op.CREATE, address=site.at(wanted), desired=wanted, before=None)
    told = lacking([action], lambda _address: site.provider)
    assert bool(told) is ("layer" not in fields)
    assert all("layer" in row.what and "load balancer" in row.what and row.mend for row in told)
    assert lacking([replace(action, desired=replace(wanted, layer=4))], lambda _address: site.provider) == []
