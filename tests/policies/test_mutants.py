"""Break any rule in any way that the tool knows: its own examples notice. All rules behind `soak`, a sample always."""

from __future__ import annotations

import pytest

from policies.rules import default_bundle, shipped_examples
from tests.policies.mutants import mutants, survivors

RULES = default_bundle().rules
SAMPLE = RULES[::20]


def _assert_noticed(rule_id: str) -> None:
    bundle = default_bundle()
    rule = bundle.rule(rule_id)
    libraries = {k: v for k, v in bundle.modules.items() if k.startswith("lib/")}
    left = survivors(bundle.modules[rule.source], shipped_examples()[rule_id], libraries, rule.source)
    assert not left, "\n".join(["nobody noticed:", *left])


@pytest.mark.parametrize("rule_id", [r.id for r in SAMPLE])
def test_a_broken_rule_is_noticed(rule_id: str) -> None:
    _assert_noticed(rule_id)


@pytest.mark.soak
@pytest.mark.parametrize("rule_id", [r.id for r in RULES if r not in SAMPLE])
def test_any_broken_rule_is_noticed(rule_id: str) -> None:
    _assert_noticed(rule_id)


def test_the_tool_breaks_what_it_says() -> None:
    text = (
        "# METADATA\n# title: t\n# custom:\n#   id: A-1\n#   kinds: [disk, bucket]\n"
        "package a\n\nimport rego.v1\n\nviolations contains doc if {\n\tsome doc in input.documents\n"
        '\tdoc.size < 5\n\tdoc.kind in {"a", "b"}\n}\n'
    )
    found = {m.what for m in mutants(text)}
    assert {
        "doc.size < 5  ->  left out",
        "doc.size < 5  ->  doc.size <= 5",
        "doc.size < 5  ->  doc.size < 6",
        'doc.kind in {"a", "b"}  ->  doc.kind in {"b"}',
        "kinds: disk left out",
    } <= found


def test_a_definition_that_only_spares_work_says_so() -> None:
    head = "# METADATA\n# title: t\npackage a\n\nimport rego.v1\n\nviolations contains 1 if quick\n\n"
    text = head + "# equivalent: the other one finds it too.\nquick if input.a\n\nquick if input.b\n"
    left_out = {m.what for m in mutants(text) if m.what.endswith("the whole of it left out")}
    assert "quick if input.b  ->  the whole of it left out" in left_out
    assert "quick if input.a  ->  the whole of it left out" not in left_out
