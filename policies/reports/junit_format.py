"""JUnit XML: a test case for each rule that found nothing, and for each finding; CI systems show them as tests."""

from __future__ import annotations

import re
from collections import Counter
from xml.sax.saxutils import escape, quoteattr

from policies.reports import Context
from policies.verdict import Result, Standing, Verdict

_FAILS = (Standing.DENIES,)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # what XML 1.0 has no way to write


def render(verdict: Verdict, _context: Context) -> str:
    cases = [*map(_case, verdict.results), *_whole_check(verdict)]
    hit = Counter(r.finding.rule_id for r in verdict.results)
    cases += [f"    <testcase classname={_attr(r.id)} name={_attr(r.title)}/>" for r in verdict.rules if not hit[r.id]]
    failures = len(verdict.of(*_FAILS)) + verdict.too_much_unassessed
    errors = len(verdict.mistakes) + len(verdict.faults)
    skipped = len(verdict.results) - len(verdict.of(*_FAILS, Standing.SHOWN))
    numbers = f'tests="{len(cases)}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    body = "\n".join(cases)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites name="duoyun policy check" {numbers}>\n  <testsuite name="policies" {numbers}>\n{body}\n'
        "  </testsuite>\n</testsuites>\n"
    )


def _case(result: Result) -> str:
    finding, place = result.finding, result.place
    where = f" file={_attr(place.path)} line={_attr(str(place.line))}" if place else ""
    head = f"    <testcase classname={_attr(finding.rule_id)} name={_attr(finding.address)}{where}>"
    text = f"{finding.title}\n{finding.message}\n{finding.position}\nmend: {finding.mend}"
    if result.standing in _FAILS:
        kind = _attr(finding.severity.name.lower())
        inner = f"<failure type={kind} message={_attr(finding.message)}>{_text(text)}</failure>"
    elif result.standing is Standing.SHOWN:
        inner = f"<system-out>{_text(text)}</system-out>"
    else:
        excuse = f": {result.waiver.reason}" if result.waiver else ""
        inner = f"<skipped message={_attr(result.standing.value + excuse)}/>"
    return f"{head}\n      {inner}\n    </testcase>"


def _whole_check(verdict: Verdict) -> list[str]:
    rows = [(f"{d.position}: {d.what}" if d.position else d.what, "error", "unreadable") for d in verdict.mistakes]
    rows += [(text, "error", "tool") for text in verdict.faults]
    if verdict.too_much_unassessed:
        text = f"{verdict.unassessed_count} not assessed, {verdict.terms.max_unassessed} allowed"
        rows.append(("\n".join([text, *verdict.unassessed]), "failure", "unassessed"))
    return [
        f'    <testcase classname="input" name={_attr(kind)}>\n'
        f"      <{tag} message={_attr(text.splitlines()[0])}>{_text(text)}</{tag}>\n    </testcase>"
        for text, tag, kind in rows
    ]


def _attr(text: str) -> str:
    return quoteattr(_CONTROL.sub("?", text))


def _text(text: str) -> str:
    return escape(_CONTROL.sub("?", text))
