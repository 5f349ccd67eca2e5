"""`duoyun place`, `duoyun explain` and `duoyun schema problem` as a user calls them, on a small problem document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run


def _type(name: str, price: float) -> dict[str, Any]:
    return {"name": name, "vcpu": 2, "cpu_millicores": 1900, "memory_mib": 3000, "price_per_hour": price}


def _site(cloud: str, country: str, price: float) -> dict[str, Any]:
    return {
        "id": f"{cloud}/x1",
        "region": f"{cloud}/x",
        "cloud": cloud,
        "partition": cloud,
        "country": country,
        "types": [_type("small", price)],
    }


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    """Two services over three sites: `pay` must stay in CN, `web` may go anywhere and calls it."""
    regions = ("a/x", "b/x", "c/x")
    document = {
        "services": [
            {"name": "web", "replicas": 2, "cpu_millicores": 500, "memory_mib": 512, "edges": [{"callee": "pay"}]},
            {
                "name": "pay",
                "replicas": 1,
                "cpu_millicores": 500,
                "memory_mib": 512,
                "allowed_countries": ["CN"],
                "data_class": "financial",
            },
        ],
        "sites": [_site("a", "CN", 0.1), _site("b", "CN", 0.2), _site("c", "SG", 0.3)],
        "routes": [
            {"src": s, "dst": d, "rtt_ms": 1.0 if s == d else 20.0, "price_per_gb": 0.0 if s == d else 0.5}
            for s in regions
            for d in regions
        ],
        "currency": "CNY",
    }
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _json(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
    code = run(["-o", "json", *args])
    return code, json.loads(capsys.readouterr().out)


def test_place_tells_where_at_what_price_and_how_good_it_is(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = _json(capsys, "place", str(problem))
    assert code == 0
    assert found["verdict"] == "placed" and found["placement"]["proven_optimal"]
    assert {site for row in found["placement"]["services"] for site in row["replicas"]} == {"a/x1"}
    assert run(["place", str(problem)]) == 0
    shown = capsys.readouterr().out
    assert "proven optimal" in shown and "a/x1 x2" in shown and "CNY/h" in shown


def test_what_if_a_cloud_did_not_exist(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = _json(capsys, "place", str(problem), "--without", "a")
    assert {site for row in found["placement"]["services"] for site in row["replicas"]} == {"b/x1"}


def test_what_if_a_cloud_became_dearer(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, before = _json(capsys, "place", str(problem), "--price", "a=1.5")
    _, after = _json(capsys, "place", str(problem), "--price", "a=3")
    cost = [d["placement"]["cost"]["compute_per_hour"] for d in (before, after)]
    assert cost == pytest.approx([0.3, 0.4])


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["--without", "nowhere"], 3),
        (["--price", "a=cheap"], 64),
        (["--price", "a=-1"], 64),
        (["--price", "a=nan"], 64),
        (["--work-limit", "0"], 64),
        (["--without", "a", "--without", "b"], 6),
        (["--without", "*"], 3),
    ],
)
def test_what_makes_no_sense_is_said(problem: Path, args: list[str], code: int) -> None:
    assert run(["place", str(problem), *args]) == code


def test_explain_says_why_not_elsewhere(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["explain", "pay", "--app", str(problem), "--why-not", "c/x1", "--why-not", "b", "--why-not", "a/x1"]
    code, found = _json(capsys, *args, "--why-not", "moon")
    assert code == 0
    rows = {row["site"]: row for row in found["why_not"]}
    assert rows["c/x1"]["rule"] == "data_residency" and "financial data must stay in CN" in rows["c/x1"]["words"]
    assert rows["b/x1"]["rule"] == "cost" and rows["b/x1"]["extra_cost_per_hour"] == pytest.approx(0.1)
    assert rows["b/x1"]["proven"]
    assert rows["a/x1"]["rule"] == "here"
    assert rows["moon"]["rule"] == "unknown"


def test_explain_speaks_chinese(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "pay", "--app", str(problem), "--why-not", "c/x1", "--lang", "zh"]) == 0
    shown = capsys.readouterr().out
    assert "违反数据驻留" in shown and "a/x1 x1" in shown


def test_explain_refuses_what_it_does_not_know(problem: Path) -> None:
    assert run(["explain", "pya", "--app", str(problem)]) == 64
    assert run(["explain", "pay", "--app", str(problem), "--lang", "tlh"]) == 64


def test_the_schema_accepts_the_document(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    assert run(["schema", "problem"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.validate(json.loads(problem.read_text(encoding="utf-8")), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"services": [{"name": "x"}], "sites": []}, schema)
