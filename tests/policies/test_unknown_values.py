"""Whatever value is known only after apply: a good document with it is neither passed in silence nor denied."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from policies.gate import judge
from policies.rules import Rule, default_bundle, shipped_examples

RULES = default_bundle().rules
EXAMPLES = shipped_examples()
IDENTITY = {"kind", "address", "apiVersion", "name"}  # what a document is cannot be unknown


def with_one_unknown(value: Any) -> Iterator[tuple[str, Any]]:
    """Copies of plain data, each with one leaf replaced by UNKNOWN."""
    for path in _leaves(value, ()):
        changed = copy.deepcopy(value)
        holder = changed
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = {"$unknown": True}
        yield ".".join(map(str, path)), changed


def _leaves(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(item, dict | list) and item:
            yield from _leaves(item, (*path, key))
        elif key not in IDENTITY:
            yield (*path, key)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_an_unknown_leaf_is_never_an_error_and_never_a_certain_finding(rule: Rule) -> None:
    for case in EXAMPLES[rule.id]["pass"]:
        documents = case["documents"] if isinstance(case, dict) else case
        parameters = {rule.id: case.get("parameters", {})} if isinstance(case, dict) else {}
        for path, changed in with_one_unknown(documents):
            report = judge(changed, parameters, today=datetime.date(2026, 11, 23))
            mine = [f for f in report.findings if f.rule_id == rule.id]
            assert not [f for f in mine if "could not be judged" in f.message], (path, mine)
            assert all(f.unknown for f in mine), (path, mine)
