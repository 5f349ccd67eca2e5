"""What differs by cloud in the contract: operations, refusals, and somebody who knows nothing of duoyun.

What a fourth cloud needs here is one row and one stranger: see docs/checklists/new-provider.md.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from model.resources import Kind
from providers.base import Account

KINDS = (Kind.NETWORK, Kind.SUBNET, Kind.FIREWALL_GROUP, Kind.CLUSTER, Kind.NODE_POOL, Kind.INSTANCE)


@dataclass(frozen=True)
class Stranger:
    """Somebody who knows nothing of duoyun and changes things with the cloud's own means.

    network(account, region, name): makes one without our tags. open_port(account, region, group's provider id, port):
    lets the world in. actor: what the audit log says of them, at least this text.
    """

    network: Callable[[Account, str, str], None]
    open_port: Callable[[Account, str, str, int], None]
    actor: Callable[[Account], str]


@dataclass(frozen=True)
class Cloud:
    """creates: the fault table's operation that makes a kind. refusals: how this cloud says it, (status, code)."""

    name: str
    partition: str
    region: str
    zones: tuple[str, str]
    instance_type: str
    larger_type: str
    creates: Mapping[Kind, str]
    throttled: tuple[int, str]
    stumbles: tuple[int, str]
    quota: tuple[int, str]
    stranger: Stranger
    access_lists: bool = True
    """Whether a cluster's public endpoint can be limited to some addresses by this adapter."""
    subnet_tags: bool = True
    """Whether subnets have tags; else theirs are those of their network."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the account that let the adapter wait less, as the sandbox shows at once what was made."""


def _aws(account: Account, region: str) -> Any:
    import boto3

    return boto3.client(
        "ec2", region_name=region, endpoint_url=account.endpoint,
        aws_access_key_id=account.secrets["key_id"], aws_secret_access_key=account.secrets["secret"],
    )  # fmt: skip


def _aws_network(account: Account, region: str, name: str) -> None:
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": name}]}]
    _aws(account, region).create_vpc(CidrBlock="10.77.0.0/16", TagSpecifications=tags)


def _aws_open(account: Account, region: str, group: str, port: int) -> None:
    _aws(account, region).authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0"
    )


def _azure(account: Account, path: str, body: Mapping[str, Any]) -> None:
    request = urllib.request.Request(
        f"{account.endpoint}{path}?api-version=2024-05-01",
        method="PUT",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {account.secrets['secret']}~mallory", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def _azure_network(account: Account, region: str, name: str) -> None:
    group = f"/subscriptions/{account.account_id}/resourceGroups/theirs"
    _azure(account, group, {"location": region})
    body = {"location": region, "properties": {"addressSpace": {"addressPrefixes": ["10.77.0.0/16"]}}}
    _azure(account, f"{group}/providers/Microsoft.Network/virtualNetworks/{name}", body)


def _azure_open(account: Account, _region: str, group: str, port: int) -> None:
    rule = {
        "protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 4000, "sourcePortRange": "*",
        "sourceAddressPrefix": "0.0.0.0/0", "destinationAddressPrefix": "*", "destinationPortRange": str(port),
    }  # fmt: skip
    _azure(account, f"{group}/securityRules/oops", {"properties": rule})


def _alibaba(account: Account, region: str, product: str, version: str, action: str, **params: str) -> None:
    from aliyunsdkcore.client import AcsClient
    from aliyunsdkcore.request import CommonRequest

    request = CommonRequest(product=product, version=version, action_name=action)
    request.set_domain(account.endpoint.removeprefix("http://"))
    request.set_method("POST")
    for name, value in {"RegionId": region, **params}.items():
        request.add_query_param(name, value)
    AcsClient(account.secrets["key_id"], account.secrets["secret"], region).do_action_with_exception(request)


def _alibaba_network(account: Account, region: str, name: str) -> None:
    _alibaba(account, region, "Vpc", "2016-04-28", "CreateVpc", VpcName=name, CidrBlock="10.77.0.0/16")


def _alibaba_open(account: Account, region: str, group: str, port: int) -> None:
    rule = {"SecurityGroupId": group, "IpProtocol": "tcp", "PortRange": f"{port}/{port}", "SourceCidrIp": "0.0.0.0/0"}
    _alibaba(account, region, "Ecs", "2014-05-26", "AuthorizeSecurityGroup", **rule)


CLOUDS = (
    Cloud(
        "aws", "aws-cn", "cn-north-1", ("cn-north-1a", "cn-north-1b"), "m6i.large", "m6i.xlarge",
        creates={
            Kind.NETWORK: "ec2:CreateVpc", Kind.SUBNET: "ec2:CreateSubnet",
            Kind.FIREWALL_GROUP: "ec2:CreateSecurityGroup", Kind.CLUSTER: "eks:CreateCluster",
            Kind.NODE_POOL: "eks:CreateNodegroup", Kind.INSTANCE: "ec2:RunInstances",
        },
        throttled=(503, "RequestLimitExceeded"), stumbles=(500, "InternalError"), quota=(400, "VcpuLimitExceeded"),
        stranger=Stranger(_aws_network, _aws_open, lambda _account: "arn:"),
    ),
    Cloud(
        "azure", "azure-cn", "chinanorth3", ("chinanorth3-1", "chinanorth3-2"), "Standard_D2s_v5", "Standard_D4s_v5",
        creates={
            Kind.NETWORK: "PUT Microsoft.Network/virtualNetworks",
            Kind.SUBNET: "PUT Microsoft.Network/virtualNetworks/subnets",
            Kind.FIREWALL_GROUP: "PUT Microsoft.Network/networkSecurityGroups",
            Kind.CLUSTER: "PUT Microsoft.ContainerService/managedClusters",
            Kind.NODE_POOL: "PUT Microsoft.ContainerService/managedClusters/agentPools",
            Kind.INSTANCE: "PUT Microsoft.Compute/virtualMachines",
        },
        throttled=(429, "TooManyRequests"), stumbles=(500, "InternalServerError"), quota=(409, "QuotaExceeded"),
        stranger=Stranger(_azure_network, _azure_open, lambda _account: "mallory"), subnet_tags=False,
    ),
    Cloud(
        "alibaba", "alibaba-cn", "cn-hangzhou", ("cn-hangzhou-h", "cn-hangzhou-i"), "ecs.g7.large", "ecs.g7.xlarge",
        creates={
            Kind.NETWORK: "vpc:CreateVpc", Kind.SUBNET: "vpc:CreateVSwitch",
            Kind.FIREWALL_GROUP: "ecs:CreateSecurityGroup", Kind.CLUSTER: "cs:CreateCluster",
            Kind.NODE_POOL: "cs:CreateClusterNodePool", Kind.INSTANCE: "ecs:RunInstances",
        },
        throttled=(400, "Throttling.User"), stumbles=(503, "ServiceUnavailable"),
        quota=(403, "QuotaExceed.ElasticQuota"),
        stranger=Stranger(_alibaba_network, _alibaba_open, lambda account: account.secrets["key_id"]),
        access_lists=False, options={"visible_within_s": 0.2},
    ),
)  # fmt: skip
