"""`python -m benchmarks.scheduler --problem NAME [-o json]`: how well, how fast and in how much memory we place.

Problems: miniprogram, 1k (5,000 replicas), 10k (100,000), 10k-replan (1 % of its services changed), openb (the pods of
a published trace; needs the reference data). `--replicas N` solves a synthetic problem of that size for the growth
curve. Every answer is judged by scheduler.check before a figure is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import sys
import time
from typing import Any

from benchmarks.scheduling.baselines import baselines
from benchmarks.scheduling.generate import changed, example_problem, synthetic
from benchmarks.scheduling.trace import openb_problem
from model.codec import canonical
from scheduler.check import broken_rules
from scheduler.problem import Problem
from scheduler.solve import DEFAULT_WORK_LIMIT, canonical_problem, solve
from scheduler.verdicts import Solved, Verdict

PROBLEMS = ("miniprogram", "1k", "10k", "10k-replan", "openb")
SIZES = {"1k": (1_000, 5_000), "10k": (10_000, 100_000), "10k-replan": (10_000, 100_000)}
CHANGED_SHARE = 0.01
REPLICAS_PER_SERVICE = 10


def main(arguments: list[str] | None = None) -> int:
    """Solves and prints; exit 1 where there is no placement, or one that breaks a rule."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduler", description=__doc__)
    parser.add_argument("--problem", choices=PROBLEMS, default="miniprogram")
    parser.add_argument("--replicas", type=int, help="a synthetic problem of so many replicas instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work-limit", type=int, default=DEFAULT_WORK_LIMIT, help="search further than usual")
    parser.add_argument("--no-baselines", action="store_true", help="only our own figures")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    options = parser.parse_args(arguments)
    name = f"{options.replicas} replicas" if options.replicas else options.problem
    problem = build(options.problem, options.replicas, options.seed)
    moved_from = None
    if options.problem == "10k-replan" and not options.replicas:
        first = solve(problem)
        if not isinstance(first, Solved):
            raise SystemExit("the problem before the change has no placement")
        problem = moved_from = changed(problem, first, CHANGED_SHARE, options.seed)
    verdict, wall_s, cpu_s = timed(problem, options.work_limit)
    if not isinstance(verdict, Solved):
        raise SystemExit(f"no placement: {verdict}")
    result = {"problem": name, "seed": options.seed, **figures(problem, verdict, wall_s, cpu_s)}
    if moved_from is not None:
        replicas = sum(s.replicas for s in problem.services)
        result |= {"moves": verdict.moved_replicas, "moves_share": verdict.moved_replicas / replicas}
    if not options.no_baselines:
        result["baselines"] = baselines(canonical_problem(problem), verdict)
    show(result, options.output)
    return 0 if not result["broken_rules"] else 1


def build(name: str, replicas: int | None, seed: int) -> Problem:
    if replicas:
        return synthetic(max(1, replicas // REPLICAS_PER_SERVICE), replicas, seed)
    if name == "miniprogram":
        return example_problem()
    if name == "openb":
        return openb_problem()
    return synthetic(*SIZES[name], seed)


def timed(problem: Problem, work_limit: int = DEFAULT_WORK_LIMIT) -> tuple[Verdict, float, float]:
    """The verdict, wall seconds and CPU seconds of one solve, from the Problem to the placement with its reasons."""
    wall, cpu = time.perf_counter(), time.process_time()
    verdict = solve(problem, work_limit=work_limit)
    return verdict, time.perf_counter() - wall, time.process_time() - cpu


def figures(problem: Problem, verdict: Solved, wall_s: float, cpu_s: float) -> dict[str, Any]:
    placement = verdict.placement
    replicas = sum(s.replicas for s in problem.services)
    assignment = {row.service: dict(row.replicas) for row in placement.services}
    return {
        "services": len(problem.services),
        "replicas": replicas,
        "sites": len(problem.sites),
        "wall_s": round(wall_s, 3),
        "cpu_s": round(cpu_s, 3),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "currency": problem.currency,
        "cost": placement.cost.total_per_hour,
        "compute": placement.cost.compute_per_hour,
        "egress": placement.cost.egress_per_hour,
        "lower_bound": placement.lower_bound_per_hour,
        "gap": placement.gap,
        "proven_optimal": placement.proven_optimal,
        "utilisation": utilisation(problem, verdict),
        "nodes": sum(p.count for p in placement.pools),
        "replicas_per_s": round(replicas / wall_s, 1),
        "placement_sha256": hashlib.sha256(canonical(placement).encode()).hexdigest(),
        "broken_rules": broken_rules(canonical_problem(problem), assignment, placement.pools, verdict.packing),
    }


def utilisation(problem: Problem, verdict: Solved) -> dict[str, float]:
    """requested / allocatable of the Kubernetes nodes and the machines of VM services, per resource."""
    pools = verdict.placement.pools
    cpu = sum(s.cpu_millicores * s.replicas for s in problem.services)
    memory = sum(s.memory_mib * s.replicas for s in problem.services)
    return {
        "cpu": cpu / max(1, sum(p.allocatable_cpu_millicores * p.count for p in pools)),
        "memory": memory / max(1, sum(p.allocatable_memory_mib * p.count for p in pools)),
    }


def show(result: dict[str, Any], output: str) -> None:
    if output == "json":
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
        return
    for key, value in result.items():
        if key != "baselines":
            sys.stdout.write(f"{key:18} {value:.4f}\n" if isinstance(value, float) else f"{key:18} {value}\n")
    for row in result.get("baselines", []):
        cost = (
            f"{row['cost']:12.2f} {row['cost'] / result['cost'] - 1:+8.1%}"
            if row["cost"] is not None
            else "  no placement"
        )
        sys.stdout.write(f"  {row['baseline']:44} {cost}\n")


if __name__ == "__main__":
    raise SystemExit(main())
