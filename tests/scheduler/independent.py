"""A placement problem as a CP-SAT model, written from the words of docs/scheduler.md and scheduler/problem.py alone.

It shares no line with the solver: every node is a variable of its own, every call chooses where it goes. Callers: the
test beside it. Knows what midsize.py makes: residency, ICP, sites, pins, preferences, spread, survival, anti-affinity
over zones to clouds, affinity, egress, latency, externals, quotas, limits of machines, teams, VM services, headroom of
nodes, room for rolling updates, the loss of a node. Not: spot, arm64, GPUs, disks, spare nodes, users, moves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ortools.sat.python import cp_model

from model.plan import PoolChoice
from scheduler.problem import INTERNET, Edge, InstanceOffer, Problem, Route, ServiceDemand, SiteOffer

SCALE = 10**7  # money as whole numbers
Terms = list[Any]


@dataclass(slots=True)
class Result:
    """status: OPTIMAL, FEASIBLE, INFEASIBLE or UNKNOWN. cost: of the best placement found; bound: none is cheaper."""

    status: str
    cost: float = math.inf
    bound: float = 0.0
    where: dict[str, dict[str, int]] = field(default_factory=dict)
    values: list[int] = field(default_factory=list, repr=False)


class Independent:
    """below: a price that is known to suffice, which limits how many machines are thought of; None for none."""

    def __init__(self, problem: Problem, below: float | None = None) -> None:
        self.p, self.below = problem, below
        self.m = cp_model.CpModel()
        self.cost: Terms = []
        self.x: dict[tuple[str, str], Any] = {}
        self.here: dict[tuple[str, str], Any] = {}
        self.machines: dict[tuple[str, str, str], Any] = {}  # (site, type, service or "") -> how many
        for s in problem.services:
            for site in problem.sites:
                most = s.replicas if self._may(s, site) else 0
                x = self.x[s.name, site.id] = self.m.new_int_var(0, most, f"x {s.name} {site.id}")
                here = self.here[s.name, site.id] = self.m.new_bool_var(f"in {s.name} {site.id}")
                self.m.add(x >= here)
                self.m.add(x <= s.replicas * here)
            self.m.add(sum(self.x[s.name, i.id] for i in problem.sites) == s.replicas)
        for s in problem.services:
            self._rules(s)
            for edge in s.edges:
                self._calls(s, edge)
        for site in problem.sites:
            self._nodes(site)
            self._own_machines(site)
        self._limits()

    # -- where a service may be ------------------------------------------------------------------------------------

    def _may(self, s: ServiceDemand, site: SiteOffer) -> bool:
        if s.allowed_countries is not None and site.country not in s.allowed_countries:
            return False
        if (s.icp_required and not site.icp) or site.id in s.avoided_sites:
            return False
        if s.allowed_sites is not None and site.id not in s.allowed_sites:
            return False
        if not s.dedicated and not site.kubernetes:
            return False
        rooms = [self._room(t, s.dedicated) for t in site.types]
        return any(s.cpu_millicores <= cpu and s.memory_mib <= memory for cpu, memory, _ in rooms)

    def _room(self, t: InstanceOffer, dedicated: bool) -> tuple[int, int, int]:
        if dedicated:
            return t.cpu_millicores, t.memory_mib, 1
        left = 1 - self.p.node_headroom
        cpu = math.floor((t.cpu_millicores - self.p.node_overhead_cpu_millicores) * left)
        memory = math.floor((t.memory_mib - self.p.node_overhead_memory_mib) * left)
        return max(0, cpu), max(0, memory), max(0, t.pods - self.p.node_overhead_pods)

    def _domains(self, level: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for site in self.p.sites:
            found.setdefault({"zone": site.id, "region": site.region, "cloud": site.cloud}[level], []).append(site.id)
        return found

    def _rules(self, s: ServiceDemand) -> None:
        def count(sites: Sequence[str]) -> Any:
            return sum(self.x[s.name, i] for i in sites)

        for level in ("zone", "region", "cloud"):
            for sites in self._domains(level).values():
                if level in s.max_per:
                    self.m.add(count(sites) <= s.max_per[level])
                if level in s.survives:
                    self.m.add(s.replicas - count(sites) >= math.ceil(s.survives[level] * s.replicas - 1e-9))
        for site_id, least in s.pinned.items():
            self.m.add(self.x[s.name, site_id] >= least)
        for site_id, price in s.dearer.items():
            self.cost.append(round(price * SCALE) * self.x[s.name, site_id])
        if s.spread is not None:
            enough = []
            for domain, sites in self._domains(s.spread.over).items():
                full = self.m.new_bool_var(f"spread {s.name} {domain}")
                self.m.add(count(sites) >= s.spread.min_each * full)
                enough.append(full)
            self.m.add(sum(enough) >= s.spread.min_domains)
        for rule in s.apart:
            if rule.over == "node":
                raise NotImplementedError("apart on nodes")
            for sites in self._domains(rule.over).values():
                for mine in sites:
                    for theirs in sites:
                        self.m.add(self.here[s.name, mine] + self.here[rule.service, theirs] <= 1)

    # -- calls -----------------------------------------------------------------------------------------------------

    def _route(self, src: str, dst: str) -> Route:
        for route in self.p.routes:
            if (route.src, route.dst) == (src, dst):
                return route
        return Route(src=src, dst=dst, rtt_ms=1.0, reachable=src == dst)

    def _price(self, edge: Edge, src: str, dst: str) -> float | None:
        """Of a GB of calls from src to dst, both ways; None where they may not go."""
        out = self._route(src, dst)
        if not out.reachable:
            return None
        if edge.max_rtt_ms is not None and out.rtt_ms is not None and out.rtt_ms > edge.max_rtt_ms:
            return None
        back = 0.0 if dst == INTERNET else self._route(dst, src).price_per_gb
        return (out.price_per_gb + back) / 2

    def _calls(self, s: ServiceDemand, edge: Edge) -> None:
        externals = {e.name: e for e in self.p.externals}
        per_replica = edge.calls_per_s * edge.bytes_per_call * 3600 / 1e9 / s.replicas
        for site in self.p.sites:
            x = self.x[s.name, site.id]
            if edge.callee in externals:
                ext = externals[edge.callee]
                to = [*ext.regions, *([INTERNET] if ext.internet else [])]
                if ext.callers_from is not None and site.region not in ext.callers_from:
                    to = []
                prices = [p for p in (self._price(edge, site.region, dst) for dst in to) if p is not None]
                if not prices:
                    self.m.add(x == 0)
                else:
                    self.cost.append(round(per_replica * min(prices) * SCALE) * x)
                continue
            ways = [self._way(edge, x, [site.id], 0.0, s.replicas, per_replica)]
            for region, sites in self._domains("region").items():
                price = self._price(edge, site.region, region)
                near = region == site.region if edge.within == "region" else True
                if edge.within == "cloud":
                    near = any(i.cloud == site.cloud for i in self.p.sites if i.region == region)
                if price is not None and near and edge.within != "zone":
                    ways.append(self._way(edge, x, sites, price, s.replicas, per_replica))
            self.m.add(sum(ways) == x)

    def _way(self, edge: Edge, x: Any, sites: Sequence[str], price: float, most: int, per_replica: float) -> Any:
        """How many of the callers go to that place, which must have a replica of the callee; the cheapest is chosen."""
        flow = self.m.new_int_var(0, most, "")
        self.m.add(flow <= x)
        self.m.add(flow <= most * sum(self.here[edge.callee, i] for i in sites))
        weight = round(per_replica * price * SCALE)
        if weight:
            self.cost.append(weight * flow)
        return flow

    # -- machines --------------------------------------------------------------------------------------------------

    def _most(self, site: SiteOffer, t: InstanceOffer, wanted: int) -> int:
        limits = [wanted, site.max_machines if site.max_machines is not None else wanted]
        limits.append(t.max_count if t.max_count is not None else wanted)
        if self.below is not None and t.price_per_hour > 0:
            limits.append(math.floor(self.below / t.price_per_hour + 1e-6))
        return min(limits)

    def _nodes(self, site: SiteOffer) -> None:
        """Each node with what it carries. One more than there are pods suffices: it keeps the room for updates."""
        pods = [s for s in self.p.services if not s.dedicated and self._may(s, site)]
        total = sum(s.replicas for s in pods)
        on: dict[str, Terms] = {s.name: [] for s in pods}
        rooms: Terms = []
        for t in site.types:
            used: Terms = []
            for k in range(self._most(site, t, total + 1) if pods else 0):
                node = self.m.new_bool_var(f"node {site.id} {t.name} {k}")
                spare = self.m.new_bool_var(f"spare {site.id} {t.name} {k}")
                self.m.add_implication(spare, node)
                if used:
                    self.m.add_implication(node, used[-1])
                used.append(node)
                rooms.append(spare)
                self._fill(site, t, node, spare, pods, on)
            self._bought(site, t, "", sum(used) if used else 0)
        for s in pods:
            self.m.add(sum(on[s.name]) == self.x[s.name, site.id])
            if s.surge and self.p.rollout_headroom:
                self.m.add(sum(rooms) >= self.here[s.name, site.id])
        if rooms:
            self.m.add_at_most_one(rooms)

    def _fill(
        self,
        site: SiteOffer,
        t: InstanceOffer,
        node: Any,
        spare: Any,
        pods: Sequence[ServiceDemand],
        on: Mapping[str, Terms],
    ) -> None:
        cpu, memory, slots = self._room(t, dedicated=False)
        loads: tuple[Terms, Terms, Terms] = ([], [], [])
        for s in pods:
            cap = max(1, math.floor(s.max_node_share * s.replicas + 1e-9))
            if self.p.survive_node_loss and s.replicas > 1:
                cap = min(cap, s.replicas - 1)
            cap = min(cap, s.max_per.get("node", cap))
            count = self.m.new_int_var(0, cap, "")
            on[s.name].append(count)
            for load, size in zip(loads, (s.cpu_millicores, s.memory_mib, s.pods), strict=True):
                load.append(size * count)
        updating = [s for s in pods if s.surge] if self.p.rollout_headroom else []
        for load, room, size in (
            (loads[0], cpu, "cpu_millicores"),
            (loads[1], memory, "memory_mib"),
            (loads[2], slots, "pods"),
        ):
            self.m.add(sum(load) <= room * node)
            for s in updating:  # the spare pod is as large as the largest that may be updated here, in each resource
                least = getattr(s, size)
                self.m.add(sum(load) + least <= room).only_enforce_if(spare, self.here[s.name, site.id])

    def _own_machines(self, site: SiteOffer) -> None:
        """Each replica of a VM service is a machine; all of one service in a site are of one type."""
        for s in self.p.services:
            if not s.dedicated:
                continue
            counts = []
            for t in site.types:
                cpu, memory, _ = self._room(t, dedicated=True)
                fits = s.cpu_millicores <= cpu and s.memory_mib <= memory
                chosen = self.m.new_bool_var("")
                count = self.m.new_int_var(0, s.replicas if fits else 0, "")
                self.m.add(count <= s.replicas * chosen)
                counts.append((count, chosen))
                self._bought(site, t, s.name, count)
            self.m.add(sum(c for c, _ in counts) == self.x[s.name, site.id])
            self.m.add(sum(c for _, c in counts) <= 1)

    def _bought(self, site: SiteOffer, t: InstanceOffer, service: str, count: Any) -> None:
        self.machines[site.id, t.name, service] = count
        self.cost.append(round(t.price_per_hour * SCALE) * count)

    def _limits(self) -> None:
        vcpu: dict[str, Terms] = {}
        for site in self.p.sites:
            mine = [n for (i, _, _), n in self.machines.items() if i == site.id]
            if site.max_machines is not None:
                self.m.add(sum(mine) <= site.max_machines)
            for t in site.types:
                of_type = [n for (i, name, _), n in self.machines.items() if (i, name) == (site.id, t.name)]
                if t.max_count is not None:
                    self.m.add(sum(of_type) <= t.max_count)
                vcpu.setdefault(site.region, []).extend(round(t.vcpu * 1000) * n for n in of_type)
        for region, quota in self.p.region_quota_vcpu.items():
            self.m.add(sum(vcpu[region]) <= round(quota * 1000))
        for q in self.p.team_quotas:
            rows = [
                (s, self.x[s.name, i.id]) for s in self.p.services if s.team == q.team
                for i in self.p.sites if q.region in ("", i.region)
            ]  # fmt: skip
            if q.cpu_millicores is not None:
                self.m.add(sum(s.cpu_millicores * x for s, x in rows) <= q.cpu_millicores)
            if q.memory_mib is not None:
                self.m.add(sum(s.memory_mib * x for s, x in rows) <= q.memory_mib)

    # -- asking ----------------------------------------------------------------------------------------------------

    def hold(self, where: Mapping[str, Mapping[str, int]], pools: Sequence[PoolChoice]) -> None:
        """Exactly that placement on exactly those machines."""
        for (service, site), x in self.x.items():
            self.m.add(x == where[service].get(site, 0))
        for (site, name, service), count in self.machines.items():
            bought = sum(p.count for p in pools if (p.site, p.instance_type, p.dedicated_to) == (site, name, service))
            self.m.add(count == bought)

    def hint(self, known: Result) -> None:
        """A placement that is known to hold, as a model of the same problem and price found it; its first variables are
        these."""
        for index, value in enumerate(known.values[: len(self.m.proto.variables)]):
            self.m.add_hint(self.m.get_int_var_from_proto_index(index), value)

    def solve(self, work: float, *, cost: bool = True) -> Result:
        """work: deterministic time of CP-SAT. cost False: any placement will do."""
        if cost:
            self.m.minimize(sum(self.cost))
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.interleave_search = True  # all its strategies in turns, and the same answer each time
        solver.parameters.random_seed = 1
        solver.parameters.max_deterministic_time = work
        status = solver.status_name(solver.solve(self.m))
        if status not in ("OPTIMAL", "FEASIBLE"):
            return Result(status)
        where: dict[str, dict[str, int]] = {}
        for (service, site), x in self.x.items():
            if solver.value(x):
                where.setdefault(service, {})[site] = solver.value(x)
        value, bound = solver.value(sum(self.cost)), solver.best_objective_bound if cost else 0.0
        return Result(status, value / SCALE, bound / SCALE, where, list(solver.response_proto.solution))
