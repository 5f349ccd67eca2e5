"""AWS: what the contract of the further kinds has to know of it."""

from __future__ import annotations

from typing import Any

from model.resources import Kind
from sandbox.threaded import Running
from tools.conformance.more import MADE, READ, More


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
    lacking=frozenset({*MADE, *READ}) - {Kind.INSTANCE_GROUP, Kind.DISK, Kind.LOAD_BALANCER, Kind.REGISTRY},
    page_size=_page_size,
)
