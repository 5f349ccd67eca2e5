"""SARIF 2.1.0 (OASIS standard, docs.oasis-open.org/sarif/sarif/v2.1.0): what code scanning services read.

A waived finding is a result with an accepted suppression (3.35), never left out. baselineState (3.27.24) is told where
there is a baseline. partialFingerprints (3.27.17) are those of policies.baseline: they outlive moved lines.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from model.errors import Diagnostic
from model.plan import Severity
from policies.mends.edits import Edit
from policies.positions import Position
from policies.reports import Context
from policies.rules import Rule
from policies.verdict import Result, Standing, Verdict

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "duoyun/v1"
_LEVELS = {
    Severity.INFO: "note",
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
}
# What GitHub sorts by (its documentation of SARIF support): above 9.0 critical, 7.0 high, 4.0 medium, else low.
_SCORES = {
    Severity.INFO: "0.0",
    Severity.LOW: "3.0",
    Severity.MEDIUM: "5.5",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
}


def render(verdict: Verdict, context: Context) -> str:
    return json.dumps(log(verdict, context), indent=2, ensure_ascii=False) + "\n"


def log(verdict: Verdict, context: Context) -> dict[str, Any]:
    """The whole log as plain data."""
    gate_rules = {r.finding.rule_id: r.finding for r in verdict.results}
    known = {r.id for r in verdict.rules}
    descriptors = [_rule(r) for r in verdict.rules]
    # What the gate itself finds (an expired waiver, a parameter that means nothing) has no rule in the bundle.
    descriptors += [
        {
            "id": i,
            "name": i,
            "shortDescription": {"text": f.title},
            "defaultConfiguration": {"level": _LEVELS[f.severity]},
        }
        for i, f in sorted(gate_rules.items())
        if i not in known
    ]
    index = {d["id"]: i for i, d in enumerate(descriptors)}
    driver: dict[str, Any] = {"name": "duoyun", "rules": descriptors}
    if context.version:
        driver["version"] = context.version
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(verdict)],
        "results": [_result(r, index, verdict) for r in verdict.results],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.rationale or rule.title},
        "help": {"text": rule.mend},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {
            "tags": ["security", rule.stage, *rule.controls],
            "security-severity": _SCORES[rule.severity],
            "precision": "high",
        },
    }


def _result(result: Result, index: dict[str, int], verdict: Verdict) -> dict[str, Any]:
    finding = result.finding
    mend = f" Mend: {finding.mend}" if finding.mend else ""
    row: dict[str, Any] = {
        "ruleId": finding.rule_id,
        "ruleIndex": index[finding.rule_id],
        "kind": "review" if result.standing is Standing.UNKNOWN else "fail",
        "level": "none" if result.standing is Standing.UNKNOWN else _LEVELS[finding.severity],
        "message": {"text": f"{finding.address}: {finding.message}.{mend}"},
        "locations": [_location(result)],
        "partialFingerprints": {FINGERPRINT: result.fingerprint},
        "properties": {"address": finding.address, "standing": result.standing.value},
    }
    if verdict.terms.baseline is not None:
        row["baselineState"] = "unchanged" if result.fingerprint in verdict.terms.baseline else "new"
    edit = verdict.mend(result)
    if isinstance(edit, Edit):
        row["fixes"] = [_fix(edit, finding.mend)]
    if result.waiver is not None:
        waiver = result.waiver
        row["suppressions"] = [
            {
                "kind": "inSource" if waiver.lines else "external",
                "status": "accepted",
                "justification": f"{waiver.reason} ({waiver.owner}, until {waiver.expires}, waiver {waiver.id})",
            }
        ]
    return row


def _fix(edit: Edit, mend: str) -> dict[str, Any]:
    """A change that a viewer can apply (3.55); an insertion is the replacement of nothing at the start of its line."""
    if edit.old is None:
        region, text = {"startLine": edit.line, "startColumn": 1, "endLine": edit.line, "endColumn": 1}, f"{edit.new}\n"
    else:
        end = len(edit.old) + 1
        region, text = {"startLine": edit.line, "startColumn": 1, "endLine": edit.line, "endColumn": end}, edit.new
    change = {"deletedRegion": region, "insertedContent": {"text": text}}
    return {
        "description": {"text": mend},
        "artifactChanges": [{"artifactLocation": {"uri": quote(edit.path)}, "replacements": [change]}],
    }


def _location(result: Result) -> dict[str, Any]:
    logical = {"fullyQualifiedName": result.finding.address, "kind": "resource"}
    if result.place is None:
        return {"logicalLocations": [logical]}
    return {"physicalLocation": physical(result.place), "logicalLocations": [logical]}


def physical(place: Position) -> dict[str, Any]:
    """A place in a file; the path as a URI reference relative to the folder that the check ran in."""
    region = {"startLine": place.line, **({"startColumn": place.column} if place.column else {})}
    return {"artifactLocation": {"uri": quote(place.path)}, "region": region}


def _invocation(verdict: Verdict) -> dict[str, Any]:
    notices = [_notice(d) for d in verdict.mistakes]
    notices += [{"level": "error", "message": {"text": text}} for text in verdict.faults]
    notices += [{"level": "warning", "message": {"text": f"not assessed: {text}"}} for text in verdict.unassessed]
    return {
        "executionSuccessful": not (verdict.mistakes or verdict.faults),
        "exitCode": int(verdict.exit_code),
        "toolExecutionNotifications": notices,
    }


def _notice(diagnostic: Diagnostic) -> dict[str, Any]:
    row: dict[str, Any] = {"level": "error", "message": {"text": diagnostic.what}}
    place = Position.parse(diagnostic.position)
    if place is not None:
        row["locations"] = [{"physicalLocation": physical(place)}]
    return row
