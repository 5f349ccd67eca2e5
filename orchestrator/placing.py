"""From spec, facts and assumptions to a placement: builds the scheduler's Problem and asks for an answer.

Callers: planning, and whoever shows a placement. Raises Infeasible (exit 6) where nothing holds, naming an irreducible
set of constraints, and PlacementUndecided (exit 10) where the work limit came first. Non-goals: solving.

What is decided here and not in the spec: arm64 types are left out where no service has an image for them, spot
machines where none may run on one; burstable types are left out unless a region's `instance_types` names them (their
full vCPUs are not theirs for long); each Kubernetes node keeps a little back for the daemons that run on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from model.errors import Diagnostic, DuoyunError, InvalidInput
from model.exit_codes import ExitCode
from model.facts.book import Book
from model.facts.catalogue import InstanceTypeFact
from model.facts.live import LivePrices
from model.plan import Placement
from model.spec.app import Application, Service
from model.spec.app import External as ExternalSpec
from model.spec.assumptions import Assumptions
from model.spec.fleet import Fleet, RegionSpec, Site, ZoneSpec
from model.spec.yaml_source import Document
from orchestrator.machines import existing_node, offer_name, on_spot_offer, replicas_on_spot, reserved
from orchestrator.makeable import refuse_what_cannot_be_made
from orchestrator.no_placement import infeasible_error
from orchestrator.registry import CLOUDS
from orchestrator.spec_lines import Lines
from orchestrator.ties import current_nodes, former_nodes, named
from orchestrator.wishes import populations, sites_like, team_quotas, wishes_of
from scheduler.document import check_problem
from scheduler.former import kept_nodes
from scheduler.infeasible import Conflict
from scheduler.problem import (
    INTERNET,
    CurrentPool,
    External,
    InstanceOffer,
    NodeLoad,
    Problem,
    Route,
    ServiceDemand,
    SiteOffer,
)
from scheduler.solve import DEFAULT_WORK_LIMIT, solve
from scheduler.verdicts import Solved, Undecided

NODE_OVERHEAD_CPU_MILLICORES = (
    100  # network agent and proxy on each node: what common managed clusters' daemons request
)
NODE_OVERHEAD_MEMORY_MIB = 128
NODE_OVERHEAD_PODS = 4
MIGRATION_SHARE = 0.02  # moving a replica must save this share of what an average replica costs per hour


class PlacementUndecided(DuoyunError):
    """No placement was found within the work limit, and none was excluded."""

    exit_code = ExitCode.UNDECIDED


def place(
    app: Application,
    fleet: Fleet,
    assumptions: Assumptions,
    current: Placement | None = None,
    *,
    prices: LivePrices | None = None,
    work_limit: int | None = None,
    documents: Mapping[str, Document] | None = None,
    replan: bool = False,
) -> Placement:
    """The placement, at list prices in the fleet's currency. current: what runs now, so that little moves.

    replan, or a work_limit: all is searched, even where keeping what runs is good enough.
    The budget is left to the gate, which judges the whole plan and knows waivers. documents: for a conflict's lines.
    """
    problem = build_problem(app, fleet, assumptions, current, prices)
    budget = math.inf if problem.budget_per_hour is None else problem.budget_per_hour
    problem = replace(problem, budget_per_hour=None, warn_per_hour=None)
    everything = replace(problem, current_gap=None)
    if replan or work_limit is not None:
        problem = everything
    lines = Lines(app, fleet, documents or {}).of
    solved = solved_or_error(problem, work_limit, lines)
    if problem.current_gap is not None and solved.placement.cost.total_per_hour > budget:
        solved = solved_or_error(everything, work_limit, lines)  # what was kept unsearched is too dear
    if current is not None:
        solved = kept_nodes(problem, solved, former_nodes(current, solved.placement.pools))
    on_spot = replicas_on_spot(problem, solved.packing)
    services = tuple(replace(s, on_spot=on_spot.get(s.service, {})) for s in solved.placement.services)
    placement = named(replace(solved.placement, services=services, warnings=solved.warnings))
    refuse_what_cannot_be_made(app, solved.packing)
    return placement


def solved_or_error(
    problem: Problem, work_limit: int | None = None, line: Callable[[Conflict], str] = lambda _: ""
) -> Solved:
    """The placement with its certificate. Infeasible or PlacementUndecided where there is none.

    line: where a constraint stands in the user's files.
    """
    verdict = solve(problem, work_limit=DEFAULT_WORK_LIMIT if work_limit is None else work_limit)
    if isinstance(verdict, Solved):
        return verdict
    if isinstance(verdict, Undecided):
        mend = f"search further with `--work-limit {verdict.raise_limit_to}`, or loosen a constraint"
        raise PlacementUndecided(verdict.what, mend=mend)
    raise infeasible_error(verdict, problem.currency, line)


def build_problem(
    app: Application,
    fleet: Fleet,
    assumptions: Assumptions,
    current: Placement | None = None,
    prices: LivePrices | None = None,
) -> Problem:
    """Everything that decides a placement, as the scheduler's values. InvalidInput where a price cannot be told.

    prices: what the clouds' price lists told, which outranks the shipped ones.
    """
    builder = _Builder(app, fleet, Book(assumptions, prices or LivePrices()))
    capacity, cost = fleet.spec.capacity, fleet.spec.capacity.migration_cost_per_replica
    sites = tuple(builder.site(s) for s in fleet.sites())
    services = tuple(builder.service(s, current) for s in app.spec.services)
    externals = tuple(builder.external(e) for e in app.spec.externals)
    routes = tuple(builder.routes(any(e.internet for e in externals)))
    quotas = dict(builder.quotas())
    problem = Problem(
        services=services,
        sites=sites,
        externals=externals,
        routes=routes,
        region_quota_vcpu=quotas,
        currency=fleet.spec.currency,
        price_date=builder.price_dates(),
        node_overhead_cpu_millicores=NODE_OVERHEAD_CPU_MILLICORES,
        node_overhead_memory_mib=NODE_OVERHEAD_MEMORY_MIB,
        node_overhead_pods=NODE_OVERHEAD_PODS,
        rollout_headroom=capacity.rollout_headroom,
        survive_node_loss=capacity.survive_node_loss,
        node_headroom=capacity.node_headroom,
        spare_node_per_pool=capacity.spare_node_per_pool,
        migration_cost_per_replica=_migration_cost(current) if cost is None else cost,
        max_moves=capacity.max_moves if current is not None else None,
        budget_per_hour=builder.budget("max_per_hour"),
        warn_per_hour=builder.budget("warn_per_hour"),
        populations=populations(fleet),
        team_quotas=team_quotas(fleet, {s.team for s in app.spec.services}),
        current_pools=_current_pools(current, {s.id for s in sites}),
        current_nodes=_current_nodes(current, {s.id for s in sites}),
        current_gap=current.gap if current is not None and math.isfinite(current.gap) else None,
        node_pools=dict(builder.node_pools()),
        room_at_run_time=capacity.room_at_run_time,
    )
    diagnostics = [*builder.diagnostics, *check_problem(problem)]
    if diagnostics:
        raise InvalidInput(diagnostics)
    return problem


class _Builder:
    """Translates, and collects what cannot be translated."""

    def __init__(self, app: Application, fleet: Fleet, book: Book) -> None:
        self.app, self.fleet, self.book = app, fleet, book
        self.diagnostics: list[Diagnostic] = []
        self._sites = list(fleet.sites())
        self._offers: dict[str, tuple[tuple[InstanceTypeFact, InstanceOffer], ...]] = {}
        self._dates: set[str] = set()
        self._no_rate: set[str] = set()
        services = app.spec.services
        self._arches = {"amd64"} | {a for s in services for a in s.architectures}
        self._spot = any(s.placement.max_spot_share > 0 for s in services)

    # -- sites -----------------------------------------------------------------------------------------------

    def site(self, site: Site) -> SiteOffer:
        zone = next(z for z in site.region.zones if z.zone == site.zone)
        return SiteOffer(
            id=site.id,
            region=site.region_id,
            cloud=site.cloud,
            partition=site.partition,
            country=site.region.country,
            icp=site.region.icp,
            max_machines=zone.max_nodes,
            kubernetes=site.region.cluster is not None,
            types=tuple(
                t if zone.node_headroom is None else replace(t, headroom=zone.node_headroom)
                for t in (*self._types(site.region, site.region_id, site.zone), *self._own(zone, site))
            ),
        )

    def _own(self, zone: ZoneSpec, site: Site) -> Iterator[InstanceOffer]:
        """What is paid for or there already in that zone."""
        partition, _, name = site.region_id.partition("/")
        facts = {t.name: t for t in self.book.instance_types(partition, name)} if zone.reserved else {}
        for row in zone.reserved:
            if row.instance_type in facts:
                yield reserved(self._offer(facts[row.instance_type]), row.count)
            else:
                what = f"{site.id}: the size of the reserved {row.instance_type} is not known"
                self.diagnostics.append(Diagnostic("", what, "correct its name, or add its price to the assumptions"))
        for node in zone.existing_nodes:
            yield existing_node(node)

    def budget(self, which: str) -> float | None:
        """That line of the fleet's budget, in the fleet's currency."""
        spec = self.fleet.spec.budget
        limit = getattr(spec, which, None)
        return None if spec is None or limit is None else self._money(limit, spec.currency)

    def quotas(self) -> Iterator[tuple[str, float]]:
        """Region -> vCPUs: the fleet's own word, else what the cloud told when it was asked."""
        for region in self.fleet.spec.regions:
            place = f"{self.fleet.account(region.account).partition}/{region.region}"
            bound = region.quota_vcpu if region.quota_vcpu is not None else self.book.quota_vcpu(place)
            if bound is not None:
                yield place, float(bound)

    def node_pools(self) -> Iterator[tuple[str, int]]:
        """Region -> how many node pools its cluster may have."""
        for site in self._sites:
            asked = site.region.cluster.node_pools if site.region.cluster is not None else None
            cloud = CLOUDS.get(site.cloud)
            if asked is not None or cloud is not None:
                yield site.region_id, asked if asked is not None else cloud.node_pools if cloud else 0

    def _types(self, region: RegionSpec, region_id: str, zone: str) -> tuple[InstanceOffer, ...]:
        """What that zone sells."""
        if region_id not in self._offers:
            partition, _, name = region_id.partition("/")
            facts = self.book.instance_types(partition, name)
            chosen = [t for t in facts if _wanted(t, region.instance_types, self._arches)]
            missing = sorted(set(region.instance_types) - {t.name for t in chosen})
            if missing:
                what = f"{region_id}: no price or size is known for {', '.join(missing)}"
                self.diagnostics.append(Diagnostic("", what, "add them to the assumptions, or take them off the list"))
            if not chosen:
                what = f"{region_id}: no instance type with a known price"
                self.diagnostics.append(Diagnostic("", what, "add prices to the fleet's assumptions"))
            self._offers[region_id] = (*((t, self._offer(t)) for t in chosen), *self._spots(chosen))
        return tuple(offer for fact, offer in self._offers[region_id] if fact.sold_in(zone))

    def _spots(self, facts: Sequence[InstanceTypeFact]) -> Iterator[tuple[InstanceTypeFact, InstanceOffer]]:
        """Those of them that are sold as spot machines, where a service may run on one."""
        for fact in facts if self._spot else ():
            if fact.spot_price_per_hour is not None:
                price = self._money(fact.spot_price_per_hour, fact.currency)
                yield fact, on_spot_offer(self._offer(fact), price, fact.spot_assumed)

    def _offer(self, fact: InstanceTypeFact) -> InstanceOffer:
        self._dates.add(fact.price_date)
        return InstanceOffer(
            name=fact.name,
            vcpu=float(fact.vcpu),
            cpu_millicores=fact.allocatable_cpu_millicores,
            memory_mib=fact.allocatable_memory_mib,
            gpu=fact.gpu,
            pods=fact.max_pods,
            price_per_hour=self._money(fact.price_per_hour, fact.currency),
            assumed=fact.assumed,
            disk_gib=fact.local_disk_gib,
            arch=fact.arch,
        )

    def _money(self, amount: float, currency: str) -> float:
        """In the fleet's currency. A missing rate is reported once and never guessed."""
        spec = self.fleet.spec
        if currency == spec.currency:
            return amount
        rate = spec.exchange_rates.get(currency)
        if rate is None:
            if currency not in self._no_rate:
                what = f"prices in {currency} cannot be shown in {spec.currency}: there is no exchange rate"
                mend = f"add `{currency}: <its worth in {spec.currency}>` to spec.exchange_rates of the fleet"
                self.diagnostics.append(Diagnostic("", what, mend))
                self._no_rate.add(currency)
            return 0.0
        return amount * rate

    def price_dates(self) -> str:
        """Of which days the prices are that were looked at: one, or `oldest to newest`."""
        dates = sorted(d for d in self._dates if d)
        return "" if not dates else dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"

    # -- services --------------------------------------------------------------------------------------------

    def service(self, spec: Service, current: Placement | None) -> ServiceDemand:
        known = {s.id for s in self._sites}
        now = {p.service: p.replicas for p in current.services}.get(spec.name, {}) if current else {}
        return ServiceDemand(
            name=spec.name,
            replicas=spec.replicas,
            cpu_millicores=spec.resources.cpu,
            memory_mib=spec.resources.memory,
            gpu=spec.resources.gpu,
            dedicated=spec.runtime == "vm",
            allowed_countries=None if "any" in spec.zones else tuple(sorted(spec.zones)),
            data_class=str(spec.data_class),
            icp_required=spec.icp,
            surge=str(spec.rollout.max_surge) not in ("0", "0%") and spec.resources.gpu == 0,
            current={site: n for site, n in now.items() if n > 0 and site in known},
            **wishes_of(spec, tuple(s.id for s in self._sites)),
        )

    def external(self, spec: ExternalSpec) -> External:
        chosen = set(sites_like((s.id for s in self._sites), (p for p in spec.sites if p != INTERNET)))
        known = tuple(sorted({s.region_id for s in self._sites if s.region.egress_ips}))
        return External(
            name=spec.name,
            regions=tuple(sorted({s.region_id for s in self._sites if s.id in chosen})),
            internet=INTERNET in spec.sites,
            callers_from=known if spec.requires_egress_ip else None,
        )

    # -- routes ----------------------------------------------------------------------------------------------

    def routes(self, internet: bool) -> Iterator[Route]:
        """Each region to itself, to every other one (reachable where a link says so), and to the internet."""
        regions = sorted({s.region_id for s in self._sites})
        links = {frozenset(link.between): link for link in self.fleet.linked()}
        for src in regions:
            for dst in [*regions, *([INTERNET] if internet else [])]:
                link = links.get(frozenset((src, dst)))
                if dst not in (src, INTERNET) and link is None:
                    yield Route(src=src, dst=dst, reachable=False)
                    continue
                yield self._route(src, dst, link.rtt_ms if link is not None else None)

    def _route(self, src: str, dst: str, measured_rtt_ms: float | None) -> Route:
        rtt = None if dst == INTERNET else self.book.rtt(src, dst)
        price = self.book.egress(src, dst)
        if dst != INTERNET and src <= dst and rtt is None and measured_rtt_ms is None:  # a pair is told once
            what = f"the round trip between {src} and {dst} is not known"
            mend = "give its rtt_ms in the fleet's link, or say `rtt_by_distance: true` in the assumptions"
            self.diagnostics.append(Diagnostic("", what, mend))
        if price is None:
            what = f"the egress price from {src} to {dst} is not known"
            self.diagnostics.append(Diagnostic("", what, "add an egress row to the fleet's assumptions"))
            return Route(src=src, dst=dst, rtt_ms=measured_rtt_ms)
        self._dates.add(price.date)
        return Route(
            src=src,
            dst=dst,
            rtt_ms=measured_rtt_ms if measured_rtt_ms is not None else (rtt.rtt_ms if rtt else None),
            price_per_gb=self._money(price.price_per_gb, price.currency),
            assumed=price.assumed,
        )


def _wanted(fact: InstanceTypeFact, named: tuple[str, ...], arches: set[str]) -> bool:
    if named:
        return fact.name in named
    return fact.arch in arches and not fact.burstable


def _migration_cost(current: Placement | None) -> float:
    """A share of what an average replica costs now; 0 where nothing runs."""
    if current is None:
        return 0.0
    replicas = sum(sum(s.replicas.values()) for s in current.services)
    return MIGRATION_SHARE * current.cost.total_per_hour / replicas if replicas else 0.0


def _current_nodes(current: Placement | None, known: set[str]) -> tuple[NodeLoad, ...]:
    return tuple(node for node in current_nodes(current) if node.site in known) if current is not None else ()


def _current_pools(current: Placement | None, known: set[str]) -> tuple[CurrentPool, ...]:
    if current is None:
        return ()
    return tuple(
        CurrentPool(site=p.site, instance_type=offer_name(p), count=p.count, dedicated_to=p.dedicated_to)
        for p in current.pools
        if p.site in known and p.count > 0
    )
