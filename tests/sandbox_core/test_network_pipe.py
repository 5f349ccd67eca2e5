"""Arrival times of one direction: laws that hold for every link, and the figures of the model."""

import itertools
from random import Random
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.network.matrix import Link
from sandbox.network.pipe import SEGMENT_BYTES, Counts, Direction, Reset

LINKS = st.builds(
    Link, rtt_ms=st.floats(0, 1000), jitter_ms=st.floats(0, 100), loss=st.floats(0, 0.5), resets=st.just(0.0)
)
CHUNKS = st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 65536)), min_size=1, max_size=20)


def arrivals(link: Link, chunks: list[tuple[float, int]], seed: int = 0, *, opens: bool = False) -> list[float]:
    direction, now_s, found = Direction(Random(seed), Counts(), opens=opens), 100.0, []
    for wait_s, size in chunks:
        now_s += wait_s
        found.append(direction.arrival_s(link, now_s, size))
    return found


@given(LINKS, CHUNKS, st.integers(), st.booleans())
def test_order_is_kept_nothing_arrives_early_and_runs_repeat(
    link: Link, chunks: list[tuple[float, int]], seed: int, opens: bool
) -> None:
    found = arrivals(link, chunks, seed, opens=opens)
    assert found == arrivals(link, chunks, seed, opens=opens)
    assert all(a < b for a, b in itertools.pairwise(found))
    sent, now_s = [], 100.0
    for wait_s, _size in chunks:
        sent.append(now_s := now_s + wait_s)
    assert all(at >= began + link.rtt_ms / 2000 - 1e-9 for at, began in zip(found, sent, strict=True))


def test_a_quiet_link_takes_half_a_round_trip_and_opening_one_more() -> None:
    assert arrivals(Link(rtt_ms=200), [(0, 100)]) == [pytest.approx(100.1)]
    assert arrivals(Link(rtt_ms=200), [(0, 100), (1, 100)], opens=True) == [pytest.approx(100.3), pytest.approx(101.1)]


def test_a_lost_packet_costs_the_timeout_or_a_round_trip() -> None:
    link = Link(rtt_ms=100, loss=0.05)
    small = [arrivals(link, [(0, 100)], seed)[0] - 100.05 for seed in range(4000)]
    hit = [s for s in small if s > 0.001]
    assert len(hit) / len(small) == pytest.approx(0.05, abs=0.012)
    assert median(hit) == pytest.approx(0.3)  # 100 ms + 200 ms
    assert max(hit) >= 0.9  # lost twice: 300 + 600 ms
    large = [arrivals(link, [(0, 40 * SEGMENT_BYTES)], seed)[0] - 100.05 for seed in range(500)]
    assert median(s for s in large if s > 0.001) == pytest.approx(0.1)  # fast retransmit


def test_jitter_adds_and_never_takes_away() -> None:
    found = [arrivals(Link(rtt_ms=100, jitter_ms=10), [(0, 10)], seed)[0] - 100.05 for seed in range(2000)]
    assert min(found) >= 0
    # the mean of |N(0, s)| is s * sqrt(2 / pi), here with s = 10 / sqrt(2) ms
    assert fmean(found) == pytest.approx(0.00564, rel=0.06)


def test_resets_are_half_of_their_share_in_each_direction_and_are_counted() -> None:
    counts, direction = Counts(), None
    for seed in range(2000):
        direction = Direction(Random(seed), counts, opens=False)
        try:
            direction.arrival_s(Link(rtt_ms=10, resets=0.2), 0.0, 10)
        except Reset as reset:
            assert reset.at_s == pytest.approx(0.005)
    assert counts.resets / 2000 == pytest.approx(0.1, abs=0.02)
    assert counts.chunks == 2000
