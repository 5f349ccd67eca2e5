"""Spec, fleet and placement -> everything that is to exist, with what depends on what. Pure.

Callers: release. A region gets infrastructure only where something is placed in it. Workloads wait for the services
that they call, wherever those run, so that a release follows the call graph across clouds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from model.plan import Item, Placement
from model.resources import (
    LABEL_CAPACITY,
    LABEL_POOL,
    LABEL_SERVICE,
    LABEL_SITE,
    SPOT_TAINT,
    Address,
    Capacity,
    Cluster,
    Instance,
    Kind,
    KubernetesObject,
    NodePool,
    Ownership,
)
from model.spec.app import Application, Runtime, Service
from model.spec.fleet import Fleet, Site
from model.spec.graph import waves
from orchestrator.desired_networks import instance_firewall, network_items, subnet_name
from orchestrator.desired_parts import Builder, Region
from orchestrator.late import PENDING_IP
from orchestrator.render import (
    load_manifests,
    render_dependencies,
    render_namespace,
    render_service,
    render_user_data,
    site_label,
    zone_suffix,
)
from orchestrator.ties import made_pools

_ANYWHERE = "0.0.0.0/0"


def desired_items(
    app: Application, fleet: Fleet, placement: Placement, manifests: Mapping[str, str] | None = None
) -> tuple[Item, ...]:
    """All items, infrastructure first, callees before callers. manifests: file name -> text, for `manifests:`."""
    build = Builder(app, fleet, placement, manifests or {})
    used = _used_regions(fleet, placement)
    network_ready = {r.region_id: network_items(build, r) for r in used}
    for region in used:
        _cluster_items(build, region, network_ready[region.region_id])
    _workload_items(build, used)
    return tuple(sorted(build.items.values(), key=lambda i: (i.wave, i.address)))


def _used_regions(fleet: Fleet, placement: Placement) -> tuple[Region, ...]:
    used = {pool.site for pool in placement.pools if pool.count}
    used |= {site for s in placement.services for site, count in s.replicas.items() if count}
    by_region: dict[str, list[Site]] = {}
    for site in fleet.sites():
        by_region.setdefault(site.region_id, []).append(site)
    return tuple(
        Region(sites[0].region, tuple(sites), tuple(s for s in sites if s.id in used))
        for sites in by_region.values()
        if any(s.id in used for s in sites)
    )


# -- clusters --------------------------------------------------------------------------------------------------


def _cluster_items(build: Builder, region: Region, network: tuple[Address, ...]) -> None:
    pools = made_pools(build.placement, _ids(region.sites))
    guarded = any(not pool.spot for pool in pools) or _has_others(region)
    kubernetes = {s.name for s in build.app.spec.services if s.runtime is Runtime.KUBERNETES}
    placed = {
        s.service
        for s in build.placement.services
        if s.service in kubernetes and any(s.replicas.get(site.id) for site in region.sites)
    }
    if not pools and not placed:
        return
    spec = region.cluster
    net = region.spec.network.name
    subnets = tuple(subnet_name(net, z.zone) for z in region.spec.zones if z.subnet_cidr)
    tags = dict(build.fleet.spec.tags)
    cluster = build.add(
        Item(
            address=region.address(Kind.CLUSTER, spec.name),
            resource=Cluster(
                name=spec.name,
                version=spec.version,
                network=net,
                subnets=subnets,
                public_endpoint=spec.public_endpoint,
                # Open to all is what no list means, on every cloud.
                public_access_cidrs=() if spec.public_access_cidrs == (_ANYWHERE,) else spec.public_access_cidrs,
                tags=tags,
            ),
            ownership=spec.ownership,
            depends_on=network,
        )
    )
    by_site = {s.id: s for s in region.sites}
    for pool in pools:
        site = by_site[pool.site]
        name = pool.name(site)
        labels = {LABEL_POOL: name, LABEL_SITE: site_label(site.id)}
        build.add(
            Item(
                address=region.address(Kind.NODE_POOL, name),
                resource=NodePool(
                    name=name,
                    cluster=spec.name,
                    zone=site.zone,
                    subnet=subnet_name(net, site.zone),
                    instance_type=pool.instance_type,
                    count=pool.count,
                    labels=labels | ({LABEL_CAPACITY: str(Capacity.SPOT)} if pool.spot else {}),
                    capacity=Capacity.SPOT if pool.spot else Capacity.ON_DEMAND,
                    taints=(SPOT_TAINT,) if pool.spot and guarded else (),
                    tags=tags,
                ),
                # Nodes of a cluster that is only referenced are ours to add: they carry our workloads.
                ownership=Ownership.OWN,
                depends_on=(cluster,),
                site=site.id,
            )
        )


def _has_others(region: Region) -> bool:
    """Whether the cluster has nodes on demand that somebody else made, or lets only somebody else say what it has."""
    nodes = [n for site in region.all_sites for z in site.region.zones if z.zone == site.zone for n in z.existing_nodes]
    return region.cluster.ownership is not Ownership.OWN or any(not n.spot for n in nodes)


def _ids(sites: Iterable[Site]) -> set[str]:
    return {s.id for s in sites}


# -- workloads -------------------------------------------------------------------------------------------------


def _workload_items(build: Builder, used: tuple[Region, ...]) -> None:
    """Callees first. ready[service]: addresses that must be ready before a caller of it is released."""
    ready: dict[str, tuple[Address, ...]] = {}
    replicas = {s.service: s.replicas for s in build.placement.services}
    on_spot = {s.service: s.on_spot for s in build.placement.services}
    depth_of = waves(build.app)
    for service in sorted(build.app.spec.services, key=lambda s: (depth_of[s.name], s.name)):
        needs = tuple(a for d in service.depends_on if d.required for a in ready.get(d.name, ()))
        made: list[Address] = []
        for region in used:
            here = {s.id: replicas[service.name].get(s.id, 0) for s in region.sites}
            if any(here.values()):
                depth = depth_of[service.name]
                if service.runtime is Runtime.VM:
                    made += _instances(build, region, service, here, needs, depth)
                else:
                    made += _kubernetes(build, region, service, here, on_spot[service.name], needs, depth)
        ready[service.name] = tuple(made)
    for region in used:
        if region.address(Kind.CLUSTER, region.cluster.name) in build.items:
            _dependency_items(build, region, replicas, ready)


def _dependency_items(
    build: Builder,
    region: Region,
    replicas: Mapping[str, Mapping[str, int]],
    ready: Mapping[str, tuple[Address, ...]],
) -> None:
    """Names in the cluster for what runs elsewhere. Addresses of instances are filled in when they are known."""
    vms = {s.name for s in build.app.spec.services if s.runtime is Runtime.VM}
    pending = {name: (PENDING_IP,) for name in vms if any(replicas[name].get(s.id) for s in region.sites)}
    cluster = region.address(Kind.CLUSTER, region.cluster.name)
    namespace = _put_namespace(build, region)
    for resource in render_dependencies(build.app, build.fleet, replicas, region.all_sites, vm_addresses=pending):
        callee = resource.manifest["metadata"]["labels"].get(LABEL_SERVICE, "")
        waits = ready.get(callee, ()) if callee in pending and resource.manifest["kind"] == "EndpointSlice" else ()
        address = region.address(Kind.KUBERNETES_OBJECT, resource.name)
        here = tuple(a for a in waits if a.region == region.spec.region and a.account == address.account)
        build.add(
            Item(
                address=address,
                resource=resource,
                depends_on=(cluster, namespace, *here),
                service=callee if callee in pending else "",
                wave=max((build.items[a].wave for a in here), default=0),
            )
        )


def _put_namespace(build: Builder, region: Region) -> Address:
    resource = render_namespace(build.app, region.cluster.name)
    cluster = region.address(Kind.CLUSTER, region.cluster.name)
    address = region.address(Kind.KUBERNETES_OBJECT, resource.name)
    return build.add(Item(address=address, resource=resource, depends_on=(cluster,)))


def _instances(
    build: Builder,
    region: Region,
    service: Service,
    here: Mapping[str, int],
    needs: tuple[Address, ...],
    depth: int,
) -> Iterator[Address]:
    vm_services = [s for s in build.app.spec.services if s.runtime is Runtime.VM]
    firewall = instance_firewall(build, region, vm_services)
    net = region.spec.network.name
    types = {(p.dedicated_to, p.site): p.instance_type for p in build.placement.pools if p.dedicated_to}
    for site in region.sites:
        for index in range(here[site.id]):
            name = f"{service.name}-{zone_suffix(site)}-{index}"
            subnet = region.address(Kind.SUBNET, subnet_name(net, site.zone))
            yield build.add(
                Item(
                    address=region.address(Kind.INSTANCE, name),
                    resource=Instance(
                        name=name,
                        zone=site.zone,
                        subnet=subnet.name,
                        firewall_group=firewall.name,
                        instance_type=types[(service.name, site.id)],
                        user_data=render_user_data(build.app, service, index, site),
                        tags=dict(build.fleet.spec.tags),
                    ),
                    depends_on=(subnet, firewall, *needs),
                    service=service.name,
                    site=site.id,
                    wave=depth,
                )
            )


def _kubernetes(
    build: Builder,
    region: Region,
    service: Service,
    here: Mapping[str, int],
    on_spot: Mapping[str, int],
    needs: tuple[Address, ...],
    depth: int,
) -> Iterator[Address]:
    """Yields the Deployments; what stands beside them (accounts, Services, policies) is in place before.

    A load balancer is not waited for: it takes minutes to make, and no pod needs it to run. Where a zone has two
    Deployments, the one on spot machines comes first, so that the other gives up replicas only once they are there.
    """
    cluster = region.cluster.name
    used = {site for site, count in here.items() if count}
    pools = [i.address for i in build.items.values() if i.address.kind is Kind.NODE_POOL and i.site in used]
    namespace = _put_namespace(build, region)
    base = (namespace, region.address(Kind.CLUSTER, cluster), *pools)
    sites = {site_label(s.id): s.id for s in region.sites}

    def put(resource: KubernetesObject, depends_on: tuple[Address, ...], site: str = "") -> Address:
        return build.add(
            Item(
                address=region.address(Kind.KUBERNETES_OBJECT, resource.name),
                resource=resource,
                depends_on=depends_on,
                service=service.name,
                site=site,
                wave=depth,
                public=(resource.manifest.get("spec") or {}).get("type") == "LoadBalancer",
            )
        )

    support: list[Address] = []
    spots: dict[str, tuple[Address, ...]] = {}
    tied = {s.id: build.nodes.ties(service.name, s) for s in region.sites if here.get(s.id)}
    for resource in render_service(build.app, service, here, region.all_sites, on_spot=on_spot, ties=tied):
        if resource.manifest["kind"] != "Deployment":
            beside = put(resource, (namespace,))
            if not build.items[beside].public:
                support.append(beside)
        else:
            label = resource.manifest["metadata"]["labels"][LABEL_SITE]
            made = put(resource, (*base, *support, *needs, *spots.get(label, ())), sites[label])
            spots.setdefault(label, (made,))
            yield made
    texts = {name: build.manifests[name] for name in service.manifests}
    for resource in load_manifests(texts, build.app, service, cluster) if texts else ():
        yield put(resource, (*base, *needs))


__all__ = ["desired_items"]
