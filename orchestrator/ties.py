"""Node pools and what ties pods to them: from a placement to pool names and each Deployment's preferences. Pure.

Callers: desired (node pools, Deployments), placing. What is preferred and how strongly is scheduler.run_time's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from model.plan import Placement, PoolChoice, ServicePlacement, Terms
from model.resources import LABEL_POOL
from model.spec.fleet import Site
from orchestrator.machines import machine_name, machine_of, offer_name
from orchestrator.render.names import zone_suffix
from orchestrator.render.placing import HOSTNAME, PodTies
from scheduler.held import pool_key
from scheduler.problem import NodeLoad
from scheduler.run_time import ties


@dataclass(frozen=True, slots=True)
class MadePool:
    """One node pool of a site. index: among those of its type, spot machines by themselves."""

    site: str
    instance_type: str
    index: int
    count: int
    spot: bool = False

    @property
    def key(self) -> str:
        return pool_key(machine_name(self.instance_type, spot=self.spot), self.index)

    def name(self, site: Site) -> str:
        """`<zone>-<type>`, whether it is spot, and which one where there are several of the type."""
        spot, number = "-spot" if self.spot else "", f"-n{self.index + 1}" if self.index else ""
        return f"{zone_suffix(site)}-{self.instance_type}{spot}{number}".lower().replace(".", "-").replace("_", "-")


def named(placement: Placement) -> Placement:
    """The scheduler's answer in the fleet's words: machines by their own names, with their terms beside them.

    Node pools of one type in one site are numbered through, those of reserved machines first.
    """
    first = _numbered(placement.pools)

    def key(site: str, old: str) -> str:
        name, _, index = old.rpartition("#")
        instance_type, start = first[site, name]
        return pool_key(instance_type, start + int(index))

    def row(service: ServicePlacement) -> ServicePlacement:
        nodes = {site: {key(site, k): n for k, n in counts.items()} for site, counts in service.nodes.items()}
        return replace(service, nodes=nodes)

    return replace(
        placement, pools=tuple(map(machine_of, placement.pools)), services=tuple(map(row, placement.services))
    )


def current_nodes(current: Placement) -> tuple[NodeLoad, ...]:
    """What each node of the placement that is deployed carries, machines as the scheduler calls them; of sites where
    each node has a pool of its own and it is told of each pod, since else nobody knows which node carries what."""
    pools = [replace(p, instance_type=offer_name(p)) for p in current.pools if not p.dedicated_to and p.count > 0]
    unknown = {p.site for p in pools if p.count != p.node_pools}
    vms = {p.dedicated_to for p in current.pools if p.dedicated_to}
    unknown |= {
        site
        for row in current.services
        for site, count in row.replicas.items()
        if row.service not in vms and sum(row.nodes.get(site, {}).values()) != count
    }
    first = _numbered(pools)
    types = {
        (pool.site, pool_key(name, start + index)): pool.instance_type
        for pool in pools
        for name, start in [first[pool.site, pool.instance_type]]
        for index in range(pool.node_pools)
        if pool.site not in unknown
    }
    pods: dict[tuple[str, str], dict[str, int]] = {key: {} for key in types}
    for row in current.services:
        for site, counts in row.nodes.items():
            for key, count in counts.items():
                if (site, key) in types and count > 0:
                    pods[site, key][row.service] = count
    return tuple(NodeLoad(site=site, instance_type=types[site, key], pods=pods[site, key]) for site, key in types)


def former_nodes(current: Placement, pools: Sequence[PoolChoice]) -> dict[str, dict[str, dict[str, int]]]:
    """What the nodes of the placement that is deployed carry: service -> site -> node pool -> replicas.

    pools: the scheduler's own, of the placement to be; node pools are called as it calls them, and those that are no
    longer made are left out.
    """
    first = _numbered(pools)
    keys: dict[tuple[str, str], str] = {}
    for pool in pools:
        if not pool.dedicated_to:
            name, start = first[pool.site, pool.instance_type]
            for index in range(pool.node_pools):
                keys[pool.site, pool_key(name, start + index)] = pool_key(pool.instance_type, index)
    return {
        row.service: {
            site: {keys[site, key]: n for key, n in counts.items() if (site, key) in keys}
            for site, counts in row.nodes.items()
        }
        for row in current.services
    }


def _numbered(pools: Iterable[PoolChoice]) -> dict[tuple[str, str], tuple[str, int]]:
    """(site, the scheduler's machine) -> (the machine's own name, the number of its first node pool)."""
    first: dict[tuple[str, str], tuple[str, int]] = {}
    taken: dict[tuple[str, str], int] = {}
    for pool in sorted((p for p in pools if not p.dedicated_to), key=_reserved_first):
        machine = machine_of(pool)
        known = (machine.site, _machine(machine))
        first[pool.site, pool.instance_type] = (known[1], taken.get(known, 0))
        taken[known] = taken.get(known, 0) + pool.node_pools
    return first


def _machine(pool: PoolChoice) -> str:
    return machine_name(pool.instance_type, spot=pool.terms is Terms.SPOT)


def _reserved_first(pool: PoolChoice) -> tuple[str, bool, str]:
    return pool.site, machine_of(pool).terms is not Terms.RESERVED, pool.instance_type


def made_pools(placement: Placement, sites: set[str]) -> tuple[MadePool, ...]:
    """The node pools that are to be made in those sites. Reserved machines are nodes like the others; the clouds settle
    what is paid for. Nodes that exist already are not made."""
    found: list[MadePool] = []
    taken: dict[tuple[str, str], int] = {}
    chosen = [p for p in placement.pools if not p.dedicated_to and p.count and p.site in sites]
    for pool in sorted(chosen, key=lambda p: (p.site, p.instance_type, p.terms is not Terms.RESERVED)):
        if pool.terms is Terms.EXISTING:
            continue
        start, spot = taken.get((pool.site, _machine(pool)), 0), pool.terms is Terms.SPOT
        for index, count in enumerate(_counts(pool)):
            found.append(MadePool(pool.site, pool.instance_type, start + index, count, spot))
        taken[pool.site, _machine(pool)] = start + pool.node_pools
    return tuple(found)


def _counts(pool: PoolChoice) -> Iterator[int]:
    """The nodes of each of its node pools: one, and the rest in the last."""
    yield from [1] * (pool.node_pools - 1)
    yield pool.count - (pool.node_pools - 1)


class PlannedNodes:
    """What a placement says of the nodes of each site, looked up once."""

    def __init__(self, placement: Placement) -> None:
        self._rows = {row.service: row.nodes for row in placement.services}
        self._pools: dict[str, dict[str, MadePool]] = {}
        for pool in made_pools(placement, {p.site for p in placement.pools}):
            self._pools.setdefault(pool.site, {})[pool.key] = pool
        self._there: dict[str, dict[str, str]] = {}
        for choice in placement.pools:
            if choice.terms is Terms.EXISTING:
                key = pool_key(choice.instance_type, 0)
                self._there.setdefault(choice.site, {})[key] = choice.instance_type

    def ties(self, service: str, site: Site) -> PodTies:
        """What the pods of that service prefer in that site; nothing where the placement does not say."""
        planned = self._rows.get(service, {}).get(site.id, {})
        pools, there = self._pools.get(site.id, {}), self._there.get(site.id, {})
        nodes = sum(pool.count for pool in pools.values()) + len(there)
        on_each = {key: n / (pools[key].count if key in pools else 1) for key, n in planned.items()}
        tied = ties(on_each, sum(planned.values()), nodes)
        weights = {
            (LABEL_POOL, pools[key].name(site)) if key in pools else (HOSTNAME, there[key]): weight
            for key, weight in tied.weights.items()
        }
        return PodTies(weights, tied.max_skew, tied.most)
