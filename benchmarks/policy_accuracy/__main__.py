"""`python -m benchmarks.policy_accuracy [-o json]`: our rules against labelled fixtures that others wrote.

recall: failing addresses that a counterpart flags, of those whose check has one; recall_all: of all; precision: of the
labelled addresses that a counterpart flags, the share labelled failing; counterpart: the share of the cases whose check
one of our rules answers to. Over the cases in scope (issue 6's topics), by cloud and by topic, and over all cases
together; with n and exact intervals (Clopper, Pearson 1934). Then every miss and every wrong finding, and why.
Which rule answers to which check stands in counterparts.csv, why we differ from a label in reasons.csv. Needs the
reference data beside the repository.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.policy_accuracy.cases import DATA, read_cases, read_counterparts, read_differences, read_reasons
from benchmarks.policy_accuracy.score import Score, figures, score
from policies.engine import RegoEngine
from policies.rules import default_bundle


def main(arguments: list[str] | None = None) -> int:
    """Scores and prints; exit 1 where the reference data are not there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policy_accuracy", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with cases.jsonl and fixtures/")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    options = parser.parse_args(arguments)
    if not (options.data / "cases.jsonl").is_file():
        print(f"there is no {options.data / 'cases.jsonl'}: name the folder with --data", file=sys.stderr)
        return 1
    result = run(options.data)
    if options.output == "json":
        json.dump(result, sys.stdout, indent=2)
        print()
    else:
        show(result)
    return 0


def run(folder: Path) -> dict[str, Any]:
    """Everything that is printed, as data."""
    counterparts, bundle = read_counterparts(), default_bundle()
    engine = RegoEngine(bundle.modules, checked=())
    scores = [score(c, counterparts.get(c.check, ()), bundle, engine, folder) for c in read_cases(folder)]
    inside = [s for s in scores if s.case.in_scope]
    return {
        "schema_version": 1,
        **figures(inside),
        "by_cloud": _by(inside, lambda s: s.case.cloud),
        "by_topic": _by(inside, lambda s: s.case.topic),
        "out_of_scope_too": figures(scores),
        "misses": [row for s in scores for row in _misses(s)],
        "wrong": [row for s in scores for row in _wrong(s)],
    }


def _by(scores: Sequence[Score], key: Callable[[Score], str]) -> dict[str, Any]:
    return {name: figures([s for s in scores if key(s) == name]) for name in sorted({key(s) for s in scores})}


def _misses(of: Score) -> list[dict[str, Any]]:
    base = {"case": of.case.id, "in_scope": of.case.in_scope, "rules": list(of.rules), **_why(of)}
    return [{**base, "address": address} for address in of.missed]


def _wrong(of: Score) -> list[dict[str, Any]]:
    base = {"case": of.case.id, "in_scope": of.case.in_scope, "rules": list(of.rules), **_why(of)}
    return [{**base, "address": address} for address in of.wrong]


def _why(of: Score) -> dict[str, str]:
    """side: whose the difference is, as in reasons.csv; why: "" where nobody has looked at it yet."""
    side, why = read_differences().get(of.case.id, ("", of.note))
    return {"side": side, "why": why} if of.rules else {"side": "ours", "why": read_reasons().get(of.case.check, "")}


def show(result: dict[str, Any]) -> None:
    """Tables for a person."""
    for name in ("all", *result["by_cloud"], *result["by_topic"]):
        row = result if name == "all" else {**result["by_cloud"], **result["by_topic"]}[name]
        print(f"{name:22}", *(_cell(k, row[k]) for k in ("recall", "recall_all", "precision", "counterpart")))
    for miss in result["misses"]:
        if miss["in_scope"]:
            rules = " ".join(miss["rules"]) or "no counterpart"
            print(f"missed {miss['case']} {miss['address']} ({rules}): [{miss['side']}] {miss['why']}")
    for wrong in result["wrong"]:
        rules = " ".join(wrong["rules"])
        print(f"wrong  {wrong['case']} {wrong['address']} ({rules}): [{wrong['side']}] {wrong['why']}")


def _cell(name: str, share: dict[str, Any]) -> str:
    value = "-" if share["value"] is None else f"{share['value']:.3f}"
    return f"{name} {value:>5} (n={share['n']})"


if __name__ == "__main__":
    raise SystemExit(main())
