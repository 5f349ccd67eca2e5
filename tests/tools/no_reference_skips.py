"""Fails where a test that reads the reference data was skipped although the data is there.

Usage: no_reference_skips.py JUNIT.xml
"""

import os
import sys
from pathlib import Path
from xml.etree import ElementTree


def reference_data() -> Path:
    root = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("DUOYUN_REFERENCE_DATA") or root.parent / "shared" / "data")


def main(report: str) -> int:
    if not reference_data().is_dir():
        print("reference data is absent here: tests that read it were skipped by name")
        return 0
    cases = ElementTree.parse(report).iter("testcase")
    skipped = [
        f"{case.get('classname')}.{case.get('name')}: {skip.get('message')}"
        for case in cases
        for skip in case.iter("skipped")
        if "reference data" in (skip.get("message") or "")
    ]
    for line in skipped:
        print(f"skipped although the reference data is there: {line}")
    return 1 if skipped else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
