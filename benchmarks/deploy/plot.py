"""Draws the CPU of a release over the number of services, from results of `python -m benchmarks.deploy -o json`.

python -m benchmarks.deploy.plot docs/img/deploy-cpu.svg result27.json result300.json result1000.json
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any


def rows(paths: list[Path]) -> list[dict[str, Any]]:
    """Single runs out of the files, by size; ValueError where one holds none."""
    found = []
    for path in paths:
        data = json.loads(path.read_text(encoding="utf-8"))
        runs = data.get("runs", [data])
        if any("engine_cpu_s" not in run for run in runs):
            raise ValueError(f"{path} is no result of benchmarks.deploy")
        found += runs
    return sorted(found, key=lambda run: run["services"])


def draw(target: Path, runs: list[dict[str, Any]]) -> None:
    """CPU per service and peak memory over services; the same bytes for the same runs."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "duoyun", "font.size": 9})
    from matplotlib import pyplot

    figure, (cpu, memory) = pyplot.subplots(1, 2, figsize=(8, 3))
    services = [run["services"] for run in runs]
    cpu_ms, peak_mib = [1000 * run["engine_cpu_s"] / run["services"] for run in runs], [run["peak_mib"] for run in runs]
    cpu.set(xlabel="services", ylabel="CPU per service, ms", title="engine")
    memory.set(xlabel="services", ylabel="MiB", title="peak memory")
    for axes, values in ((cpu, cpu_ms), (memory, peak_mib)):
        axes.plot(services, values, "o-")
        axes.set(xscale="log", ylim=(0, 1.1 * max(values)))
        axes.grid(alpha=0.3)
        axes.set_xticks(sorted(set(services)), [str(s) for s in sorted(set(services))])
        axes.minorticks_off()
    figure.tight_layout()
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    label = "CPU of a release for each service, and peak memory, by the number of services"
    target.write_text(drawn.getvalue().replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1), encoding="utf-8")


if __name__ == "__main__":
    draw(Path(sys.argv[1]), rows([Path(name) for name in sys.argv[2:]]))
