"""GitLab code quality: a JSON list of issues (docs.gitlab.com, "Code Quality", the report format).

It has no words for waived or known: such findings are left to the other formats, as GitLab would show them as open.
"""

from __future__ import annotations

import json
from typing import Any

from model.plan import Severity
from policies.reports import Context
from policies.verdict import Result, Standing, Verdict

_SEVERITIES = {
    Severity.INFO: "info",
    Severity.LOW: "minor",
    Severity.MEDIUM: "major",
    Severity.HIGH: "critical",
    Severity.CRITICAL: "blocker",
}


def render(verdict: Verdict, _context: Context) -> str:
    rows = [_issue(r) for r in verdict.of(Standing.DENIES, Standing.SHOWN, Standing.UNKNOWN)]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def _issue(result: Result) -> dict[str, Any]:
    finding, place = result.finding, result.place
    mend = f" Mend: {finding.mend}" if finding.mend else ""
    # Every issue needs a path and a line: what lies in no file is shown under its address.
    path, line = (place.path, place.line) if place else (finding.address, 1)
    return {
        "description": f"{finding.title}: {finding.message}.{mend}",
        "check_name": finding.rule_id,
        "fingerprint": result.fingerprint,
        "severity": "info" if result.standing is Standing.UNKNOWN else _SEVERITIES[finding.severity],
        "location": {"path": path, "lines": {"begin": line}},
    }
