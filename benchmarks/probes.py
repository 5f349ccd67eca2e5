"""Detectors side by side in a simulated world: `python -m benchmarks.probes --scenario default -o json`.

The worlds and the production detector are in probes/; this only counts. docs/probes.md says what each figure means.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks.probing.tally import Tally
from benchmarks.probing.work import OURS, SAME_RUN, Piece, do
from model.errors import DuoyunError
from probes.simulation.baselines import BASELINES
from probes.simulation.scenario import Scenario, load, schema

DETECTORS = (*BASELINES, OURS)
PHI_SHARE = 4  # phi asks ten times as often, and is given a fraction of the releases
CHUNK = 50


def pieces(
    scenario: Scenario, seed: int, detectors: tuple[str, ...], releases: int, baseline_releases: int, crashes: int
) -> Iterator[Piece]:
    """The work, in pieces of a second or so; longest first."""
    text = scenario.model_dump_json()
    phi = tuple(d for d in detectors if d in SAME_RUN or d in SAME_RUN.values())
    others = tuple(d for d in detectors if d not in phi and d != OURS)
    groups = [(phi, "healthy", max(1, baseline_releases // PHI_SHARE), 5), (others, "healthy", baseline_releases, 10)]
    groups.append((detectors, "crash", crashes, CHUNK))
    if OURS in detectors:
        groups += [((OURS,), "healthy", releases, 4 * CHUNK), ((OURS,), "whole", max(20, releases // 100), 10)]
    for names, what, count, chunk in groups:
        if names:
            for first in range(0, count, chunk):
                yield Piece(text, seed, what, names, first, min(chunk, count - first))


def run(
    scenario: Scenario, seed: int, detectors: tuple[str, ...], releases: int, baseline_releases: int, crashes: int,
    workers: int,
) -> dict[str, Any]:  # fmt: skip
    """Everything counted, as the object that is printed."""
    began_s = time.perf_counter()
    tallies = {name: Tally() for name in detectors}
    left_out = 0
    work = list(pieces(scenario, seed, detectors, releases, baseline_releases, crashes))
    with ProcessPoolExecutor(workers) as pool:
        for piece, found in zip(work, pool.map(do, work), strict=True):
            for name, tally in found.items():
                if piece.what == "whole":
                    left_out += tally.mistakes
                    tally.mistakes = 0
                tallies[name].add(tally)
    return {
        "scenario": scenario.name,
        "seed": seed,
        "links": len(scenario.links),
        "services": len(scenario.links) * scenario.services_per_link,
        "watch_s": scenario.watch_s,
        "wall_s": round(time.perf_counter() - began_s, 1),
        "verdicts_outside_simulated_windows": left_out,
        "detectors": {name: tally.figures() for name, tally in tallies.items()},
    }


def _table(found: dict[str, Any]) -> str:
    columns = ("success", "success_low95", "mistakes_per_day", "pauses_per_release", "detect_p50_s", "detect_p99_s",
               "act_p99_s", "act_p99_s_refused", "probes_per_min", "releases")  # fmt: skip
    rows = [("detector", *columns)]
    rows += [
        (name, *("-" if row[c] is None else f"{row[c]:g}" for c in columns)) for name, row in found["detectors"].items()
    ]
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(r, widths, strict=True)) for r in rows)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 3 where the scenario is none."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probes", description=__doc__)
    parser.add_argument("--scenario", default="default", help="default, harsh, calm, correlated or a JSON file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--releases", type=int, default=20_000, help="of ours")
    parser.add_argument("--baseline-releases", type=int, default=2_000, help="of the others; phi gets a quarter")
    parser.add_argument("--crashes", type=int, default=4_000, help="half refused, half silent")
    parser.add_argument("--detectors", default=",".join(DETECTORS))
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of a scenario and stop")
    options = parser.parse_args(arguments)
    if options.schema:
        print(json.dumps(schema(), indent=2))
        return 0
    detectors = tuple(options.detectors.split(","))
    if unknown := [d for d in detectors if d not in DETECTORS]:
        parser.error(f"unknown detectors: {', '.join(unknown)}; there are {', '.join(DETECTORS)}")
    try:
        scenario = load(options.scenario)
    except DuoyunError as exc:
        print(f"{exc.summary}\n{exc.detail}", file=sys.stderr)
        return int(exc.exit_code)
    found = run(
        scenario, options.seed, detectors, options.releases, options.baseline_releases, options.crashes, options.workers
    )
    print(json.dumps(found, indent=2) if options.output == "json" else _table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
