"""The mixed-integer model of a Problem.

Columns: replicas per (service, site), nodes per (site, type), instances per (VM service, site, type), presence of a
service in a site, a region or a spread domain, and per edge and origin the share of calls that must leave each price
level. Rows: replicas, capacity per resource with room for a rolling update, node loss, quotas, spread, reach.

Egress is exact, not approximated: calls go to the cheapest place where the callee is present (scheduler.problem), so
with candidate places sorted by price p_1 < p_2 < ... the cost of an origin's share h is
p_1 h + sum_k (p_{k+1} - p_k) max(0, h - [callee present at a price <= p_k]), the "radius formulation" of the p-median
problem (Cornuejols, Nemhauser and Wolsey 1980; Garcia, Labbe and Marin 2011), linear in the presence columns. It
is said of an origin's first replica and of the others apart: the first one's column is the presence column itself.
Not in the model: whether the pods pack on the nodes one by one. That is checked afterwards (scheduler.packing), and
what does not pack comes back as a `PackingCut`. So the model's bound is a bound on the true problem.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from scheduler.calls import Calls
from scheduler.eligibility import Eligibility
from scheduler.highs import MixedIntegerModel
from scheduler.patterns import Patterns, add_patterns
from scheduler.problem import LEVELS, InstanceOffer, Problem, ServiceDemand, SiteOffer
from scheduler.pruning import dedicated_types, pool_types, sites_to_consider
from scheduler.rules import Rules
from scheduler.sizes import CPU, DIMENSIONS, DISK, MEMORY, ON_DEMAND, PODS, domain_cap, holds, node_cap, room, size_of
from scheduler.traffic import Assignment

Terms = list[tuple[int, float]]
SiteType = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PackingCut:
    """What packing taught about these replicas in any of those sites, unless there are fewer of one of them.

    nodes: they do not pack on those; more of one type is needed. min_price: they pack on no nodes that cost less per
    hour; where it is given it replaces `nodes`, since it excludes every cheaper mix at once.
    """

    sites: tuple[str, ...]
    replicas: tuple[tuple[str, int], ...]
    nodes: tuple[tuple[str, int], ...]
    min_price: float | None = None


@dataclass(slots=True)
class Draft:
    """A solution of the model in the problem's words. pools: (site, type) -> nodes; dedicated: + service. filled: per
    site, how often each of its patterns is used, where the model has patterns."""

    assignment: dict[str, dict[str, int]]
    pools: dict[SiteType, int]
    dedicated: dict[tuple[str, str, str], int]
    filled: dict[str, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class Formulation:
    """Built once per set of cuts; `model` goes to the solver and `read` turns its values into a Draft.

    merged: equal zones of a region are one site that counts as several in a spread: a relaxation with far fewer
    columns, whose bound is valid and whose draft says which regions are worth a closer look. whole_pods: with rows that
    tighten small models; in large ones they make the search slower than that is worth. patterns: all that nodes can
    carry, where that can be listed: then what the model says packs. ordered: of equal zones the first has most
    machines; not where it is given which zone has which.
    """

    problem: Problem
    eligibility: Eligibility
    cuts: tuple[PackingCut, ...] = ()
    priced: bool = True
    penalise_moves: bool = False
    merged: bool = False
    whole_pods: bool = True
    patterns: Patterns | None = None
    ordered: bool = True
    model: MixedIntegerModel = field(default_factory=MixedIntegerModel)
    x: dict[tuple[str, str], int] = field(default_factory=dict)
    n: dict[SiteType, int] = field(default_factory=dict)
    d: dict[tuple[str, str, str], int] = field(default_factory=dict)
    here: dict[tuple[str, str], int] = field(default_factory=dict)  # 1 where a Kubernetes service is present
    spares: dict[SiteType, int] = field(default_factory=dict)  # 1 where the type is in use and each pool has a spare
    loose: dict[tuple[str, str], int] = field(default_factory=dict)  # replicas that may be on spot machines
    filled: dict[str, list[int]] = field(default_factory=dict)  # site -> how often each of its patterns is used
    offers: dict[SiteType, InstanceOffer] = field(default_factory=dict)
    sites: list[SiteOffer] = field(default_factory=list)
    zones: dict[str, int] = field(default_factory=dict)
    _sites_of: dict[str, dict[str, int]] = field(default_factory=dict)
    _services: list[ServiceDemand] = field(default_factory=list)
    _spare: dict[str, dict[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sites, symmetric, self.zones = sites_to_consider(self.problem, self.eligibility, self.merged)
        self._services = sorted(self.problem.services, key=lambda s: s.name)
        for service in self._services:
            self._service_columns(service)
        for site in self.sites:
            self._site_columns(site)
        calls = Calls(self)
        for service in self._services:
            self._spread(service)
            calls.add(service)
        self._limits()
        Rules(self).add()
        for group in symmetric if self.ordered else ():
            self._fix_order(group)
        for cut in self.cuts:
            self._packing_cut(cut)
        if self.penalise_moves:
            self._moves()

    # -- services and sites ----------------------------------------------------------------------------------

    def price(self, amount: float) -> float:
        return amount if self.priced else 0.0

    def allowed(self, service: ServiceDemand) -> list[SiteOffer]:
        ids = set(self.eligibility.allowed[service.name])
        return [s for s in self.sites if s.id in ids]

    def _service_columns(self, service: ServiceDemand) -> None:
        for site in self.allowed(service):
            most = self.most(service, [site.id])
            x = self.x[service.name, site.id] = self.model.column(upper=most)
            self._sites_of.setdefault(service.name, {})[site.id] = x
            if 0 < service.max_spot_share < 1 and not service.dedicated:
                loose = self.loose[service.name, site.id] = self.model.column(upper=service.replicas)
                self.model.row([(loose, 1), (x, -service.max_spot_share)], upper=1e-9)
            if not service.dedicated:
                here = self.here[service.name, site.id] = self.model.column()
                self.model.row([(x, 1), (here, -most)], upper=0)
                continue
            self._dedicated_columns(service, site, x)
        self.model.row(self.replicas(service.name), lower=service.replicas, upper=service.replicas)

    def _dedicated_columns(self, service: ServiceDemand, site: SiteOffer, x: int) -> None:
        """One machine a replica, all of one type in a site: what a group of instances is."""
        types = dedicated_types(self.problem, site, service)
        machines: Terms = [(x, -1)]
        chosen: Terms = []
        for offer in types:
            self.offers[site.id, offer.name] = offer
            limit = service.replicas if offer.max_count is None else offer.max_count * self.zones[site.id]
            most = min(service.replicas, limit)
            col = self.model.column(self.price(offer.price_per_hour), most)
            self.d[service.name, site.id, offer.name] = col
            machines.append((col, 1))
            if len(types) > 1:
                choice = self.model.column()
                self.model.row([(col, 1), (choice, -most)], upper=0)
                chosen.append((choice, 1))
        self.model.row(machines, lower=0, upper=0)
        if chosen:
            self.model.row(chosen, upper=1)

    def replicas(self, service: str, sites: Iterable[str] | None = None) -> Terms:
        wanted = None if sites is None else set(sites)
        return [(col, 1.0) for site, col in self._sites_of.get(service, {}).items() if _in(site, wanted)]

    def most(self, service: ServiceDemand, ids: list[str]) -> int:
        """How many replicas those sites of one region can carry at most, for what spreads and caps leave elsewhere."""
        zones = sum(self.zones[i] for i in ids)
        most = service.replicas
        if service.spread is not None:
            mine = zones if service.spread.over == "zone" else 1
            most -= max(0, service.spread.min_domains - mine) * service.spread.min_each
        for level in LEVELS:
            cap = domain_cap(service, level)
            if cap is not None:
                most = min(most, cap * (zones if level == "zone" else 1))
        return max(0, most)

    def _site_columns(self, site: SiteOffer) -> None:
        tenants = [s for s in self._services if (s.name, site.id) in self.here]
        types = pool_types(self.problem, site, tenants)
        most = sum(s.replicas for s in tenants) + 1
        for offer in types:
            self.offers[site.id, offer.name] = offer
            limit = most if offer.max_count is None else min(most, offer.max_count * self.zones[site.id])
            n = self.n[site.id, offer.name] = self.model.column(self.price(offer.price_per_hour), limit)
            if self.problem.spare_node_per_pool:
                more = self.spares[site.id, offer.name] = self.model.column(self.price(offer.price_per_hour))
                self.model.row([(n, 1), (more, -most)], upper=0)
        if not tenants:
            return
        if self.patterns is not None:
            add_patterns(self, site, tenants, self.patterns[site.id])
        else:
            self._capacity(site, tenants, types)
            if self.whole_pods:
                self._whole_pods(site, tenants, types)
        open_here = self.model.column()  # implied by the rows below, but the best thing to branch on
        self.model.row([(open_here, 1), *((self.n[site.id, t.name], -1.0) for t in types)], upper=0)
        for service in tenants:
            self.model.row([(self.here[service.name, site.id], 1), (open_here, -1)], upper=0)
        for service in tenants:
            fitting = [(self.n[site.id, t.name], -1.0) for t in types if holds(self.problem, t, service)]
            self.model.row([(self.here[service.name, site.id], 1), *fitting], upper=0)
        if self.patterns is None:
            self._second_node(site, tenants, types)

    def _capacity(self, site: SiteOffer, tenants: list[ServiceDemand], types: tuple[InstanceOffer, ...]) -> None:
        surging = [s for s in tenants if s.surge] if self.problem.rollout_headroom else []
        sizes = {s.name: size_of(s) for s in tenants}
        rooms = {t.name: room(self.problem, t) for t in types}
        for axis in range(DIMENSIONS):
            terms: Terms = [(self.x[s.name, site.id], sizes[s.name][axis]) for s in tenants if sizes[s.name][axis]]
            if not terms or (axis > DISK and all(r[axis] == r[PODS] for r in rooms.values())):
                continue
            terms += [(self.n[site.id, t.name], -rooms[t.name][axis]) for t in types]
            if axis == ON_DEMAND:  # what may be on spot machines asks for none of these
                terms += [(self.loose[s.name, site.id], -1.0) for s in tenants if (s.name, site.id) in self.loose]
            if surging and axis in (CPU, MEMORY, PODS):  # GPUs and disks are too dear to keep idle for updates
                most = max(sizes[s.name][axis] for s in surging)
                spare = self.model.column(upper=most * self.zones[site.id], integer=False)
                self._spare.setdefault(site.id, {})[axis] = spare
                for s in surging:
                    self.model.row([(spare, 1), (self.here[s.name, site.id], -sizes[s.name][axis])], lower=0)
                terms.append((spare, 1))
            self.model.row(terms, upper=0)

    def _whole_pods(self, site: SiteOffer, tenants: list[ServiceDemand], types: tuple[InstanceOffer, ...]) -> None:
        """A node of room r holds at most floor(r / s) pods of size s or more: valid, and much tighter than sums.

        One row per resource and distinct size; where a service of that size is present and surges, the spare pod is of
        that size or more, too. (The simplest of the dual feasible functions of bin packing: Fekete and Schepers 2001.)
        """
        for axis in (0, 1):
            sizes = {s.name: (s.cpu_millicores, s.memory_mib)[axis] for s in tenants}
            for size in sorted(set(sizes.values())):
                if size <= 0 or all(room(self.problem, t)[axis] % size == 0 for t in types):
                    continue
                holds = [(self.n[site.id, t.name], -float(room(self.problem, t)[axis] // size)) for t in types]
                pods = [(self.x[s.name, site.id], 1.0) for s in tenants if sizes[s.name] >= size]
                surging = [s for s in tenants if s.surge and sizes[s.name] == size and self.problem.rollout_headroom]
                for spare in [[(self.here[s.name, site.id], 1.0)] for s in surging] or [[]]:
                    self.model.row([*pods, *spare, *holds], upper=0)

    def _second_node(self, site: SiteOffer, tenants: list[ServiceDemand], types: tuple[InstanceOffer, ...]) -> None:
        for service in tenants:
            cap = node_cap(self.problem, service)
            if cap < service.replicas - 1:
                fitting = [(self.n[site.id, t.name], -float(cap)) for t in types if holds(self.problem, t, service)]
                self.model.row([(self.x[service.name, site.id], 1), *fitting], upper=0)
        several = [s for s in tenants if s.replicas > 1] if self.problem.survive_node_loss else []
        if not several:
            return
        two = self.model.column()
        self.model.row([(two, 2), *((self.n[site.id, t.name], -1.0) for t in types)], upper=0)
        for service in several:
            self.model.row([(self.x[service.name, site.id], 1), (two, -1)], upper=service.replicas - 1)

    # -- limits ----------------------------------------------------------------------------------------------

    def _machines(self, site_ids: set[str], vcpu: bool) -> Terms:
        terms: Terms = []
        for (site, name), col in (*self.n.items(), *self.spares.items()):
            if site in site_ids:
                terms.append((col, self.offers[site, name].vcpu if vcpu else 1.0))
        for (_, site, name), col in self.d.items():
            if site in site_ids:
                terms.append((col, self.offers[site, name].vcpu if vcpu else 1.0))
        return terms

    def _limits(self) -> None:
        by_region: dict[str, set[str]] = defaultdict(set)
        for site in self.sites:
            by_region[site.region].add(site.id)
            if site.max_machines is not None:
                most = site.max_machines * self.zones[site.id]
                self.model.row(self._machines({site.id}, vcpu=False), upper=most)
        for region, quota in sorted(self.problem.region_quota_vcpu.items()):
            if region in by_region:
                self.model.row(self._machines(by_region[region], vcpu=True), upper=quota)

    def _fix_order(self, group: list[SiteOffer]) -> None:
        for first, second in pairwise(group):
            more, less = (self._machines({s.id}, vcpu=False) for s in (first, second))
            if more:
                self.model.row([*more, *((col, -c) for col, c in less)], lower=0)

    def _spread(self, service: ServiceDemand) -> None:
        rule = service.spread
        if rule is None:
            return
        domains: dict[str, list[SiteOffer]] = defaultdict(list)
        for site in self.allowed(service):
            domains[{"zone": site.id, "region": site.region, "cloud": site.cloud}[rule.over]].append(site)
        marks: Terms = []
        for _, members in sorted(domains.items()):
            ids = [s.id for s in members]
            mark = self.model.column(upper=self.zones[ids[0]] if rule.over == "zone" else 1)
            self.model.row([*self.replicas(service.name, ids), (mark, -rule.min_each)], lower=0)
            if not service.dedicated:
                nodes = [
                    (col, -1.0) for (site, name), col in self.n.items()
                    if site in ids and holds(self.problem, self.offers[site, name], service)
                ]  # fmt: skip
                self.model.row([(mark, 1), *nodes], upper=0)
                if rule.over == "zone":
                    self._spare_in_each_zone(service, ids[0], mark)
            marks.append((mark, 1))
        self.model.row(marks, lower=rule.min_domains)

    def _spare_in_each_zone(self, service: ServiceDemand, site_id: str, mark: int) -> None:
        """Where a site of the model stands for several zones, each zone in use keeps its own spare room."""
        if self.zones[site_id] > 1 and service.surge:
            for axis, spare in self._spare.get(site_id, {}).items():
                self.model.row([(spare, 1), (mark, -size_of(service)[axis])], lower=0)

    # -- cuts and moves --------------------------------------------------------------------------------------

    def _packing_cut(self, cut: PackingCut) -> None:
        """One of the replicas' numbers falls, or more is bought."""
        for site_id in cut.sites:
            escape: Terms = []
            for service, count in cut.replicas:
                x = self.x[service, site_id]
                total = self.problem.service_by_name[service].replicas
                fewer = self.model.column()
                self.model.row([(x, 1), (fewer, total - count + 1)], upper=total)
                escape.append((fewer, 1))
            mine = {name: n for (site, name), n in self.n.items() if site == site_id}
            if cut.min_price is not None:
                more = {name: n for (site, name), n in self.spares.items() if site == site_id}
                nodes = (*mine.items(), *more.items())
                paid = [(n, self.offers[site_id, name].price_per_hour) for name, n in nodes]
                relief = [(mark, cut.min_price) for mark, _ in escape]
                self.model.row([*paid, *relief], lower=cut.min_price * (1 - 1e-9))
                continue
            counts = dict(cut.nodes)
            for name, n in mine.items():
                another = self.model.column()
                self.model.row([(n, 1), (another, -(counts.get(name, 0) + 1))], lower=0)
                escape.append((another, 1))
            self.model.row(escape, lower=1)

    def _moves(self) -> None:
        """A charge for each replica that arrives where none is now, and for each machine that does not exist yet."""
        fee = self.problem.migration_cost_per_replica
        arrivals: Terms = []
        for (service, site), x in self.x.items():
            now = self.problem.service_by_name[service].current.get(site, 0)
            arrival = self.model.column(fee, self.model.upper[x], integer=False)
            self.model.row([(arrival, 1), (x, -1)], lower=-now)
            arrivals.append((arrival, 1.0))
        if self.problem.max_moves is not None:
            self.model.row(arrivals, upper=self.problem.max_moves)
        existing = {(p.site, p.instance_type): p.count for p in self.problem.current_pools if not p.dedicated_to}
        for key, n in self.n.items():
            started = self.model.column(fee, self.model.upper[n], integer=False)
            self.model.row([(started, 1), (n, -1)], lower=-existing.get(key, 0))

    # -- reading ---------------------------------------------------------------------------------------------

    def read(self, values: list[float]) -> Draft:
        assignment: dict[str, dict[str, int]] = {s.name: {} for s in self._services}
        for (service, site), col in self.x.items():
            if count := round(values[col]):
                assignment[service][site] = count
        pools = {key: count for key, col in self.n.items() if (count := round(values[col]))}
        dedicated = {key: count for key, col in self.d.items() if (count := round(values[col]))}
        filled = {site: [round(values[col]) for col in cols] for site, cols in self.filled.items()}
        return Draft(assignment, pools, dedicated, filled)


def _in(site: str, wanted: set[str] | None) -> bool:
    return wanted is None or site in wanted


def assignment_of(problem: Problem) -> Assignment | None:
    """The current placement where it is whole: every service with as many replicas as it wants. Else None."""
    current: Mapping[str, Mapping[str, int]] = {s.name: s.current for s in problem.services}
    whole = all(sum(current[s.name].values()) == s.replicas for s in problem.services)
    return current if whole else None
