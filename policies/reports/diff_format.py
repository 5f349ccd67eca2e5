"""Every mend that is mechanical, of what denies and what is shown, as one patch for `git apply`."""

from __future__ import annotations

from policies.mends.edits import Edit, patch
from policies.reports import Context
from policies.verdict import Verdict


def render(verdict: Verdict, _context: Context) -> str:
    if verdict.mender is None:
        return ""
    edits = (verdict.mend(r) for r in verdict.results)
    return patch((e for e in edits if isinstance(e, Edit)), verdict.mender.texts)
