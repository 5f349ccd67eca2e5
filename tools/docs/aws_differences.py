"""The table of docs/sandbox-aws.md: where the sandbox's AWS differs from plain moto."""

from __future__ import annotations

from blocks import table

from sandbox.aws.differences import ROWS


def parts() -> dict[str, str]:
    """The generated part of docs/sandbox-aws.md."""
    rows = [(row.what, row.plain, row.here, row.why) for row in ROWS]
    return {"differences": table(("what", "plain moto", "here", "why"), rows)}
