"""Every kind's life in Azure: created, replayed, read back as wanted, updated, deleted without a trace."""

from __future__ import annotations

import urllib.request
from dataclasses import replace
from typing import Any

import pytest

from model.errors import AlreadyExists, DependencyInUse, InvalidRequest, NotFound
from model.resources import FirewallGroup, Kind, Network, State, Subnet
from providers.base import CloudProvider

REGION = "chinanorth3"


def test_it_is_a_cloud_provider(rig: Any) -> None:
    assert isinstance(rig.provider, CloudProvider)
    assert {c.kind for c in rig.provider.capabilities} == set(Kind) - {Kind.KUBERNETES_OBJECT}
    who = rig.provider.identity(rig.call())
    assert who.account_id == rig.provider.account.account_id
    assert who.principal == rig.provider.account.secrets["key_id"]


def test_a_network_is_made_once_and_read_back(rig: Any) -> None:
    wanted = Network(name="main", cidr="10.1.0.0/16", tags={"team": "shop"})
    at = rig.address(Kind.NETWORK, "main")
    first = rig.provider.create(at, wanted, rig.call("a"))
    again = rig.provider.create(at, wanted, rig.call("a"))
    assert first.provider_id == again.provider_id
    ready = rig.provider.wait_ready(at, rig.call())
    assert (ready.resource, ready.owner, ready.state) == (wanted, rig.fleet, State.READY)
    assert [o.resource for o in rig.provider.list(Kind.NETWORK, REGION, rig.call(), fleet=rig.fleet)] == [wanted]
    wider = replace(wanted, cidr="10.0.0.0/12", tags={"team": "pay"})
    rig.provider.update(ready, wider, rig.call())
    assert rig.provider.wait_ready(at, rig.call()).resource == wider
    rig.drop(ready)
    with pytest.raises(NotFound):
        rig.provider.get(at, rig.call())
    rig.provider.delete(ready, rig.call())  # gone already
    rig.provider.wait_gone(at, rig.call())
    assert rig.inventory() == []


def test_subnets_belong_to_their_network(rig: Any) -> None:
    rig.network(subnets=2, firewall=False)
    seen = {o.address.name: o for o in rig.provider.list(Kind.SUBNET, REGION, rig.call(), fleet=rig.fleet)}
    assert seen["s1"].resource == Subnet(name="s1", network="main", cidr="10.1.1.0/24", tags={"team": "shop"})
    assert seen["s1"].owner == rig.fleet
    wanted = Subnet(name="s1", network="main", cidr="10.1.9.0/24", zone=f"{REGION}-1")
    assert rig.provider.needs_replace(seen["s1"].resource, wanted) == ("cidr",)
    rig.drop(seen["s1"])
    assert rig.names(Kind.SUBNET) == ["s2"]


def test_a_firewall_group_converges_on_what_is_wanted(rig: Any, make: Any) -> None:
    rig.network(subnets=0, firewall=False)
    rules = tuple(sorted((make.rule(443), make.rule(22, "10.0.0.0/8", description="jump hosts"))))
    wanted = FirewallGroup(name="web", network="main", rules=rules, description="front", tags={"team": "shop"})
    seen = rig.make(wanted)
    assert seen.resource == wanted
    more = tuple(
        sorted(
            (
                *rules[:1],
                make.rule(53, protocol="udp", priority=150),
                make.rule(0, port_to=65535, protocol="any", cidr="10.0.0.0/8"),
            )
        )
    )
    rig.provider.update(seen, replace(wanted, rules=more), rig.call())
    seen = rig.provider.wait_ready(seen.address, rig.call())
    assert seen.resource == replace(wanted, rules=more)
    assert rig.provider.update(seen, replace(wanted, rules=()), rig.call()).resource == replace(wanted, rules=())


def test_somebody_elses_name_is_not_taken(rig: Any) -> None:
    rig.make(Network(name="main", cidr="10.1.0.0/16"))
    at = rig.address(Kind.NETWORK, "main")
    record = next(r for r in rig.azure.server.engine.store.records.values() if r.name == "main" and rig.fleet in r.id)
    record.tags["duoyun-fleet"] = "somebody"
    with pytest.raises(AlreadyExists):
        rig.provider.create(at, Network(name="main", cidr="10.1.0.0/16"), rig.call())
    with pytest.raises(NotFound):
        rig.provider.get(at, rig.call())
    assert rig.names(Kind.NETWORK) == []
    rig.provider.wait_gone(at, rig.call())
    record.tags.clear()
    assert rig.provider.get(at, rig.call()).owner == ""  # a reference, found by name


def test_a_cluster_with_its_pools(rig: Any, make: Any) -> None:
    rig.network(subnets=2)
    wanted = make.cluster()
    seen = rig.make(wanted)
    assert seen.resource == wanted
    assert rig.names(Kind.NODE_POOL) == []  # the system pool is the cluster's own
    pool = make.pool()
    made = rig.make(pool)
    assert made.resource == pool
    assert made.address.name == pool.name
    assert rig.names(Kind.NODE_POOL) == [pool.name]
    access = rig.provider.cluster_access(seen, rig.call())
    live = next(c for c in rig.azure.clusters() if c.url == access.server)
    assert live.zones() == ["0", "chinanorth3-2", "chinanorth3-2"]
    bigger = replace(pool, count=3, labels={"duoyun.dev/pool": "other"})
    assert rig.provider.needs_replace(pool, bigger) == ()
    rig.provider.update(made, bigger, rig.call())
    assert rig.provider.wait_ready(made.address, rig.call()).resource == bigger
    moved = replace(bigger, zone="chinanorth3-1", instance_type="Standard_D8s_v5")
    assert rig.provider.needs_replace(bigger, moved) == ("zone", "instance_type")
    assert access.token is not None
    assert live.get("/api/v1/namespaces", access.token())["items"]
    with pytest.raises(DependencyInUse):
        rig.provider.delete(rig.provider.get(rig.address(Kind.SUBNET, "s2"), rig.call()), rig.call(timeout_s=3.0))
    rig.drop(made)
    rig.drop(seen)
    for kind in (Kind.FIREWALL_GROUP, Kind.SUBNET, Kind.NETWORK):
        for observed in list(rig.provider.list(kind, REGION, rig.call(), fleet=rig.fleet)):
            rig.drop(observed)
    assert rig.inventory() == []


def test_a_cluster_is_updated_in_place(rig: Any, make: Any) -> None:
    rig.network(subnets=2)
    seen = rig.make(make.cluster(audit_logs=False, firewall_group=""))
    wanted = make.cluster(version="1.36", public_access_cidrs=("198.51.100.0/24",), tags={"team": "pay"})
    assert rig.provider.needs_replace(seen.resource, wanted) == ()
    rig.provider.update(seen, wanted, rig.call())
    assert rig.provider.wait_ready(seen.address, rig.call()).resource == wanted
    private = replace(wanted, public_endpoint=False, secrets_encrypted=True)
    assert rig.provider.needs_replace(wanted, private) == ("public_endpoint", "secrets_encrypted")
    rig.drop(seen)
    assert "workspaces" not in rig.inventory()


def test_a_private_encrypted_cluster_is_read_back(rig: Any, make: Any) -> None:
    rig.network(subnets=2)
    wanted = make.cluster(public_endpoint=False, public_access_cidrs=(), secrets_encrypted=True)
    seen = rig.make(wanted)
    assert seen.resource == wanted
    rig.drop(seen)


def test_an_instance_serves_and_leaves_nothing(rig: Any, make: Any) -> None:
    rig.network(subnets=1)
    wanted = make.instance()
    seen = rig.make(wanted)
    assert replace(seen.resource, user_data=wanted.user_data) == wanted
    assert rig.provider.needs_replace(seen.resource, wanted) == ()
    changed = replace(wanted, user_data=wanted.user_data + "# v2\n")
    assert rig.provider.needs_replace(seen.resource, changed) == ("user_data",)
    assert seen.private_ip.startswith("127.")
    with urllib.request.urlopen(f"http://{seen.public_ip}:8080/healthz", timeout=5) as answer:
        assert answer.status == 200
    tagged = [r for r in rig.azure.server.inventory() if rig.fleet in r["id"] and "ledger" in r["name"]]
    assert len(tagged) == 4
    assert {(r["tags"]["duoyun-fleet"], r["tags"]["duoyun-name"]) for r in tagged} == {(rig.fleet, "ledger-1")}
    listed = list(rig.provider.list(Kind.INSTANCE, REGION, rig.call(), fleet=rig.fleet))
    assert listed == [seen]
    rig.make(FirewallGroup(name="db", network="main"))
    bigger = replace(wanted, instance_type="Standard_D4s_v5", firewall_group="db", tags={"team": "shop"})
    assert rig.provider.needs_replace(seen.resource, bigger) == ()
    rig.provider.update(seen, bigger, rig.call())
    after = rig.provider.wait_ready(seen.address, rig.call())
    assert replace(after.resource, user_data=wanted.user_data) == bigger
    rig.drop(seen)
    assert rig.inventory() == [
        "networkSecurityGroups", "networkSecurityGroups", "resourceGroups", "subnets", "virtualNetworks",
    ]  # fmt: skip


def test_an_interrupted_instance_is_seen_and_finished_or_removed(rig: Any, make: Any) -> None:
    rig.network(subnets=1)
    rig.azure.faults.add(
        {"service": "azure", "operation": "PUT Microsoft.Compute/virtualMachines", "match": rig.fleet, "status": 409,
         "code": "SkuNotAvailable", "message": "no stock"}
    )  # fmt: skip
    at = rig.address(Kind.INSTANCE, "ledger-1")
    with pytest.raises(Exception, match="no stock"):
        rig.provider.create(at, make.instance(), rig.call())
    left = list(rig.provider.list(Kind.INSTANCE, REGION, rig.call(), fleet=rig.fleet))
    assert [(o.address, o.state) for o in left] == [(at, State.FAILED)]
    assert rig.provider.get(at, rig.call()) == left[0]
    rig.drop(left[0])
    assert rig.names(Kind.INSTANCE) == []
    assert "networkInterfaces" not in rig.inventory()
    rig.make(make.instance())
    assert rig.names(Kind.INSTANCE) == ["ledger-1"]


def test_an_instance_takes_the_disk_along_that_azure_would_leave_behind(rig: Any, make: Any) -> None:
    rig.network(subnets=1)
    rig.make(make.instance())
    machines = rig.provider._adapters[Kind.INSTANCE].session.compute.virtual_machines
    machine = next(m for m in machines.list_all() if (m.tags or {}).get("duoyun-fleet") == rig.fleet)
    machine.storage_profile.os_disk.delete_option = "Detach"  # somebody wanted to keep it, or a template said so
    group = machine.id.split("/")[4]
    machines.begin_create_or_update(group, machine.name, machine).result()
    rig.drop(rig.provider.get(rig.address(Kind.INSTANCE, "ledger-1"), rig.call()))
    assert "disks" not in rig.inventory()


@pytest.mark.parametrize(
    "change",
    [{"machine_image": "plan9"}, {"disk_encrypted": False}, {"zone": "eastus-1"}, {"instance_type": "Standard_X1"}],
)
def test_an_instance_that_cannot_be_is_refused(rig: Any, make: Any, change: dict[str, Any]) -> None:
    rig.network(subnets=1)
    at = rig.address(Kind.INSTANCE, "ledger-1")
    with pytest.raises(InvalidRequest):
        rig.provider.create(at, make.instance(**change), rig.call())


def test_one_group_for_all_regions_keeps_names_apart(azure: Any, open_account: Any, rig: Any) -> None:
    rig.provider = open_account(options={"resource_group": f"shared-{rig.fleet}-rg"})
    made = []
    for region in ("chinanorth3", "chinaeast2"):
        at = replace(rig.address(Kind.NETWORK, "main"), region=region)
        rig.provider.create(at, Network(name="main", cidr="10.1.0.0/16"), rig.call())
        made.append(rig.provider.wait_ready(at, rig.call()))
    assert len({o.provider_id for o in made}) == 2
    assert [o.address.name for o in made] == ["main", "main"]
    for observed in made:
        rig.drop(observed)
    assert rig.inventory() == []


def test_a_region_without_zones_is_one_site(rig: Any, make: Any) -> None:
    region = "chinaeast2"

    def at(kind: Kind, name: str) -> Any:
        return replace(rig.address(kind, name), region=region)

    def put(desired: Any) -> Any:
        where = at(desired.KIND, desired.name)
        rig.provider.create(where, desired, rig.call())
        return rig.provider.wait_ready(where, rig.call())

    put(Network(name="main", cidr="10.1.0.0/16"))
    put(Subnet(name="s1", network="main", cidr="10.1.1.0/24"))
    wanted = make.instance(zone="chinaeast2-1", firewall_group="", public_ip=False)
    assert replace(put(wanted).resource, user_data=wanted.user_data) == wanted
    put(make.cluster(subnets=("s1",), firewall_group="", audit_logs=False))
    pool = make.pool(zone="chinaeast2-1", subnet="s1", count=1)
    assert put(pool).resource == pool
    with pytest.raises(InvalidRequest):
        put(make.pool(name="other", zone="chinaeast2-2", subnet="s1"))
    rig.drop(rig.provider.get(at(Kind.CLUSTER, "main"), rig.call()))
