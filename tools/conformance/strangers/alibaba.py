"""Alibaba Cloud: what the contract of the further kinds has to know of it."""

from __future__ import annotations

from model.resources import Kind
from tools.conformance.more import MADE, READ, More

MORE = More(
    creates={
        Kind.INSTANCE_GROUP: "ess:CreateScalingGroup",
        Kind.DISK: "ecs:CreateDisk",
        Kind.LOAD_BALANCER: "slb:CreateLoadBalancer",
        Kind.DNS_RECORD: "alidns:AddDomainRecord",
        Kind.REGISTRY: "cr:CreateRepository",
    },
    lacking=frozenset({*MADE, *READ}),
)
