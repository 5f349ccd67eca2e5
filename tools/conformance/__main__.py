"""`python -m tools.conformance [--write]`: prints covered / total of each cloud; with --write, writes the page.

Needs ../shared/data (or DUOYUN_REFERENCE_DATA) and the typed SDKs of the development dependencies. Exit code 1 where
something was judged wrong, or one of them is missing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sandbox.threaded import shared
from tools.conformance.lives import Lives
from tools.conformance.page import judge, text

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "sandbox-conformance.md"


def main(arguments: list[str]) -> int:
    data = Path(os.environ.get("DUOYUN_REFERENCE_DATA") or ROOT.parent / "shared" / "data") / "clouds"
    if not data.is_dir():
        sys.stderr.write(f"no reference data at {data}; set DUOYUN_REFERENCE_DATA\n")
        return 1
    try:
        with shared() as running:
            judged = judge(Lives(running), data)
    except ModuleNotFoundError as exc:
        sys.stderr.write(f"{exc.name} is not installed: it is one of the development dependencies\n")
        return 1
    for cloud in judged:
        for what, (covered, total) in cloud.counts.items():
            sys.stdout.write(f"{cloud.title}: {what} {covered}/{total}\n")
        for problem in cloud.wrong:
            sys.stdout.write(f"wrong: {problem}\n")
    if "--write" in arguments:
        PAGE.write_text(text(judged), encoding="utf-8")
        sys.stdout.write(f"wrote {PAGE.relative_to(ROOT)}\n")
    return 1 if any(cloud.wrong for cloud in judged) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
