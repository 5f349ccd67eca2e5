"""`python -m benchmarks.scheduling.seeds [--seeds 20] [--services 200] [--replicas 1000]`: many problems of one kind.

Prints, as JSON, mean and 95 % interval (Student's t over the seeds) of the gap, of the share of what is allocatable
that is requested (ours and each baseline's), and of what each baseline costs more than our placement.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from typing import Any

from benchmarks.scheduler import figures, timed
from benchmarks.scheduling.baselines import baselines
from benchmarks.scheduling.generate import synthetic
from scheduler.solve import canonical_problem
from scheduler.verdicts import Solved

T_975 = {9: 2.262, 19: 2.093, 29: 2.045}  # Student's t, two-sided 95 %, by degrees of freedom


def main(arguments: list[str] | None = None) -> int:
    """Exit 1 where a problem has no placement or one breaks a rule."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduling.seeds", description=__doc__)
    parser.add_argument("--seeds", type=int, choices=[n + 1 for n in T_975], default=20)
    parser.add_argument("--services", type=int, default=200)
    parser.add_argument("--replicas", type=int, default=1000)
    options = parser.parse_args(arguments)
    found: dict[str, list[float]] = {}
    without_nodes: dict[str, int] = {}
    for seed in range(1, options.seeds + 1):
        problem = canonical_problem(synthetic(options.services, options.replicas, seed))
        verdict, wall_s, cpu_s = timed(problem)
        if not isinstance(verdict, Solved):
            sys.stderr.write(f"seed {seed}: no placement\n")
            return 1
        row = figures(problem, verdict, wall_s, cpu_s)
        if row["broken_rules"]:
            sys.stderr.write(f"seed {seed}: {row['broken_rules'][:3]}\n")
            return 1
        for key in ("gap", "cpu_s"):
            found.setdefault(key, []).append(row[key])
        for resource, share in row["utilisation"].items():
            found.setdefault(f"utilisation, {resource}", []).append(share)
        for other in baselines(problem, verdict):
            name = f"dearer: {other['baseline']}"
            if other["cost"] is None:
                without_nodes[name] = without_nodes.get(name, 0) + 1
            else:
                found.setdefault(name, []).append(other["cost"] / row["cost"] - 1)
                for resource, share in other["utilisation"].items():
                    found.setdefault(f"utilisation, {resource}: {other['baseline']}", []).append(share)
                    better = row["utilisation"][resource] / share - 1
                    found.setdefault(f"our utilisation above it, {resource}: {other['baseline']}", []).append(better)
    result: dict[str, Any] = {name: interval(values) for name, values in found.items()}
    for name, count in without_nodes.items():
        result.setdefault(name, {})["seeds without a placement"] = count
    head = {"services": options.services, "replicas": options.replicas, "seeds": options.seeds}
    sys.stdout.write(json.dumps({**head, "figures": result}, indent=2) + "\n")
    return 0


def interval(values: list[float]) -> dict[str, float]:
    """Mean with the ends of its 95 % interval; the mean alone where T_975 does not know that number of values."""
    mean = statistics.fmean(values)
    t = T_975.get(len(values) - 1)
    if t is None:
        return {"mean": mean, "seeds": len(values)}
    half = t * statistics.stdev(values) / math.sqrt(len(values))
    return {"mean": mean, "low": mean - half, "high": mean + half}


if __name__ == "__main__":
    raise SystemExit(main())
