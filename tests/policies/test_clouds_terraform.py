"""Terraform of the three clouds, written from their documentation: database ports and lists, what may leave, tags.

A resource's name says what is expected of it: `net_002_mysql_fails` is what DY-NET-002 finds fault with.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.registry import terraform_tables
from policies.engine import RegoEngine
from policies.loaders import load
from policies.network import with_reach
from policies.places import source_of
from policies.rules import default_bundle

FIXTURES = Path(__file__).with_name("terraform")
NAMED = re.compile(r"\.([a-z]+)_(\d{3})_(?:\w+_)?(fails|passes)$")
RULES = ("DY-NET-002", "DY-NET-009", "DY-NET-015", "DY-TAG-001")
NO_LIST = ("aws", "DY-NET-009")  # its data stores have no lists of blocks, but groups


@pytest.fixture(scope="module")
def engine() -> RegoEngine:
    bundle = default_bundle()
    wanted = {bundle.rule(r).source for r in RULES}
    return RegoEngine({k: v for k, v in bundle.modules.items() if k in wanted or k.startswith("lib/")}, checked=())


@pytest.mark.parametrize("cloud", ["alibaba", "aws", "azure"])
def test_a_rule_finds_what_breaks_it_and_nothing_else(engine: RegoEngine, cloud: str) -> None:
    loaded = load([FIXTURES / f"{cloud}.tf"], mapping=terraform_tables())
    assert not loaded.mistakes
    documents = with_reach(loaded.documents)
    by_address = {d["address"]: d for d in documents}
    named = set(by_address) | {s["address"] for d in documents for s in d["sources"].values()}
    for rule_id in RULES:
        rule = default_bundle().rule(rule_id)
        chosen = [d for d in documents if d["kind"] in rule.kinds]
        rows = engine.evaluate(rule.package, "violations", {"documents": chosen, "parameters": dict(rule.parameters)})
        found = {source_of(by_address[r["address"]], str(r.get("field", "")))[0] for r in rows}
        short = rule_id.removeprefix("DY-").lower().replace("-", "_")
        expected = {a: m[3] for a in named if (m := NAMED.search(a)) and f"{m[1]}_{m[2]}" == short}
        failing = {a for a, verdict in expected.items() if verdict == "fails"}
        assert failing or (cloud, rule_id) == NO_LIST, f"{cloud} has no fixture that breaks {rule_id}"
        assert found == failing, rule_id


def test_every_name_of_a_fixture_is_one_that_the_test_reads() -> None:
    for path in FIXTURES.glob("*.tf"):
        names = re.findall(r'^resource "\w+" "(\w+)"', path.read_text(encoding="utf-8"), re.MULTILINE)
        odd = [n for n in names if re.search(r"fails|passes|\d{3}", n) and not NAMED.search(f".{n}")]
        assert not odd
