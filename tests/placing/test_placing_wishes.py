"""Every wish that the spec has a word for: as the scheduler gets it, as it is kept, and as a conflict names it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from model.errors import Infeasible, InvalidInput
from model.plan import Placement, Terms
from model.resources import NodePool
from model.spec.load import Spec, load_documents
from orchestrator.desired import desired_items
from orchestrator.gating import above_the_line
from orchestrator.machines import machine_of, offer_name
from orchestrator.placing import build_problem, place, solved_or_error
from orchestrator.spec_lines import Lines
from scheduler.infeasible import Conflict, constraints_of
from scheduler.problem import Apart, Population, Problem, TeamQuota, UserLatency
from scheduler.sizes import node_cap

PAGE = Path(__file__).parents[2] / "docs" / "placement.md"
A, B, TOKYO = "aws/ap-southeast-1a", "aws/ap-southeast-1b", "aws/ap-northeast-1a"


@pytest.fixture(scope="module")
def blocks() -> list[str]:
    """The page's application and fleet."""
    return [part.split("```")[0] for part in PAGE.read_text(encoding="utf-8").split("```yaml\n")[1:]]


@pytest.fixture(scope="module")
def page(blocks: list[str]) -> Spec:
    return load_documents([("app.yaml", blocks[0]), ("fleet.yaml", blocks[1])])


@pytest.fixture(scope="module")
def problem(page: Spec) -> Problem:
    return build_problem(page.app, page.fleet, page.assumptions)


@pytest.fixture(scope="module")
def placement(page: Spec) -> Placement:
    return place(page.app, page.fleet, page.assumptions)


@pytest.fixture
def changed(blocks: list[str]) -> Callable[..., Spec]:
    """The page's documents with one service's fields, or the fleet's, changed; others of its services left out."""

    def load(service: str, fleet: dict[str, Any] | None = None, **fields: Any) -> Spec:
        app, spec = yaml.safe_load(blocks[0]), yaml.safe_load(blocks[1])
        rows = [s for s in app["spec"]["services"] if s["name"] == service]
        rows[0] = {**rows[0], "depends_on": [], "placement": {}, **fields}
        app["spec"]["services"] = rows
        for zone in (z for r in spec["spec"]["regions"] for z in r["zones"]):
            for key in ("reserved", "existing_nodes", "node_headroom"):
                zone.pop(key, None)
        spec["spec"].update({"capacity": {}, "budget": None, **(fleet or {})})
        return load_documents([("app.yaml", yaml.safe_dump(app)), ("fleet.yaml", yaml.safe_dump(spec))])

    return load


def where(spec: Spec) -> dict[str, int]:
    (row,) = place(spec.app, spec.fleet, spec.assumptions).services
    return dict(row.replicas)


def refused(spec: Spec) -> Infeasible:
    problem = build_problem(spec.app, spec.fleet, spec.assumptions)
    with pytest.raises(Infeasible) as caught:
        solved_or_error(problem, None, Lines(spec.app, spec.fleet, spec.documents).of)
    return caught.value


def test_every_word_reaches_the_scheduler(problem: Problem) -> None:
    web, cache, report = (problem.service_by_name[n] for n in ("web", "cache", "report"))
    assert web.avoided_sites == ("aws/ap-northeast-1c",)
    assert web.pinned == {A: 2} and web.priority == 10 and web.team == "storefront"
    assert web.dearer == {"alibaba-intl/ap-southeast-1a": 0.001}
    assert (web.survives, web.max_per, web.max_spot_share) == ({"zone": 0.5}, {"node": 3}, 0.5)
    assert {t.headroom for t in problem.site_by_id[A].types} == {0.2}
    assert web.users == (UserLatency(population="singapore", max_rtt_ms=20),)
    assert web.edges[0].within == "zone"
    assert cache.max_node_share == 0.5
    assert report.apart == (Apart(service="web", over="zone"),)
    assert problem.team_quotas == (TeamQuota(team="storefront", cpu_millicores=8000, region="aws/ap-southeast-1"),)
    assert problem.populations[0] == Population(
        name="singapore",
        rtt_ms={"aws/ap-southeast-1": 4, "aws/ap-northeast-1": 75, "alibaba-intl/ap-southeast-1": 5},
    )
    assert (problem.node_headroom, problem.budget_per_hour, problem.warn_per_hour) == (0.1, 4, 2)
    assert problem.max_moves is None  # nothing runs that could move


def test_without_the_words_nothing_is_asked(changed: Callable[..., Spec]) -> None:
    """Defaults of the spec are those of the problem."""
    spec = changed("web", replicas=1)
    (web,) = (problem := build_problem(spec.app, spec.fleet, spec.assumptions)).services
    kinds = {c.kind for c in constraints_of(problem)}
    assert kinds == {"demand", "quota", "headroom", "node_loss"}
    assert (web.max_node_share, web.dearer, web.survives) == (1.0, {}, {})
    plain = Problem(services=(), sites=())
    for name in ("rollout_headroom", "survive_node_loss", "node_headroom", "spare_node_per_pool", "max_moves"):
        assert getattr(problem, name) == getattr(plain, name), name


def test_the_pages_example_is_placed_as_it_asks(page: Spec, placement: Placement) -> None:
    rows = {s.service: s.replicas for s in placement.services}
    assert rows["web"][A] >= 2 and "aws/ap-northeast-1c" not in rows["web"]
    assert max(rows["web"].values()) <= 3
    assert set(rows["web"]) <= set(rows["cache"])
    terms = {(p.site, p.instance_type): p.terms for p in placement.pools}
    assert terms[A, "c6i.large"] in (Terms.RESERVED, Terms.ON_DEMAND)
    assert {p.terms for p in placement.pools} >= {Terms.RESERVED, Terms.EXISTING}
    free = [p for p in placement.pools if p.terms is not Terms.ON_DEMAND]
    assert all(p.price_per_hour == 0 for p in free)
    assert [machine_of(p) for p in placement.pools] == list(placement.pools)
    assert {offer_name(p) for p in free} == {"c6i.large (reserved)", "node ip-10-1-16-7.ec2.internal"}


def test_paid_nodes_are_made_and_existing_ones_are_not(page: Spec, placement: Placement) -> None:
    items = desired_items(page.app, page.fleet, placement)
    made: Counter[tuple[str, str]] = Counter()
    for item in items:
        if isinstance(item.resource, NodePool):
            made[item.site, item.resource.instance_type] += item.resource.count
    of_type = [p for p in placement.pools if p.site == A and p.instance_type == "c6i.large"]
    assert made[A, "c6i.large"] == sum(p.count for p in of_type) > 0
    assert sum(made.values()) == sum(p.count for p in placement.pools if p.terms is not Terms.EXISTING)


def test_an_existing_node_is_no_machine_for_a_vm(changed: Callable[..., Spec], blocks: list[str]) -> None:
    regions = yaml.safe_load(blocks[1])["spec"]["regions"]
    spec = changed("report", {"regions": regions}, runtime="vm", placement={"sites": [B]})
    (pool,) = place(spec.app, spec.fleet, spec.assumptions).pools
    assert pool.terms is Terms.ON_DEMAND and pool.price_per_hour > 0


def test_placing_again_keeps_paid_and_existing_nodes(page: Spec, placement: Placement) -> None:
    again = place(page.app, page.fleet, page.assumptions, placement)
    assert again.pools == placement.pools
    assert [row.nodes for row in again.services] == [row.nodes for row in placement.services]


def test_what_each_node_carries_is_told_of_the_placement_that_runs(page: Spec, placement: Placement) -> None:
    problem = build_problem(page.app, page.fleet, page.assumptions, placement)
    machines = Counter((node.site, node.instance_type) for node in problem.current_nodes)
    assert machines == {(p.site, p.instance_type): p.count for p in problem.current_pools if not p.dedicated_to}
    pods = Counter[tuple[str, str]]()
    for node in problem.current_nodes:
        pods.update({(service, node.site): n for service, n in node.pods.items()})
    assert pods == Counter({(s.name, site): n for s in problem.services for site, n in s.current.items()})
    # Which of a pool's nodes carries what is Kubernetes' to decide.
    first, *rest = placement.pools
    shared = replace(placement, pools=(replace(first, count=first.count + 1), *rest))
    told = build_problem(page.app, page.fleet, page.assumptions, shared).current_nodes
    assert {node.site for node in told} == {node.site for node in problem.current_nodes} - {first.site}
    # A placement of before says nothing of nodes.
    silent = replace(placement, services=tuple(replace(row, nodes={}) for row in placement.services))
    assert not build_problem(page.app, page.fleet, page.assumptions, silent).current_nodes


@pytest.mark.parametrize(
    ("rules", "holds"),
    [
        ({"pin": {TOKYO: 2}}, lambda w: w[TOKYO] >= 2),
        ({"prefer": [{"sites": [TOKYO], "weight_per_hour": 1}]}, lambda w: set(w) == {TOKYO}),
        ({"survive": {"region": "50%"}}, lambda w: len({s.rsplit("-", 1)[0] for s in w}) == 2),
        ({"max_per": {"zone": 2}}, lambda w: max(w.values()) <= 2),
    ],
)
def test_wishes_are_kept(changed: Callable[..., Spec], rules: dict[str, Any], holds: Callable[..., bool]) -> None:
    assert holds(where(changed("web", replicas=4, placement=rules)))


@pytest.mark.parametrize(
    ("fields", "fleet", "kinds"),
    [
        ({"placement": {"max_per": {"cloud": 2}}}, {}, {"max_per"}),
        ({"placement": {"survive": {"zone": 0.6}, "sites": ["aws/ap-southeast-1*"]}}, {}, {"survive", "sites"}),
        ({"placement": {"pin": {A: 2}, "users": [{"population": "far", "max_rtt_ms": 9}], "sites": ["aws/*"]}},
         {"populations": [{"name": "far", "rtt_ms": {"alibaba-intl/ap-southeast-1": 5}}]}, {"users", "sites"}),
        ({}, {"capacity": {"team_quotas": [{"team": "storefront", "cpu": "1500m"}]}}, {"team_quotas"}),
        ({}, {"budget": {"max_per_hour": 0.01, "currency": "USD"}}, {"budget"}),
    ],
)  # fmt: skip
def test_what_cannot_be_names_its_lines(
    changed: Callable[..., Spec], fields: dict[str, Any], fleet: dict[str, Any], kinds: set[str]
) -> None:
    """An irreducible set in the user's words, each with the place where it is written."""
    spec = changed("web", fleet, **{"replicas": 6, **fields})
    error = refused(spec)
    told = error.detail.splitlines()
    assert all(re.fullmatch(r"- .+ \((app|fleet)\.yaml:\d+:\d+\)", line) for line in told), told
    for kind in kinds:
        fleet_path = {"team_quotas": ("capacity", "team_quotas", 0), "budget": ("budget", "max_per_hour")}.get(kind)
        document = spec.documents["Fleet" if fleet_path else "Application"]
        first = _line(document.position(("spec", *(fleet_path or ("services", 0, "placement", kind)))))
        assert any(document.file in line and _line(line) - first in (0, 1) for line in told), (first, told)


def _line(text: str) -> int:
    return int(text.rstrip(")").rsplit(":", 2)[1])


def test_each_constraint_has_its_line(page: Spec, problem: Problem) -> None:
    """Every kind that this page can conflict in is written somewhere; defaults that are not written have no place."""
    lines = Lines(page.app, page.fleet, page.documents)
    placed = {(c.kind, c.subject, c.detail): lines.of(c) for c in constraints_of(problem)}
    written = {k: v for k, v in placed.items() if v}
    assert {k for k, _, _ in placed} - {k for k, _, _ in written} == {"headroom", "node_loss"}
    assert written["pin", "web", A].startswith("app.yaml:")
    assert written["affinity", "web", "cache"] != written["demand", "web", ""]
    assert written["team", "storefront", "aws/ap-southeast-1"].startswith("fleet.yaml:")
    assert lines.of(Conflict("budget", "", "")).startswith("fleet.yaml:")
    assert lines.of(Conflict("spread", "nobody", "")) == ""
    assert Lines(page.app, page.fleet, {}).of(Conflict("demand", "web", "")) == ""


def test_a_reserved_type_that_nobody_knows_is_named(changed: Callable[..., Spec], blocks: list[str]) -> None:
    regions = yaml.safe_load(blocks[1])["spec"]["regions"]
    regions[0]["zones"][0]["reserved"][0]["instance_type"] = "c6x.large"
    spec = changed("report", {"regions": regions})
    with pytest.raises(InvalidInput) as caught:
        build_problem(spec.app, spec.fleet, spec.assumptions)
    assert "the size of the reserved c6x.large is not known" in caught.value.detail


def test_the_budget_line_is_warned_of_and_only_the_gate_denies_a_plan(changed: Callable[..., Spec]) -> None:
    spec = changed("report", {"budget": {"max_per_hour": 0.02, "warn_per_hour": 0.01, "currency": "USD"}})
    placement = place(spec.app, spec.fleet, spec.assumptions)  # above the budget: the gate says so, and knows waivers
    (warning,) = above_the_line(spec.fleet, placement.cost)
    assert "above 0.01 (budget.warn_per_hour)" in warning
    in_yuan = changed("report", {"budget": {"max_per_hour": 9, "warn_per_hour": 0.1, "currency": "CNY"}})
    (warning,) = above_the_line(in_yuan.fleet, placement.cost)
    assert "USD/h is above 0.01" in warning
    rich = changed("report", {"budget": {"max_per_hour": 9, "warn_per_hour": 8, "currency": "USD"}})
    assert list(above_the_line(rich.fleet, placement.cost)) == []


@pytest.mark.parametrize(
    ("rules", "replicas"),
    [
        ({"max_per": {"node": 3}}, 8),
        ({"max_node_share": "25%"}, 8),
        ({"max_node_share": 0.1}, 5),
        ({"max_per": {"node": 4}, "max_node_share": "50%"}, 6),
    ],
)
def test_the_cluster_keeps_what_the_scheduler_counted_on(
    changed: Callable[..., Spec], rules: dict[str, Any], replicas: int
) -> None:
    spec = changed("web", {"capacity": {"survive_node_loss": False}}, replicas=replicas, placement=rules)
    problem = build_problem(spec.app, spec.fleet, spec.assumptions)
    assert spec.app.spec.services[0].most_on_a_node == node_cap(problem, problem.services[0])


def test_a_round_trip_is_estimated_only_when_asked(blocks: list[str]) -> None:
    """The hole is named."""
    gone = "aws/ap-northeast-1, alibaba-intl/ap-southeast-1], rtt_ms: 78}"
    assert gone in blocks[1]
    fleet = blocks[1].replace(gone, gone.replace(", rtt_ms: 78", ""))

    def build(assumptions: str) -> Problem:
        files = [("app.yaml", blocks[0]), ("fleet.yaml", fleet), ("assumptions.yaml", assumptions)]
        spec = load_documents(files)
        return build_problem(spec.app, spec.fleet, spec.assumptions)

    text = "apiVersion: duoyun.dev/v1\nkind: Assumptions\nmetadata: {name: a}\nspec: {rtt_by_distance: %s}\n"
    with pytest.raises(InvalidInput) as caught:
        build(text % "false")
    what = "the round trip between alibaba-intl/ap-southeast-1 and aws/ap-northeast-1 is not known"
    assert [d.what for d in caught.value.diagnostics if "round trip" in d.what] == [what]
    assert 50 < (build(text % "true").route("aws/ap-northeast-1", "alibaba-intl/ap-southeast-1").rtt_ms or 0) < 150


def test_no_more_moves_than_the_fleet_allows(changed: Callable[..., Spec]) -> None:
    spec = changed("report")
    now = place(spec.app, spec.fleet, spec.assumptions)
    rules = {"prefer": [{"sites": [TOKYO], "weight_per_hour": 1}]}
    moved = changed("report", placement=rules)
    (free,) = place(moved.app, moved.fleet, moved.assumptions, now).services
    assert set(free.replicas) == {TOKYO} != set(now.services[0].replicas)
    tied = changed("report", {"capacity": {"max_moves": 0}}, placement=rules)
    assert place(tied.app, tied.fleet, tied.assumptions, now).services[0].replicas == now.services[0].replicas


def test_a_spare_node_and_the_loss_of_one_are_paid_for(changed: Callable[..., Spec]) -> None:
    def nodes(**capacity: Any) -> int:
        spec = changed("cache", {"capacity": capacity}, replicas=2)
        return sum(p.count for p in place(spec.app, spec.fleet, spec.assumptions).pools)

    plain = nodes(survive_node_loss=False, rollout_headroom=False)
    assert nodes(survive_node_loss=False, rollout_headroom=False, spare_node_per_pool=True) == plain + 1
    assert nodes(survive_node_loss=True, rollout_headroom=False) == plain + 1
