"""Shared by the policy tests: the shipped bundle, and a way to judge a case of a rule's examples."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from model.plan import Finding
from policies.gate import judge
from policies.rules import Bundle, Rule, default_bundle

TODAY = datetime.date(2026, 11, 23)


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return default_bundle()


@pytest.fixture(scope="session")
def findings_of() -> Callable[[Bundle, Rule, Any], list[Finding]]:
    """(bundle, rule, case) -> what that rule finds in the case; a case as rules.Rule.examples describes it."""

    def find(bundle: Bundle, rule: Rule, case: Any) -> list[Finding]:
        documents = case["documents"] if isinstance(case, Mapping) else case
        parameters = {rule.id: case.get("parameters", {})} if isinstance(case, Mapping) else {}
        report = judge(documents, parameters, today=TODAY, bundle=bundle)
        assert report.stages["syntax"], report.findings
        return [f for f in report.findings if f.rule_id == rule.id]

    return find
