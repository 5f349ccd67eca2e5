import json
import math
from collections.abc import Iterable
from pathlib import Path
from statistics import median, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.facts.operation_latency import BY_OPERATION, DEFAULT, ROWS, OperationLatency, latency_of
from sandbox.timing import Draws, Instant, Realistic, timing


@pytest.mark.parametrize(
    ("operation", "seconds"),
    [
        ("aws.cluster.create", 0.3),
        ("azure.cluster.create", 0.3),
        ("node.join", 0.1),
        ("alibaba.vm.create", 0.1),
        ("image.pull", 0.03),
        ("aws.network.create", 0.02),
    ],
)
def test_instant_durations_are_fixed(operation: str, seconds: float) -> None:
    assert Instant().duration_s(operation) == seconds


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.operation)
def test_drawn_medians_are_the_fitted_ones(row: OperationLatency) -> None:
    clock = Realistic(time_scale=20, seed=7)
    drawn = [clock.duration_s(row.operation) for _ in range(2000)]
    # The median of n draws spreads by sigma * sqrt(pi / 2n) around mu; four of these hold but once in 16,000 times.
    spread = 4 * row.sigma * math.sqrt(math.pi / (2 * len(drawn)))
    assert abs(math.log(median(drawn) * 20) - row.mu) <= spread
    assert stdev(map(math.log, drawn)) == pytest.approx(row.sigma, rel=0.1)


@given(
    seed=st.integers(),
    order=st.permutations([("aws.vm.create", "web"), ("aws.vm.create", "db"), ("image.pull", "web")] * 2),
)
def test_a_draw_depends_on_seed_operation_resource_and_occurrence_only(seed: int, order: list[tuple[str, str]]) -> None:
    def draws(requests: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[float]]:
        clock, got = Realistic(seed=seed), dict[tuple[str, str], list[float]]()
        for request in requests:
            got.setdefault(request, []).append(clock.duration_s(*request))
        return got

    found = draws(order)
    assert found == draws(sorted(order))
    assert len({s for durations in found.values() for s in durations}) == len(order)  # none of them equals another


def test_every_draw_is_logged_with_what_it_was_for(tmp_path: Path) -> None:
    log = Draws(tmp_path / "draws.jsonl")
    clock = timing("realistic", time_scale=10, seed=3, draws=log)
    waited = clock.duration_s("node.join", "zone-a/large", "node-1")
    clock.duration_s("image.pull", "nginx")
    rows = log.since()
    log.close()
    assert [(r["number"], r["operation"], r["resource"], r["detail"]) for r in rows] == [
        (0, "node.join", "zone-a/large", "node-1"),
        (1, "image.pull", "nginx", ""),
    ]
    assert rows[0]["scaled_s"] == waited
    assert rows[0]["drawn_s"] == pytest.approx(waited * 10)
    assert rows[0]["start_s"] > 1.7e9
    assert log.since(1) == rows[1:]
    assert [json.loads(line) for line in (tmp_path / "draws.jsonl").read_text().splitlines()] == rows


def test_every_row_says_where_it_comes_from() -> None:
    assert all(row.source and row.median_s > 0 for row in ROWS)
    assert len(BY_OPERATION) == len(ROWS)
    assert all(row.assumed for row in ROWS if row.source.startswith("no public figure"))
    assert latency_of("cloud.unheard.of") is DEFAULT


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_time_scale_must_be_positive(scale: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Realistic(time_scale=scale)


def test_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="instant, realistic"):
        timing("quick")
