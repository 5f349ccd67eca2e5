"""How much of what a replica asks for and a machine has, and how many replicas may share a node, zone, region or cloud.

A size is a vector: cpu, memory, GPU, pods and local disk, then slots that only some machines have. A pod whose image
exists for amd64 only asks for one amd64 slot, and an arm64 machine has none; so with arm64; and a pod that may not run
on spot machines asks for a slot that those lack. So "fits" is one comparison everywhere. Callers: all of the scheduler.
Pure.
"""

from __future__ import annotations

import math

from scheduler.problem import NODE, InstanceOffer, Problem, ServiceDemand, SiteOffer

Vector = tuple[int, int, int, int, int, int, int, int]
CPU, MEMORY, GPU, PODS, DISK, AMD64, ARM64, ON_DEMAND = range(8)
DIMENSIONS = 8
NOTHING: Vector = (0, 0, 0, 0, 0, 0, 0, 0)


def size_of(service: ServiceDemand) -> Vector:
    """What one replica asks for."""
    amd64 = "amd64" in service.architectures
    arm64 = "arm64" in service.architectures
    return (
        service.cpu_millicores,
        service.memory_mib,
        service.gpu,
        service.pods,
        service.disk_gib,
        int(amd64 and not arm64),
        int(arm64 and not amd64),
        int(service.max_spot_share < 1),
    )


def loose_size(service: ServiceDemand) -> Vector:
    """What one of the replicas that may run on spot machines asks for."""
    cpu, memory, gpu, pods, disk, amd64, arm64, _ = size_of(service)
    return (cpu, memory, gpu, pods, disk, amd64, arm64, 0)


def least_size(service: ServiceDemand) -> Vector:
    """What an empty machine must have room for to be of use to it at all: one of those that may run on spot machines,
    where there are any. Replicas on machines of their own are never on spot ones unless all may be."""
    return loose_size(service) if service.max_spot_share > 0 and not service.dedicated else size_of(service)


def loose_count(service: ServiceDemand, count: int) -> int:
    """How many of so many replicas in one site may be on spot machines."""
    return math.floor(service.max_spot_share * count + 1e-9)


def room(problem: Problem, offer: InstanceOffer, dedicated: bool = False) -> Vector:
    """What a machine offers; daemons and the headroom take their share of Kubernetes nodes."""
    cpu, memory, pods = offer.cpu_millicores, offer.memory_mib, offer.pods
    if not dedicated:
        keep = 1.0 - (problem.node_headroom if offer.headroom is None else offer.headroom)
        if not offer.bare:
            cpu -= problem.node_overhead_cpu_millicores
            memory -= problem.node_overhead_memory_mib
            pods -= problem.node_overhead_pods
        cpu, memory, pods = max(0, math.floor(cpu * keep)), max(0, math.floor(memory * keep)), max(0, pods)
    slots = max(1, pods) if dedicated else pods
    return (
        cpu,
        memory,
        offer.gpu,
        pods,
        offer.disk_gib,
        slots if offer.arch == "amd64" else 0,
        slots if offer.arch == "arm64" else 0,
        0 if offer.spot else slots,
    )


def holds(problem: Problem, offer: InstanceOffer, service: ServiceDemand) -> bool:
    """Whether an empty machine of that type has room for one replica that may be on it at all. A node that is there is
    no machine for a VM service."""
    if offer.bare and service.dedicated:
        return False
    have = room(problem, offer, service.dedicated)
    need = least_size(service)
    axes = (a for a in range(DIMENSIONS) if a != PODS or not service.dedicated)
    return all(need[a] <= have[a] for a in axes)


def node_cap(problem: Problem, service: ServiceDemand) -> int:
    """How many of its replicas one node may carry."""
    most = max(1, math.floor(service.max_node_share * service.replicas + 1e-9))
    if problem.survive_node_loss and service.replicas > 1:
        most = min(most, service.replicas - 1)
    return min(most, service.max_per.get(NODE, most))


def domain_cap(service: ServiceDemand, level: str) -> int | None:
    """How many of its replicas one zone, region or cloud may carry; None where nothing limits it."""
    caps = [service.max_per[level]] if level in service.max_per else []
    if level in service.survives:
        caps.append(service.replicas - math.ceil(service.survives[level] * service.replicas - 1e-9))
    return min(caps) if caps else None


def domain_of(site: SiteOffer, level: str) -> str:
    """The zone, region or cloud that a site is in."""
    return {"zone": site.id, "region": site.region, "cloud": site.cloud}[level]
