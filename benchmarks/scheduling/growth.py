"""`python -m benchmarks.scheduling.growth out.svg result.json...`: time and memory against the number of replicas.

Reads what `python -m benchmarks.scheduler --replicas N -o json` printed, draws both on logarithmic axes, and prints the
exponents of the power laws that fit best (least squares of the logarithms).
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(arguments: list[str]) -> int:
    """Exit 64 where fewer than two results are given."""
    if len(arguments) < 3:
        sys.stderr.write(f"{__doc__}\n")
        return 64
    rows = sorted((json.loads(Path(name).read_text(encoding="utf-8")) for name in arguments[1:]), key=_replicas)
    found = {key: exponent(rows, key) for key in ("cpu_s", "peak_mib")}
    draw(Path(arguments[0]), rows, found)
    for row in rows:
        sys.stdout.write(
            f"{row['replicas']:>8} {row['cpu_s']:9.2f} s {row['peak_mib']:8.1f} MiB gap {row['gap']:.4f}\n"
        )
    sys.stdout.write("".join(f"{key} grows with the power {value:.2f}\n" for key, value in found.items()))
    return 0


def _replicas(row: dict[str, Any]) -> int:
    return int(row["replicas"])


def exponent(rows: list[dict[str, Any]], key: str) -> float:
    """b of key = a * replicas ** b, by least squares of the logarithms."""
    x = np.log([row["replicas"] for row in rows])
    y = np.log([row[key] for row in rows])
    return float(np.polyfit(x, y, 1)[0])


def draw(path: Path, rows: list[dict[str, Any]], found: dict[str, float]) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "duoyun", "font.size": 9})
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for axis, key, label in zip(axes, found, ("CPU seconds", "peak memory, MiB"), strict=True):
        axis.loglog([r["replicas"] for r in rows], [r[key] for r in rows], "o-", color="#1f5fa8")
        axis.set(xlabel="replicas", ylabel=label, title=f"grows with the power {found[key]:.2f}")
        axis.grid(visible=True, which="both", alpha=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    plt.close(figure)
    label = "CPU time and peak memory of a placement, by the number of replicas"
    path.write_text(drawn.getvalue().replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
