"""Every rule passes what it says it passes, fails what it says it fails, and says so in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from model.errors import InvalidInput
from model.plan import Finding
from policies.rules import Bundle, Rule, default_bundle, load_bundle, shipped_examples

RULES = default_bundle().rules
EXAMPLES = shipped_examples()
Find = Callable[[Bundle, Rule, Any], list[Finding]]


def _cases(which: str) -> list[Any]:
    return [
        pytest.param(rule, case, id=f"{rule.id}-{which}-{index}")
        for rule in RULES
        for index, case in enumerate(EXAMPLES[rule.id][which])
    ]


@pytest.mark.parametrize(("rule", "case"), _cases("pass"))
def test_a_good_example_breaks_nothing(rule: Rule, case: Any, bundle: Bundle, findings_of: Find) -> None:
    assert findings_of(bundle, rule, case) == []


@pytest.mark.parametrize(("rule", "case"), _cases("fail"))
def test_a_bad_example_is_found(rule: Rule, case: Any, bundle: Bundle, findings_of: Find) -> None:
    found = findings_of(bundle, rule, case)
    assert found
    for finding in found:
        assert "could not be judged" not in finding.message, finding
        assert finding.severity is rule.severity
        assert finding.mend == rule.mend
        assert finding.message.strip()


def test_every_rule_has_examples_of_both_kinds() -> None:
    assert set(EXAMPLES) == {r.id for r in RULES}
    assert all(EXAMPLES[r.id]["pass"] and EXAMPLES[r.id]["fail"] for r in RULES)


def test_there_are_rules_for_every_area() -> None:
    assert len(RULES) >= 20
    assert {r.id.split("-")[1] for r in RULES} == {"NET", "VM", "CLU", "K8S", "RES", "AVL", "CST", "TAG"}


def test_no_rule_names_a_cloud() -> None:
    named = re.compile(r"\b(aws|amazon|ec2|eks|azure|aks|nsg|alibaba|aliyun|ecs|ack)\b", re.IGNORECASE)
    for name, text in default_bundle().modules.items():
        assert not named.search(text), f"{name} names a cloud: {named.search(text)}"


def _mutants(text: str) -> list[str]:
    """The rule with one condition of its `violations` taken out or turned round."""
    head, _, body = text.partition("violations contains")
    lines = body.splitlines()
    found = []
    for index, line in enumerate(lines):
        code = line.strip()
        guard = code.startswith(
            ("is_string(", "is_number(", "is_array(", "every ", "not is_object(")
        )  # against UNKNOWN: test_unknown_values
        skipped = (
            guard
            or not code
            or ":=" in code
            or code.startswith(("some ", "}", "#", "{"))
            or code.endswith(("{", ",", "["))
        )
        if not line.startswith("\t") or skipped:
            continue
        mutant = [*lines[:index], *lines[index + 1 :]]
        found.append(head + "violations contains" + "\n".join(mutant))
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_a_broken_rule_is_noticed_by_its_examples(rule: Rule, findings_of: Find) -> None:
    """Mutation: without any one of its conditions, at least one example of the rule changes its verdict."""
    shipped = default_bundle()
    libraries = {k: v for k, v in shipped.modules.items() if k.startswith("lib/")}
    for mutant in _mutants(shipped.modules[rule.source]):
        try:
            bundle = load_bundle({**libraries, rule.source: mutant}, isolated=False)
        except InvalidInput:
            continue  # the condition bound a variable: without it the rule does not even load
        verdicts = [bool(findings_of(bundle, rule, case)) for case in EXAMPLES[rule.id]["pass"]]
        verdicts += [not findings_of(bundle, rule, case) for case in EXAMPLES[rule.id]["fail"]]
        assert any(verdicts), f"nobody noticed this mutant:\n{mutant.partition('violations contains')[2]}"
