"""Instance groups, disks, load balancers, DNS records and registries from birth to death; and what is only read.

Written once against the protocol. A kind that a cloud's adapter has not declared is not run for it: it is listed in
that cloud's `lacking` (tools/conformance/strangers), and the list must be true.
"""

from __future__ import annotations

import importlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from model.errors import (
    DependencyInUse,
    Forbidden,
    InvalidRequest,
    LeaseLost,
    NotBuiltYet,
    NotFound,
    Unauthenticated,
    Unreachable,
)
from model.plan import Action, Op
from model.resources import TAG_FLEET, TAG_KEY, TAG_NAME, DnsRecord, Kind, Observed, State, TrafficWeight
from orchestrator.abilities import lacking
from orchestrator.compare import diff_resource
from orchestrator.registry import CLOUDS
from providers.base import OPTIONAL_FIELDS
from tools.conformance.more import MADE, READ, Base, More, changed, listener, wish

ROWS: dict[str, More] = {n: importlib.import_module(f"tools.conformance.strangers.{n}").MORE for n in sorted(CLOUDS)}
ZONE = "contract.example"


def cases(kinds: tuple[Kind, ...]) -> list[Any]:
    """(cloud, kind) of what the clouds have declared."""
    rows = [(cloud, kind) for kind in kinds for cloud, more in ROWS.items() if kind not in more.lacking]
    return [pytest.param(*row, id=f"{row[0]}-{row[1]}") for row in rows]


class Here:
    """A site with what this module's kinds need. Each wish is a new one."""

    def __init__(self, site: Any, more: More) -> None:
        self.site, self.more = site, more
        self.standing: dict[Kind, tuple[Any, Observed]] = {}
        self._base: Base | None = None

    def base(self) -> Base:
        if self._base is None:
            site, cloud = self.site, self.site.cloud
            if self.more.dns_zone is not None:
                self.more.dns_zone(site.account, cloud.region, ZONE)
            self._base = Base(
                network=site.base(Kind.NETWORK), subnets=site.subnets(), zones=cloud.zones, zone=ZONE,
                firewall_group=site.base(Kind.FIREWALL_GROUP), instance_type=cloud.instance_type,
                instance=site.base(Kind.INSTANCE),
            )  # fmt: skip
        return self._base

    def wish(self, kind: Kind, **changes: Any) -> Any:
        number = next(self.site.numbers)
        made = wish(self.more, kind, f"{kind.replace('_', '-')}-{number}", number, self.base())
        return replace(made, **changes)

    def stands(self, kind: Kind) -> tuple[Any, Observed]:
        """One that is made once and that no test changes: (as wanted, as seen)."""
        if kind not in self.standing:
            wanted = self.wish(kind)
            self.standing[kind] = (wanted, self.site.make(wanted))
        return self.standing[kind]

    def gone(self, *seen: Observed) -> None:
        for one in seen:
            self.site.provider.delete(one, self.site.call())
            self.site.provider.wait_gone(one.address, self.site.call())


@pytest.fixture(scope="session")
def every(sites: Any) -> dict[str, Here]:
    return {name: Here(site, ROWS[name]) for name, site in sites.items()}


@pytest.fixture
def here(cloud: str, every: dict[str, Here]) -> Iterator[Here]:
    """The cloud of a case. Faults that a test puts in are taken out."""
    found = every[cloud]
    found.site.progress.clear()
    yield found
    found.site.running.sandbox.faults.clear()


made = pytest.mark.parametrize(("cloud", "kind"), cases(MADE))
read = pytest.mark.parametrize(("cloud", "kind"), cases(READ))


def only(kind: Kind) -> Any:
    return pytest.mark.parametrize(("cloud", "kind"), cases((kind,)))


def differences(seen: Observed, wanted: Any) -> Any:
    return diff_resource(seen, wanted, wanted)


# -- who has what ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ROWS))
def test_what_a_cloud_lacks_is_listed_and_what_it_declares_is_whole(sites: Any, name: str) -> None:
    declared = {c.kind: c for c in sites[name].provider.capabilities}
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
