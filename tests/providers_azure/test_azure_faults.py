"""What goes wrong between us and Azure: lost answers, throttling, quotas, refusals, strangers, silence."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from model.errors import (
    Forbidden,
    LeaseLost,
    NotFound,
    QuotaExceeded,
    RolloutFailed,
    Throttled,
    Unauthenticated,
    UnknownCloudError,
    Unreachable,
)
from model.resources import FirewallGroup, Kind, Network, State, Subnet
from providers.azure import open as open_azure
from providers.azure.session import LoopbackBearer, Session, is_loopback
from providers.base import Account

REGION = "chinanorth3"


@contextmanager
def slow(rig: Any, seconds: float) -> Iterator[None]:
    class Slow:
        def duration_s(self, operation: str, resource: str = "", detail: str = "") -> float:
            return seconds

    kept, rig.azure.world.timing = rig.azure.world.timing, Slow()
    try:
        yield
    finally:
        rig.azure.world.timing = kept


def fault(rig: Any, operation: str, **kwargs: Any) -> None:
    rig.azure.faults.add({"service": "azure", "operation": operation, "match": rig.fleet} | kwargs)


def test_a_lost_answer_makes_nothing_twice(rig: Any, make: Any) -> None:
    puts = (
        "Microsoft.Network/virtualNetworks", "Microsoft.Network/virtualNetworks/subnets",
        "Microsoft.Network/networkSecurityGroups", "Microsoft.Network/networkInterfaces",
        "Microsoft.Network/publicIPAddresses", "Microsoft.Compute/virtualMachines",
        "Microsoft.ContainerService/managedClusters", "Microsoft.ContainerService/managedClusters/agentPools",
    )  # fmt: skip
    for operation in puts:
        fault(rig, f"PUT {operation}", drop_answer=True)
    rig.network(subnets=2)
    rig.make(make.instance())
    rig.make(make.cluster(firewall_group=""))
    rig.make(make.pool())
    assert len([line for line in rig.progress if "broke off in the middle" in line]) >= len(puts)
    assert rig.inventory() == sorted(
        ["resourceGroups", "virtualNetworks", "subnets", "subnets", "networkSecurityGroups", "networkInterfaces",
         "publicIPAddresses", "virtualMachines", "disks", "managedClusters", "agentPools", "agentPools", "workspaces",
         "diagnosticSettings"]
    )  # fmt: skip
    (live,) = rig.azure.clusters()
    assert live.zones() == ["0", "chinanorth3-2", "chinanorth3-2"]
    rig.drop(rig.provider.get(rig.address(Kind.CLUSTER, "main"), rig.call()))


def test_a_lost_answer_of_an_update_is_noticed(rig: Any, make: Any) -> None:
    rig.network(subnets=0)
    seen = rig.provider.get(rig.address(Kind.FIREWALL_GROUP, "web"), rig.call())
    fault(rig, "PUT Microsoft.Network/networkSecurityGroups", drop_answer=True)
    wanted = replace(seen.resource, rules=(make.rule(8443),))
    assert rig.provider.update(seen, wanted, rig.call()).resource == wanted


def test_throttling_waits_as_long_as_azure_says(rig: Any) -> None:
    fault(rig, "PUT *", status=429, code="TooManyRequests", retry_after_s=0.6, count=2)
    begun = time.monotonic()
    rig.make(Network(name="main", cidr="10.1.0.0/16"))
    assert time.monotonic() - begun >= 1.2
    assert len(rig.progress) == 2
    fault(rig, "GET *", status=429, code="TooManyRequests", retry_after_s=60.0, count=-1)
    with pytest.raises((Throttled, Unreachable)):
        rig.provider.get(rig.address(Kind.NETWORK, "main"), rig.call(timeout_s=1.0))


def test_a_quota_says_how_much(rig: Any, make: Any) -> None:
    rig.network(subnets=1)
    fault(
        rig, "PUT Microsoft.Compute/virtualMachines", status=409, code="OperationNotAllowed",
        message="Operation could not be completed as it results in exceeding approved Total Regional Cores quota. "
        "Additional details - Current Limit: 10, Current Usage: 9, Additional Required: 2.",
    )  # fmt: skip
    with pytest.raises(QuotaExceeded) as caught:
        rig.provider.create(rig.address(Kind.INSTANCE, "ledger-1"), make.instance(), rig.call())
    assert (caught.value.quota, caught.value.used, caught.value.limit) == ("Total Regional Cores", 9.0, 10.0)
    assert caught.value.call.request_id


def test_an_unmapped_code_is_kept_whole(rig: Any) -> None:
    fault(rig, "PUT *", status=400, code="NobodyKnowsThis", message="strange")
    with pytest.raises(UnknownCloudError, match="strange") as caught:
        rig.provider.create(rig.address(Kind.NETWORK, "main"), Network(name="main", cidr="10.1.0.0/16"), rig.call())
    assert caught.value.call.code == "NobodyKnowsThis"


def test_a_group_opened_from_outside_is_seen_with_who_did_it(rig: Any, make: Any, open_account: Any) -> None:
    from azure.mgmt.network.models import SecurityRule

    rig.network(subnets=0)
    before = rig.provider.get(rig.address(Kind.FIREWALL_GROUP, "web"), rig.call())
    since = time.time() - 1
    secrets = dict(rig.provider.account.secrets)
    outsider = Session(replace(rig.provider.account, secrets=secrets | {"secret": secrets["secret"] + "~mallory"}))
    group = f"duoyun-{rig.fleet}-{REGION}"
    body = SecurityRule(
        protocol="Tcp", access="Allow", direction="Inbound", priority=200, source_port_range="*",
        destination_port_ranges=["22", "3389"], source_address_prefix="*", destination_address_prefix="*",
    )  # fmt: skip
    outsider.network.security_rules.begin_create_or_update(group, "web", "oops", body, polling=False)
    outsider.close()
    seen = next(iter(rig.provider.list(Kind.FIREWALL_GROUP, REGION, rig.call(), fleet=rig.fleet)))
    opened = {(r.port_from, r.cidr) for r in seen.resource.rules} - {
        (r.port_from, r.cidr) for r in before.resource.rules
    }
    assert opened == {(22, "0.0.0.0/0"), (22, "::/0"), (3389, "0.0.0.0/0"), (3389, "::/0")}
    newest = rig.provider.changes(seen.address, since, rig.call())[0]
    assert newest.actor == "mallory"
    assert newest.operation == "Microsoft.Network/networkSecurityGroups/securityRules/write"
    assert newest.at_s >= since
    assert rig.provider.update(seen, before.resource, rig.call()).resource == before.resource
    assert rig.provider.changes(rig.address(Kind.NETWORK, "none"), since, rig.call()) == ()


def test_a_reader_sees_and_cannot_touch(rig: Any, make: Any, open_account: Any) -> None:
    rig.network(subnets=2)
    cluster = rig.make(make.cluster())
    reader = open_account(reader=True)
    for kind in (Kind.NETWORK, Kind.SUBNET, Kind.FIREWALL_GROUP, Kind.CLUSTER, Kind.NODE_POOL, Kind.INSTANCE):
        own = list(rig.provider.list(kind, REGION, rig.call(), fleet=rig.fleet))
        assert list(reader.list(kind, REGION, rig.call(), fleet=rig.fleet)) == own
    assert reader.cluster_access(cluster, rig.call()).token is not None
    with pytest.raises(Forbidden, match="does not have authorization"):
        reader.create(rig.address(Kind.NETWORK, "other"), Network(name="other", cidr="10.2.0.0/16"), rig.call())
    with pytest.raises(Forbidden):
        reader.delete(cluster, rig.call())
    rig.drop(cluster)


def test_a_wrong_token_and_a_missing_one(rig: Any, open_account: Any) -> None:
    wrong = open_account(secrets={"key_id": "x", "secret": "wrong-secret-value"})
    with pytest.raises(Unauthenticated) as caught:
        wrong.identity(rig.call())
    assert "wrong-secret-value" not in f"{caught.value} {caught.value.detail} {caught.value.mend}"
    account = rig.provider.account
    with pytest.raises(Unauthenticated, match="no token"):
        open_azure(replace(account, secrets={}))
    with pytest.raises(Unauthenticated, match="partition"):
        open_azure(replace(account, partition="aws"))


def test_an_incomplete_service_principal_is_named(rig: Any) -> None:
    account = Account(
        "prod", "azure", "azure", "00000000-0000-0000-0000-000000000009",
        secrets={"tenant_id": "t", "client_id": "c"},
    )  # fmt: skip
    with pytest.raises(Unauthenticated, match="client_secret"):
        open_azure(account).identity(rig.call())


def test_the_sandbox_token_goes_to_loopback_only() -> None:
    assert is_loopback("http://127.0.0.1:80/x")
    assert is_loopback("http://127.9.9.9")
    assert not is_loopback("http://localhost:80")
    assert not is_loopback("http://127.0.0.1.example.com")
    assert not is_loopback("https://management.azure.com")
    request = type("R", (), {"http_request": type("H", (), {"url": "http://10.0.0.1/", "headers": {}})()})()
    with pytest.raises(Unauthenticated, match="loopback"):
        LoopbackBearer("t").on_request(request)
    assert request.http_request.headers == {}


def test_endpoints_and_authorities_differ_by_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    class Fake:
        def __init__(self, **kwargs: Any) -> None:
            seen.update(kwargs)

    monkeypatch.setattr("azure.identity.ClientSecretCredential", Fake)
    secrets = {"tenant_id": "t", "client_id": "c", "client_secret": "s"}
    session = Session(Account("china", "azure", "azure-cn", "sub", secrets=secrets))
    assert session.base_url == "https://management.chinacloudapi.cn"
    assert session.scope == "https://management.chinacloudapi.cn/.default"
    assert isinstance(session.credential, Fake)
    assert seen["authority"] == "login.chinacloudapi.cn"


def test_silence_is_unreachable_within_the_deadline(rig: Any, open_account: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    gone = open_account(endpoint=f"http://127.0.0.1:{port}")
    begun = time.monotonic()
    with pytest.raises(Unreachable):
        list(gone.list(Kind.NETWORK, REGION, rig.call(timeout_s=1.0)))
    assert time.monotonic() - begun < 3.0
    rig.azure.faults.add({"service": "azure", "operation": "GET *", "delay_s": 3.0})
    begun = time.monotonic()
    with pytest.raises(Unreachable):
        rig.provider.get(rig.address(Kind.NETWORK, "main"), rig.call(timeout_s=0.5))
    assert time.monotonic() - begun < 2.0


def test_the_guard_is_asked_before_every_write(rig: Any) -> None:
    asked: list[int] = []
    fault(rig, "PUT *", status=503, code="ServiceUnavailable", count=2)
    at, wanted = rig.address(Kind.NETWORK, "main"), Network(name="main", cidr="10.1.0.0/16")
    rig.provider.create(at, wanted, rig.call(guard=lambda: asked.append(1)))
    assert len(asked) >= 4  # group, network twice refused, network

    def lost() -> None:
        raise LeaseLost("taken")

    with pytest.raises(LeaseLost):
        rig.provider.delete(rig.provider.get(at, rig.call()), rig.call(guard=lost))
    assert rig.provider.get(at, rig.call()).owner == rig.fleet


def test_subnets_made_side_by_side_all_appear(rig: Any) -> None:
    rig.network(subnets=0, firewall=False)
    wanted = [Subnet(name=f"s{i}", network="main", cidr=f"10.1.{i}.0/24") for i in range(6)]
    with slow(rig, 0.1), ThreadPoolExecutor(6) as pool:
        list(pool.map(rig.make, wanted))
    assert rig.names(Kind.SUBNET) == [s.name for s in wanted]


def test_one_that_is_being_deleted_is_waited_for_and_made_anew(rig: Any) -> None:
    rig.network(subnets=0, firewall=False)
    at, wanted = rig.address(Kind.NETWORK, "main"), Network(name="main", cidr="10.7.0.0/16")
    with slow(rig, 0.4):
        rig.provider.delete(rig.provider.get(at, rig.call()), rig.call())
        assert rig.provider.get(at, rig.call()).state is State.DELETING
        assert rig.provider.create(at, wanted, rig.call()).resource == wanted
        assert rig.provider.wait_ready(at, rig.call()).resource == wanted


def test_creating_from_many_threads_makes_one(rig: Any) -> None:
    rig.network(firewall=False)
    at, wanted = rig.address(Kind.FIREWALL_GROUP, "web"), FirewallGroup(name="web", network="main")
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda i: rig.provider.create(at, wanted, rig.call(f"k{i}")), range(8)))
    assert len({o.provider_id for o in seen}) == 1
    assert rig.names(Kind.FIREWALL_GROUP) == ["web"]


def test_pages_are_followed_and_retried(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.network(firewall=False)
    for name in ("aa", "bb", "cc"):
        rig.make(FirewallGroup(name=name, network="main"))
    monkeypatch.setattr(rig.azure.server.engine, "page_size", 1)
    rig.azure.faults.add(
        {"service": "azure", "operation": "GET Microsoft.Network/networkSecurityGroups", "status": 500, "rate": 0.5,
         "code": "InternalServerError", "count": 3}
    )  # fmt: skip
    assert rig.names(Kind.FIREWALL_GROUP) == ["aa", "bb", "cc"]


def test_what_failed_says_why(rig: Any, make: Any) -> None:
    rig.network(subnets=1)
    rig.make(make.instance())
    records = rig.azure.server.engine.store.records.values()
    machine = next(r for r in records if r.type.endswith("virtualMachines") and rig.fleet in r.id)
    machine.state = "Failed"
    with pytest.raises(RolloutFailed) as caught:
        rig.provider.wait_ready(rig.address(Kind.INSTANCE, "ledger-1"), rig.call())
    assert "ProvisioningState/failed" in caught.value.detail
    with pytest.raises(NotFound):
        rig.provider.wait_ready(rig.address(Kind.INSTANCE, "ledger-2"), rig.call())


def test_threads_share_clients(rig: Any) -> None:
    session = Session(rig.provider.account)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(session.network)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(c) for c in found}) == 1
    session.close()
