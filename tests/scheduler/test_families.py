"""Conflicts of many constraints: told in a few lines, each of which is needed, with ways out in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from scheduler.families import family
from scheduler.infeasible import Conflict, advice, constraints_of, without
from scheduler.problem import Apart, Problem
from scheduler.solve import canonical_problem, solve
from scheduler.verdicts import InfeasibleVerdict, Solved
from tests.scheduler.test_conflicts import machines, problem, service


def _kept(given: Problem, kept: Sequence[Conflict]) -> Problem:
    """Only those constraints."""
    parts = {part for c in kept for part in c.parts}
    return without(given, [c for c in constraints_of(given) if c not in parts])


def _judged(given: Problem) -> InfeasibleVerdict:
    """The verdict, each line of which is needed: shown by solving the rest anew."""
    given = canonical_problem(given)
    verdict = solve(given)
    assert isinstance(verdict, InfeasibleVerdict) and verdict.irreducible
    assert not isinstance(solve(_kept(given, verdict.conflicts)), Solved)
    for c in verdict.conflicts:
        assert isinstance(solve(_kept(given, [k for k in verdict.conflicts if k != c])), Solved)
    return verdict


def test_quotas_of_all_regions_against_many_services_are_two_lines() -> None:
    regions = ("a/r", "a/s", "b/r", "b/s", "c/r", "c/s")
    many = [service(f"s{i}", cpu_millicores=900, memory_mib=100) for i in range(10)]
    verdict = _judged(problem(*many, region_quota_vcpu=dict.fromkeys(regions, 2.0)))
    demand, quota = verdict.conflicts
    assert quota.words == "the quotas of all 6 regions together are 12 vCPU: a/r, a/s, b/r, b/s, and 2 more"
    assert demand.words.startswith("7 services need 14 replicas, together 12600m cpu and 1400 MiB: s0, s1, s2, s3, and")
    best = verdict.relaxations[0]
    assert best.conflict == quota and best.cost_per_hour
    assert advice(best).startswith("raise the quotas to: a/r ") and advice(best).endswith(" vCPU")
    raised = dict(row.removesuffix(" vCPU").split(" ") for row in best.needed.split(", "))
    enough = problem(*many, region_quota_vcpu=dict.fromkeys(regions, 2.0) | {r: float(n) for r, n in raised.items()})
    assert isinstance(solve(enough), Solved)


def test_few_limits_and_few_services_are_named_one_by_one() -> None:
    given = problem(*(service(n, dedicated=True, allowed_sites=("a/r1", "a/r2")) for n in "xy"))
    verdict = _judged(machines(given, 1, "a/r1", "a/r2"))
    assert all(not c.members for c in verdict.conflicts)
    assert {c.subject for c in verdict.conflicts if c.kind == "machines"} == {"a/r1", "a/r2"}


def test_four_services_apart_over_three_clouds_have_ways_out() -> None:
    names = ["w", "x", "y", "z"]
    rules = {n: tuple(Apart(service=m, over="cloud") for m in names if m > n) for n in names}
    given = canonical_problem(problem(*(service(n, replicas=1, apart=rules[n]) for n in names)))
    verdict = solve(given)
    assert isinstance(verdict, InfeasibleVerdict) and verdict.irreducible
    assert [c.kind for c in verdict.conflicts].count("apart") == 6 and len(verdict.conflicts) == 10
    best = verdict.relaxations[0]
    assert best.enough and best.cost_per_hour == pytest.approx(0.3)


def test_a_family_of_one_is_itself_and_a_dropped_family_drops_its_members() -> None:
    given = canonical_problem(problem(service("x"), service("y"), region_quota_vcpu={"a/r": 1.0, "b/r": 2.0}))
    quotas = [c for c in constraints_of(given) if c.kind == "quota"]
    assert family(given, quotas[:1]) == quotas[0]
    assert without(given, [family(given, quotas)]).region_quota_vcpu == {}
    assert without(given, quotas[:1]).region_quota_vcpu == {"b/r": 2.0}
    assert replace(family(given, quotas), words="").parts == tuple(quotas)


def test_where_no_single_way_out_is_enough_the_other_conflicts_are_told() -> None:
    cn = {"allowed_countries": ("CN",)}
    given = canonical_problem(problem(service("x", **cn, pinned={"c/r1": 1}), service("y", **cn, pinned={"c/s1": 1})))
    verdict = solve(given)
    assert isinstance(verdict, InfeasibleVerdict) and not any(w.enough for w in verdict.relaxations)
    assert {c.subject for c in verdict.conflicts} == {"x"}
    assert [{c.subject for c in further} for further in verdict.also] == [{"y"}]
    assert {c.kind for c in verdict.also[0]} == {"demand", "data_residency", "pin"}
