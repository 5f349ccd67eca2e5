"""Our rules against the labelled fixtures of others: what issue 6 wants, and a reason for every difference."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.policy_accuracy.__main__ import run
from benchmarks.policy_accuracy.cases import DATA, Case, read_cases, read_counterparts, read_differences
from benchmarks.policy_accuracy.score import Score, figures

pytestmark = pytest.mark.reference
WANTED = {"recall": 0.95, "precision": 0.97, "counterpart": 0.85, "recall_all": 0.80}


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    if not (DATA / "cases.jsonl").is_file():
        pytest.skip(f"needs the reference data in {DATA}")
    return run(DATA)


def test_the_rules_find_what_others_labelled(result: dict[str, Any]) -> None:
    assert {k: result[k]["value"] for k, least in WANTED.items() if result[k]["value"] < least} == {}


def test_every_difference_has_a_reason_and_no_reason_is_left_over(result: dict[str, Any]) -> None:
    differing = [*result["misses"], *result["wrong"]]
    assert [d["case"] for d in differing if not d["why"]] == []
    assert set(read_differences()) == {d["case"] for d in differing if d["rules"]}
    assert {side for side, _ in read_differences().values()} <= {"label", "ours", "both", "data"}


def test_every_check_in_scope_is_settled() -> None:
    if not (DATA / "cases.jsonl").is_file():
        pytest.skip(f"needs the reference data in {DATA}")
    assert {c.check for c in read_cases() if c.in_scope} <= set(read_counterparts())


def test_figures_count_a_missing_counterpart_in_recall_all_alone() -> None:
    case = Case("c", "k", "aws", "t", "terraform", True, (), {}, (), frozenset())
    answered = Score(case, ("R",), found=["a", "b", "c"], missed=["d"], wrong=["e"])
    unanswered = Score(case, (), missed=["x"])
    found = figures([answered, unanswered])
    assert {k: (v["value"], v["n"]) for k, v in found.items()} == {
        "recall": (0.75, 4),
        "recall_all": (0.6, 5),
        "precision": (0.75, 4),
        "counterpart": (0.5, 2),
    }
