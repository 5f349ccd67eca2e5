"""Where a standard's controls stand in what is deployed, with the changes, approvals and audit chain behind it.

Callers: `duoyun policy report` and `verify`. A saved report carries the whole chain and each approval's proof, so that
anybody can check it without the store: each link's hash, the head, each signature. What it cannot show is that the
chain itself was not written anew as a whole: compare the head with one that was kept elsewhere.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from model.codec import canonical
from model.errors import Diagnostic, InvalidInput, Unauthenticated
from model.plan import Finding, Plan
from model.spec.approvals import ApproverSpec, OidcIdentity
from orchestrator.approvals import oidc, sshsig
from orchestrator.approvals.prove import Proof, Purpose, prove
from orchestrator.approvals.subject import approval_hash
from orchestrator.gating import bundle_of, gate_plan, surroundings
from orchestrator.planning import Context, current_plan
from orchestrator.store import AuditEntry
from orchestrator.store.audit import GENESIS
from policies.documents import of_plan
from policies.evaluation import chosen
from policies.rules import Rule

VERSION = 1
NOTHING_TO_JUDGE = "nothing to judge"
STANDARDS: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "mlps3": (
        "GB/T 22239-2019, level 3",
        re.compile(r"^(?:mlps-?3|gb/t ?22239(?:-2019)?)[ :/]*(\d+(?:\.\d+)+.*)$", re.IGNORECASE),
    )
}
_PAGE = 1000


def compliance(context: Context, standard: str, since: datetime.date | None = None) -> dict[str, Any]:
    """The report as plain data. since: changes from that day on (UTC); the chain is always whole.

    Raises InvalidInput where nothing is deployed.
    """
    plan = current_plan(context)
    if plan is None:
        raise InvalidInput((), summary=f"{context.scope.application} is not deployed: there is nothing to report on")
    title, pattern = STANDARDS[standard]
    report = gate_plan(context.loaded, plan)
    documents = of_plan(plan, surroundings(context.loaded.fleet, plan.placement.cost.currency))
    controls = _controls(bundle_of(context.loaded).rules, report.findings, pattern, documents)
    entries = _entries(context)
    broken = context.store.audit.verify(str(context.scope))
    counts: dict[str, int] = defaultdict(int)
    for row in controls:
        counts[row["state"]] += 1
    return {
        "report_version": VERSION,
        "standard": standard,
        "title": title,
        "application": context.scope.application,
        "fleet": context.scope.fleet,
        "plan": approval_hash(plan),
        "at_s": context.store.db.clock.now_s(),
        "since": since.isoformat() if since else None,
        "summary": ", ".join(f"{n} {s}" for s, n in sorted(counts.items())) or "no rule names a control of it",
        "controls": controls,
        "changes": list(_changes(context, since)),
        "audit": {
            "chain": str(context.scope),
            "state": "broken" if broken else "whole",
            "head": entries[-1].hash if entries else GENESIS,
            "entries": [{**_body(e), "hash": e.hash} for e in entries],
        },
    }


def _controls(
    rules: Sequence[Rule],
    findings: Sequence[Finding],
    pattern: re.Pattern[str],
    documents: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """A control is open where a rule of it is broken, waived where every break is waived, else met; but not where
    nothing is deployed that any rule of it looks at: nothing was shown then."""
    by_control: dict[str, list[str]] = defaultdict(list)
    judged: set[str] = set()
    for rule in rules:
        for name in rule.controls:
            found = pattern.match(name.strip())
            if found is not None:
                by_control[found[1]].append(rule.id)
                if found[1] not in judged and chosen(rule.kinds, rule.objects, documents):
                    judged.add(found[1])
    rows = []
    for control, ids in sorted(by_control.items(), key=lambda item: _order(item[0])):
        mine = [f for f in findings if f.rule_id in ids]
        broken = [f for f in mine if not f.waived_by and not f.unknown]
        waived = [f for f in mine if f.waived_by]
        unknown = [f for f in mine if f.unknown]
        best = "met" if control in judged else NOTHING_TO_JUDGE
        state = "open" if broken else "not assessed" if unknown else "waived" if waived else best
        rows.append(
            {
                "control": control,
                "state": state,
                "rules": ids,
                "open": [_finding(f) for f in broken],
                "waived": [_finding(f) for f in waived],
                "not_assessed": [_finding(f) for f in unknown],
            }
        )
    return rows


def _order(control: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(p) if p.isdigit() else 0, p) for p in re.split(r"[.\s]", control))


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule_id,
        "severity": finding.severity.name.lower(),
        "address": finding.address,
        "message": finding.message,
        "waiver": finding.waived_by or None,
    }


def _changes(context: Context, since: datetime.date | None) -> Iterator[dict[str, Any]]:
    """Releases, oldest first, each with what was approved for it."""
    begin_s = 0.0
    if since is not None:
        begin_s = datetime.datetime.combine(since, datetime.time(), datetime.UTC).timestamp()
    for revision in reversed(context.store.revisions.list(context.scope, limit=10_000)):
        if revision.started_at_s < begin_s:
            continue
        plan: Plan = context.store.plans.load(revision.plan_sha256)
        subject = approval_hash(plan)
        decisions = context.store.approvals.decisions(context.scope, subject)
        yield {
            "revision": revision.number,
            "state": revision.state.value,
            "at_s": revision.started_at_s,
            "by": revision.actor,
            "message": revision.message,
            "actions": len(plan.actions),
            "plan": subject,
            "gate": dict(plan.gate.stages) if plan.gate else None,
            "approvals": [{"by": d.person, "approved": d.approved, "at_s": d.at_s} for d in decisions],
        }


def _entries(context: Context) -> list[AuditEntry]:
    found: list[AuditEntry] = []
    while page := context.store.audit.entries(str(context.scope), after_seq=found[-1].seq if found else 0, limit=_PAGE):
        found += page
    return found


def _body(entry: AuditEntry) -> dict[str, Any]:
    """What an entry's hash covers."""
    return {
        "chain": entry.chain,
        "seq": entry.seq,
        "at_s": entry.at_s,
        "actor": entry.actor,
        "kind": entry.kind,
        "data": dict(entry.data),
        "previous": entry.previous,
    }


# -- offline -------------------------------------------------------------------------------------------------------


def read_report(path: Path) -> dict[str, Any]:
    """A saved report. Raises InvalidInput."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise InvalidInput([Diagnostic(str(path), "is no report that can be read")]) from exc
    if not isinstance(data, dict) or data.get("report_version") != VERSION:
        raise InvalidInput([Diagnostic(str(path), f"is no report of version {VERSION} that duoyun saved")])
    return data


def verify_report(data: Mapping[str, Any]) -> list[str]:
    """What does not hold in a saved report; empty where all of it does. Needs no store and no network."""
    try:
        return [*_chain_problems(data["audit"]), *_approval_problems(data)]
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        return [f"the report is damaged: {type(exc).__name__}: {exc}"]


def _chain_problems(audit: Mapping[str, Any]) -> Iterator[str]:
    previous = GENESIS
    for number, entry in enumerate(audit["entries"], 1):
        body = {k: v for k, v in entry.items() if k != "hash"}
        if (entry["chain"], entry["seq"], entry["previous"]) != (audit["chain"], number, previous):
            yield f"audit entry {number} does not follow the one before it"
            return
        if hashlib.sha256(canonical(body).encode()).hexdigest() != entry["hash"]:
            yield f"audit entry {number} was changed after it was written"
            return
        previous = entry["hash"]
    if previous != audit["head"]:
        yield "the chain does not end at its head"
    if audit["state"] != "whole":
        yield "the chain was broken when the report was made"


def _approval_problems(data: Mapping[str, Any]) -> Iterator[str]:
    """Each decision that the changes name must stand in the chain, with a proof that holds."""
    given: dict[tuple[str, str, bool], float] = {}
    rosters = [
        {row["name"]: ApproverSpec.model_validate(row) for row in entry["data"]["roster"]["approvers"]}
        for entry in data["audit"]["entries"]
        if entry["kind"] == "approvers_changed"
    ]
    # The first roster comes in force with the first release that it lets through: what it judged stands before it.
    people = rosters.pop(0) if rosters else {}
    first = True
    for entry in data["audit"]["entries"]:
        if entry["kind"] == "approvers_changed":
            people, first = (people if first or not rosters else rosters.pop(0)), False
        if entry["kind"] not in ("approval_given", "approval_rejected"):
            continue
        approved = entry["kind"] == "approval_given"
        given[(entry["data"]["hash"], entry["actor"], approved)] = entry["at_s"]
        why = _proof_problem(entry, people.get(entry["actor"]), approved=approved)
        if why:
            yield f"audit entry {entry['seq']}: the proof that it was {entry['actor']} does not hold: {why}"
    for change in data["changes"]:
        for row in change["approvals"]:
            if (change["plan"], row["by"], row["approved"]) not in given:
                yield f"revision {change['revision']}: no approval by {row['by']} stands in the chain"


def _proof_problem(entry: Mapping[str, Any], person: ApproverSpec | None, *, approved: bool) -> str:
    """Empty where the proof holds. It is verified against the keys that were in force, as the chain tells them."""
    evidence = entry["data"]["evidence"]
    if person is None:
        return "no roster in the chain names them"
    purpose = Purpose.APPROVE if approved else Purpose.REJECT
    subject = entry["data"]["hash"]
    if evidence["kind"] == "ssh":
        try:
            found = prove(
                Proof("ssh", evidence["signature"]), [person], subject, purpose, now_s=entry["at_s"], folder=Path()
            )
        except Unauthenticated as exc:
            return exc.summary
        return "" if found.name == entry["actor"] else "the key is somebody else's"
    if "token" not in evidence:
        return ""  # a token that names no plan is not kept: whoever has it could use it
    identity: OidcIdentity | None = person.oidc
    if identity is None:
        return "the roster names no such identity"
    try:
        oidc.verify(evidence["token"], identity, [evidence["key"]], subject, entry["at_s"])
    except sshsig.BadSignature as exc:
        return str(exc)
    return ""
