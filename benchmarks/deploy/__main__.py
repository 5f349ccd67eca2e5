"""`python -m benchmarks.deploy`: see the package's docstring for what is measured."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

SCHEMA_VERSION = 1
_NUMBERS = (
    "sequential_s", "drawn_s", "critical_path_s", "makespan_s", "over_floor", "speedup", "engine_cpu_s", "plan_cpu_s",
    "peak_mib", "rate_limited_s",
)  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deploy", description=__doc__)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--services", type=int, default=0, help="a generated application of so many; 0: the example")
    parser.add_argument("--profile", choices=("realistic", "instant"), default="realistic")
    parser.add_argument("--time-scale", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each further one takes the next")
    parser.add_argument("--runs", type=int, default=1, help="each in a process of its own; medians are printed")
    parser.add_argument("--parallelism", type=int, default=32, help="1: one action after the other, measured")
    parser.add_argument("--network", choices=("none", "harsh"), default="none")
    parser.add_argument("--releases", type=int, default=200, help="with --network: how many")
    parser.add_argument("--at-once", type=int, default=16, help="with --network: how many side by side")
    parser.add_argument("--arm", choices=("both", "ours", "bare"), default="both", help="with --network: which runs")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 once the figures are printed; argparse's 2 for wrong usage."""
    args = _parser().parse_args(argv)
    if args.network != "none":
        from benchmarks.deploy.harsh import Setting, run

        result = run(Setting(args.releases, args.at_once, args.seed), args.arm)
    elif args.runs > 1:
        result = _many(args)
    else:
        from benchmarks.deploy import line

        setting = line.Setting(
            services=args.services, profile=args.profile, time_scale=args.time_scale, seed=args.seed,
            parallelism=args.parallelism,
        )  # fmt: skip
        result = line.run(setting)
    result = {"schema_version": SCHEMA_VERSION, **result}
    print(json.dumps(result, indent=1) if args.output == "json" else _table(result))
    return 0


def _many(args: argparse.Namespace) -> dict[str, Any]:
    """Medians over processes of their own, so that no run inherits another's memory and imports."""
    rows = []
    for number in range(args.runs):
        command = [sys.executable, "-m", "benchmarks.deploy", "-o", "json", "--seed", str(args.seed + number)]
        for name in ("services", "profile", "time_scale", "parallelism"):
            command += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {"runs": rows, "medians": {n: round(statistics.median(r[n] for r in rows), 3) for n in _NUMBERS}}


def _table(result: dict[str, Any]) -> str:
    flat = {k: v for k, v in result.items() if not isinstance(v, (dict, list))}
    for name, inner in result.items():
        if isinstance(inner, dict):
            flat |= {f"{name}.{k}": v for k, v in inner.items() if not isinstance(v, (dict, list))}
    width = max(map(len, flat))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in flat.items())


if __name__ == "__main__":
    sys.exit(main())
