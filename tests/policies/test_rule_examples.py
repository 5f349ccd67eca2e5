"""Every rule passes what it says it passes, fails what it says it fails, and says so in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from model.plan import Finding
from policies.engine import RegoEngine
from policies.rules import Bundle, Rule, default_bundle, shipped_examples
from tests.policies.mutants import rows

RULES = default_bundle().rules
EXAMPLES = shipped_examples()
Find = Callable[[Bundle, Rule, Any], list[Finding]]
BY_RULE = pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
CLOUDS = re.compile(
    r"(\b|_)(aws|amazon|ec2|eks|azure|microsoft|aks|nsg|alibaba|alicloud|aliyun|ecs|ack|oss|ram)\b", re.IGNORECASE
)


@pytest.fixture(scope="module")
def engine() -> RegoEngine:
    return RegoEngine(default_bundle().modules)


@BY_RULE
def test_good_examples_break_nothing_and_bad_ones_are_found(rule: Rule, engine: RegoEngine) -> None:
    for case in EXAMPLES[rule.id]["pass"]:
        assert rows(engine, rule, case) == [], case
    for case in EXAMPLES[rule.id]["fail"]:
        found = rows(engine, rule, case)
        addresses = {d["address"] for d in (case["documents"] if isinstance(case, dict) else case)}
        assert found, case
        assert all(v["message"].strip() and v["address"] in addresses for v in found)


@BY_RULE
def test_a_finding_names_a_field_that_the_rule_says_it_reads(rule: Rule, engine: RegoEngine) -> None:
    """So that it can point to where the value was written, and an unknown value there is told of."""
    for case in EXAMPLES[rule.id]["fail"]:
        for violation in rows(engine, rule, case):
            assert rule.reads, "custom.reads is missing"
            head = re.match(r"\w+", violation["field"])
            assert head and head[0] in {path.split(".")[0] for path in rule.reads}, violation


@pytest.mark.parametrize("rule", RULES[::12], ids=lambda r: r.id)
def test_the_gate_tells_what_a_rule_finds(rule: Rule, bundle: Bundle, findings_of: Find) -> None:
    found = findings_of(bundle, rule, EXAMPLES[rule.id]["fail"][0])
    assert found
    for finding in found:
        assert "could not be judged" not in finding.message, finding
        assert finding.severity is rule.severity
        assert finding.mend == rule.mend
    assert findings_of(bundle, rule, EXAMPLES[rule.id]["pass"][0]) == []


def test_every_rule_has_examples_of_both_kinds() -> None:
    assert set(EXAMPLES) == {r.id for r in RULES}
    assert all(EXAMPLES[r.id]["pass"] and EXAMPLES[r.id]["fail"] for r in RULES)


def test_there_are_rules_for_every_area() -> None:
    """Issue 6: at least 140 rules, for each of these concerns."""
    assert len(RULES) >= 140
    areas = {"NET", "PUB", "ENC", "TLS", "LOG", "IAM", "KEY", "SEC", "BAK", "DEL", "K8S", "IMG", "TAG", "CST", "RES"}
    assert areas | {"PLC", "AVL", "REL", "UPK", "CLU", "VM"} == {r.id.split("-")[1] for r in RULES}


def test_at_least_95_percent_of_the_rules_name_no_cloud() -> None:
    """A rule is written on the model alone. Names of a cloud's own actions may stand in a few rules' parameters."""
    modules = default_bundle().modules
    naming = [r.id for r in RULES if CLOUDS.search(modules[r.source])]
    assert len(naming) <= len(RULES) * 0.05, naming
    assert not [name for name in modules if name.startswith("lib/") and CLOUDS.search(modules[name])]


def test_controls_are_of_standards_that_were_read() -> None:
    known = re.compile(
        r"GB/T 22239-2019 8\.1\.(2\.[12]|3\.[1-5]|4\.([1-9]|1[01]))|CIS Kubernetes 1\.11\.1 5\.[1-6]\.\d+"
    )
    assert not [(r.id, c) for r in RULES for c in r.controls if not known.fullmatch(c)]
