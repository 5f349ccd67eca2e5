"""The provider layer on the sandbox: `python -m benchmarks.providers -o json`.

listing: what a fleet owns over three clouds; resources_per_s, api_calls against the fewest possible, and peak_mib of
the process that lists (the clouds run in another). storm: creates while a share of all requests is throttled; all
succeed, none twice, and over_optimum is the wall time over the token buckets' own (benchmarks/providing/storm.py).
overhead: CPU per call of the whole adapter over the bare SDK's, in one run (benchmarks/providing/overhead.py). Each
measure has a process and a sandbox of its own. Wall times mean something on an idle machine only; CPU times always.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SCHEMA_VERSION = 1
MEASURES = ("listing", "storm", "overhead")


def peak_mib() -> float:
    """Largest resident size of this program. Not getrusage's, which a child inherits from whoever started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def measure(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """One measure in this process, the sandbox in another."""
    from benchmarks.providing.worlds import Apart

    with Apart() as world:
        found: dict[str, Any] = importlib.import_module(f"benchmarks.providing.{name}").run(world, **settings)
    if name == "listing":
        found["peak_mib"] = round(peak_mib(), 1)
    return found


def _apart(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.providers", "--one", name, json.dumps(settings)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 once the figures are printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.providers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--resources", type=int, default=10_000)
    parser.add_argument("--creates", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=15, help="of bare and ours, for the overhead")
    parser.add_argument("--only", choices=MEASURES, help="one measure instead of all")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure(options.one[0], json.loads(options.one[1]))))
        return 0
    settings = {
        "listing": {"total": options.resources},
        "storm": {"creates": options.creates},
        "overhead": {"rounds": options.rounds},
    }
    names = (options.only,) if options.only else MEASURES
    result: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "cpus": os.cpu_count()}
    result |= {name: _apart(name, settings[name]) for name in names}
    print(json.dumps(result, indent=2) if options.output == "json" else _table(result))
    return 0


def _table(result: dict[str, Any]) -> str:
    rows = []
    for measure_name in MEASURES:
        for name, value in (result.get(measure_name) or {}).items():
            inner = "  ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            rows.append(f"{measure_name}.{name:<22}  {inner}")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
