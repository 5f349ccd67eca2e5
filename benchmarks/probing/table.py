"""Results of `python -m benchmarks.probes -o json` as the Markdown tables of docs/probes.md.

`python -m benchmarks.probing.table FILE...`: one table for each file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

COLUMNS = {
    "success": "success",
    "success_low95": "low 95 %",
    "success_high95": "high 95 %",
    "mistakes_per_day": "mistakes a day",
    "pauses_per_release": "pauses a release",
    "detect_p50_s": "detect p50",
    "detect_p99_s": "detect p99",
    "act_p99_s": "act p99",
    "act_p99_s_refused": "act p99, refused",
    "probes_per_min": "probes/min",
    "releases": "releases",
}
PERCENT = ("success", "success_low95", "success_high95")


def table(found: dict[str, Any]) -> str:
    """One result as a table."""
    lines = [f"| {found['scenario']} | {' | '.join(COLUMNS.values())} |", "|---" + "|---:" * len(COLUMNS) + "|"]
    for name, row in found["detectors"].items():
        shown = name if name != "ours" else "**ours**"
        lines.append(f"| {shown} | {' | '.join(_cell(c, row[c]) for c in COLUMNS)} |")
    return "\n".join(lines)


def _cell(column: str, value: float | None) -> str:
    if value is None:
        return "-"
    if column in PERCENT:
        return f"{value * 100:.2f} %"
    return f"{value:.0f}" if column in ("probes_per_min", "releases") else f"{value:.3g}"


if __name__ == "__main__":
    print("\n\n".join(table(json.loads(Path(name).read_text(encoding="utf-8"))) for name in sys.argv[1:]))
