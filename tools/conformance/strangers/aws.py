"""AWS: what the contract of the further kinds has to know of it."""

from __future__ import annotations

from model.resources import Kind
from tools.conformance.more import MADE, READ, More

MORE = More(
    creates={
        Kind.INSTANCE_GROUP: "autoscaling:CreateAutoScalingGroup",
        Kind.DISK: "ec2:CreateVolume",
        Kind.LOAD_BALANCER: "elasticloadbalancing:CreateLoadBalancer",
        Kind.DNS_RECORD: "route53:ChangeResourceRecordSets",
        Kind.REGISTRY: "ecr:CreateRepository",
    },
    lacking=frozenset({*MADE, *READ}),
)
