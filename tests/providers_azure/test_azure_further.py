"""What Azure alone does with disks, load balancers, instance groups, DNS records, registries and what is only read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import AlreadyExists, DependencyInUse, InvalidRequest, NotBuiltYet
from model.resources import (
    DnsRecord,
    HealthCheck,
    InstanceGroup,
    Kind,
    Listener,
    LoadBalancer,
    Registry,
    TrafficWeight,
)
from orchestrator.compare import diff_resource
from providers.azure.arm import Raw, newest
from providers.azure.dns_values import body_of, values_of
from providers.azure.readers import ranges, tls
from providers.azure.registries import ACR_PULL, pullers
from providers.azure.rights import trail_of
from providers.azure.services import service_of, without_secrets
from providers.azure.stores import bucket_of
from providers.azure.vaults import key_of
from tools.conformance.strangers import azure as stranger

REGION = "chinanorth3"


def listener(port: int, target: int, protocol: str = "tcp", **more: Any) -> Listener:
    return Listener(protocol=protocol, port=port, target_port=target, **more)


def balancer(name: str = "front", **more: Any) -> LoadBalancer:
    fields = {"network": "main", "subnets": ("s1",), "listeners": (listener(80, 8080),)} | more
    return LoadBalancer(name=name, **fields)


def group(name: str = "workers", **more: Any) -> InstanceGroup:
    fields = {
        "zones": (f"{REGION}-1", f"{REGION}-2"), "subnets": ("s1",), "firewall_group": "web",
        "instance_type": "Standard_D2s_v5", "size": 2,
    } | more  # fmt: skip
    return InstanceGroup(name=name, **fields)


@pytest.fixture(scope="module")
def site(azure: Any, make: Any) -> Iterator[Any]:
    """One fleet with a network for all tests here; names are never used twice."""
    from providers.azure import open as open_azure

    provider: Any = open_azure(make.account_of(azure))
    rig = make.Rig(azure, provider, "further")
    rig.network()
    yield rig
    provider.close()


def same(seen: Any, wanted: Any) -> bool:
    return diff_resource(seen, wanted, wanted) == ()


# -- load balancers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"layer": 7}, NotBuiltYet), ({"deletion_protection": True}, NotBuiltYet), ({"access_logs": True}, NotBuiltYet),
        ({"subnets": ()}, InvalidRequest), ({"listeners": (listener(443, 443, "tls"),)}, InvalidRequest),
        ({"listeners": (listener(80, 80, certificate="c"),)}, InvalidRequest),
        ({"listeners": (listener(80, 80), listener(80, 81))}, InvalidRequest),
        ({"listeners": (listener(80, 80), listener(81, 80))}, InvalidRequest),
        ({"listeners": (listener(80, 80, health_check=HealthCheck(interval_s=2)),)}, InvalidRequest),
        ({"network": "nowhere"}, InvalidRequest), ({"targets": ("nowhere",)}, InvalidRequest),
    ],
)  # fmt: skip
def test_what_a_balancer_cannot_is_refused_before_anything_is_sent(site: Any, changes: Any, error: Any) -> None:
    wanted, before = balancer("refused", **changes), site.inventory()
    writes: list[int] = []
    with pytest.raises(error):
        site.provider.create(
            site.address(Kind.LOAD_BALANCER, wanted.name), wanted, site.call(guard=lambda: writes.append(1))
        )
    assert (writes, site.inventory()) == ([], before)


def test_a_public_balancer_has_an_address_that_goes_with_it(site: Any) -> None:
    before = site.inventory()
    wanted = balancer("open", public=True, listeners=(listener(53, 5353, "udp"),), targets=("10.1.1.77",))
    seen = site.make(wanted)
    assert same(seen, wanted)
    assert seen.public_ip
    assert seen.endpoints == (f"{seen.public_ip}:53",)
    assert "publicIPAddresses" in site.inventory()
    (address,) = [
        o for o in site.provider.list(Kind.PUBLIC_IP, REGION, site.call()) if o.resource.address == seen.public_ip
    ]
    assert (address.resource.attached_to, address.owner) == ("load_balancer open", "further")
    assert site.provider.needs_replace(seen.resource, replace(wanted, subnets=("other",))) == ()
    site.drop(seen)
    assert site.inventory() == before


def test_an_address_that_moved_is_seen_and_mended(site: Any, make: Any) -> None:
    """The target is an instance; the pool still has another address under its name."""
    machine = site.make(make.instance(name="target-1", public_ip=False, user_data=""))
    wanted = balancer("moved", targets=("target-1",))
    seen = site.make(wanted)
    assert seen.resource.targets == ("target-1",)
    raw = site.provider._adapters[Kind.LOAD_BALANCER].read(_where(seen), site.call())
    (entry,) = raw.backend_address_pools[0].load_balancer_backend_addresses
    assert (entry.name, entry.ip_address) == ("target-1", machine.private_ip)
    body = raw.as_dict()
    pool = body["properties"]["backendAddressPools"][0]["properties"]["loadBalancerBackendAddresses"]
    pool[0]["properties"]["ipAddress"] = "10.1.1.250"
    stranger.send(site.provider.account, "PUT", seen.provider_id, body)
    now = site.provider.get(seen.address, site.call())
    assert now.resource.targets == ("10.1.1.250",)
    mended = site.provider.update(now, wanted, site.call("mend"))
    assert same(mended, wanted)
    for one in (mended, machine):
        site.drop(one)


def _where(seen: Any) -> Any:
    from providers.azure.names import parse_id

    return parse_id(seen.provider_id)


# -- instance groups ---------------------------------------------------------------------------------------------------


def test_a_group_behind_a_balancer_with_limits(site: Any) -> None:
    """Members are the pool's; the balancer stays while the group uses it; limits are a setting of Azure's."""
    before = site.inventory()
    front = site.make(balancer("behind"))
    wanted = group("limited", load_balancers=("behind",), smallest=1, largest=4)
    seen = site.make(wanted)
    assert same(seen, wanted)
    assert len(seen.raw["members"]) == 2
    assert site.provider.get(front.address, site.call()).resource.targets == ()
    with pytest.raises(DependencyInUse):
        site.provider.delete(front, site.call(timeout_s=3.0))
    with pytest.raises(InvalidRequest, match="targets of its own"):
        site.provider.create(
            site.address(Kind.INSTANCE_GROUP, "both"),
            group("both", load_balancers=(site.make(balancer("own", targets=("10.1.1.9",))).address.name,)),
            site.call(),
        )
    alone = replace(wanted, load_balancers=(), smallest=0, largest=0, firewall_group="", size=1)
    site.provider.update(seen, alone, site.call("u"))
    seen = site.provider.wait_ready(seen.address, site.call())
    assert same(seen, alone)
    assert (seen.resource.smallest, seen.resource.largest) == (0, 0)
    for one in (seen, front, site.provider.get(site.address(Kind.LOAD_BALANCER, "own"), site.call())):
        site.drop(one)
    assert site.inventory() == before


@pytest.mark.parametrize(
    "changes",
    [{"size": 5, "largest": 4}, {"size": 1, "smallest": 2}, {"subnets": ()}, {"disk_encrypted": False},
     {"machine_image": "windows"}],
)  # fmt: skip
def test_what_a_group_cannot_is_refused(site: Any, changes: Any) -> None:
    writes: list[int] = []
    with pytest.raises(InvalidRequest) as refused:
        site.provider.create(
            site.address(Kind.INSTANCE_GROUP, "no"), group("no", **changes), site.call(guard=lambda: writes.append(1))
        )
    assert refused.value.mend
    assert writes == []


# -- DNS records -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def zone(site: Any) -> str:
    stranger.dns_zone(site.provider.account, REGION, "further.example")
    return "further.example"


def record(type_: str, fqdn: str, *answers: Any, zone: str, **more: Any) -> DnsRecord:
    told = tuple(sorted(a if isinstance(a, TrafficWeight) else TrafficWeight(value=a) for a in answers))
    return DnsRecord(name=f"{type_} {fqdn}", zone=zone, fqdn=fqdn, record_type=type_, answers=told, **more)


@pytest.mark.parametrize(
    ("type_", "fqdn", "answers"),
    [
        ("A", "further.example", ("192.0.2.1", "192.0.2.2")), ("AAAA", "v6.further.example", ("2001:db8::1",)),
        ("CNAME", "www.further.example", ("a.example",)), ("MX", "further.example", ("10 mail.example",)),
        ("TXT", "long.further.example", ("x" * 600,)), ("SRV", "_s._tcp.further.example", ("1 2 443 a.example",)),
        ("CAA", "further.example", ('0 issue "ca.example"',)),
    ],
)  # fmt: skip
def test_every_type_of_record_comes_back_as_it_was_wanted(
    site: Any, zone: str, type_: str, fqdn: str, answers: Any
) -> None:
    wanted = record(type_, fqdn, *answers, zone=zone, ttl_s=90)
    seen = site.make(wanted)
    assert seen.resource == wanted
    site.drop(seen)


def test_weights_and_labels_are_a_profile_that_goes_with_them(site: Any, zone: str) -> None:
    before = site.inventory()
    shares = (TrafficWeight(value="192.0.2.1", weight=90, label="blue"), TrafficWeight(value="192.0.2.2", weight=0))
    wanted = record("A", "w.further.example", *shares, zone=zone)
    seen = site.make(wanted)
    assert same(seen, wanted)
    plain = record("A", "w.further.example", "192.0.2.3", zone=zone)
    seen = site.provider.update(seen, plain, site.call("u"))
    assert same(seen, plain)
    seen = site.provider.update(seen, wanted, site.call("u2"))
    assert same(seen, wanted)
    site.drop(seen)
    assert site.inventory() == before
    for bad in (
        record("TXT", "t.further.example", TrafficWeight(value="x", weight=2), zone=zone),
        record("A", "t.further.example", TrafficWeight(value="192.0.2.1", label="no good"), zone=zone),
        record("SPF", "t.further.example", "x", zone=zone),
        record("A", "t.elsewhere.example", "192.0.2.1", zone=zone),
    ):
        with pytest.raises(InvalidRequest):
            site.provider.create(site.address(Kind.DNS_RECORD, bad.name), bad, site.call())


def test_somebody_elses_record_is_seen_in_every_region_and_not_taken(site: Any, zone: str) -> None:
    group_id = f"/subscriptions/{site.provider.account.account_id}/resourceGroups/{stranger.GROUP}"
    path = f"{group_id}/providers/Microsoft.Network/dnsZones/{zone}/A/theirs"
    body = {"properties": {"TTL": 30, "ARecords": [{"ipv4Address": "192.0.2.9"}]}}
    stranger.send(site.provider.account, "PUT", path, body)
    for region in (REGION, "chinaeast2"):
        names = {o.address.name: o.owner for o in site.provider.list(Kind.DNS_RECORD, region, site.call())}
        assert names["A theirs.further.example"] == ""
    wanted = record("A", "theirs.further.example", "192.0.2.1", zone=zone)
    with pytest.raises(AlreadyExists) as refused:
        site.provider.create(site.address(Kind.DNS_RECORD, wanted.name), wanted, site.call())
    assert refused.value.mend
    ours = site.make(record("A", "ours.further.example", "192.0.2.1", zone=zone))
    elsewhere = {o.address.name for o in site.provider.list(Kind.DNS_RECORD, "chinaeast2", site.call())}
    assert "A ours.further.example" not in elsewhere
    site.drop(ours)


@given(st.lists(st.text('abc=;" ', min_size=1, max_size=700), min_size=1, max_size=3))
def test_texts_of_any_length_come_back(values: list[str]) -> None:
    assert values_of("TXT", body_of("TXT", values)) == values


# -- registries --------------------------------------------------------------------------------------------------------


def test_who_may_pull_is_a_role_that_is_given(site: Any) -> None:
    principal = "11111111-2222-4333-8444-555555555555"
    wanted = Registry(name="shop", pull_identity=principal, public=True)
    seen = site.make(wanted)
    assert same(seen, wanted)
    assert seen.resource.url.endswith(".azurecr.cn/shop")
    writes: list[int] = []
    site.provider.update(seen, wanted, site.call(guard=lambda: writes.append(1)))
    assert writes == []
    site.drop(seen)
    for bad, error in (
        ({"encrypted": False}, InvalidRequest), ({"immutable_tags": True}, NotBuiltYet),
        ({"scan_on_push": True}, NotBuiltYet), ({"key": "k"}, NotBuiltYet),
    ):  # fmt: skip
        with pytest.raises(error):
            site.provider.create(site.address(Kind.REGISTRY, "no"), Registry(name="no", **bad), site.call())


def test_pullers_are_those_of_the_registry_else_those_above() -> None:
    registry = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r"

    def grant(scope: str, principal: str, role: str = ACR_PULL) -> Raw:
        role_id = f"/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/{role}"
        return Raw({"properties": {"scope": scope, "principalId": principal, "roleDefinitionId": role_id}})

    above, own = grant("/subscriptions/s", "boss"), grant(registry, "robot")
    assert pullers(registry, [above, own, grant(registry, "reader", "x"), grant(registry + "2", "other")]) == "robot"
    assert pullers(registry, [above]) == "boss"
    assert pullers(registry, []) == "AcrPull"


# -- what is only read -------------------------------------------------------------------------------------------------


def test_what_is_only_read_is_neither_made_nor_changed(site: Any) -> None:
    verbs = {c.kind: c.verbs for c in site.provider.capabilities}
    for kind in (Kind.BUCKET, Kind.KEY, Kind.DATABASE, Kind.IDENTITY, Kind.MANAGED_SERVICE):
        assert verbs[kind] == {"list", "get", "changes"}
        adapter = site.provider._adapters[kind]
        for attempt in (adapter.create, adapter.update, adapter.delete):
            with pytest.raises(NotBuiltYet):
                attempt(None, None, site.call())


def test_no_secret_of_a_service_is_shown() -> None:
    data = {
        "type": "Microsoft.Insights/components", "name": "eyes", "kind": "web",
        "properties": {"InstrumentationKey": "k", "ConnectionString": "c", "deep": [{"primaryKey": "p", "size": 3}]},
    }  # fmt: skip
    service = service_of(Raw(data), "eyes")
    assert service.service == "monitoring"
    assert service.settings["native"] == {
        "kind": "web", "InstrumentationKey": "(hidden)", "ConnectionString": "(hidden)",
        "deep": [{"primaryKey": "(hidden)", "size": 3}],
    }  # fmt: skip
    assert without_secrets({"password": ""}) == {"password": ""}


def test_what_azure_does_not_say_is_not_known() -> None:
    """An account, a vault and a server of which hardly anything is told."""
    bucket = bucket_of(Raw({"name": "s", "properties": {}}), None, [])
    assert (bucket.public_access_blocked, bucket.tls_only, bucket.versioning, bucket.tls_min) == (None, None, None, "")
    vault = key_of(Raw({"id": "/a/vaults/v", "properties": {}}), "v")
    assert (vault.public, vault.deletion_days, vault.purge_protection) == (None, None, False)
    key = key_of(Raw({"id": "/a/keys/k", "properties": {"kty": "RSA"}}), "v/k")
    assert (key.enabled, key.rotates, key.hsm, key.expires) == (None, None, False, False)
    assert trail_of(Raw({"properties": {"logs": []}}), "t").enabled is False


@pytest.mark.parametrize(
    ("text", "version"), [("TLS1_2", "1.2"), ("Tls12", "1.2"), ("1.0", "1.0"), ("None", ""), (None, "")]
)
def test_versions_of_tls(text: Any, version: str) -> None:
    assert tls(text) == version


def test_ranges_and_versions() -> None:
    assert ranges("10.0.0.0", "10.0.0.255") == ("10.0.0.0/24",)
    assert ranges("0.0.0.0", "0.0.0.0") == ("0.0.0.0/32",)
    assert ranges("x", None) == ranges("10.0.0.9", "10.0.0.1") == ()
    assert newest(["2023-01-01", "2024-05-01-preview", "2024-01-01"]) == "2024-01-01"
    assert newest(["2024-05-01-preview"]) == "2024-05-01-preview"
    assert newest([]) == ""


def test_databases_of_every_service(site: Any) -> None:
    """Beside PostgreSQL, which the contract looks at."""
    account, where = site.provider.account, {"location": REGION}
    sql = stranger.put(
        account, REGION, "Microsoft.Sql/servers", "sql-further", **where,
        properties={
            "administratorLogin": "us", "minimalTlsVersion": "1.3", "publicNetworkAccess": "Disabled",
            "administrators": {"azureADOnlyAuthentication": True},
        },
    )  # fmt: skip
    for name in ("orders", "master"):
        stranger.send(account, "PUT", f"{sql}/databases/{name}", {**where, "properties": {"zoneRedundant": True}})
    policy = {"type": "Continuous", "continuousModeProperties": {"tier": "Continuous7Days"}}
    stranger.put(
        account, REGION, "Microsoft.DocumentDB/databaseAccounts", "cosmos-further", **where, kind="MongoDB",
        properties={
            "databaseAccountOfferType": "Standard", "locations": [{"locationName": REGION, "isZoneRedundant": True}],
            "ipRules": [{"ipAddressOrRange": "203.0.113.7"}], "disableLocalAuth": True, "backupPolicy": policy,
        },
    )  # fmt: skip
    seen = {o.address.name: o.resource for o in site.provider.list(Kind.DATABASE, REGION, site.call())}
    assert "sql-further/master" not in seen
    orders = seen["sql-further/orders"]
    assert (orders.engine, orders.public, orders.tls_min, orders.iam_auth, orders.local_auth, orders.multi_zone) == (
        "sqlserver", False, "1.3", True, False, True,
    )  # fmt: skip
    mongo = seen["cosmos-further"]
    assert (mongo.family, mongo.engine, mongo.allowed_cidrs, mongo.local_auth, mongo.point_in_time) == (
        "document", "mongodb", ("203.0.113.7/32",), False, True,
    )  # fmt: skip
