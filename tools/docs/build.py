"""Writes the generated parts of docs/, and the headers of the rules as the bundle reads them at its start.

`python tools/docs/build.py`; with `--check` it only says what is out of date.

Exit codes: 0 current (or written), 1 out of date. Callers: whoever changed a command, a field or a rule; tests/docs.
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the packages of this checkout, however the script was called

import aws_differences  # noqa: E402
import commands  # noqa: E402
import fields  # noqa: E402
import rules  # noqa: E402
from blocks import filled  # noqa: E402

PAGES = {
    "docs/cli.md": commands.parts,
    "docs/spec.md": fields.parts,
    "docs/policies.md": rules.parts,
    "docs/sandbox-aws.md": aws_differences.parts,
}
WHOLE = {"policies/bundle/headers.json": rules.headers}


def main(arguments: list[str]) -> int:
    """Writes, or with --check compares and prints the difference."""
    stale = 0
    for name in (*PAGES, *WHOLE):
        path = ROOT / name
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        after = filled(before, PAGES[name]()) if name in PAGES else WHOLE[name]()
        if after == before:
            continue
        if "--check" in arguments:
            stale = 1
            lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, "as generated", lineterm="")
            sys.stdout.write("\n".join(lines) + "\n")
        else:
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"wrote {name}\n")
    if stale:
        sys.stdout.write("out of date: run `python tools/docs/build.py`\n")
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
