"""Whatever value is known only after apply: a good document with it is neither passed in silence nor denied."""

from __future__ import annotations

import datetime

import pytest

from policies.engine import RegoEngine
from policies.gate import judge
from policies.rules import Rule, default_bundle, shipped_examples
from tests.policies.mutants import rows, unknown_variants

RULES = default_bundle().rules
EXAMPLES = shipped_examples()


@pytest.fixture(scope="module")
def engine() -> RegoEngine:
    return RegoEngine(default_bundle().modules)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_an_unknown_value_is_never_an_error_and_never_a_certain_finding(rule: Rule, engine: RegoEngine) -> None:
    for case in EXAMPLES[rule.id]["pass"]:
        for path, changed in unknown_variants(case):
            assert rows(engine, rule, changed) == [], path
    for case in EXAMPLES[rule.id]["fail"]:
        for _, changed in unknown_variants(case):
            rows(engine, rule, changed)  # raises where a rule cannot bear it


@pytest.mark.parametrize("rule", RULES[::15], ids=lambda r: r.id)
def test_the_gate_tells_of_it_without_denying(rule: Rule) -> None:
    case = EXAMPLES[rule.id]["pass"][0]
    parameters = {rule.id: case.get("parameters", {})} if isinstance(case, dict) else {}
    told = False
    for _, changed in unknown_variants(case):
        documents = changed["documents"] if isinstance(changed, dict) else changed
        report = judge(documents, parameters, today=datetime.date(2026, 11, 23))
        mine = [f for f in report.findings if f.rule_id == rule.id]
        assert all(f.unknown for f in mine)
        told |= bool(mine)
    assert told
