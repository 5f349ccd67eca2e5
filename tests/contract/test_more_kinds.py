"""Instance groups, disks, load balancers, DNS records and registries from birth to death.

Written once against the protocol; further.py says which clouds run it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from model.errors import (
    NotFound,
)
from model.resources import TAG_FLEET, TAG_KEY, TAG_NAME, Kind, State
from providers.base import OPTIONAL_FIELDS
from tests.contract.conftest import SiteOf
from tests.contract.further import ROWS, Here, differences, made
from tools.conformance.more import MADE, READ, changed

# -- who has what ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ROWS))
def test_what_a_cloud_lacks_is_listed_and_what_it_declares_is_whole(site_of: SiteOf, name: str) -> None:
    declared = {c.kind: c for c in site_of(name).provider.capabilities}
    assert {kind for kind in (*MADE, *READ) if kind not in declared} == ROWS[name].lacking
    for kind in set(MADE) - ROWS[name].lacking:
        assert declared[kind].verbs >= {"list", "get", "create", "update", "delete", "changes"}
        assert declared[kind].fields <= OPTIONAL_FIELDS.get(kind, frozenset())
    for kind in set(READ) - ROWS[name].lacking:
        assert declared[kind].verbs >= {"list", "get"}
        assert kind in ROWS[name].strangers


# -- life --------------------------------------------------------------------------------------------------------------


@made
def test_from_birth_to_death(here: Here, kind: Kind) -> None:
    site, provider = here.site, here.site.provider
    wanted = here.wish(kind)
    other, at = changed(here.more, wanted), site.at(wanted)
    before = site.inventory()
    with pytest.raises(NotFound) as missing:
        provider.get(at, site.call())
    assert missing.value.address == str(at)

    first = provider.create(at, wanted, site.call(f"k-{wanted.name}"))
    assert (first.address, first.owner) == (at, site.fleet)
    assert first.state in (State.PENDING, State.READY)
    ready = provider.wait_ready(at, site.call())
    assert (ready.state, ready.provider_id) == (State.READY, first.provider_id)
    (listed,) = [o for o in provider.list(kind, at.region, site.call(), fleet=site.fleet) if o.address == at]
    for seen in (ready, listed, provider.get(at, site.call())):
        assert (seen.address, seen.owner, seen.provider_id) == (at, site.fleet, first.provider_id)
        assert differences(seen, wanted) == ()
        assert not {TAG_FLEET, TAG_KEY, TAG_NAME} & set(seen.resource.tags)
    assert site.new_since(before)

    assert differences(ready, other) != ()
    assert provider.needs_replace(ready.resource, other) == ()
    provider.update(ready, other, site.call(f"u-{wanted.name}"))
    ready = provider.wait_ready(at, site.call())
    assert ready.provider_id == first.provider_id
    assert differences(ready, other) == ()
    writes: list[int] = []
    again = provider.update(ready, other, site.call("u", guard=lambda: writes.append(1)))
    assert differences(again, other) == ()
    assert writes == []  # what does not differ is not written

    here.gone(ready)
    with pytest.raises(NotFound):
        provider.get(at, site.call())
    assert wanted.name not in site.names(kind)
    assert site.new_since(before) == {}
    here.gone(ready)  # what is gone stays gone, and nobody minds


@made
def test_nothing_is_made_twice(here: Here, kind: Kind) -> None:
    """The answer is lost, the key comes again: at once, when it is ready, from another process, under another key."""
    site = here.site
    wanted, before, fired = here.wish(kind), site.inventory(), site.fired()
    at, key = site.at(wanted), f"k-{wanted.name}"
    site.fault(here.more.creates[kind], drop_answer=True)
    first = site.provider.create(at, wanted, site.call(key))
    assert site.fired() == fired + 1
    assert site.provider.create(at, wanted, site.call(key)).provider_id == first.provider_id
    ready = site.provider.wait_ready(at, site.call())
    other = site.open()
    for again in (key, "another"):
        assert other.create(at, wanted, site.call(again)).provider_id == first.provider_id == ready.provider_id
    assert differences(ready, wanted) == ()
    there = site.new_since(before)
    here.gone(ready)
    assert site.new_since(before) == {}
    assert there
    ready = site.make(wanted)  # the same key once more, after its death
    assert site.new_since(before) == there  # as many of each as one alone is made of
    here.gone(ready)


@made
def test_throttling_and_stumbling_are_waited_out(here: Here, kind: Kind) -> None:
    site = here.site
    wanted, fired = here.wish(kind), site.fired()
    for status, code in (site.cloud.throttled, site.cloud.stumbles):
        site.fault(here.more.creates[kind], status=status, code=code)
    ready = site.make(wanted)
    assert site.fired() == fired + 2
    assert differences(ready, wanted) == ()
    here.gone(ready)


@made
def test_other_peoples_tags_stay(here: Here, kind: Kind) -> None:
    if kind in here.more.untagged:
        assert dict(here.stands(kind)[1].resource.tags) == {}
        return
    site = here.site
    wanted = here.wish(kind)
    seen = site.make(wanted)
    assert dict(seen.resource.tags) == dict(wanted.tags)
    site.provider.update(seen, replace(wanted, tags={"owner": "ops"}), site.call("u"))
    kept = site.provider.wait_ready(site.at(wanted), site.call())
    assert dict(kept.resource.tags) == {**wanted.tags, "owner": "ops"}
    here.gone(kept)


@made
def test_a_page_of_one(here: Here, kind: Kind) -> None:
    """Every row is seen however small the pages are, and another fleet's are not among ours."""
    site, more = here.site, here.more
    assert more.page_size is not None
    here.stands(kind)
    second = site.make(here.wish(kind))
    usual = more.page_size(site.running, 1)
    try:
        assert set(site.names(kind)) >= {here.stands(kind)[0].name, second.address.name}
        assert site.provider.get(second.address, site.call()).provider_id == second.provider_id
        region = site.cloud.region
        foreign = site.provider.list(kind, region, site.call(), fleet="another")
        assert [o for o in foreign if o.owner == site.fleet] == []
    finally:
        more.page_size(site.running, usual)
    here.gone(second)
