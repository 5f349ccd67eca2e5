"""A rule that never ends, eats memory or dies is stopped, named and counted as a denial; the others are judged."""

from __future__ import annotations

import datetime
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from model.errors import InvalidInput
from policies.engine import RegoEngine
from policies.evaluation import Task
from policies.gate import judge
from policies.rules import Bundle, default_bundle, load_bundle
from policies.workers import Limits, Workers

TODAY = datetime.date(2026, 11, 23)
DOCUMENT = {"kind": "bucket", "address": "a/b", "name": "b"}

ENDLESS = "count([x | some x in numbers.range(1, 20000); some y in numbers.range(1, 20000); x * y == -1]) == 0"
HUNGRY = 'count(concat("", [x | some x in numbers.range(1, 9000000)])) == 1'


def _rule(name: str, condition: str) -> str:
    return (
        f"# METADATA\n# title: {name}\n# custom:\n#   id: T-{name.upper()}\n#   severity: low\n#   mend: m\n"
        f'#   kinds: ["*"]\npackage t.{name}\n\nimport rego.v1\n\n'
        f'violations contains {{"address": d.address, "message": "{name}"}} if {{\n'
        f"\tsome d in input.documents\n\t{condition}\n}}\n"
    )


def _bundle(limits: Limits, **conditions: str) -> Bundle:
    modules = {f"{name}.rego": _rule(name, condition) for name, condition in conditions.items()}
    loaded = load_bundle(modules, isolated=False)
    return Bundle(loaded.rules, loaded.modules, Workers(modules, checked=(), limits=limits))


def _denied(bundle: Bundle) -> dict[str, str]:
    report = judge([DOCUMENT], today=TODAY, bundle=bundle)
    assert not report.passed
    return {f.rule_id: f.message for f in report.findings}


def test_an_endless_comprehension_is_stopped_and_named_and_the_other_rules_are_judged() -> None:
    bundle = _bundle(Limits(seconds=0.4), after="true", endless=ENDLESS, before="true")
    began = time.monotonic()
    said = _denied(bundle)
    assert time.monotonic() - began < 10
    assert "longer than 0.4 s" in said["T-ENDLESS"]
    assert (said["T-BEFORE"], said["T-AFTER"]) == ("before", "after")


def test_a_rule_that_eats_memory_is_stopped_and_named_and_the_other_rules_are_judged() -> None:
    said = _denied(_bundle(Limits(memory_mib=64), before="true", hungry=HUNGRY, zlast="true"))
    assert "64 MiB" in said["T-HUNGRY"]
    assert (said["T-BEFORE"], said["T-ZLAST"]) == ("before", "zlast")


def test_a_process_that_died_while_nobody_used_it_is_replaced() -> None:
    bundle = _bundle(Limits(), fine="false")
    workers = bundle.evaluator
    assert isinstance(workers, Workers)
    assert judge([DOCUMENT], today=TODAY, bundle=bundle).passed
    process = workers._idle[0].process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert judge([DOCUMENT], today=TODAY, bundle=bundle).passed


def test_several_processes_answer_as_one_does() -> None:
    documents: list[dict[str, Any]] = [
        {"kind": "bucket" if i % 2 else "disk", "address": f"a/{i}", "name": "x" * (i % 7)} for i in range(900)
    ]
    modules = {f"r{i}.rego": _rule(f"r{i}", f"count(d.name) == {i % 8}") for i in range(20)}
    tasks = [Task(f"T-R{i}", f"t.r{i}", "", ("*",)) for i in range(20)]
    one, many = Workers(modules, checked=(), processes=1), Workers(modules, checked=(), processes=3)
    found = many.answers(tasks, documents)

    def rows(answers: Any) -> list[list[str]]:
        return [sorted(str(r["address"]) for r in a.rows) for a in answers]

    assert rows(found) == rows(one.answers(tasks, documents)) == rows(RegoEngine(modules).answers(tasks, documents))
    assert sum(len(a.rows) for a in found) > 900


def test_no_process_outlives_the_bundle_it_was_started_for() -> None:
    bundle = _bundle(Limits(), fine="false")
    judge([DOCUMENT], today=TODAY, bundle=bundle)
    workers = bundle.evaluator
    assert isinstance(workers, Workers)
    pid = workers._idle[0].process.pid
    del bundle, workers
    assert not Path(f"/proc/{pid}").exists()


def test_a_bundle_that_does_not_parse_in_the_process_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidInput) as caught:
        Workers({"a.rego": "package a\n\nx if { foo( }\n"}).check()
    assert caught.value.detail.startswith("a.rego:3:")


def test_the_shipped_rules_call_only_what_exists() -> None:
    RegoEngine(default_bundle().modules)
