"""How much one process can probe: `python -m benchmarks.prober -o json`. A local epoll server in its own process.

Every run takes the product's own way: probes.watching.watch over a Prober, as `duoyun probe watch` and the agents do.
In `with_detectors` a Detector says when to ask, as it does there; elsewhere a list of rounds does, so that what the
prober costs stands alone. core_share_with_detectors, among the figures of `idle`, is that run's.

rtt_error_ms: how far the time that the prober reports is from the one at which the server wrote the answer, either way;
the server's is read in its own process from the same monotonic clock, just before it writes, and comes in the answer. A
server that is kept from running between the two counts against the prober. read_late_ms: how much later than that the
prober read it. lag_ms: how late the wheel's turns ran; asked_late_ms: from when a target's turn came (with detectors:
from the order) to its request. core_share: processor time of the prober's process over wall time; in busy runs, which
keep a thread of the same process running without rest, that of the prober's thread. Runs without stamps do without the
kernel's receive times: then errors are large, and should be known as such (flagged).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import sys
from typing import Any

from benchmarks.probing import blackbox
from benchmarks.probing.answering import serve
from benchmarks.probing.pacing import Way, measure
from probes.loop import may_open, run

RUNS = {
    "idle": Way(),
    "with_detectors": Way(detectors=True),
    "busy": Way(busy=True),
    "idle_without_stamps": Way(kernel=False),
    "busy_without_stamps": Way(busy=True, kernel=False),
}


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 where fewer files may be open than targets were wanted."""
    options = parser().parse_args(arguments)
    if may_open() < options.targets + 100:
        print(f"{options.targets} targets need as many open files; the limit is lower", file=sys.stderr)
        return 1
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    there.close()
    found = measured([(str(host), int(port)) for host, port in here.recv()], options)
    here.close()
    server.join(5)
    if server.is_alive():
        server.terminate()
    print(json.dumps(found, indent=2) if options.output == "json" else table(found))
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(prog="python -m benchmarks.prober", description=__doc__)
    found.add_argument("--targets", type=int, default=10_000)
    found.add_argument("--seconds", type=float, default=20.0)
    found.add_argument("--warm-up", type=float, default=2.0, help="seconds before each run that are not counted")
    found.add_argument("--runs", nargs="+", choices=tuple(RUNS), default=list(RUNS))
    found.add_argument("--blackbox-per-s", type=int, default=500, help="probes a second asked of it, if installed; 0")
    found.add_argument("-o", "--output", choices=("table", "json"), default="table")
    return found


def measured(addresses: list[tuple[str, int]], options: argparse.Namespace) -> dict[str, Any]:
    """All runs, one after the other."""
    found: dict[str, Any] = {
        "python": sys.version.split()[0],
        "loop": "uvloop" if importlib.util.find_spec("uvloop") else "asyncio",
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    for name in options.runs:
        once = measure(addresses, options.targets, options.seconds, RUNS[name], options.warm_up)
        found[name] = run(once)
    if {"idle", "with_detectors"} <= set(options.runs):
        found["idle"]["core_share_with_detectors"] = found["with_detectors"]["core_share"]
    program = blackbox.found() if options.blackbox_per_s else None
    found["blackbox_exporter"] = (
        run(blackbox.measure(program, addresses, options.blackbox_per_s, min(options.seconds, 10.0)))
        if program
        else "not measured: it is not installed (Debian: prometheus-blackbox-exporter)"
    )
    return found


def table(found: dict[str, Any]) -> str:
    """The runs side by side."""
    runs = [name for name in RUNS if name in found]
    keys = list(dict.fromkeys(key for name in runs for key in found[name]))
    width = max(map(len, keys))
    rows = [" " * width + "".join(f"  {name:>20}" for name in runs)]
    rows += [key.ljust(width) + "".join(f"  {found[name].get(key, '')!s:>20}" for name in runs) for key in keys]
    return "\n".join([*rows, f"blackbox exporter: {found['blackbox_exporter']}"])


if __name__ == "__main__":
    sys.exit(main())
