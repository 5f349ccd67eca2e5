"""What our rules find in a case, and how that compares with its labels. Callers: __main__, tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.deploy.interval import clopper_pearson
from benchmarks.policy_accuracy.cases import WHOLE, Case, translated
from orchestrator.registry import terraform_tables
from policies.engine import RegoEngine
from policies.evaluation import RuleError
from policies.loaders import load
from policies.network import with_reach
from policies.places import source_of
from policies.rules import Bundle

_ITEM = re.compile(r"\[\d+\]")
_INSTANCE = re.compile(r"\[[^\]]*\]")


@dataclass(slots=True)
class Score:
    """Of one case. found, missed, wrong: addresses, a failing unit as its addresses joined by ` or `."""

    case: Case
    rules: tuple[str, ...]
    found: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    note: str = ""


def score(case: Case, rules: tuple[str, ...], bundle: Bundle, engine: RegoEngine, folder: Path) -> Score:
    """Loads the case's files, asks its counterparts, and compares."""
    result = Score(case, rules)
    if not rules:
        result.missed = [_name(unit) for unit in case.failing]
        return result
    loaded = load([folder / "fixtures" / name for name in case.files], mapping=terraform_tables())
    flagged = _flagged(case, rules, bundle, engine, loaded.documents)
    for unit in case.failing:
        hit = bool(flagged) if WHOLE in unit else bool(unit & flagged)
        (result.found if hit else result.missed).append(_name(unit))
    result.wrong = sorted([WHOLE] if WHOLE in case.passing and flagged else case.passing & flagged)
    if result.missed:
        result.note = _why(case, loaded)
    return result


def _name(unit: Iterable[str]) -> str:
    return " or ".join(sorted(unit))


def _flagged(
    case: Case, rules: Sequence[str], bundle: Bundle, engine: RegoEngine, documents: Sequence[Mapping[str, Any]]
) -> set[str]:
    given = translated(case.check, case.parameters)
    scanned = with_reach(documents)
    found: set[str] = set()
    for rule_id in rules:
        rule = bundle.rule(rule_id)
        chosen = [d for d in scanned if d["kind"] in rule.kinds]
        if not chosen:
            continue
        by_address = {str(d["address"]): d for d in chosen}
        parameters = {**rule.parameters, **given.get(rule_id, {})}
        try:
            rows = engine.evaluate(rule.package, "violations", {"documents": chosen, "parameters": parameters})
        except RuleError as exc:
            raise RuntimeError(f"{case.id}: {rule_id}: {exc}") from exc
        for row in rows:
            address, _ = source_of(by_address[row["address"]], str(row.get("field", "")))
            named = {_label(address)}
            if not _ITEM.search(str(row.get("field", ""))):
                named.add(_label(row["address"]))  # a property of the whole; an item of a list is its own declaration's
            found |= named | {_INSTANCE.sub("", n) for n in named}
    return found


def _label(address: str) -> str:
    """As the cases name it: an object's kind and name; a Terraform address, which some write without the instance."""
    return "/".join(address.rsplit("/", 2)[1:]) if address.startswith("kubernetes/") else address


def _why(case: Case, loaded: Any) -> str:
    """What the loaders say of it: why nothing may have been seen."""
    if loaded.mistakes:
        return f"not read in whole: {loaded.mistakes[0].what}"
    wanted = {a for unit in case.failing for a in unit}
    have = {_label(str(d["address"])) for d in loaded.documents}
    have |= {_label(str(s.get("address"))) for d in loaded.documents for s in (d.get("sources") or {}).values()}
    have |= {_INSTANCE.sub("", a) for a in have}
    gone = sorted(wanted - have - {WHOLE})
    return f"no document for {', '.join(gone)}" if gone else ""


def figures(scores: Sequence[Score]) -> dict[str, Any]:
    """recall, recall_all, precision and counterpart, each with n and its exact interval; None where n is 0."""
    answered = [s for s in scores if s.rules]
    found = sum(len(s.found) for s in answered)
    missed = sum(len(s.missed) for s in answered)
    unanswered = sum(len(s.missed) for s in scores if not s.rules)
    wrong = sum(len(s.wrong) for s in answered)
    return {
        "recall": _share(found, found + missed),
        "recall_all": _share(found, found + missed + unanswered),
        "precision": _share(found, found + wrong),
        "counterpart": _share(len(answered), len(scores)),
    }


def _share(part: int, whole: int) -> dict[str, Any]:
    if not whole:
        return {"value": None, "n": 0, "low95": None, "high95": None}
    low, high = clopper_pearson(part, whole)
    return {"value": part / whole, "n": whole, "low95": low, "high95": high}
