"""One in-cluster name for every dependency, wherever it runs.

A dependency with replicas in this region is a plain Service (services.py). One that runs only elsewhere is a
selectorless Service with an EndpointSlice that we own, pointing at the gateway of the nearest linked region. An
external with IP endpoints, and a VM service whose addresses are known, work the same way; an external with one DNS
name is an ExternalName. Callers: the planner and pod.py. Not here: a mesh; what gateways do with what reaches them.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from model.errors import Diagnostic, InvalidInput
from model.resources import KubernetesObject
from model.spec.app import Application, External, Runtime, Service
from model.spec.fleet import Fleet, GatewaySpec, RegionSpec, Site
from orchestrator.render.names import as_object, cluster_of, object_labels

REMOTE_REGION: Final = "duoyun.dev/remote-region"
SLICE_MANAGER: Final = "duoyun.dev"
_DNS_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_MAX_ENDPOINTS = 100  # of one EndpointSlice, as the API's own controller keeps it


# -- what callers are told -------------------------------------------------------------------------------------


def variable_name(dependency: str) -> str:
    """`order-service` -> `ORDER_SERVICE_ADDR`."""
    return f"{dependency.upper().replace('-', '_')}_ADDR"


def address_variables(app: Application, service: Service) -> dict[str, str]:
    """`<DEPENDENCY>_ADDR` for each dependency that has an address: `name.namespace.svc:port`.

    The port is the dependency's first. An external with a DNS name, or with endpoints on several ports, is given as
    the spec writes it (comma separated): a certificate holds for that name, not for ours.
    """
    found: dict[str, str] = {}
    services = {s.name: s for s in app.spec.services}
    externals = {e.name: e for e in app.spec.externals}
    for dependency in service.depends_on:
        name = dependency.name
        inside = f"{name}.{app.namespace}.svc"
        if name in services and services[name].ports:
            found[variable_name(name)] = f"{inside}:{services[name].ports[0].port}"
        elif name in externals and externals[name].endpoints:
            pairs = [_split_endpoint(e) for e in externals[name].endpoints]
            ports = {port for _, port in pairs}
            if all(_ip(host) for host, _ in pairs) and len(ports) == 1:
                port = ports.pop()
                found[variable_name(name)] = f"{inside}:{port}" if port else inside
            else:
                found[variable_name(name)] = ",".join(externals[name].endpoints)
    return found


# -- objects ---------------------------------------------------------------------------------------------------


def render_dependencies(
    app: Application,
    fleet: Fleet,
    replicas: Mapping[str, Mapping[str, int]],
    sites: Sequence[Site],
    *,
    vm_addresses: Mapping[str, Sequence[str]] | None = None,
) -> tuple[KubernetesObject, ...]:
    """Everything that the services in this cluster call and that no Deployment in this cluster serves.

    replicas: service -> site id -> count (the placement). vm_addresses: VM service -> private IPs in this region,
    where known. Raises InvalidInput for a required dependency that no link reaches.
    """
    here = {s.id for s in sites}
    services = {s.name: s for s in app.spec.services}
    externals = {e.name: e for e in app.spec.externals}
    running = {n for n, counts in replicas.items() if any(counts.get(site, 0) > 0 for site in here)}
    callers = [s for s in app.spec.services if s.name in running and s.runtime is Runtime.KUBERNETES]
    required: dict[str, bool] = {}
    for caller in callers:
        for dependency in caller.depends_on:
            required[dependency.name] = required.get(dependency.name, False) or dependency.required
    made: list[KubernetesObject] = []
    mistakes: list[Diagnostic] = []
    for name in sorted(required):
        if name in externals:
            made += render_external(app, externals[name], sites)
            continue
        callee = services.get(name)
        if callee is None or (name in running and callee.runtime is Runtime.KUBERNETES):
            continue
        if name in running:
            made += render_vm_service(app, callee, (vm_addresses or {}).get(name, ()), sites)
            continue
        try:
            made += render_remote_dependency(app, callee, replicas.get(name, {}), sites, fleet)
        except InvalidInput as exc:
            mistakes += [d for d in exc.diagnostics if required[name]]
    if mistakes:
        raise InvalidInput(mistakes)
    return tuple(made)


def render_remote_dependency(
    app: Application,
    callee: Service,
    replicas_by_site: Mapping[str, int],
    sites: Sequence[Site],
    fleet: Fleet,
) -> tuple[KubernetesObject, ...]:
    """A service that runs in other regions only, as a name in the cluster of `sites`.

    Points at the gateway of the nearest region (lowest rtt_ms of the fleet's links, then the fleet's order) that runs
    it. Raises InvalidInput where no linked region with a gateway does.
    """
    if not callee.ports:
        return ()
    region, gateway = _nearest_gateway(callee, replicas_by_site, sites, fleet)
    ports = [p for p in callee.ports if p.protocol == "tcp"]
    if not ports:
        raise InvalidInput(
            [Diagnostic("", f"service {callee.name}: udp ports cannot be reached through a gateway of another region")]
        )
    service_ports = [{"name": p.name, "port": p.port, "targetPort": gateway.port, "protocol": "TCP"} for p in ports]
    slice_ports = [{"name": p.name, "port": gateway.port, "protocol": "TCP"} for p in ports]
    return _name_for(app, callee.name, sites, service_ports, slice_ports, [gateway.address], {REMOTE_REGION: region})


def render_vm_service(
    app: Application, service: Service, addresses: Sequence[str], sites: Sequence[Site]
) -> tuple[KubernetesObject, ...]:
    """A service on VMs of this region: a selectorless Service, and its EndpointSlice once addresses are known."""
    if not service.ports:
        return ()
    service_ports = [
        {"name": p.name, "port": p.port, "targetPort": p.port, "protocol": p.protocol.upper()} for p in service.ports
    ]
    slice_ports = [{"name": p.name, "port": p.port, "protocol": p.protocol.upper()} for p in service.ports]
    return _name_for(app, service.name, sites, service_ports, slice_ports, sorted(addresses), {})


def render_external(app: Application, external: External, sites: Sequence[Site]) -> tuple[KubernetesObject, ...]:
    """An external as a name of the cluster: by IP, or ExternalName for one DNS name.

    Empty where it has no endpoints, or several DNS names (callers get those as they are, see address_variables).
    """
    pairs = [_split_endpoint(e) for e in external.endpoints]
    mistakes = [
        Diagnostic("", f"external {external.name}: {text!r} is no endpoint", "write host:port")
        for text, (host, _) in zip(external.endpoints, pairs, strict=True)
        if not _ip(host) and not _DNS_NAME.fullmatch(host)
    ]
    if mistakes:
        raise InvalidInput(mistakes)
    hosts = [host for host, _ in pairs]
    ports = {port for _, port in pairs}
    if not pairs:
        return ()
    if all(_ip(h) for h in hosts):
        if len(ports) != 1 or None in ports:
            return ()
        port = {"name": "main", "port": ports.pop(), "protocol": "TCP"}
        return _name_for(app, external.name, sites, [{**port, "targetPort": port["port"]}], [port], hosts, {})
    if len(hosts) == 1:
        return _name_for(app, external.name, sites, [], [], hosts, {})
    return ()


def _name_for(
    app: Application,
    name: str,
    sites: Sequence[Site],
    service_ports: list[dict[str, Any]],
    slice_ports: list[dict[str, Any]],
    hosts: Sequence[str],
    annotations: Mapping[str, str],
) -> tuple[KubernetesObject, ...]:
    cluster = cluster_of(sites)
    metadata: dict[str, Any] = {"name": name, "namespace": app.namespace, "labels": object_labels(app, name)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    if hosts and not _ip(hosts[0]):
        spec: dict[str, Any] = {"type": "ExternalName", "externalName": hosts[0]}
        if service_ports:
            spec["ports"] = service_ports
        return (as_object(cluster, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}),)
    spec = {"type": "ClusterIP", "ports": service_ports}
    service = as_object(cluster, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    return (service, *(as_object(cluster, m) for m in _slices(metadata, slice_ports, hosts)))


def _slices(metadata: Mapping[str, Any], ports: list[dict[str, Any]], hosts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One EndpointSlice per address family and _MAX_ENDPOINTS addresses; none without addresses."""
    labels = metadata["labels"] | {
        "endpointslice.kubernetes.io/managed-by": SLICE_MANAGER,
        "kubernetes.io/service-name": metadata["name"],
    }
    for family in ("IPv4", "IPv6"):
        mine = [h for h in hosts if f"IPv{ipaddress.ip_address(h).version}" == family]
        for start in range(0, len(mine), _MAX_ENDPOINTS):
            yield {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    **metadata,
                    "name": f"{metadata['name']}-{family.lower()}-{start // _MAX_ENDPOINTS}",
                    "labels": dict(sorted(labels.items())),
                },
                "addressType": family,
                "ports": ports,
                "endpoints": [
                    {"addresses": [host], "conditions": {"ready": True}}
                    for host in mine[start : start + _MAX_ENDPOINTS]
                ],
            }


# -- which gateway ---------------------------------------------------------------------------------------------


def _nearest_gateway(
    callee: Service, replicas_by_site: Mapping[str, int], sites: Sequence[Site], fleet: Fleet
) -> tuple[str, GatewaySpec]:
    home = sites[0].region_id
    rtt_ms: dict[str, float] = {}
    for link in fleet.linked():
        if home in link.between:
            other = link.between[1] if link.between[0] == home else link.between[0]
            rtt_ms[other] = min(rtt_ms.get(other, math.inf), link.rtt_ms if link.rtt_ms is not None else 1e9)
    running: dict[str, RegionSpec] = {}
    for site in fleet.sites():
        if replicas_by_site.get(site.id, 0) > 0 and site.region_id != home:
            running.setdefault(site.region_id, site.region)
    reachable = [(rtt_ms[r], i, r) for i, r in enumerate(running) if r in rtt_ms and running[r].gateway is not None]
    if not reachable:
        where = ", ".join(running) or "no region"
        raise InvalidInput(
            [
                Diagnostic(
                    "",
                    f"service {callee.name} runs in {where}, and {home} has no link to a gateway there",
                    f"add a link between {home} and one of them, with a gateway in that region, to the fleet",
                )
            ]
        )
    region = min(reachable)[2]
    gateway = running[region].gateway
    assert gateway is not None
    if not _ip(gateway.address) and not _DNS_NAME.fullmatch(gateway.address):
        raise InvalidInput([Diagnostic("", f"region {region}: {gateway.address!r} is no gateway address")])
    return region, gateway


def _ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _split_endpoint(text: str) -> tuple[str, int | None]:
    """`host:port`, `[v6]:port`, or a bare host -> (host, port). A port out of range makes the host unusable."""
    match = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?|([^:\[\]]+)(?::(\d{1,5}))?", text)
    if match is None:
        return (text, None)
    host, port = match[1] or match[3], match[2] or match[4]
    if port is not None and not 1 <= int(port) <= 65535:
        return (text, None)
    return (host, int(port) if port else None)
