"""Values that are known only once something exists: the private addresses of instances, in EndpointSlices.

A plan shows them as PENDING_IP; they are filled in from the inventory when the object is applied, compared or judged.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from model.resources import LABEL_SERVICE, Address, AnyResource, Kind, KubernetesObject

PENDING_IP = "0.0.0.0"  # noqa: S104  (no address is bound: it stands for one that is not known yet)
Addresses = Mapping[tuple[str, str, str, str], tuple[str, ...]]
"""(partition, account, region, service) -> private IPs of the service's instances there."""


def instance_addresses(private_ips: Mapping[Address, tuple[str, str]]) -> Addresses:
    """private_ips: instance -> (service, its private IP)."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for address, (service, ip) in private_ips.items():
        if address.kind is Kind.INSTANCE and ip:
            found.setdefault((address.partition, address.account, address.region, service), []).append(ip)
    return {key: tuple(sorted(ips)) for key, ips in found.items()}


def is_pending(resource: AnyResource) -> bool:
    """Whether its endpoints are to be filled in."""
    return (
        isinstance(resource, KubernetesObject)
        and resource.manifest["kind"] == "EndpointSlice"
        and any(PENDING_IP in e["addresses"] for e in resource.manifest["endpoints"])
    )


def bind(address: Address, resource: AnyResource, known: Addresses) -> AnyResource:
    """The resource with its endpoints filled in as far as they are known; others are returned as they are."""
    if not is_pending(resource) or not isinstance(resource, KubernetesObject):
        return resource
    service = resource.manifest["metadata"]["labels"][LABEL_SERVICE]
    ips = known.get((address.partition, address.account, address.region, service), ())
    if not ips:
        return resource
    endpoints = [{"addresses": [ip], "conditions": {"ready": True}} for ip in ips]
    return replace(resource, manifest={**resource.manifest, "endpoints": endpoints})
