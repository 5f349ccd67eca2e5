"""Azure: what the contract of the further kinds has to know of it."""

from __future__ import annotations

from model.resources import Kind
from tools.conformance.more import MADE, READ, More

MORE = More(
    creates={
        Kind.INSTANCE_GROUP: "PUT Microsoft.Compute/virtualMachineScaleSets",
        Kind.DISK: "PUT Microsoft.Compute/disks",
        Kind.LOAD_BALANCER: "PUT Microsoft.Network/loadBalancers",
        Kind.DNS_RECORD: "PUT Microsoft.Network/dnsZones/A",
        Kind.REGISTRY: "PUT Microsoft.ContainerRegistry/registries",
    },
    lacking=frozenset({*MADE, *READ}),
)
