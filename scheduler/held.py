"""Sees to it that a placement holds at run time: node pools that pods can be tied to, and a replay that leaves none.

Callers: solve, after the search. Pure. The certificate packs each node nearly full; kube-scheduler decides pod by pod
and would leave many pending. So nodes get pools of their own, as many as a cluster may have (`Problem.node_pools`), and
what each pool's nodes are to carry of each service is told with the placement: rendering ties the pods to it
(`run_time.ties`). Then the release is replayed, site by site (each Deployment is bound to its site): callees first, as
the engine does, with services in shuffled orders, and with all pods in a shuffled order. Where one stays pending, pods
are exchanged in other ways; what then still does is told as a warning, or, with `Problem.room_at_run_time`, the
cheapest machine that holds it is bought, carries such pods from then on, and counts in the cost.

Where a cluster has more nodes than it may have pools, the last pool of a type holds the rest of them; what stays
pending among those is told as a warning, and no machine is bought: it would take too many.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from model.plan import Placement, PoolChoice
from model.rng import stream
from scheduler.check import broken_rules, cost_of, spare_pod
from scheduler.level import levelled
from scheduler.problem import NODE, InstanceOffer, NodeLoad, Problem, ServiceDemand, SiteOffer
from scheduler.run_time import Floats, Nodes, Pods, in_turn, mixed, ties
from scheduler.sizes import ON_DEMAND, room, size_of
from scheduler.verdicts import Solved

MOST_POOLS = 100  # node pools per cluster, where the problem says nothing
SHUFFLED = 2  # orders of services that are tried beside the release's, and one of pods
ATTEMPTS = 3  # ways to exchange pods before a machine is bought
MOST_BOUGHT = 2  # machines per site, one after the other
MOST_REPLAYED = 3_000  # pods of a site beyond which nothing is replayed


def split_pools(problem: Problem, pools: Sequence[PoolChoice]) -> tuple[PoolChoice, ...]:
    """The pools with the number of node pools that each is to be made as: one node each, the last has the rest.

    The smallest get theirs first, so that most sites have a pool for every node.
    """
    split: dict[PoolChoice, int] = {}
    per_region: defaultdict[str, list[PoolChoice]] = defaultdict(list)
    for pool in pools:
        if not pool.dedicated_to:
            per_region[problem.site_by_id[pool.site].region].append(pool)
    for region, members in per_region.items():
        left = problem.node_pools.get(region, MOST_POOLS) - len(members)
        for pool in sorted(members, key=lambda p: (p.count, p.site, p.instance_type)):
            more = max(0, min(pool.count - 1, left))
            split[pool], left = 1 + more, left - more
    return tuple(replace(p, node_pools=split.get(p, 1)) for p in pools)


def pool_key(instance_type: str, index: int) -> str:
    """How a node pool of a site is called in ServicePlacement.nodes."""
    return f"{instance_type}#{index}"


@dataclass(slots=True)
class Site:
    """The nodes of one site by the certificate, and its Deployments."""

    problem: Problem
    offer: SiteOffer
    loads: list[NodeLoad]
    placed: Mapping[str, int]
    pools: Mapping[str, int]

    def keys(self) -> list[str]:
        """The node pool of each node."""
        seen: Counter[str] = Counter()
        found = []
        for load in self.loads:
            index = min(seen[load.instance_type], self.pools.get(load.instance_type, 1) - 1)
            seen[load.instance_type] += 1
            found.append(pool_key(load.instance_type, index))
        return found

    def nodes_of(self) -> dict[str, dict[str, int]]:
        """service -> node pool -> replicas that its nodes are to carry together."""
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for key, load in zip(self.keys(), self.loads, strict=True):
            for name, count in load.pods.items():
                found[name][key] = found[name].get(key, 0) + count
        return dict(found)

    def rooms(self) -> Floats:
        """What the scheduler sees: headroom and the room for updates are free for it to use."""
        offers = {t.name: t for t in self.offer.types}
        rows = [room(self.problem, replace(offers[load.instance_type], headroom=0.0)) for load in self.loads]
        return np.array(rows, float)

    def deployments(self, order: Mapping[str, int]) -> list[Pods]:
        """In the order in which a release makes them. order: service -> its depth in the call graph."""
        keys, planned = self.keys(), self.nodes_of()
        nodes_in = Counter(keys)
        found = []
        for name in sorted(self.placed, key=lambda n: (order[n], n)):
            service = self.problem.service_by_name[name]
            count = self.placed[name]
            on_each = {key: many / nodes_in[key] for key, many in planned.get(name, {}).items()}
            tied = ties(on_each, count, len(keys))
            weights = np.array([tied.weights.get(key, 0) for key in keys], float)
            most = run_time_cap(service) if tied.most is None else min(tied.most, run_time_cap(service))
            found.append(Pods(name, count, seen_size(service), most, weights, tied.max_skew))
        return found

    def exact(self) -> bool:
        """Whether every node has a pool of its own."""
        return len(set(self.keys())) == len(self.loads)

    def pending(self, order: Mapping[str, int], enough: float = math.inf) -> dict[str, int]:
        """What stays pending in the worst of the orders, by service: the most of any of them.

        enough: with so many, the orders that are left are not tried.
        """
        release, worst = self.deployments(order), Counter[str]()
        for replay in self._orders(release):
            worst |= Counter(replay(Nodes(self.rooms())))
            if worst.total() >= enough:
                break
        return dict(worst)

    def _orders(self, release: Sequence[Pods]) -> Iterator[Callable[[Nodes], dict[str, int]]]:
        """The release's; and where there is a choice of nodes, services shuffled, and pods."""
        yield lambda nodes: in_turn(nodes, release)
        for number in range(SHUFFLED if len(self.loads) > 1 else 0):
            rng = stream(number, "held at run time", self.offer.id)
            shuffled = list(release)
            rng.shuffle(shuffled)
            yield partial(in_turn, deployments=shuffled, rng=rng)
        if len(self.loads) > 1:
            yield partial(mixed, deployments=release, rng=stream(0, "pods at run time", self.offer.id))


def seen_size(service: ServiceDemand) -> Floats:
    """A pod's requests as the scheduler sees them; that a share may not be on spot machines is not replayed."""
    return np.array([0 if axis == ON_DEMAND else need for axis, need in enumerate(size_of(service))], float)


def run_time_cap(service: ServiceDemand) -> int:
    """How many of its pods the scheduler puts on one node: the limits that are rendered as hard rules."""
    most = max(1, int(service.max_node_share * service.replicas + 1e-9))
    return min(most, service.max_per.get(NODE, most))


def depths(problem: Problem) -> dict[str, int]:
    """Service -> its wave in a release: callees first."""
    found: dict[str, int] = {}

    def look(start: str) -> None:
        stack = [start]
        while stack:
            name = stack[-1]
            callees = [e.callee for e in problem.service_by_name[name].edges if e.callee in problem.service_by_name]
            todo = [c for c in callees if c not in found and c not in stack]
            if todo:
                stack.append(todo[0])
            else:
                found[name] = 1 + max((found.get(c, -1) for c in callees), default=-1)
                stack.pop()

    for service in problem.services:
        if service.name not in found:
            look(service.name)
    return found


def sites_of(problem: Problem, placement: Placement, packing: Sequence[NodeLoad]) -> list[Site]:
    """The sites that have Kubernetes nodes, by name."""
    loads: defaultdict[str, list[NodeLoad]] = defaultdict(list)
    for load in packing:
        loads[load.site].append(load)
    placed: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in placement.services:
        if not problem.service_by_name[row.service].dedicated:
            for site, count in row.replicas.items():
                placed[site][row.service] = count
    pools = {(p.site, p.instance_type): p.node_pools for p in placement.pools if not p.dedicated_to}
    return [
        Site(problem, problem.site_by_id[site], rows, placed[site], {t: n for (s, t), n in pools.items() if s == site})
        for site, rows in sorted(loads.items())
    ]


def held(problem: Problem, solved: Solved) -> Solved:
    """The placement with its node pools and what they are to carry, and with the machines that a replay asks for."""
    placement = replace(solved.placement, pools=split_pools(problem, solved.placement.pools))
    packing, left = list(solved.packing), Counter[str]()
    order = depths(problem)
    for site in sites_of(problem, placement, packing):
        if sum(site.placed.values()) > MOST_REPLAYED:
            left[site.offer.id] = -1
            continue
        done = _in_site(problem, site, placement, packing, order)
        placement, packing, left[site.offer.id] = done.placement, done.packing, sum(done.pending.values())
    return _told(problem, solved, placement, packing, left)


@dataclass(slots=True)
class _State:
    placement: Placement
    packing: list[NodeLoad]
    pending: dict[str, int]

    @property
    def rank(self) -> tuple[int, float]:
        return sum(self.pending.values()), self.placement.cost.total_per_hour


def _in_site(
    problem: Problem, site: Site, placement: Placement, packing: list[NodeLoad], order: Mapping[str, int]
) -> _State:
    """The best of: pods exchanged in several ways; then machines bought, as long as each leaves fewer pending."""
    best: _State | None = None
    for attempt in _attempts(problem, site):
        loads = _levelled(problem, site, placement, attempt) if attempt is not None else site.loads
        rest = [load for load in packing if load.site != site.offer.id]
        enough = math.inf if best is None else best.rank[0]  # an attempt that leaves as many is no better
        state = _State(placement, [*rest, *loads], replace(site, loads=loads).pending(order, enough))
        best = state if best is None or state.rank < best.rank else best
        if not best.pending:
            return best
    assert best is not None
    for _ in range(MOST_BOUGHT if problem.room_at_run_time and site.exact() else 0):
        now = next(s for s in sites_of(problem, best.placement, best.packing) if s.offer.id == site.offer.id)
        more = _with_one_more(problem, now, best.pending, best.placement, best.packing)
        if more is None:
            break
        now = next(s for s in sites_of(problem, *more) if s.offer.id == site.offer.id)
        state = _State(more[0], more[1], now.pending(order))
        if state.rank >= best.rank:
            break
        best = state
        if not best.pending:
            break
    return best


def _attempts(problem: Problem, site: Site) -> list[int | None]:
    """Ways to exchange pods; None: none is. What runs keeps its nodes where that leaves nothing pending, and
    where it is all the same anyway, since then it runs.
    """
    if not site.exact():
        return [None]
    now = [(n.instance_type, n.pods) for n in problem.current_nodes if n.site == site.offer.id]
    same = sum((load.instance_type, load.pods) in now for load in site.loads)
    if same == len(site.loads) == len(now):
        return [None]
    return [*([None] if now and same >= len(site.loads) / 2 else []), *range(ATTEMPTS)]


def _levelled(problem: Problem, site: Site, placement: Placement, attempt: int) -> list[NodeLoad]:
    """The site's nodes with each service spread as evenly as it goes over those that carry it."""
    assignment = {row.service: row.replicas for row in placement.services}
    spare = spare_pod(problem, site.offer.id, assignment)
    return levelled(problem, site.offer, site.loads, spare, attempt)


def _told(
    problem: Problem, solved: Solved, placement: Placement, packing: list[NodeLoad], left: Counter[str]
) -> Solved:
    nodes: defaultdict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    for site in sites_of(problem, placement, packing):
        for name, row in site.nodes_of().items():
            nodes[name][site.offer.id] = row
    services = tuple(replace(row, nodes=nodes.get(row.service, {})) for row in placement.services)
    warnings = tuple(_warning(site, count) for site, count in sorted(left.items()) if count)
    proven = solved.placement.proven_optimal and placement.pools == split_pools(problem, solved.placement.pools)
    return replace(
        solved,
        placement=replace(placement, services=services, proven_optimal=proven),
        packing=tuple(packing),
        warnings=(*solved.warnings, *warnings),
    )


def _warning(site: str, count: int) -> str:
    if count < 0:
        return (
            f"{site}: too large to be replayed; pods may stay pending where nodes share pools: keep some node_headroom"
        )
    pods = "1 pod" if count == 1 else f"{count} pods"
    return (
        f"{site}: as their order falls, {pods} may stay pending; set room_at_run_time, keep some node_headroom, or "
        f"allow its cluster a node pool for each node"
    )


def _with_one_more(
    problem: Problem, site: Site, pending: Mapping[str, int], placement: Placement, packing: Sequence[NodeLoad]
) -> tuple[Placement, list[NodeLoad]] | None:
    """With the cheapest machine more that holds the largest of those pods, and as many of them on it as go there."""
    services = [problem.service_by_name[name] for name in sorted(pending)]
    sizes = np.array([seen_size(s) for s in services])
    assignment = {row.service: row.replicas for row in placement.services}
    for offer in sorted(site.offer.types, key=lambda t: (t.price_per_hour, t.name)):
        if offer.spot or offer.bare or not (sizes.max(axis=0) <= np.array(room(problem, offer))).all():
            continue
        moved = _moved(problem, site, offer, services, pending)
        pools = split_pools(problem, _one_more(placement.pools, site.offer.id, offer))
        rest = [load for load in packing if load.site != site.offer.id]
        if not broken_rules(problem, assignment, pools, [*rest, *moved]):
            cost = cost_of(problem, assignment, pools)
            return replace(placement, pools=pools, cost=cost), [*rest, *moved]
    return None


def _moved(
    problem: Problem, site: Site, offer: InstanceOffer, services: Sequence[ServiceDemand], pending: Mapping[str, int]
) -> list[NodeLoad]:
    """The site's nodes and a new one, which takes over pending pods from the fullest nodes, the largest first."""
    free = np.array(room(problem, offer), float)
    loads = [dict(load.pods) for load in site.loads]
    new: dict[str, int] = {}
    for service in sorted(services, key=lambda s: (-s.cpu_millicores, -s.memory_mib, s.name)):
        for _ in range(pending[service.name]):
            hosts = [pods for pods in loads if service.name in pods]
            apart = {rule.service for rule in service.apart}
            if not hosts or not (np.array(size_of(service)) <= free).all() or apart & set(new):
                break
            if new.get(service.name, 0) >= max(pods[service.name] for pods in hosts):
                break
            host = max(hosts, key=lambda pods: pods[service.name])
            host[service.name] -= 1
            if not host[service.name]:
                del host[service.name]
            new[service.name] = new.get(service.name, 0) + 1
            free -= np.array(size_of(service))
    kept = [replace(load, pods=pods) for load, pods in zip(site.loads, loads, strict=True)]
    return [*kept, NodeLoad(site=site.offer.id, instance_type=offer.name, pods=new)]


def _one_more(pools: Sequence[PoolChoice], site: str, offer: InstanceOffer) -> list[PoolChoice]:
    found = list(pools)
    for index, pool in enumerate(found):
        if (pool.site, pool.instance_type, pool.dedicated_to) == (site, offer.name, ""):
            found[index] = replace(pool, count=pool.count + 1)
            return found
    new = PoolChoice(
        site=site,
        instance_type=offer.name,
        count=1,
        price_per_hour=offer.price_per_hour,
        assumed_price=offer.assumed,
        vcpu=offer.vcpu,
        allocatable_cpu_millicores=offer.cpu_millicores,
        allocatable_memory_mib=offer.memory_mib,
    )
    return sorted([*found, new], key=lambda p: (p.site, p.instance_type, p.dedicated_to))
