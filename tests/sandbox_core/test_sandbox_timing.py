from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.facts.operation_latency import BY_OPERATION, DEFAULT, ROWS, latency_of
from sandbox.timing import Instant, Realistic, timing


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


def test_realistic_median_is_the_facts_median_divided_by_the_scale() -> None:
    clock = Realistic(time_scale=20, seed=7)
    drawn = [clock.duration_s("aws.cluster.create") for _ in range(2000)]
    assert median(drawn) == pytest.approx(612 / 20, rel=0.02)


@given(seed=st.integers(), operations=st.permutations(["aws.vm.create"] * 3 + ["image.pull"] * 3))
def test_a_draw_depends_on_seed_operation_and_its_number_only(seed: int, operations: list[str]) -> None:
    mixed, ordered = Realistic(seed=seed), Realistic(seed=seed)
    got: dict[str, list[float]] = {"aws.vm.create": [], "image.pull": []}
    for operation in operations:
        got[operation].append(mixed.duration_s(operation))
    expected = {o: [ordered.duration_s(o) for _ in range(3)] for o in got}
    assert got == expected


def test_every_row_says_where_it_comes_from() -> None:
    assert all(row.source and row.median_s > 0 for row in ROWS)
    assert len(BY_OPERATION) == len(ROWS)
    assert all(row.assumed for row in ROWS if row.source.startswith("no public figure"))
    assert latency_of("cloud.unheard.of") is DEFAULT


@pytest.mark.parametrize("scale", [0, -1, float("nan")])
def test_time_scale_must_be_positive(scale: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Realistic(time_scale=scale)


def test_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="instant, realistic"):
        timing("quick")
