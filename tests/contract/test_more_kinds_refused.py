"""What is refused of instance groups, disks, load balancers, DNS records and registries.

Written once against the protocol; further.py says which clouds run it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from model.errors import (
    DependencyInUse,
    Forbidden,
    InvalidRequest,
    LeaseLost,
    NotBuiltYet,
    Unauthenticated,
)
from model.resources import Kind
from tests.contract.further import ROWS, Here, differences, made, only
from tools.conformance.more import changed

# -- what is refused ---------------------------------------------------------------------------------------------------


@made
def test_who_may_not_and_who_must_not(here: Here, kind: Kind) -> None:
    """A reader reads and writes nothing; who lost the lease writes nothing; a wrong secret is nobody."""
    site = here.site
    wanted, seen = here.stands(kind)
    other, fresh = changed(here.more, wanted), here.wish(kind)
    before, reader = site.inventory(), site.open(reader=True)
    assert reader.get(seen.address, site.call()).resource == site.provider.get(seen.address, site.call()).resource
    assert seen.address.name in site.names(kind, reader)

    def lost() -> None:
        raise LeaseLost("the lease is somebody else's")

    for provider, call, error in (
        (reader, site.call("k"), Forbidden),
        (site.provider, site.call("k", guard=lost), LeaseLost),
    ):
        attempts: list[Callable[[], Any]] = [
            lambda p=provider, c=call: p.create(site.at(fresh), fresh, c),
            lambda p=provider, c=call: p.update(seen, other, c),
            lambda p=provider, c=call: p.delete(seen, c),
        ]
        for attempt in attempts:
            with pytest.raises(error):
                attempt()
    assert site.new_since(before) == {}
    assert differences(site.provider.get(seen.address, site.call()), wanted) == ()

    secrets = {"key_id": site.account.secrets["key_id"], "secret": "wrong"}
    wrong = site.open(secrets=secrets)
    with pytest.raises(Unauthenticated) as caught:
        list(wrong.list(kind, site.cloud.region, site.call()))
    assert caught.value.mend


REFERENCES = [
    (Kind.INSTANCE_GROUP, {"subnets": ("nowhere",)}),
    (Kind.INSTANCE_GROUP, {"firewall_group": "nowhere"}),
    (Kind.LOAD_BALANCER, {"subnets": ("nowhere",)}),
    (Kind.LOAD_BALANCER, {"targets": ("nowhere",)}),
    (Kind.DNS_RECORD, {"zone": "nowhere.example", "fqdn": "a.nowhere.example", "name": "A a.nowhere.example"}),
]


@pytest.mark.parametrize(
    ("cloud", "kind", "lost"),
    [
        pytest.param(cloud, kind, lost, id=f"{cloud}-{kind}-{next(iter(lost))}")
        for kind, lost in REFERENCES
        for cloud, more in ROWS.items()
        if kind not in more.lacking
    ],
)
def test_what_it_refers_to_and_is_not_there_is_a_mistake_of_the_request(here: Here, kind: Kind, lost: Any) -> None:
    site = here.site
    wanted, before = here.wish(kind, **lost), site.inventory()
    with pytest.raises(InvalidRequest) as caught:
        site.provider.create(site.at(wanted), wanted, site.call("k"))
    assert "nowhere" in str(caught.value)
    assert caught.value.mend
    assert site.new_since(before) == {}


@only(Kind.DISK)
def test_a_disk_that_is_attached_does_not_go(here: Here, kind: Kind) -> None:
    """Attaching is asked for by its field; a cloud that cannot has not declared it."""
    site = here.site
    (fields,) = (c.fields for c in site.provider.capabilities if c.kind is kind)
    wanted = here.wish(kind)
    seen, attached = site.make(wanted), replace(wanted, attached_to=here.base().instance)
    if "attached_to" not in fields:
        with pytest.raises((InvalidRequest, NotBuiltYet)):
            site.provider.update(seen, attached, site.call("u"))
        here.gone(seen)
        return
    site.provider.update(seen, attached, site.call("u"))
    seen = site.provider.wait_ready(seen.address, site.call())
    assert differences(seen, attached) == ()
    with pytest.raises(DependencyInUse) as refused:
        site.provider.delete(seen, site.call(timeout_s=3.0))
    assert refused.value.retryable
    site.provider.update(seen, wanted, site.call("d"))
    seen = site.provider.wait_ready(seen.address, site.call())
    assert differences(seen, wanted) == ()
    here.gone(seen)


UNCHANGEABLE = [
    (Kind.DISK, "size_gib", lambda w: w.size_gib - 5),
    (Kind.DISK, "zone", lambda _w: "elsewhere"),
    (Kind.DISK, "encrypted", lambda w: not w.encrypted),
    (Kind.LOAD_BALANCER, "network", lambda _w: "other"),
    (Kind.LOAD_BALANCER, "layer", lambda w: 11 - w.layer),
    (Kind.LOAD_BALANCER, "public", lambda w: not w.public),
]


@pytest.mark.parametrize(
    ("cloud", "kind", "field", "change"),
    [
        pytest.param(cloud, kind, field, change, id=f"{cloud}-{kind}-{field}")
        for kind, field, change in UNCHANGEABLE
        for cloud, more in ROWS.items()
        if kind not in more.lacking
    ],
)
def test_what_cannot_change_in_place_is_named(here: Here, kind: Kind, field: str, change: Any) -> None:
    wanted, seen = here.stands(kind)
    assert here.site.provider.needs_replace(seen.resource, replace(wanted, **{field: change(wanted)})) == (field,)
