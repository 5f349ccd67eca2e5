"""What was there when a team began: findings that are known and left for later, by fingerprint.

Callers: verdict, orchestrator.checking (which reads and writes the file). Pure. A fingerprint is made of the rule, the
address, the file and the place among equals, never of a line or a message: code that moves, or a message that is
worded anew, stays the same finding.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from model.errors import Diagnostic, InvalidInput
from model.plan import Finding
from policies.positions import Position

VERSION = 1


def fingerprints(findings: Sequence[Finding]) -> list[str]:
    """One for each finding, in their order; 32 hexadecimal digits."""
    seen: Counter[tuple[str, ...]] = Counter()
    found: dict[int, str] = {}
    for index in sorted(range(len(findings)), key=lambda i: (findings[i].message, findings[i].position)):
        finding = findings[index]
        place = Position.parse(finding.position)
        key = (finding.rule_id, finding.address, place.path if place else "", "unknown" if finding.unknown else "")
        found[index] = hashlib.sha256("\0".join((*key, str(seen[key]))).encode()).hexdigest()[:32]
        seen[key] += 1
    return [found[i] for i in range(len(findings))]


def baseline_text(rows: Iterable[tuple[str, Finding]]) -> str:
    """The file's text: sorted and one finding a line, so that a review sees what was added or mended."""
    lines = [
        json.dumps({"fingerprint": f, "rule": x.rule_id, "address": x.address}, ensure_ascii=False)
        for f, x in sorted(rows, key=lambda r: (r[1].rule_id, r[1].address, r[0]))
    ]
    body = ",\n  ".join(lines)
    return (
        f'{{"version": {VERSION}, "findings": [\n  {body}\n]}}\n'
        if lines
        else f'{{"version": {VERSION}, "findings": []}}\n'
    )


def read_baseline(name: str, text: str) -> frozenset[str]:
    """The fingerprints that a file holds. Raises InvalidInput."""
    try:
        data: Any = json.loads(text)
        if data["version"] != VERSION:
            raise InvalidInput([Diagnostic(name, f"is a baseline of version {data['version']}, not {VERSION}")])
        return frozenset(str(row["fingerprint"]) for row in data["findings"])
    except (ValueError, KeyError, TypeError) as exc:
        mend = "write it anew: duoyun policy check ... --baseline FILE --write-baseline"
        raise InvalidInput([Diagnostic(name, "is no baseline that duoyun wrote", mend)]) from exc
