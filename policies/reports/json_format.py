"""For programs: the same data as `policy check -o json` prints."""

from __future__ import annotations

import json
from typing import Any

from policies.reports import Context
from policies.verdict import Result, Verdict

SCHEMA_VERSION = 1


def render(verdict: Verdict, _context: Context) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, **data(verdict)}, indent=2, ensure_ascii=False) + "\n"


def data(verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain data."""
    terms = verdict.terms
    return {
        "exit_code": int(verdict.exit_code),
        "passed": verdict.exit_code == 0,
        "stages": dict(verdict.stages),
        "documents": verdict.documents,
        "rules": len(verdict.rules),
        "fail_on": terms.fail_on.name.lower(),
        "counts": verdict.counts(),
        "findings": [_finding(r) for r in verdict.results],
        "unassessed": {
            "count": verdict.unassessed_count,
            "allowed": terms.max_unassessed,
            "rows": list(verdict.unassessed),
        },
        "unreadable": [{"position": d.position, "what": d.what, "mend": d.mend} for d in verdict.mistakes],
        "errors": list(verdict.faults),
        "notes": list(verdict.notes),
    }


def _finding(result: Result) -> dict[str, Any]:
    finding, place, waiver = result.finding, result.place, result.waiver
    return {
        "rule": finding.rule_id,
        "title": finding.title,
        "severity": finding.severity.name.lower(),
        "standing": result.standing.value,
        "address": finding.address,
        "file": place.path if place else None,
        "line": place.line if place else None,
        "column": (place.column or None) if place else None,
        "position": finding.position,
        "message": finding.message,
        "mend": finding.mend,
        "unknown": finding.unknown,
        "fingerprint": result.fingerprint,
        "waiver": None
        if waiver is None
        else {"id": waiver.id, "owner": waiver.owner, "reason": waiver.reason, "expires": waiver.expires.isoformat()},
    }
