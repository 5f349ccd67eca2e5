"""EKS, node groups and instances through the adapter."""

import json
import ssl
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from model.errors import AlreadyExists, DependencyInUse, InvalidRequest, NotFound, QuotaExceeded
from model.resources import Address, Cluster, FirewallGroup, Instance, Kind, NodePool, State
from providers.base import Call, CloudProvider

MakeCall = Callable[..., Call]
At = Callable[[Kind, str], Address]
USER_DATA = "#cloud-config\nruncmd:\n- podman run -d -p 8080:8080 registry/app:1\n"


def untagged(resource: Any) -> Any:
    return replace(resource, tags={})


def destroy(provider: CloudProvider, at: Address, call: Call) -> None:
    provider.delete(provider.get(at, call), call)
    provider.wait_gone(at, call)


def test_a_cluster_with_nodes_from_birth_to_death(
    provider: CloudProvider, address: At, call: MakeCall, network: str, fleet: str, boto: Any, faults: Any
) -> None:
    at, pool_at = address(Kind.CLUSTER, fleet), address(Kind.NODE_POOL, f"{fleet}-a")
    provider.create(address(Kind.FIREWALL_GROUP, "eks"), FirewallGroup(name="eks", network=network), call())
    wish = Cluster(
        name=fleet,
        version="1.34",
        network=network,
        subnets=("main-a", "main-b"),
        firewall_group="eks",
        public_access_cidrs=("203.0.113.0/24",),
        secrets_encrypted=True,
    )
    faults.add({"service": "aws", "operation": "eks:CreateCluster", "drop_answer": True})
    made = provider.create(at, wish, call("c"))
    assert made.state in (State.PENDING, State.READY)
    ready = provider.wait_ready(at, call())
    assert ready.resource == wish
    assert provider.create(at, wish, call("c")).provider_id == ready.provider_id
    logs = boto("eks").describe_cluster(name=fleet)["cluster"]["logging"]["clusterLogging"]
    assert {"types": ["audit"], "enabled": True} in logs

    pool = NodePool(
        name=pool_at.name,
        cluster=fleet,
        zone="cn-northwest-1a",
        subnet="main-a",
        instance_type="m6i.large",
        count=2,
        labels={"duoyun.dev/site": "x"},
    )
    faults.add({"service": "aws", "operation": "eks:CreateNodegroup", "drop_answer": True})
    provider.create(pool_at, pool, call("p"))
    nodes_ready = provider.wait_ready(pool_at, call())
    assert nodes_ready.resource == pool
    assert len(nodes_of(provider, at, call())) == 2
    with pytest.raises(DependencyInUse):
        provider.delete(ready, call())

    smaller = replace(pool, count=1, labels={"duoyun.dev/site": "y"})
    provider.update(nodes_ready, smaller, call())
    assert provider.wait_ready(pool_at, call()).resource == smaller
    assert len(nodes_of(provider, at, call())) == 1
    bigger_type = replace(pool, instance_type="m6i.xlarge")
    assert provider.needs_replace(pool, bigger_type) == ("instance_type",)

    changed = replace(wish, version="1.35", public_access_cidrs=(), audit_logs=False, firewall_group="")
    assert provider.needs_replace(wish, changed) == ()
    provider.update(provider.get(at, call()), changed, call())
    assert provider.wait_ready(at, call()).resource == changed
    assert "UpdateClusterVersion" in {c.operation for c in provider.changes(at, 0.0, call())}
    with pytest.raises(InvalidRequest, match="one minor version"):
        provider.update(provider.get(at, call()), replace(changed, version="1.37"), call())
    assert provider.needs_replace(changed, replace(changed, version="1.34", secrets_encrypted=False)) == (
        "version",
        "secrets_encrypted",
    )

    destroy(provider, pool_at, call())
    destroy(provider, at, call())
    provider.delete(ready, call())
    with pytest.raises(NotFound):
        provider.get(at, call())


def nodes_of(provider: CloudProvider, at: Address, call: Call) -> list[Any]:
    access = provider.cluster_access(provider.get(at, call), call)
    assert access.token is not None
    assert access.ca_pem.startswith("-----BEGIN CERTIFICATE-----")
    request = urllib.request.Request(
        f"{access.server}/api/v1/nodes", headers={"Authorization": f"Bearer {access.token()}"}
    )
    trust = ssl.create_default_context(cadata=access.ca_pem)
    with urllib.request.urlopen(request, timeout=10, context=trust) as answer:
        found: list[Any] = json.loads(answer.read())["items"]
    return found


def test_somebody_elses_cluster_is_not_taken(
    provider: CloudProvider, address: At, call: MakeCall, network: str, boto: Any, fleet: str
) -> None:
    subnets = [provider.get(address(Kind.SUBNET, f"main-{z}"), call()).provider_id for z in "ab"]
    boto("eks").create_cluster(
        name=f"{fleet}-theirs",
        roleArn="arn:aws-cn:iam::222222222222:role/theirs",
        resourcesVpcConfig={"subnetIds": subnets},
    )
    at = address(Kind.CLUSTER, f"{fleet}-theirs")
    wish = Cluster(name=at.name, version="1.35", network=network, subnets=("main-a", "main-b"))
    with pytest.raises(AlreadyExists, match="nobody that we know"):
        provider.create(at, wish, call())
    ready = provider.wait_ready(at, call())
    assert ready.owner == ""
    assert untagged(ready.resource) == replace(wish, audit_logs=False)
    destroy(provider, at, call())


def test_an_instance_runs_and_is_found_again(
    provider: CloudProvider, address: At, call: MakeCall, network: str, faults: Any, boto: Any
) -> None:
    provider.create(address(Kind.FIREWALL_GROUP, "vm"), FirewallGroup(name="vm", network=network), call())
    at = address(Kind.INSTANCE, "vm-0")
    wish = Instance(
        name="vm-0",
        zone="cn-northwest-1a",
        subnet="main-a",
        firewall_group="vm",
        instance_type="t3.micro",
        user_data=USER_DATA,
        disk_gib=30,
    )
    faults.add({"service": "aws", "operation": "ec2:RunInstances", "drop_answer": True})
    made = provider.create(at, wish, call("i"))
    ready = provider.wait_ready(at, call())
    assert ready.provider_id == made.provider_id
    assert isinstance(ready.resource, Instance)
    assert replace(ready.resource, machine_image=wish.machine_image, user_data=USER_DATA) == wish
    with urllib.request.urlopen(f"http://{ready.private_ip}:8080/", timeout=5) as answer:
        assert answer.status == 200
    row = boto("ec2").describe_instances(InstanceIds=[ready.provider_id])["Reservations"][0]["Instances"][0]
    assert row["MetadataOptions"]["HttpTokens"] == "required"

    provider.create(address(Kind.FIREWALL_GROUP, "vm2"), FirewallGroup(name="vm2", network=network), call())
    moved = provider.update(ready, replace(ready.resource, firewall_group="vm2"), call())
    assert isinstance(moved.resource, Instance)
    assert moved.resource.firewall_group == "vm2"
    assert provider.needs_replace(wish, replace(wish, disk_gib=40, user_data="x")) == ("disk_gib", "user_data")

    destroy(provider, at, call())
    again = provider.create(at, wish, call("i"))  # the same key must not bring the terminated one back
    assert again.provider_id != made.provider_id
    assert again.state in (State.PENDING, State.READY)
    provider.wait_ready(at, call())
    destroy(provider, at, call())


def test_what_cannot_be_is_refused(
    provider: CloudProvider, address: At, call: MakeCall, network: str, faults: Any
) -> None:
    at = address(Kind.INSTANCE, "no")
    wish = Instance(name="no", zone="cn-northwest-1a", subnet="main-a", firewall_group="", instance_type="t3.micro")
    with pytest.raises(InvalidRequest, match="machine image"):
        provider.create(at, replace(wish, machine_image="windows"), call())
    with pytest.raises(InvalidRequest):
        provider.create(at, replace(wish, instance_type="t9.huge"), call())
    with pytest.raises(InvalidRequest, match="subnet"):
        provider.create(at, replace(wish, subnet="nowhere"), call())
    faults.add({
        "service": "aws", "operation": "ec2:RunInstances", "status": 400, "code": "VcpuLimitExceeded",
        "message": "You have requested more vCPU capacity than your current vCPU limit of 8 allows",
    })  # fmt: skip
    with pytest.raises(QuotaExceeded) as error:
        provider.create(at, wish, call())
    assert error.value.limit == 8
    pool = NodePool(
        name="p", cluster="none", zone="cn-northwest-1a", subnet="main-a", instance_type="m6i.large", count=1
    )
    with pytest.raises(InvalidRequest, match="cluster"):
        provider.create(address(Kind.NODE_POOL, "p"), pool, call())


def test_waiting_says_what_failed(
    provider: CloudProvider, address: At, call: MakeCall, network: str, boto: Any
) -> None:
    from model.errors import RolloutFailed, Unreachable

    at = address(Kind.INSTANCE, "stopped")
    wish = Instance(
        name="stopped", zone="cn-northwest-1a", subnet="main-a", firewall_group="", instance_type="t3.micro"
    )
    made = provider.create(at, wish, call())
    with pytest.raises(Unreachable, match="deadline"):
        provider.wait_ready(at, call(deadline_s=time.monotonic() + 0.01))
    provider.wait_ready(at, call())
    boto("ec2").stop_instances(InstanceIds=[made.provider_id])
    with pytest.raises(RolloutFailed, match="stop"):
        provider.wait_ready(at, call())
    destroy(provider, at, call())
