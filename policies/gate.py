"""The verdict: every rule over every document, with parameters, waivers and the severity from which it denies.

Stages, each with its own verdict in one report: syntax (documents, parameters and waivers make sense), network (rules
about who can reach what), policies (all other rules), approval. Callers: orchestrator.gating. Pure but for the engine.
Fails closed: a rule that cannot be evaluated on a document denies it, whatever its severity.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from model.plan import Finding, GateReport, Severity
from policies.evaluation import Answer, Document, Evaluator, Fault, Task, group_of, looked_at
from policies.network import with_reach
from policies.places import source_of
from policies.rules import NETWORK, POLICIES, Bundle, Rule, default_bundle
from policies.waivers import Waiver

SYNTAX, APPROVAL = "syntax", "approval"
STAGES = (SYNTAX, NETWORK, POLICIES, APPROVAL)
DENIES_FROM = Severity.HIGH
_GATE = "DY-GATE"  # prefix of what the gate itself finds
_PLAIN = frozenset({str, bool, int, float})


@dataclass(slots=True)
class _Judgement:
    """What one rule says of the documents. denied: something denies whatever its severity (an error)."""

    findings: list[Finding] = field(default_factory=list)
    denied: bool = False
    approvals: list[Finding] = field(default_factory=list)


def judge(
    documents: Sequence[Document],
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    waivers: Sequence[Waiver] = (),
    *,
    today: datetime.date,
    bundle: Bundle | None = None,
    min_severity_to_deny: Severity = DENIES_FROM,
    evaluator: Evaluator | None = None,
) -> GateReport:
    """Judge documents (policies.documents). parameters: rule id -> its parameters, over the rule's defaults.

    today: the day on which waivers are judged. bundle: default_bundle(), or one extended by a user's own rules.
    evaluator: what runs the rules; by default the bundle's own processes.
    """
    bundle = bundle or default_bundle()
    documents = with_reach(documents)
    given = parameters or {}
    syntax = [*_document_mistakes(documents), *_parameter_mistakes(bundle, given)]
    syntax += _waiver_mistakes(bundle, waivers, today)
    by_stage: dict[str, list[_Judgement]] = {NETWORK: [], POLICIES: []}
    tasks = [_task(rule, given.get(rule.id, {})) for rule in bundle.rules]
    answers = (evaluator or bundle.evaluator).answers(tasks, [_read_by_rules(d) for d in documents])
    index = _Index.of(documents)
    for rule, answer in zip(bundle.rules, answers, strict=True):
        by_stage[rule.stage].append(_judgement(rule, index, answer))
    live = [w for w in waivers if not w.expired(today)]
    findings = list(syntax)
    verdicts = {SYNTAX: not syntax}
    for stage, judgements in by_stage.items():
        found = [_waived(f, live) for j in judgements for f in j.findings]
        denied = any(_denies(bundle, f, min_severity_to_deny) for f in found)
        verdicts[stage] = not denied and not any(j.denied for j in judgements)
        findings += found
    approvals = [f for rows in by_stage.values() for j in rows for f in j.approvals]
    verdicts[APPROVAL] = not approvals
    findings += approvals
    return GateReport(
        stages={stage: verdicts[stage] for stage in STAGES},
        findings=tuple(sorted(findings, key=lambda f: (-f.severity, f.rule_id, f.address, f.message))),
        rules_checked=len(bundle.rules),
        documents_checked=len(documents),
    )


def _denies(bundle: Bundle, finding: Finding, threshold: Severity) -> bool:
    if finding.waived_by or finding.severity < threshold:
        return False
    return not finding.unknown or bundle.rule(finding.rule_id).unknown == "fail"


def _waived(finding: Finding, waivers: Sequence[Waiver]) -> Finding:
    if finding.fault:
        return finding  # nobody knows what would be excused
    covering = next((w for w in waivers if w.covers(finding.rule_id, finding.address, finding.position)), None)
    return replace(finding, waived_by=covering.id) if covering else finding


# -- one rule --------------------------------------------------------------------------------------------------


def _task(rule: Rule, given: Mapping[str, Any]) -> Task:
    return Task(rule.id, rule.package, rule.source, rule.kinds, {**rule.parameters, **given}, rule.apart, rule.objects)


def _read_by_rules(document: Document) -> Document:
    """A document without what only findings need, since the engine has to read it all."""
    return {k: v for k, v in document.items() if k != "sources"} if "sources" in document else document


@dataclass(frozen=True, slots=True)
class _Index:
    """Documents by address, and by group those that hold a value which is not known yet."""

    by_address: Mapping[str, Document]
    unsettled: Mapping[str, Sequence[Document]]

    @classmethod
    def of(cls, documents: Sequence[Document]) -> _Index:
        unsettled: dict[str, list[Document]] = {}
        for document in documents:
            if any(_holds_unknown(value) for name, value in document.items() if name != "sources"):
                unsettled.setdefault(group_of(document) or "", []).append(document)
        return cls({_address(d): d for d in documents}, unsettled)

    def unsettled_of(self, rule: Rule) -> Iterator[Document]:
        for group in looked_at(rule.kinds, rule.objects, self.unsettled):
            yield from self.unsettled[group]


def _judgement(rule: Rule, index: _Index, answer: Answer) -> _Judgement:
    judgement = _Judgement(denied=bool(answer.faults))
    for row in answer.rows:
        position = str(row.get("position") or _position(index.by_address.get(row["address"]), row))
        finding = _finding(rule, row["address"], row["message"], position)
        if row.get("approval"):
            judgement.approvals.append(replace(finding, mend="", approval=True))
        else:
            judgement.findings.append(finding)
    judgement.findings += [_fault(rule, f, index) for f in answer.faults]
    certain = {f.address for f in judgement.findings}
    doubtful = (d for d in index.unsettled_of(rule) if _address(d) not in certain)
    judgement.findings += [_unknown(rule, d) for d in doubtful if _reads_unknown(rule, d)]
    return judgement


def _position(document: Document | None, row: Mapping[str, Any]) -> str:
    """Where the field that the rule names was written, else where the document is."""
    return source_of(document, str(row.get("field", "")))[1] if document is not None else ""


def _finding(rule: Rule, address: str, message: str, position: str) -> Finding:
    return Finding(
        rule_id=rule.id,
        title=rule.title,
        severity=rule.severity,
        address=address,
        message=message,
        mend=rule.mend,
        position=position,
    )


def _fault(rule: Rule, fault: Fault, index: _Index) -> Finding:
    address = fault.address or f"policies/{rule.id}"
    position = str(index.by_address.get(address, {}).get("position", ""))
    found = _finding(rule, address, f"could not be judged, which counts as denied: {fault.why}", position)
    mend = "mend the value that the message names; where the rule itself is wrong, mend the rule"
    return replace(found, severity=max(rule.severity, Severity.HIGH), mend=mend, fault=True)


def _unknown(rule: Rule, document: Document) -> Finding:
    message = "cannot be judged yet: a value it looks at is known only after apply"
    found = _finding(rule, _address(document), message, str(document.get("position", "")))
    return replace(found, unknown=True)


def _reads_unknown(rule: Rule, document: Document) -> bool:
    """Whether a field that the rule reads is UNKNOWN (`{"$unknown": true}` in a document)."""
    if not rule.reads:
        return _holds_unknown(document)
    return any(_holds_unknown(value) for path in rule.reads for value in _at(document, path.split(".")))


def _at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """Values at a dotted path; a list on the way is looked into, an UNKNOWN on the way is the answer."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _at(item, path)
    elif not path or _is_unknown(value):
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


def _is_unknown(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("$unknown") is True


def _holds_unknown(value: Any) -> bool:
    """Asked of every value of every document, so that plain ones are told apart first."""
    if value is None or type(value) in _PLAIN:
        return False
    if isinstance(value, Mapping):
        return _is_unknown(value) or any(_holds_unknown(v) for v in value.values())
    return isinstance(value, list | tuple) and any(_holds_unknown(v) for v in value)


# -- syntax ----------------------------------------------------------------------------------------------------


def _address(document: Document) -> str:
    return str(document.get("address", ""))


def _gate_finding(code: str, title: str, address: str, message: str, mend: str = "") -> Finding:
    return Finding(
        rule_id=f"{_GATE}-{code}", title=title, severity=Severity.HIGH, address=address, message=message, mend=mend
    )


def _document_mistakes(documents: Sequence[Document]) -> Iterator[Finding]:
    title = "A document that cannot be judged"
    for index, document in enumerate(documents):
        for key in ("kind", "address"):
            if not isinstance(document.get(key), str) or not document[key]:
                yield _gate_finding("001", title, _address(document) or f"document {index}", f"it has no {key}")
    for address, count in Counter(map(_address, documents)).items():
        if address and count > 1:
            yield _gate_finding("001", title, address, f"{count} documents have this address")


def _parameter_mistakes(bundle: Bundle, given: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    title = "Parameters that no rule knows"
    ids = {r.id: r for r in bundle.rules}
    for rule_id, values in sorted(given.items()):
        if rule_id not in ids:
            yield _gate_finding("002", title, f"parameters/{rule_id}", "there is no rule of that id")
            continue
        known = ids[rule_id].parameters
        for name in sorted(set(values) - set(known)):
            names = ", ".join(sorted(known)) or "none"
            yield _gate_finding("002", title, f"parameters/{rule_id}/{name}", f"the rule's parameters are: {names}")
        for name in sorted(set(values) & set(known)):
            if not _same_shape(values[name], known[name]):
                what = f"{values[name]!r} is not of the shape of its default {known[name]!r}"
                yield _gate_finding("002", title, f"parameters/{rule_id}/{name}", what)


def _same_shape(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float)
    return default is None or isinstance(value, type(default))


def _waiver_mistakes(bundle: Bundle, waivers: Sequence[Waiver], today: datetime.date) -> Iterator[Finding]:
    ids = {r.id for r in bundle.rules}
    for waiver in waivers:
        where = f"waivers/{waiver.id}"
        if waiver.rule not in ids:
            yield _gate_finding("003", "A waiver for no rule", where, f"there is no rule {waiver.rule}")
        if waiver.expired(today):
            what = f"it expired on {waiver.expires}; {waiver.owner} answers for it: {waiver.reason}"
            mend = "mend what it excused, or renew it; then take it off the list"
            found = _gate_finding("004", "A waiver that has expired", where, what, mend)
            yield replace(found, position=waiver.id if waiver.lines else "")
