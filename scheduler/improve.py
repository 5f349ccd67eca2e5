"""Local search: from a placement that holds to a cheaper one, by moves whose whole cost is known.

Moves: one replica or all of a service's replicas of a site to another site; a caller and its callee together; and a
whole site given up. Each is judged by egress (rule of scheduler.problem) plus the price of the machines that really
pack both sites' pods. Deterministic: fixed order, a limit on the number of trials, no clock. Callers: solve, where the
solver's own answer is not proven optimal. Pure. The machines are looked for among mixes of at most two types here;
`nodes` asks for the best mix at the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

from model.rng import stream
from scheduler.check import team_requests
from scheduler.eligibility import Eligibility
from scheduler.nodes import groups_at
from scheduler.problem import LEVELS, InstanceOffer, Problem, ServiceDemand, SiteOffer
from scheduler.pruning import dedicated_types
from scheduler.site_mixes import NOTHING, Machines, Mixes
from scheduler.sizes import domain_cap, domain_of
from scheduler.traffic import hop_to_external, hops_to_service

TRIAL_LIMIT = 6_000  # moves judged; about 5,000 a second
MOST_KICKS = 60
KICKED_SERVICES = 3
EPSILON = 1e-9

Sites = dict[str, int]
Assignment = dict[str, Sites]
Change = dict[str, Sites]  # service -> its new sites


@dataclass
class LocalSearch:
    """State: the assignment and what it costs, kept per service and per site so that a move is cheap to judge."""

    problem: Problem
    eligibility: Eligibility
    assignment: Assignment
    trials: int = 0
    egress: dict[str, float] = field(default_factory=dict)
    machines: dict[str, Machines] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._books: dict[tuple[object, ...], Mixes] = {}
        self._book_of: dict[str, Mixes] = {}
        self._own: dict[tuple[str, str], InstanceOffer | None] = {}
        self._hops: dict[tuple[str, str, str], list[tuple[float, str]]] = {}

    def run(self) -> bool:
        """Improve until nothing helps or the trials are used up. False where the start does not hold."""
        for service in self.problem.services:
            cost = self._egress_of(service, self.assignment)
            if cost is None:
                return False
            self.egress[service.name] = cost
        for site in self.problem.sites:
            found = self._machines_at(site.id, self.assignment)
            if found is None:
                return False
            self.machines[site.id] = found
        if not (self._together_holds(self.assignment) and self._within_limits(self.machines)):
            return False
        self._descend()
        for kick in range(MOST_KICKS):
            if self.trials >= TRIAL_LIMIT:
                break
            before, saved = self.cost, self._saved()
            self._kick(kick)
            self._descend()
            if self.cost >= before - EPSILON:
                self.assignment, self.egress, self.machines = saved
        return True

    def _descend(self) -> None:
        while self.trials < TRIAL_LIMIT and (self._single_moves() or self._pair_moves() or self._closings()):
            pass

    def _saved(self) -> tuple[Assignment, dict[str, float], dict[str, Machines]]:
        return {k: dict(v) for k, v in self.assignment.items()}, dict(self.egress), dict(self.machines)

    def _kick(self, number: int) -> None:
        """Iterated local search (Lourenco, Martin and Stuetzle 2003): a few services go elsewhere, at whatever cost."""
        rng = stream("scheduler local search", number)
        for _ in range(KICKED_SERVICES):
            service = rng.choice(self.problem.services)
            source = rng.choice(sorted(self.assignment[service.name]))
            target = rng.choice(self._targets(service))
            amount = self.assignment[service.name][source]
            change = {service.name: self._moved(service.name, source, target, amount)}
            if (judged := self._judge(change)) is not None:
                self._accept(change, judged)

    @property
    def cost(self) -> float:
        return sum(self.egress.values()) + sum(m.price for m in self.machines.values())

    # -- moves -----------------------------------------------------------------------------------------------

    def _single_moves(self) -> bool:
        improved = False
        for service in self.problem.services:
            for source in sorted(self.assignment[service.name]):
                for target in self._targets(service):
                    count = self.assignment[service.name].get(source, 0)
                    for amount in sorted({1, count} - {0}):
                        change = {service.name: self._moved(service.name, source, target, amount)}
                        improved = self._try(change) or improved
        return improved

    def _pair_moves(self) -> bool:
        improved = False
        for service in self.problem.services:
            for edge in service.edges:
                if edge.callee in self.problem.service_by_name and edge.gb_per_hour > 0:
                    for source, target in product(sorted(self.assignment[service.name]), self._targets(service)):
                        change = {
                            name: self._moved(name, source, target, self.assignment[name].get(source, 0))
                            for name in (service.name, edge.callee)
                        }
                        improved = self._try(change) or improved
        return improved

    def _closings(self) -> bool:
        """Give up a whole site: each of its services goes where it adds least; kept only if the sum is cheaper."""
        for site in sorted(s for s, m in self.machines.items() if m.price > 0):
            before = self.cost
            saved = self._saved()
            if self._empty(site) and self.cost < before - EPSILON:
                return True
            self.assignment, self.egress, self.machines = saved
        return False

    def _empty(self, site: str) -> bool:
        for service in self.problem.services:
            count = self.assignment[service.name].get(site, 0)
            if not count:
                continue
            options = []
            for target in self._targets(service):
                if target != site and self.machines[target].price > 0:
                    judged = self._judge({service.name: self._moved(service.name, site, target, count)})
                    if judged is not None:
                        options.append((judged[0], target, judged))
            if not options:
                return False
            _, target, judged = min(options, key=lambda o: o[:2])
            self._accept({service.name: self._moved(service.name, site, target, count)}, judged)
        return True

    def _moved(self, service: str, source: str, target: str, amount: int) -> Sites:
        sites = dict(self.assignment[service])
        if source == target or not sites.get(source):
            return sites
        amount = min(amount, sites[source])
        sites[source] -= amount
        if not sites[source]:
            del sites[source]
        sites[target] = sites.get(target, 0) + amount
        return sites

    def _targets(self, service: ServiceDemand) -> list[str]:
        """Allowed sites in use, and the first unused one of each region."""
        found, seen = [], set()
        for site_id in self.eligibility.allowed[service.name]:
            region = self.problem.site_by_id[site_id].region
            if self.machines[site_id].price > 0 or any(site_id in s for s in self.assignment.values()):
                found.append(site_id)
            elif region not in seen:
                seen.add(region)
                found.append(site_id)
        return found

    # -- judging ---------------------------------------------------------------------------------------------

    def _try(self, change: Change) -> bool:
        if self.trials >= TRIAL_LIMIT or all(self.assignment[name] == sites for name, sites in change.items()):
            return False
        judged = self._judge(change)
        if judged is None or judged[0] >= -EPSILON:
            return False
        self._accept(change, judged)
        return True

    def _accept(self, change: Change, judged: tuple[float, dict[str, float], dict[str, Machines]]) -> None:
        self.assignment = {**self.assignment, **change}
        self.egress.update(judged[1])
        self.machines.update(judged[2])

    def _judge(self, change: Change) -> tuple[float, dict[str, float], dict[str, Machines]] | None:
        """The difference in cost, and the new parts of it; None where the result breaks a rule."""
        self.trials += 1
        after = {**self.assignment, **change}
        names = dict.fromkeys(change)
        for name in change:
            if not self._spread_holds(self.problem.service_by_name[name], after[name]):
                return None
            names.update(dict.fromkeys(self._callers.get(name, ())))
        if not self._together_holds(after):
            return None
        egress: dict[str, float] = {}
        for name in names:
            cost = self._egress_of(self.problem.service_by_name[name], after)
            if cost is None:
                return None
            egress[name] = cost
        touched = {
            site
            for name, sites in change.items()
            for site in set(sites) | set(self.assignment[name])
            if sites.get(site, 0) != self.assignment[name].get(site, 0)
        }
        machines: dict[str, Machines] = {}
        for site in sorted(touched):
            found = self._machines_at(site, after)
            if found is None:
                return None
            machines[site] = found
        if not self._within_limits({**self.machines, **machines}):
            return None
        delta = sum(egress[n] - self.egress[n] for n in egress)
        delta += sum(machines[s].price - self.machines[s].price for s in machines)
        return delta, egress, machines

    @cached_property
    def _callers(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for service in self.problem.services:
            for edge in service.edges:
                found.setdefault(edge.callee, []).append(service.name)
        return {name: tuple(callers) for name, callers in found.items()}

    def _spread_holds(self, service: ServiceDemand, sites: Sites) -> bool:
        """Its spread, and how much of it each place must or may have."""
        rule = service.spread
        if rule is not None:
            held = self._carried(sites, rule.over)
            if sum(1 for n in held.values() if n >= rule.min_each) < rule.min_domains:
                return False
        for level in LEVELS if service.max_per or service.survives else ():
            cap = domain_cap(service, level)
            if cap is not None and max(self._carried(sites, level).values(), default=0) > cap:
                return False
        if any(sites.get(site_id, 0) < least for site_id, least in service.pinned.items()):
            return False
        for near in service.users:
            rtt = self.problem.population_by_name[near.population].rtt_ms
            if min(rtt.get(self.problem.site_by_id[s].region, math.inf) for s in sites) > near.max_rtt_ms:
                return False
        return True

    def _carried(self, sites: Sites, level: str) -> dict[str, int]:
        domains: dict[str, int] = {}
        for site_id, count in sites.items():
            domain = domain_of(self.problem.site_by_id[site_id], level)
            domains[domain] = domains.get(domain, 0) + count
        return domains

    @cached_property
    def _strangers(self) -> list[tuple[str, str, str]]:
        return [(s.name, a.service, a.over) for s in self.problem.services for a in s.apart if a.over in LEVELS]

    def _together_holds(self, after: Assignment) -> bool:
        """Rules that speak of several services: anti-affinity, and what teams may request."""
        for one, other, level in self._strangers:
            if self._carried(after[one], level).keys() & self._carried(after[other], level).keys():
                return False
        return not (self.problem.team_quotas and team_requests(self.problem, after))

    def _egress_of(self, service: ServiceDemand, assignment: Assignment) -> float | None:
        """Cost of the calls that the service makes; None where one of them reaches nobody."""
        total = sum(service.dearer.get(site, 0.0) * n for site, n in assignment[service.name].items())
        for index, edge in enumerate(service.edges):
            callee = assignment.get(edge.callee)
            regions = {self.problem.site_by_id[s].region for s in callee} if callee is not None else set()
            for site_id, count in assignment[service.name].items():
                if callee is not None and site_id in callee:
                    continue
                region = self.problem.site_by_id[site_id].region
                price = self._price(service, index, region, regions)
                if price is None:
                    return None
                total += price * edge.gb_per_hour * count / service.replicas
        return total

    def _price(self, service: ServiceDemand, index: int, region: str, regions: set[str]) -> float | None:
        edge = service.edges[index]
        key = (service.name, edge.callee, region)
        if key not in self._hops:
            if edge.callee in self.problem.external_by_name:
                hop = hop_to_external(self.problem, region, edge)
                self._hops[key] = [(hop.price_per_gb, "")] if hop else []
            else:
                self._hops[key] = [(h.price_per_gb, h.place) for h in hops_to_service(self.problem, region, edge)]
        return next((price for price, place in self._hops[key] if not place or place in regions), None)

    def _machines_at(self, site_id: str, assignment: Assignment) -> Machines | None:
        site = self.problem.site_by_id[site_id]
        price, count, vcpu = 0.0, 0, 0.0
        for service in self._dedicated:
            if n := assignment[service.name].get(site_id, 0):
                offer = self._own_machine(service, site)
                if offer is None or (offer.max_count is not None and offer.max_count < n):
                    return None
                price += offer.price_per_hour * n
                count += n
                vcpu += offer.vcpu * n
        groups = tuple(groups_at(self.problem, site_id, assignment))
        if groups:
            found = self._book(site).cheapest(groups)
            if found is None:
                return None
            price, count, vcpu = price + found.price, count + found.count, vcpu + found.vcpu
        return Machines(price, count, vcpu) if count else NOTHING

    @cached_property
    def _dedicated(self) -> list[ServiceDemand]:
        return [s for s in self.problem.services if s.dedicated]

    def _own_machine(self, service: ServiceDemand, site: SiteOffer) -> InstanceOffer | None:
        """The cheapest type for a VM service there."""
        key = (service.name, site.id)
        if key not in self._own:
            self._own[key] = next(iter(dedicated_types(self.problem, site, service)), None)
        return self._own[key]

    def _book(self, site: SiteOffer) -> Mixes:
        """Shared by the sites of a region that sell the same to the same services."""
        if site.id in self._book_of:
            return self._book_of[site.id]
        tenants = [s for s in self.problem.services if not s.dedicated and site.id in self.eligibility.allowed[s.name]]
        key = (site.region, site.types, tuple(s.name for s in tenants))
        if key not in self._books:
            self._books[key] = Mixes(self.problem, site, tenants)
        self._book_of[site.id] = self._books[key]
        return self._books[key]

    def _within_limits(self, machines: Mapping[str, Machines]) -> bool:
        vcpu: dict[str, float] = {}
        for site_id, found in machines.items():
            site = self.problem.site_by_id[site_id]
            if site.max_machines is not None and found.count > site.max_machines:
                return False
            vcpu[site.region] = vcpu.get(site.region, 0.0) + found.vcpu
        return all(used <= self.problem.region_quota_vcpu.get(r, math.inf) for r, used in vcpu.items())


def split_over_zones(problem: Problem, groups: Sequence[Sequence[SiteOffer]], merged: Assignment) -> Assignment:
    """A merged solution (one zone stands for all equal ones) with its spreads over zones made true, where possible."""
    twins = {group[0].id: [s.id for s in group] for group in groups}
    result: Assignment = {}
    for service in problem.services:
        sites = dict(merged[service.name])
        rule = service.spread
        if rule is not None and rule.over == "zone":
            for site, other in _extra_zones(sites, twins):
                if sum(1 for n in sites.values() if n >= rule.min_each) >= rule.min_domains:
                    break
                if sites[site] >= 2 * rule.min_each:
                    sites[site] -= rule.min_each
                    sites[other] = rule.min_each
        result[service.name] = sites
    return result


def _extra_zones(sites: Sites, twins: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """(zone in use, an equal one that is not), the fullest first."""
    for site in sorted(sites, key=lambda s: (-sites[s], s)):
        for other in twins.get(site, ())[1:]:
            yield site, other
