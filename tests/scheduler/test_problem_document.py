"""The Problem as a JSON document: round trip, the command line, and every kind of bad input as a clear verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.errors import InvalidInput
from scheduler.__main__ import main
from scheduler.document import problem_from_data, problem_to_data
from scheduler.problem import Problem


@pytest.fixture
def data(make_tiny: Callable[[int], Problem]) -> dict[str, Any]:
    """A sound problem with two regions, an external and edges, as fresh plain data."""
    for seed in range(200):
        problem = make_tiny(seed)
        if len(problem.regions) > 1 and len(problem.services) > 1 and any(s.edges for s in problem.services):
            return json.loads(json.dumps(problem_to_data(problem)))  # type: ignore[no-any-return]
    raise AssertionError("the generator makes no such problem any more")


def mistakes(data: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        problem_from_data(data)
    return caught.value.detail


@pytest.mark.parametrize("seed", range(25))
def test_a_problem_survives_the_round_trip(seed: int, make_tiny: Callable[[int], Problem]) -> None:
    problem = make_tiny(seed)
    assert problem_from_data(json.loads(json.dumps(problem_to_data(problem)))) == problem


@pytest.mark.parametrize("bad", [-1, math.nan, math.inf, -math.inf, 1e300, "7", None, True, [1]])
@pytest.mark.parametrize("field", ["cpu_millicores", "replicas"])
def test_no_absurd_number_gets_in(data: dict[str, Any], field: str, bad: Any) -> None:
    data["services"][0][field] = bad
    assert field in mistakes(data)


@pytest.mark.parametrize("bad", [-0.01, math.nan, math.inf, "free"])
def test_no_absurd_price_gets_in(data: dict[str, Any], bad: Any) -> None:
    data["sites"][0]["types"][0]["price_per_hour"] = bad
    assert "price_per_hour" in mistakes(data)


def test_a_price_of_zero_is_a_price(data: dict[str, Any]) -> None:
    data["sites"][0]["types"][0]["price_per_hour"] = 0.0
    assert problem_from_data(data).sites[0].types[0].price_per_hour == 0.0


def test_a_hole_in_the_matrix_is_named_and_not_guessed(data: dict[str, Any]) -> None:
    gone = next(r for r in data["routes"] if r["src"] != r["dst"] and r["dst"] != "internet")
    data["routes"].remove(gone)
    assert f"no row from {gone['src']} to {gone['dst']}" in mistakes(data)


def test_a_round_trip_that_is_missing_is_named(data: dict[str, Any]) -> None:
    hole = next(r for r in data["routes"] if r["src"] != r["dst"] and r["dst"] != "internet")
    hole.update(rtt_ms=None, reachable=True)
    assert f"{hole['src']} -> {hole['dst']}" in mistakes(data)


def test_every_mistake_is_named_at_once(data: dict[str, Any]) -> None:
    data["services"].append(dict(data["services"][0]))
    data["services"][1]["avoided_sites"] = ["nowhere/x"]
    data["services"][1]["edges"] = [{"callee": "nobody"}, {"callee": data["services"][1]["name"]}]
    data["services"][1]["allowed_countries"] = []
    data["sites"].append(dict(data["sites"][0]))
    data["externals"].append({"name": "lost"})
    data["region_quota_vcpu"]["nowhere/x"] = 1
    data["current_pools"] = [{"site": "nowhere/x", "instance_type": "s", "count": 1}]
    text = mistakes(data)
    for part in (
        "occurs 2 times",
        "no such site: nowhere/x",
        "edges[nobody]",
        "does not call itself",
        "names no country",
        "externals[lost]",
        "region_quota_vcpu[nowhere/x]",
        "current_pools[nowhere/x]",
    ):
        assert part in text, part


def test_ten_million_replicas_are_refused_with_the_limit(data: dict[str, Any]) -> None:
    data["services"][0]["replicas"] = 10_000_000
    assert "at most 1000000" in mistakes(data)


@pytest.mark.parametrize("bad", [[], 7, None, "x", {}, {"services": []}, {"services": [], "sites": []}])
def test_what_is_no_problem_is_said_to_be_none(bad: Any) -> None:
    assert mistakes(bad)


def test_an_unknown_key_is_a_mistake(data: dict[str, Any]) -> None:
    data["services"][0]["replica"] = 3
    assert "replica" in mistakes(data)


def test_a_newer_schema_is_refused(data: dict[str, Any]) -> None:
    data["schema_version"] = 2
    assert "schema_version" in mistakes(data)


# -- python -m scheduler ---------------------------------------------------------------------------------------


def _run(data: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    path = tmp_path / "problem.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    code = main([str(path), *options])
    streams = capsys.readouterr()
    return code, streams.out, streams.err


def _simple() -> dict[str, Any]:
    small = {"name": "small", "vcpu": 2, "cpu_millicores": 1900, "memory_mib": 3000, "price_per_hour": 0.1}
    site = {"id": "a/x1", "region": "a/x", "cloud": "a", "partition": "a", "country": "CN", "types": [small]}
    return {
        "services": [{"name": "web", "replicas": 1, "cpu_millicores": 500, "memory_mib": 512}],
        "sites": [site],
    }


def test_the_command_places_and_prints_only_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(_simple(), tmp_path, capsys, "-o", "json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert answer["verdict"] == "placed"
    assert answer["placement"]["services"][0]["replicas"] == {"a/x1": 1}
    assert answer["placement"]["cost"]["total_per_hour"] == pytest.approx(0.1)
    assert answer["packing"] == [{"site": "a/x1", "instance_type": "small", "pods": {"web": 1}}]


def test_the_table_shows_the_gap_or_the_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(_simple(), tmp_path, capsys)
    assert code == 0
    assert "proven optimal" in out and "a/x1 x1" in out


def test_infeasible_exits_6_with_the_conflict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = _simple()
    data["services"][0]["allowed_countries"] = ["SG"]
    code, out, _ = _run(data, tmp_path, capsys, "-o", "json")
    assert code == 6
    assert {c["kind"] for c in json.loads(out)["conflicts"]} == {"demand", "data_residency"}
    code, out, _ = _run(data, tmp_path, capsys)
    assert code == 6 and "enough: " in out


@pytest.mark.parametrize("text", ["{", "nonsense", "", "[" * 100_000, '{"services": [], "sites": []}'])
def test_bad_files_exit_3(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(text, tmp_path, capsys, "-o", "json")
    assert code == 3
    assert json.loads(out)["diagnostics"]


def test_a_missing_file_exits_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.json")]) == 3
    assert "none.json" in capsys.readouterr().err
