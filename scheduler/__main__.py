"""`python -m scheduler problem.json [-o json|table] [--work-limit N]`: solves one Problem document.

Exit codes as everywhere in duoyun: 0 placed, 3 invalid input, 6 infeasible, 10 undecided within the work limit.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from model.codec import to_data
from model.errors import Diagnostic, InvalidInput
from model.exit_codes import ExitCode
from scheduler.document import problem_from_data
from scheduler.infeasible import advice
from scheduler.problem import Problem
from scheduler.solve import DEFAULT_WORK_LIMIT, solve
from scheduler.verdicts import InfeasibleVerdict, Solved, Verdict

SCHEMA_VERSION = 1


def main(arguments: list[str] | None = None) -> int:
    """Reads the file (`-` for standard input), solves, prints; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scheduler", description="Place the services of a problem.")
    parser.add_argument("problem", help="JSON file, or - for standard input")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--work-limit", type=int, default=DEFAULT_WORK_LIMIT, help="branch-and-bound nodes")
    options = parser.parse_args(arguments)
    try:
        problem = read_problem(options.problem)
    except InvalidInput as exc:
        if options.output == "json":
            _print_json({"verdict": "invalid", **exc.to_dict()})
        else:
            sys.stderr.write(f"{exc.summary}\n{exc.detail}\n")
        return int(ExitCode.INVALID_INPUT)
    verdict = solve(problem, work_limit=options.work_limit)
    if options.output == "json":
        _print_json(verdict_to_data(verdict))
    else:
        sys.stdout.write("\n".join(_table(problem, verdict)) + "\n")
    return int(exit_code(verdict))


def exit_code(verdict: Verdict) -> ExitCode:
    if isinstance(verdict, Solved):
        return ExitCode.OK
    return ExitCode.INFEASIBLE if isinstance(verdict, InfeasibleVerdict) else ExitCode.UNDECIDED


def verdict_to_data(verdict: Verdict) -> dict[str, Any]:
    """Plain data: `verdict` is placed, infeasible or undecided; the rest are the verdict's own fields."""
    data = to_data(verdict)
    if isinstance(verdict, Solved):
        data["verdict"] = "placed"
        data["gap"] = verdict.placement.gap
        data["placement"]["cost"]["total_per_hour"] = verdict.placement.cost.total_per_hour
    else:
        data["verdict"] = "infeasible" if isinstance(verdict, InfeasibleVerdict) else "undecided"
    return {"schema_version": SCHEMA_VERSION, "exit_code": int(exit_code(verdict)), **data}


def read_problem(name: str) -> Problem:
    """A Problem document from a file, or from standard input for `-`. InvalidInput where it is none."""
    return problem_from_data(_read(name))


def _read(name: str) -> Any:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as exc:
        raise InvalidInput([Diagnostic(name, f"cannot be read: {exc.strerror}")]) from exc
    except (ValueError, RecursionError) as exc:
        raise InvalidInput([Diagnostic(name, f"is no JSON: {exc}")]) from exc


def _print_json(data: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")


def _table(problem: Problem, verdict: Verdict) -> list[str]:
    if isinstance(verdict, InfeasibleVerdict):
        lines = ["No placement satisfies these together:", *(f"  - {c.words}" for c in verdict.conflicts)]
        for way in verdict.relaxations:
            if way.enough:
                lines.append(f"  enough: {advice(way)} (then at most {way.cost_per_hour:.4f} {problem.currency}/h)")
        for further in verdict.also:
            lines += ["Nor do these, whatever becomes of those above:", *(f"  - {c.words}" for c in further)]
        if not verdict.irreducible:
            lines.append("  (the list may be longer than it need be: the work limit came while shortening it)")
        return lines
    if not isinstance(verdict, Solved):
        return [f"{verdict.what}; try --work-limit {verdict.raise_limit_to}"]
    placement = verdict.placement
    lines = [f"{'service':24} replicas per site"]
    for row in placement.services:
        lines.append(f"{row.service:24} {', '.join(f'{s} x{n}' for s, n in sorted(row.replicas.items()))}")
    lines.append("")
    for pool in placement.pools:
        note = f" for {pool.dedicated_to}" if pool.dedicated_to else ""
        lines.append(f"{pool.site:32} {pool.count:3} x {pool.instance_type} at {pool.price_per_hour:.4f}{note}")
    cost, gap = placement.cost, "proven optimal" if placement.proven_optimal else f"gap {placement.gap:.2%}"
    lines.append(
        f"\n{cost.total_per_hour:.4f} {cost.currency}/h = compute {cost.compute_per_hour:.4f} + egress "
        f"{cost.egress_per_hour:.4f}; {cost.assumed_share:.0%} rests on assumptions; {gap}"
    )
    lines += [f"warning: {warning}" for warning in verdict.warnings]
    lines += [f"used up: {limit}" for limit in verdict.binding]
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
