"""AWS: what the contract of the further kinds has to know of it."""

from __future__ import annotations

from typing import Any

from model.resources import Kind
from providers.base import Account
from sandbox.threaded import Running
from tools.conformance.more import MADE, READ, More


def client(account: Account, region: str, service: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        service, region_name=region, endpoint_url=account.endpoint,
        aws_access_key_id=account.secrets["key_id"], aws_secret_access_key=account.secrets["secret"],
        config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 1}),
    )  # fmt: skip


def _dns_zone(account: Account, region: str, name: str) -> None:
    route53 = client(account, region, "route53")
    if all(zone["Name"] != f"{name}." for zone in route53.list_hosted_zones()["HostedZones"]):
        route53.create_hosted_zone(Name=name, CallerReference=name)


def _page_size(running: Running, rows: int) -> int:
    cloud: Any = running.sandbox.servers["aws"].cloud
    usual, cloud.page_size = cloud.page_size, rows
    return int(usual)


MORE = More(
    creates={
        Kind.INSTANCE_GROUP: "autoscaling:CreateAutoScalingGroup",
        Kind.DISK: "ec2:CreateVolume",
        Kind.LOAD_BALANCER: "elasticloadbalancing:CreateLoadBalancer",
        Kind.DNS_RECORD: "route53:ChangeResourceRecordSets",
        Kind.REGISTRY: "ecr:CreateRepository",
    },
    lacking=frozenset({*MADE, *READ}) - frozenset(MADE),
    page_size=_page_size,
    dns_zone=_dns_zone,
)
