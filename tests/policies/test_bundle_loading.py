"""A bundle that cannot be trusted is refused as a whole, with every mistake named."""

from __future__ import annotations

import pytest

from model.errors import InvalidInput
from policies.builtins import cidr_intersects, cidr_merge
from policies.engine import RegoEngine
from policies.evaluation import RuleError
from policies.rules import Bundle, _read_before, default_bundle, header_of, load_bundle, parse_rule

LIB = "package lib\n\nimport rego.v1\n\nf(x) := y if y := x + 1\n"


def mistakes(modules: dict[str, str]) -> str:
    with pytest.raises(InvalidInput) as caught:
        load_bundle(modules)
    return caught.value.detail


def test_a_missing_builtin_is_named_with_its_place() -> None:
    text = mistakes({"a.rego": 'package a\n\nimport rego.v1\n\nx if crypto.sha256("a") == "b"\n'})
    assert text.startswith("a.rego:5:") and "crypto.sha256" in text


@pytest.mark.parametrize("call", ["http.send({})", "time.now_ns()", 'rand.intn("a", 3)', "opa.runtime()"])
def test_what_would_make_a_verdict_depend_on_the_world_is_refused(call: str) -> None:
    assert call.partition("(")[0] in mistakes({"a.rego": f"package a\n\nimport rego.v1\n\nx := {call}\n"})


def test_a_misspelt_function_of_a_library_is_named() -> None:
    text = "package a\n\nimport data.lib\nimport rego.v1\n\nx if lib.g(1) == 2\n"
    assert "lib.g" in mistakes({"a.rego": text, "lib.rego": LIB})


def test_functions_of_libraries_aliases_and_full_paths_are_found() -> None:
    text = (
        "package a\n\nimport data.lib as l\nimport rego.v1\n\nx := l.f(1)\ny := data.lib.f(2)\nz := g(3)\ng(v) := v\n"
    )
    engine = RegoEngine({"a.rego": text, "lib.rego": LIB})
    assert [engine.evaluate("a", name, {}) for name in "xyz"] == [2, 3, 3]


def test_extensions_fill_what_the_engine_lacks() -> None:
    text = "package a\n\nimport rego.v1\n\nx if net.cidr_intersects(input.a, input.b)\ny := net.cidr_merge(input.c)\n"
    engine = RegoEngine({"a.rego": text})
    document = {"a": "10.0.0.0/8", "b": "10.1.0.0/16", "c": ["10.0.0.0/9", "10.128.0.0/9", "::/1", "8000::/1"]}
    assert engine.evaluate("a", "x", document) is True
    assert engine.evaluate("a", "y", document) == ["10.0.0.0/8", "::/0"]
    with pytest.raises(RuleError, match="nonsense"):
        engine.evaluate("a", "x", {**document, "b": "nonsense"})
    assert engine.evaluate("a", "x", document) is True  # an error leaves nothing behind


def test_blocks_of_different_versions_never_meet() -> None:
    assert not cidr_intersects("0.0.0.0/0", "::/0")
    assert cidr_merge(["10.0.0.0/8", "10.0.0.0/9"]) == ["10.0.0.0/8"]
    for bad in (None, 7, "x", "10.0.0.0/40"):
        with pytest.raises(ValueError, match=r"CIDR|IPv4|network"):
            cidr_intersects(bad, "::/0")


def test_broken_rego_is_named_with_its_line() -> None:
    assert mistakes({"a.rego": "package a\n\nx if { foo( }\n"}).startswith("a.rego:3:")


def test_violations_without_metadata_are_refused_rather_than_left_out() -> None:
    assert "METADATA" in mistakes({"a.rego": 'package a\n\nimport rego.v1\n\nviolations contains "x"\n'})
    assert parse_rule("lib.rego", LIB) is None


HEADER = {
    "title": "t",
    "custom": {"id": "A-1", "severity": "low", "mend": "m", "kinds": ["*"]},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"severity": "awful"}, "severity"),
        ({"id": "lower-1"}, "custom.id"),
        ({"kinds": []}, "kinds"),
        ({"kinds": "instance"}, "kinds"),
        ({"mend": ""}, "mend"),
        ({"stage": "later"}, "stage"),
        ({"unknown": "maybe"}, "unknown"),
        ({"severty": "low"}, "severty"),
    ],
)
def test_each_mistake_of_a_header_is_named(change: dict[str, object], said: str) -> None:
    import json

    header = {**HEADER, "custom": {**HEADER["custom"], **change}}  # type: ignore[dict-item]
    text = f"# METADATA\n# {json.dumps(header)}\npackage a\n\nimport rego.v1\n\nviolations contains 1\n"
    assert said in mistakes({"a.rego": text})


def test_two_rules_of_one_id_are_refused(bundle: Bundle) -> None:
    rule = bundle.rule("DY-NET-001")
    with pytest.raises(InvalidInput) as caught:
        bundle.extended({"copy.rego": bundle.modules[rule.source]})
    assert "DY-NET-001 occurs 2 times" in caught.value.detail


def test_metadata_that_is_no_yaml_is_named() -> None:
    assert "no YAML" in mistakes({"a.rego": "# METADATA\n# title: [\npackage a\n"})


def test_headers_that_were_read_before_say_what_the_rules_say() -> None:
    """policies/bundle/headers.json saves reading 310 pieces of YAML at each start."""
    before = _read_before()
    read = [header_of(name, text) for name, text in default_bundle().modules.items()]
    assert dict(h for h in read if h is not None) == before
    assert len(before) == len(default_bundle().rules)


def test_a_header_that_was_changed_is_read_anew() -> None:
    rule = default_bundle().rule("DY-NET-001")
    text = default_bundle().modules[rule.source]
    changed = parse_rule(rule.source, text.replace("severity: critical", "severity: low"))
    assert changed is not None
    assert changed.severity.name == "LOW"
