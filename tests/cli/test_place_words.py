"""`duoyun place` and `explain` as somebody reads them who was woken up: every wish told, every "no" with its line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.explaining_words import _LEVELS, _WISHES, LANGUAGES, RULES, WORDS
from cli.main import run

PAGE = Path(__file__).parents[2] / "docs" / "placement.md"


@pytest.fixture
def shop(tmp_path: Path) -> Callable[..., Path]:
    """The application and fleet of docs/placement.md in a folder, with texts replaced."""

    def write(*changes: tuple[str, str]) -> Path:
        blocks = [part.split("```")[0] for part in PAGE.read_text(encoding="utf-8").split("```yaml\n")[1:]]
        for old, new in changes:
            assert any(old in block for block in blocks), old
            blocks = [block.replace(old, new, 1) for block in blocks]
        for name, block in zip(("app.yaml", "fleet.yaml"), blocks, strict=True):
            (tmp_path / name).write_text(block, encoding="utf-8")
        return tmp_path

    return write


def test_explain_tells_every_wish_in_both_languages(
    shop: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shop()
    args = ["--app", str(folder), "--why-not", "aws/ap-northeast-1a", "--why-not", "alibaba-intl", "--work-limit", "20"]
    assert run(["explain", "web", *args, "--why-not", "aws/ap-northest-1"]) == 0
    told = capsys.readouterr().out
    for line in (
        "- 50% of it is left when any one zone is lost",
        "- at most 3 of it in one node",
        "- has a replica of cache in its own zone",
        "- answers the users in singapore within 20 ms",
        "- at least 2 of it in aws/ap-southeast-1a",
        "- rather not in alibaba-intl/ap-southeast-1a: 0.001 USD per replica and hour",
        "- counts towards the quota of team storefront",
        "aws/ap-northeast-1a: web would not reach cache.",
        "no such site or region in the fleet. Did you mean aws/ap-northeast-1?",
    ):
        assert line in told, told
    assert run(["explain", "web", *args, "--lang", "zh"]) == 0
    chinese = capsys.readouterr().out
    assert "- 任一可用区失效时保留 50% 的副本" in chinese
    assert "aws/ap-northeast-1a：web 将无法访问 cache。" in chinese
    assert not any(word in chinese for word in ("would", "zone is", "sites"))


def test_both_languages_have_the_same_sentences() -> None:
    for words in (WORDS, RULES, _WISHES, _LEVELS):
        assert {frozenset(words[lang]) for lang in LANGUAGES} == {frozenset(words["en"])}  # type: ignore[attr-defined]


def test_a_conflict_is_told_with_its_lines(shop: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """`cache` may be at most once in each of two zones, and there are four of it."""
    folder = shop(("max_node_share: 50%", 'max_per: {zone: 1}\n        sites: ["aws/ap-southeast-1*"]'))
    assert run(["-o", "json", "place", str(folder), "--work-limit", "20"]) == 6
    found = json.loads(capsys.readouterr().out)
    rows = {row["what"]: row for row in found["diagnostics"]}
    lines = (folder / "app.yaml").read_text().splitlines()
    told = rows["cache: at most 1 replicas in one zone"]
    number = int(told["position"].rsplit(":", 2)[1])
    assert "max_per: {zone: 1}" in lines[number - 1]
    assert "without it: " in told["mend"] and "USD/h" in told["mend"]
    assert found["reason"] == "infeasible" and len(rows) >= 3
    assert run(["place", str(folder), "--work-limit", "20"]) == 6
    shown = capsys.readouterr().err
    assert told["position"] in shown and "cannot hold together" in shown and "leave cache out" in shown


@pytest.mark.parametrize(
    ("budget", "code", "told"),
    [
        ("0.01", 6, "raise the budget to"),
        ("4", 0, "the bill of"),
    ],
)
def test_a_budget_fails_above_and_warns_above(
    shop: Callable[..., Path], capsys: pytest.CaptureFixture[str], budget: str, code: int, told: str
) -> None:
    folder = shop(("max_per_hour: 4, warn_per_hour: 2", f"max_per_hour: {budget}, warn_per_hour: 0.001"))
    assert run(["place", str(folder), "--work-limit", "20"]) == code
    shown = capsys.readouterr()
    assert told in shown.out + shown.err
    if code:
        assert "fleet.yaml:7:" in shown.err


def test_what_was_not_decided_has_its_own_code(
    problem: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bound is below the budget, and the placement found is not."""
    from scheduler.verdicts import Undecided

    path = tmp_path / "p.json"
    path.write_text(json.dumps(problem))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestrator.placing.solve", lambda *_a, **_k: Undecided(what="not decided", raise_limit_to=9))
        assert run(["place", str(path)]) == 10
    assert "search further with `--work-limit 9`" in capsys.readouterr().err


@pytest.fixture
def problem() -> dict[str, Any]:
    """A sound problem document of two sites and two services."""
    kind = {"name": "m", "vcpu": 2, "cpu_millicores": 1900, "memory_mib": 3000, "price_per_hour": 0.1}
    return {
        "services": [
            {"name": n, "replicas": 2, "cpu_millicores": 100, "memory_mib": 100, "edges": e}
            for n, e in (("web", [{"callee": "api"}]), ("api", []))
        ],
        "sites": [
            {"id": f"{c}/x1", "region": f"{c}/x", "cloud": c, "partition": c, "country": "CN", "types": [dict(kind)]}
            for c in "ab"
        ],
        "routes": [{"src": s, "dst": d, "rtt_ms": 9} for s, d in (("a/x", "b/x"), ("b/x", "a/x"))],
    }


def _put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Sets what lies at a path such as `services.0.replicas`."""

    def change(document: dict[str, Any]) -> None:
        *above, last = path.split(".")
        here: Any = document
        for part in above:
            here = here[int(part)] if part.isdigit() else here[part]
        if last.isdigit():
            here[int(last)] = value
        else:
            here[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_put("services.0.cpu_millicores", -1), "services[web].cpu_millicores: -1 must be a number from 0"),
        (_put("sites.0.types.0.price_per_hour", math.nan), "price_per_hour: nan must be a number"),
        (_put("sites.0.types.0.price_per_hour", -0.1), "must be a number from 0"),
        (_put("services.0.memory_mib", 1e300), "memory_mib"),
        (_put("services.0.replicas", 10**7), "at most 1000000 are solved"),
        (_put("services.0.replicas", 0), "at least one replica is needed"),
        (lambda d: d["routes"].pop(), "no row from b/x to a/x"),
        (_put("routes.0.rtt_ms", None), "routes[a/x -> b/x].rtt_ms: is missing"),
        (_put("services.0.pinned", {"a/x2": 1}), "no such site: a/x2"),
        (_put("services.0.pinned", {"a/x1": 3}), "3 replicas are pinned and there are 2"),
        (lambda d: d["services"][0].update(pinned={"a/x1": 1}, avoided_sites=["a/x1"]), "contradicts itself"),
        (_put("services.1.name", "web"), "services[web]: occurs 2 times"),
        (lambda d: d["sites"].append(d["sites"][0]), "sites[a/x1]: occurs 2 times"),
        (_put("services.0.edges", [{"callee": "apo"}]), "is neither a service nor an external"),
        (_put("services.0.replica", 3), "replica"),
    ],
)
def test_a_bad_problem_is_refused_with_the_place(
    problem: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], Any],
    told: str,
) -> None:
    change(problem)
    path = tmp_path / "p.json"
    path.write_text(json.dumps(problem))
    assert run(["place", str(path)]) == 3
    shown = capsys.readouterr()
    assert told in shown.err and shown.out == ""
    assert run(["explain", "web", "--app", str(path)]) == 3


def test_a_price_of_zero_is_a_price(
    problem: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _put("sites.0.types.0.price_per_hour", 0)(problem)
    path = tmp_path / "p.json"
    path.write_text(json.dumps(problem))
    assert run(["-o", "json", "place", str(path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["placement"]["cost"]["total_per_hour"] == 0 and found["placement"]["proven_optimal"]
    assert all(set(row["replicas"]) == {"a/x1"} for row in found["placement"]["services"])
