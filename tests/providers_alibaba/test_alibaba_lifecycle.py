"""Each kind from creation to its end, and what a fleet asks of them in between."""

from __future__ import annotations

import urllib.request
from dataclasses import replace
from typing import Any

import pytest

from model.errors import DependencyInUse, InvalidRequest, NotBuiltYet, NotFound
from model.resources import (
    Address,
    Cluster,
    Direction,
    FirewallGroup,
    FirewallRule,
    Instance,
    Kind,
    NodePool,
    State,
    Verb,
)
from providers.base import CloudProvider

USER_DATA = """#cloud-config
runcmd:
  - [podman, run, --detach, --publish, "8080:8080", registry.example/gate:v1]
"""


def test_the_adapter_keeps_the_protocol(region: Any) -> None:
    assert isinstance(region.provider, CloudProvider)
    assert {c.kind for c in region.provider.capabilities} == set(Kind) - {Kind.KUBERNETES_OBJECT}


def test_identity_names_the_account(region: Any) -> None:
    who = region.provider.identity(region.call())
    assert (who.principal, who.account_id) == ("acs:ram::5000000000000002:root", "5000000000000002")


def test_network_and_subnet_from_creation_to_their_end(region: Any, sandbox: Any) -> None:
    p, net, sub = region.provider, region.network(), region.subnet()
    at_net, at_sub = region.at(Kind.NETWORK, "main"), region.at(Kind.SUBNET, "main-h")
    assert p.create(at_net, net, region.call("k1")).state is State.PENDING
    assert p.wait_ready(at_net, region.call()).resource == net
    p.create(at_sub, sub, region.call("k2"))
    seen = p.wait_ready(at_sub, region.call())
    assert (seen.resource, seen.owner, seen.provider_id[:4]) == (sub, "shop", "vsw-")
    assert [o.resource for o in p.list(Kind.SUBNET, region.region, region.call(), fleet="shop")] == [sub]
    tagged = p.update(seen, replace(sub, tags={"cost": "7"}), region.call("k3"))
    assert tagged.resource.tags == {"cost": "7"}
    with pytest.raises(DependencyInUse):
        p.delete(p.get(at_net, region.call()), region.call("k4"))
    p.delete(seen, region.call("k5"))
    p.wait_gone(at_sub, region.call())
    p.delete(seen, region.call("k5"))  # once more: it is gone, which is what was wanted
    p.delete(p.get(at_net, region.call()), region.call("k4"))
    with pytest.raises(NotFound):
        p.get(at_net, region.call())
    assert sandbox.server.inventory() == []


def test_rules_are_brought_to_what_is_wanted(region: Any, rule: Any) -> None:
    region.make(region.network(), region.group(rule(443), rule(22, "10.0.0.0/8", description="jump host")))
    p, at = region.provider, region.at(Kind.FIREWALL_GROUP, "web")
    seen = p.get(at, region.call())
    assert {r.key for r in seen.resource.rules} == {rule(443).key, rule(22, "10.0.0.0/8").key}
    wanted = region.group(
        rule(22, "10.0.0.0/8", description="jump host, moved"),
        rule(8000, port_to=8100, cidr="2001:db8::/32"),
        FirewallRule(direction=Direction.EGRESS, protocol="any", port_from=0, port_to=65535, cidr="0.0.0.0/0",
                     action=Verb.DENY, priority=100),
    )  # fmt: skip
    after = p.update(seen, wanted, region.call("k"))
    assert {r.key for r in after.resource.rules} == {r.key for r in wanted.rules}
    assert "jump host, moved" in {r.description for r in after.resource.rules}
    assert {r.priority for r in after.resource.rules} == {1, 100}
    nothing = p.update(after, region.group(), region.call("k"))
    assert nothing.resource.rules == ()


def test_a_changed_priority_moves_the_rule(region: Any, rule: Any) -> None:
    region.make(region.network(), region.group(rule(443, priority=5)))
    seen = region.provider.get(region.at(Kind.FIREWALL_GROUP, "web"), region.call())
    after = region.provider.update(seen, region.group(rule(443, priority=9)), region.call("k"))
    assert [r.priority for r in after.resource.rules] == [9]


def test_an_impossible_rule_is_refused_before_anything_exists(region: Any, rule: Any, sandbox: Any) -> None:
    region.make(region.network())
    group = region.group(rule(443, priority=101))
    with pytest.raises(InvalidRequest, match=r"1\.\.100"):
        region.provider.create(region.at(Kind.FIREWALL_GROUP, "web"), group, region.call("k"))
    assert sandbox.of_kind("firewall_group") == []


def test_an_instance_runs_its_container(region: Any) -> None:
    region.base()
    p, at, wanted = region.provider, region.at(Kind.INSTANCE, "gate-0"), region.instance(public_ip=True)
    p.create(at, wanted, region.call("k"))
    seen = p.wait_ready(at, region.call())
    assert replace(seen.resource, user_data=wanted.user_data) == wanted
    with urllib.request.urlopen(f"http://{seen.private_ip}:8080/healthz", timeout=5) as answer:
        assert answer.status == 200
    p.delete(seen, region.call("k2"))
    p.wait_gone(at, region.call())
    assert list(p.list(Kind.INSTANCE, region.region, region.call())) == []


def test_long_requests_go_in_the_body(region: Any, rule: Any) -> None:
    region.make(region.network(), region.subnet(), region.group(*(rule(port) for port in range(1, 131))))
    seen = region.provider.get(region.at(Kind.FIREWALL_GROUP, "web"), region.call())
    assert len(seen.resource.rules) == 130
    region.make(region.instance(user_data=USER_DATA + "# é\n" * 6000))
    assert region.provider.get(region.at(Kind.INSTANCE, "gate-0"), region.call()).private_ip.startswith("127.")
    emptied = region.provider.update(seen, region.group(), region.call("k"))
    assert emptied.resource.rules == ()
    with pytest.raises(InvalidRequest, match="32768"):
        wanted = region.instance(name="gate-1", user_data="#" * 40_000)
        region.provider.create(region.at(Kind.INSTANCE, "gate-1"), wanted, region.call("k2"))


def test_an_instance_moves_to_another_group_in_place(region: Any) -> None:
    region.base()
    region.make(replace(region.group(), name="db"), region.instance())
    seen = region.provider.get(region.at(Kind.INSTANCE, "gate-0"), region.call())
    after = region.provider.update(seen, region.instance(firewall_group="db"), region.call("k"))
    assert after.resource.firewall_group == "db"


@pytest.mark.parametrize(
    ("machine_image", "instance_type", "expected"),
    [
        ("debian-12", "ecs.g7.large", "debian_12_11_x64_20G_alibase_20260119.vhd"),
        ("debian-12", "ecs.g8y.large", "debian_12_11_arm64_20G_alibase_20260119.vhd"),
        ("ubuntu-24.04", "ecs.g7.large", "ubuntu_24_04_x64_20G_alibase_20260119.vhd"),
    ],
)
def test_an_image_role_is_the_newest_image(region: Any, machine_image: str, instance_type: str, expected: str) -> None:
    region.base()
    region.make(region.instance(machine_image=machine_image, instance_type=instance_type))
    seen = region.provider.get(region.at(Kind.INSTANCE, "gate-0"), region.call())
    assert seen.raw["image_id"] == expected
    assert isinstance(seen.resource, Instance)
    assert seen.resource.machine_image == machine_image


@pytest.mark.parametrize("wrong", [{"machine_image": "beos-5"}, {"instance_type": "ecs.g7.huge"}])
def test_what_ecs_does_not_have_is_an_invalid_request(region: Any, wrong: dict[str, str]) -> None:
    region.base()
    with pytest.raises(InvalidRequest) as caught:
        region.provider.create(region.at(Kind.INSTANCE, "gate-0"), region.instance(**wrong), region.call("k"))
    assert next(iter(wrong.values())) in str(caught.value)
    assert caught.value.mend


def test_cluster_and_pool_from_creation_to_their_end(region: Any, sandbox: Any) -> None:
    region.base()
    p, at, wanted = region.provider, region.at(Kind.CLUSTER, "main"), region.cluster()
    made = p.create(at, wanted, region.call("k1"))
    assert made.state is State.PENDING
    seen = p.wait_ready(at, region.call())
    assert seen.resource == wanted
    assert seen.raw["version"] == "1.35.2-aliyun.1"
    at_pool, pool = region.at(Kind.NODE_POOL, "h-g7"), region.pool()
    p.create(at_pool, pool, region.call("k2"))
    ready = p.wait_ready(at_pool, region.call())
    assert ready.resource == pool
    nodes = sandbox.clusters.made[seen.provider_id].nodes.values()
    assert {(n.zone, n.instance_type, n.cpu_millicores, n.memory_mib) for n in nodes} == {
        ("cn-hangzhou-h", "ecs.g7.xlarge", 3920, 14819)
    }
    assert all(n.labels["duoyun.dev/site"] == "alibaba-cn.cn-hangzhou-h" for n in nodes)
    p.update(ready, replace(pool, count=1), region.call("k3"))
    smaller = p.wait_ready(at_pool, region.call())
    assert isinstance(smaller.resource, NodePool)
    assert (smaller.resource.count, len(sandbox.clusters.made[seen.provider_id].nodes)) == (1, 1)
    p.delete(smaller, region.call("k4"))
    p.wait_gone(at_pool, region.call())
    p.delete(seen, region.call("k5"))
    p.wait_gone(at, region.call())
    assert sandbox.clusters.made == {}
    assert sandbox.of_kind("cluster") == sandbox.of_kind("node_pool") == sandbox.of_kind("node") == []


def test_worker_nodes_are_not_listed_as_instances(region: Any, sandbox: Any) -> None:
    region.base()
    region.make(region.cluster(), region.pool())
    assert len(sandbox.of_kind("node")) == 2
    assert list(region.provider.list(Kind.INSTANCE, region.region, region.call())) == []


def test_a_cluster_changes_in_place(region: Any) -> None:
    region.base()
    region.make(region.cluster(public_endpoint=False))
    p, at = region.provider, region.at(Kind.CLUSTER, "main")
    wanted = region.cluster(version="1.36", audit_logs=False, public_endpoint=True, firewall_group="web")
    p.update(p.get(at, region.call()), wanted, region.call("k"))
    assert p.wait_ready(at, region.call()).resource == wanted


def test_what_needs_a_new_cluster(region: Any) -> None:
    p, before = region.provider, region.cluster()
    assert p.needs_replace(before, replace(before, version="1.36")) == ()
    assert p.needs_replace(before, replace(before, version="1.34")) == ("version",)
    assert p.needs_replace(before, replace(before, network="other")) == ("network",)
    assert p.needs_replace(region.instance(), region.instance(instance_type="ecs.g7.xlarge")) == ("instance_type",)
    assert p.needs_replace(region.pool(), region.pool(count=5, labels={})) == ()


def test_a_version_that_ack_does_not_make(region: Any) -> None:
    region.base()
    with pytest.raises(InvalidRequest, match=r"1\.20") as caught:
        region.provider.create(region.at(Kind.CLUSTER, "main"), region.cluster(version="1.20"), region.call("k"))
    assert "1.35" in caught.value.mend


def test_access_lists_of_the_api_server_are_not_built(region: Any) -> None:
    region.base()
    wanted = region.cluster(public_access_cidrs=("10.0.0.0/8",))
    with pytest.raises(NotBuiltYet, match="public_access_cidrs"):
        region.provider.create(region.at(Kind.CLUSTER, "main"), wanted, region.call("k"))


def test_secrets_are_encrypted_with_the_named_key(region: Any, sandbox: Any) -> None:
    options = {"visible_within_s": 0.3, "kms_key_id": "key-123"}
    region.provider = sandbox.provider(options=options)
    region.base()
    region.make(region.cluster(secrets_encrypted=True))
    seen = region.provider.get(region.at(Kind.CLUSTER, "main"), region.call())
    assert isinstance(seen.resource, Cluster)
    assert seen.resource.secrets_encrypted
    assert seen.resource.tags == {}


def test_cluster_access_gives_a_token_that_the_cluster_knows(region: Any, sandbox: Any) -> None:
    region.base()
    region.make(region.cluster())
    seen = region.provider.get(region.at(Kind.CLUSTER, "main"), region.call())
    access = region.provider.cluster_access(seen, region.call())
    cluster = sandbox.clusters.made[seen.provider_id]
    assert access.server == cluster.url
    assert access.token is not None
    assert cluster.authenticate(access.token()) == "5000000000000002"
    reader = sandbox.provider(reader=True).cluster_access(seen, region.call())
    assert reader.token is not None
    assert cluster.authenticate(reader.token()) == "reader:5000000000000002"
    assert "ack-" not in repr(access)


def test_foreign_things_are_listed_and_can_be_referred_to(region: Any, sandbox: Any) -> None:
    region.fleet = ""  # somebody without tags of ours
    region.base()
    region.fleet = "shop"
    p = region.provider
    assert list(p.list(Kind.NETWORK, region.region, region.call(), fleet="shop")) == []
    foreign = list(p.list(Kind.NETWORK, region.region, region.call()))
    assert [(o.owner, o.address.name) for o in foreign] == [("", "main")]
    subnet = replace(region.subnet(), name="ours", cidr="10.14.2.0/24")
    made = p.create(region.at(Kind.SUBNET, "ours"), subnet, region.call("k"))
    assert made.resource.network == "main"


def test_another_fleets_network_is_not_referred_to_by_its_name(region: Any) -> None:
    region.fleet = "others"
    region.base()
    region.fleet = "shop"
    with pytest.raises(InvalidRequest, match="names network 'main'"):
        region.provider.create(region.at(Kind.SUBNET, "ours"), region.subnet(), region.call("k"))


def test_a_missing_reference_is_named(region: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"main-h names network 'main'") as caught:
        region.provider.create(region.at(Kind.SUBNET, "main-h"), region.subnet(), region.call("k"))
    assert caught.value.mend


def test_both_partitions_and_their_regions(sandbox: Any, region: Any) -> None:
    region.provider, region.region, region.zone = sandbox.provider("alibaba-intl"), "ap-southeast-1", "ap-southeast-1a"
    region.base()
    seen = region.provider.get(region.at(Kind.SUBNET, "main-h"), region.call())
    assert seen.address == Address("alibaba-intl", "5000000000000001", "ap-southeast-1", Kind.SUBNET, "main-h")
    assert isinstance(region.group(), FirewallGroup)
