"""From the model's numbers to a whole placement: pods on nodes, pools, and a cut for what does not pack.

Callers: solve. Pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from model.plan import PoolChoice
from scheduler.check import spare_pod
from scheduler.formulation import Draft, Formulation, PackingCut
from scheduler.mixes import BestMix, cheapest_mix
from scheduler.packing import Group, Node, Outcome, Packing, pack
from scheduler.patterns import filled_nodes
from scheduler.problem import NODE, InstanceOffer, NodeLoad, Problem, SiteOffer
from scheduler.pruning import dedicated_types, pool_types
from scheduler.sizes import ON_DEMAND, Vector, loose_count, loose_size, node_cap, room, size_of
from scheduler.traffic import Assignment

SPARE = ""  # name of the pod that stands for a rolling update's extra replica

Counts = Mapping[str, int]  # instance type -> nodes, of one site


@dataclass(frozen=True, slots=True)
class Complete:
    """A placement with its certificate."""

    assignment: dict[str, dict[str, int]]
    pools: tuple[PoolChoice, ...]
    packing: tuple[NodeLoad, ...]


@dataclass(slots=True)
class Completion:
    """placement: None where no nodes could be added. cuts: what did not pack, and whether that is proven."""

    placement: Complete | None
    cuts: list[tuple[PackingCut, bool]] = field(default_factory=list)


def complete(problem: Problem, draft: Draft, formulation: Formulation) -> Completion:
    """Pack every site; where one does not pack, say so as a cut and buy the cheapest nodes that do."""
    if formulation.patterns is not None:
        loads = filled_nodes(problem, draft.assignment, draft.filled, formulation.patterns)
        return Completion(assembled(problem, draft.assignment, loads, draft.dedicated))
    cuts: list[tuple[PackingCut, bool]] = []
    loads = []
    counts = {site.id: _counts(draft, site.id) for site in formulation.sites}
    for site in formulation.sites:
        groups = groups_at(problem, site.id, draft.assignment)
        if not groups:
            counts[site.id] = {}
            continue
        packed = pack(groups, _nodes(problem, site.id, counts[site.id]))
        if packed.outcome is not Outcome.PACKED:
            cuts.append(_cut(problem, formulation, site.id, draft.assignment, counts[site.id], packed.outcome))
            mended = _mend(problem, site.id, groups, counts, draft)
            if mended is None:
                return Completion(None, cuts)
            counts[site.id], packed = mended.counts, mended.packing
        loads += _loads(site.id, _nodes(problem, site.id, counts[site.id]), packed)
    return Completion(assembled(problem, draft.assignment, loads, draft.dedicated), cuts)


def buy(problem: Problem, assignment: dict[str, dict[str, int]]) -> Complete | None:
    """That assignment with the cheapest machines found for each site; None where limits or quotas do not allow it."""
    dedicated: dict[tuple[str, str, str], int] = {}
    for service in problem.services:
        for site_id, count in assignment[service.name].items() if service.dedicated else ():
            types = dedicated_types(problem, problem.site_by_id[site_id], service)
            enough = [t for t in types if t.max_count is None or t.max_count >= count]
            if not enough:
                return None
            dedicated[service.name, site_id, enough[0].name] = count
    draft = Draft(assignment, {}, dedicated)
    counts: dict[str, Counts] = {}
    loads: list[NodeLoad] = []
    for site in problem.sites:
        groups = groups_at(problem, site.id, assignment)
        if not groups:
            continue
        found = _mend(problem, site.id, groups, counts, draft)
        if found is None:
            return None
        counts[site.id] = found.counts
        loads += _loads(site.id, _nodes(problem, site.id, found.counts), found.packing)
    return assembled(problem, assignment, loads, dedicated)


def from_pools(problem: Problem, assignment: Assignment) -> Complete | None:
    """That assignment on the current pools; None where they do not hold it."""
    if any(p.instance_type not in _sold(problem, p.site) for p in problem.current_pools):
        return None
    dedicated = _own(problem)
    loads: list[NodeLoad] = []
    for site in problem.sites:
        groups = groups_at(problem, site.id, assignment)
        if not groups:
            continue
        kept = 1 if problem.spare_node_per_pool else 0
        mine = {
            p.instance_type: p.count - kept for p in problem.current_pools if p.site == site.id and not p.dedicated_to
        }
        nodes = _nodes(problem, site.id, mine)
        packed = pack(groups, nodes)
        if packed.outcome is not Outcome.PACKED:
            return None
        loads += _loads(site.id, nodes, packed)
    return assembled(problem, {k: dict(v) for k, v in assignment.items()}, loads, dedicated)


def from_nodes(problem: Problem, assignment: Assignment) -> Complete | None:
    """That assignment on the current nodes, each with the pods that it carries now; None where that is not known of
    every pod. Whether it keeps every rule is the check's to say."""
    dedicated = _own(problem)
    machines = {(p.site, p.instance_type) for p in problem.current_nodes} | {key[1:] for key in dedicated}
    if any(name not in _sold(problem, site_id) for site_id, name in machines):
        return None
    known = {s.name for s in problem.services if not s.dedicated}
    loads = [replace(load, pods={k: n for k, n in load.pods.items() if k in known}) for load in problem.current_nodes]
    held = Counter[tuple[str, str]]()
    for load in loads:
        held.update({(name, load.site): n for name, n in load.pods.items()})
    if held != Counter({(k, site): n for k, row in assignment.items() if k in known for site, n in row.items()}):
        return None
    used = [load for load in loads if load.pods]
    for site_id in sorted({load.site for load in used}):
        spare = spare_pod(problem, site_id, assignment)
        idle = [load for load in loads if load.site == site_id and not load.pods and _holds(problem, load, spare)]
        if idle and not any(load.site == site_id and _holds(problem, load, spare) for load in used):
            used.append(idle[0])
    return assembled(problem, {k: dict(v) for k, v in assignment.items()}, used, dedicated)


def _own(problem: Problem) -> dict[tuple[str, str, str], int]:
    """(VM service, site, type) -> the machines that it has now; not of services that are gone."""
    vms = {s.name for s in problem.services if s.dedicated}
    return {(p.dedicated_to, p.site, p.instance_type): p.count for p in problem.current_pools if p.dedicated_to in vms}


def _sold(problem: Problem, site_id: str) -> set[str]:
    site = problem.site_by_id.get(site_id)
    return {t.name for t in site.types} if site is not None else set()


def _holds(problem: Problem, load: NodeLoad, spare: Vector) -> bool:
    """Whether the node has room for the spare pod beside what it carries."""
    offer = next(t for t in problem.site_by_id[load.site].types if t.name == load.instance_type)
    sizes = [(size_of(problem.service_by_name[name]), n) for name, n in load.pods.items()]
    taken = [0 if axis == ON_DEMAND else sum(size[axis] * n for size, n in sizes) for axis in range(len(spare))]
    return all(have - used >= need for have, used, need in zip(room(problem, offer), taken, spare, strict=True))


def groups_at(problem: Problem, site_id: str, assignment: Assignment) -> list[Group]:
    """The pods of one site, and the spare pod. Those that may be on spot machines are a group of their own."""
    groups = []
    strangers = _strangers(problem)
    for service in problem.services:
        count = assignment.get(service.name, {}).get(site_id, 0)
        if not count or service.dedicated:
            continue
        cap, apart = node_cap(problem, service), strangers.get(service.name, frozenset())
        loose = loose_count(service, count) if service.max_spot_share < 1 else 0
        if count > loose:
            groups.append(Group(service.name, size_of(service), count - loose, cap, apart))
        if loose:
            groups.append(Group(service.name, loose_size(service), loose, cap, apart))
    spare = spare_pod(problem, site_id, assignment)
    if groups and any(spare):
        groups.append(Group(SPARE, spare, 1, 1))
    return groups


def _strangers(problem: Problem) -> dict[str, frozenset[str]]:
    """Service -> those that may not share a node with it, whichever of the two says so."""
    found: dict[str, set[str]] = {}
    for service in problem.services:
        for rule in service.apart:
            if rule.over == NODE:
                found.setdefault(service.name, set()).add(rule.service)
                found.setdefault(rule.service, set()).add(service.name)
    return {name: frozenset(others) for name, others in found.items()}


def _counts(draft: Draft, site_id: str) -> Counts:
    return {name: count for (site, name), count in draft.pools.items() if site == site_id}


def _nodes(problem: Problem, site_id: str, counts: Counts) -> list[Node]:
    """Dearest first, so that first-fit fills the large ones."""
    types = {t.name: t for t in problem.site_by_id[site_id].types}
    chosen = sorted((types[n] for n in counts), key=lambda t: (-t.price_per_hour, t.name))
    return [Node(t.name, room(problem, t)) for t in chosen for _ in range(counts[t.name])]


def _loads(site_id: str, nodes: Sequence[Node], packed: Packing) -> list[NodeLoad]:
    """Nodes that stay empty are not bought; one that only keeps room for updates is."""
    rows = zip(nodes, packed.loads, strict=True)
    return [
        NodeLoad(site=site_id, instance_type=node.type, pods={k: v for k, v in sorted(load.items()) if k != SPARE})
        for node, load in rows
        if load
    ]


def assembled(
    problem: Problem,
    assignment: dict[str, dict[str, int]],
    loads: list[NodeLoad],
    dedicated: Mapping[tuple[str, str, str], int],
) -> Complete:
    """Those nodes, a spare one of each pool where that is wanted, and machines of their own for VM services."""
    if problem.spare_node_per_pool:
        pools_used = sorted({(load.site, load.instance_type) for load in loads})
        loads = [*loads, *(NodeLoad(site=site, instance_type=name, pods={}) for site, name in pools_used)]
    bought = Counter((load.site, load.instance_type, "") for load in loads)
    bought.update({(site, name, service): count for (service, site, name), count in dedicated.items()})
    pools = tuple(choice(problem, *key, count) for key, count in sorted(bought.items()))
    return Complete({k: dict(sorted(v.items())) for k, v in sorted(assignment.items())}, pools, tuple(loads))


def choice(problem: Problem, site_id: str, type_name: str, service: str, count: int) -> PoolChoice:
    offer = next(t for t in problem.site_by_id[site_id].types if t.name == type_name)
    cpu, memory, *_ = room(problem, offer, bool(service))
    return PoolChoice(
        site=site_id,
        instance_type=offer.name,
        count=count,
        price_per_hour=offer.price_per_hour,
        assumed_price=offer.assumed,
        vcpu=offer.vcpu,
        allocatable_cpu_millicores=cpu,
        allocatable_memory_mib=memory,
        dedicated_to=service,
    )


def _cut(
    problem: Problem,
    formulation: Formulation,
    site_id: str,
    assignment: Assignment,
    counts: Counts,
    outcome: Outcome,
) -> tuple[PackingCut, bool]:
    """The strongest thing that can be said, and whether it is proven; said of every site that sells the same types.

    First choice: the price of the cheapest mix that packs, where the nodes at hand cost less. Else the nodes
    themselves, with as few services as still do not pack on them.
    """
    here = {
        s.name: assignment[s.name][site_id]
        for s in problem.services
        if not s.dedicated and assignment.get(s.name, {}).get(site_id)
    }
    types = problem.site_by_id[site_id].types
    spare = problem.spare_node_per_pool
    paid = sum(t.price_per_hour * (n + spare) for t in types if (n := counts.get(t.name, 0)))
    offers = _offers(problem, site_id, list(here))
    best = cheapest_mix(groups_at(problem, site_id, assignment), offers, spare=spare)
    by_price = best is not None and best.proven and best.price_per_hour > paid * (1 + 1e-6) + 1e-9
    if not by_price:
        nodes = _nodes(problem, site_id, counts)
        for name in sorted(here, key=lambda n: size_of(problem.service_by_name[n])):
            fewer = {k: {site_id: v} for k, v in here.items() if k != name}
            if fewer and pack(groups_at(problem, site_id, fewer), nodes, 2_000).outcome is Outcome.IMPOSSIBLE:
                del here[name]
    alike = tuple(
        s.id for s in formulation.sites if s.types == types and all((name, s.id) in formulation.x for name in here)
    )
    min_price = best.price_per_hour if best is not None and by_price else None
    cut = PackingCut(alike, tuple(sorted(here.items())), tuple(sorted(counts.items())), min_price)
    return cut, by_price or outcome is Outcome.IMPOSSIBLE


def _offers(problem: Problem, site_id: str, tenants: Sequence[str]) -> dict[InstanceOffer, Vector]:
    """Types worth considering for those services there, with the room that each has."""
    services = [problem.service_by_name[name] for name in tenants]
    return {t: room(problem, t) for t in pool_types(problem, problem.site_by_id[site_id], services)}


def _mend(
    problem: Problem, site_id: str, groups: list[Group], counts: Mapping[str, Counts], draft: Draft
) -> BestMix | None:
    """The cheapest machines that do pack there, within what the zone's limit and the region's quota leave."""
    site = problem.site_by_id[site_id]
    offers = _offers(problem, site_id, [g.name for g in groups if g.name != SPARE])
    own = sum(n for (_, s, _), n in draft.dedicated.items() if s == site_id)
    machines = math.inf if site.max_machines is None else site.max_machines - own
    quota = problem.region_quota_vcpu.get(site.region, math.inf) - _vcpu_elsewhere(problem, site, counts, draft)
    taken = {name: n for (_, s, name), n in draft.dedicated.items() if s == site_id}
    return cheapest_mix(groups, offers, machines, quota, spare=problem.spare_node_per_pool, taken=taken)


def _vcpu_elsewhere(problem: Problem, site: SiteOffer, counts: Mapping[str, Counts], draft: Draft) -> float:
    """vCPUs that the region's quota already counts beside this site's pool."""
    used = 0.0
    for other in (s for s in problem.sites if s.region == site.region):
        vcpu = {t.name: t.vcpu for t in other.types}
        if other.id != site.id:
            extra = int(problem.spare_node_per_pool)
            used += sum(vcpu[name] * (n + extra) for name, n in counts.get(other.id, {}).items() if n)
        used += sum(vcpu[name] * n for (_, s, name), n in draft.dedicated.items() if s == other.id)
    return used
