"""A bundle's own examples as tests: `NAME.examples.yaml` beside `NAME.rego`. Callers: `duoyun policy test`."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import Diagnostic, InvalidInput
from model.spec.yaml_source import read_documents
from orchestrator.gating import modules_in, read_text
from policies.gate import judge
from policies.rules import Bundle, Rule, default_bundle, shipped_examples

_DAY = datetime.date(2000, 1, 1)  # examples have no waivers: the day means nothing


@dataclass(frozen=True, slots=True)
class Failure:
    """example: `pass 1` is the first under `pass`."""

    rule: str
    example: str
    what: str


@dataclass(frozen=True, slots=True)
class Done:
    rules: int
    examples: int
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        return not self.failures


def run_examples(folder: Path | None) -> Done:
    """Judges every example of the folder's rules (None: those that come with duoyun).

    A rule without an example of both sorts fails. Raises InvalidInput for a bundle or examples that cannot be read.
    """
    shipped = default_bundle()
    if folder is None:
        bundle, rules, examples = shipped, shipped.rules, shipped_examples()
    else:
        bundle = shipped.extended(modules_in(folder))
        own = {r.id for r in bundle.rules} - {r.id for r in shipped.rules}
        rules = tuple(r for r in bundle.rules if r.id in own)
        examples = {r.id: _beside(folder, r) for r in rules}
    failures: list[Failure] = []
    count = 0
    for rule in rules:
        alone = Bundle((rule,), bundle.modules, bundle.evaluator)
        for which in ("pass", "fail"):
            cases = examples.get(rule.id, {}).get(which) or []
            if not cases:
                failures.append(Failure(rule.id, which, "it has no such example"))
            for number, case in enumerate(cases, 1):
                count += 1
                failures += (Failure(rule.id, f"{which} {number}", w) for w in _wrong(alone, rule, which, case))
    return Done(len(rules), count, tuple(failures))


def _wrong(bundle: Bundle, rule: Rule, which: str, case: Any) -> Iterator[str]:
    documents: Sequence[Any] = case["documents"] if isinstance(case, Mapping) else case
    parameters = case.get("parameters", {}) if isinstance(case, Mapping) else {}
    report = judge(documents, {rule.id: parameters}, today=_DAY, bundle=bundle)
    found = [f for f in report.findings if f.rule_id == rule.id and not f.unknown]
    if not report.stages["syntax"]:
        yield f"the example itself is wrong: {report.findings[0].address}: {report.findings[0].message}"
    elif any(f.fault for f in found):
        yield found[0].message
    elif which == "pass" and found:
        yield f"found although it should pass: {found[0].address}: {found[0].message}"
    elif which == "fail" and not found:
        yield "not found although it should be"


def _beside(folder: Path, rule: Rule) -> Mapping[str, Any]:
    source = folder.parent / rule.source.removeprefix("user:")
    path = source.with_name(source.name.removesuffix(".rego") + ".examples.yaml")
    if not path.exists():
        return {}
    documents, mistakes = read_documents(str(path), read_text(path))
    if mistakes:
        raise InvalidInput(mistakes)
    data = documents[0].root.plain() if documents else {}
    if not isinstance(data, Mapping):
        raise InvalidInput([Diagnostic(str(path), "holds no mapping with `pass` and `fail`")])
    return data
