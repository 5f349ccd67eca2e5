"""Laws of the surge and unavailable arithmetic, over random histories of readiness."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes.controllers import rollout
from sandbox.kubernetes.controllers.rollout import Limits, Replicas

counts = st.integers(0, 40)
amounts = st.one_of(st.integers(0, 20), st.integers(0, 100).map(lambda n: f"{n}%"))


@pytest.mark.parametrize(
    ("surge", "unavailable", "desired", "expected"),
    [
        ("25%", "25%", 4, (1, 1)),
        ("25%", "25%", 3, (1, 0)),
        ("25%", "25%", 10, (3, 2)),
        (0, 0, 5, (0, 1)),
        ("0%", "10%", 5, (0, 1)),
        (2, "100%", 3, (2, 3)),
        (1, 7, 3, (1, 3)),
        ("25%", "25%", 0, (0, 0)),
    ],
)
def test_limits_round_surge_up_and_unavailable_down(
    surge: int | str, unavailable: int | str, desired: int, expected: tuple[int, int]
) -> None:
    found = rollout.limits(surge, unavailable, desired)
    assert (found.surge, found.unavailable) == expected


def _step(new: Replicas, old: list[Replicas], limit: Limits) -> tuple[Replicas, list[Replicas]]:
    target = rollout.scale_up_new(new, old, limit)
    if target != new.wanted:
        return Replicas(new.name, target, min(new.available, target), new.order), old
    sizes = rollout.scale_down_old(new, old, limit)
    return new, [Replicas(r.name, (n := sizes.get(r.name, r.wanted)), min(r.available, n), r.order) for r in old]


@given(desired=st.integers(1, 20), surge=amounts, unavailable=amounts, ready=st.data())
def test_a_rollout_keeps_its_limits_at_every_step_and_ends(
    desired: int, surge: int | str, unavailable: int | str, ready: st.DataObject
) -> None:
    limit = rollout.limits(surge, unavailable, desired)
    old = [Replicas("old", desired, desired, 0)]
    new = Replicas("new", 0, 0, 1)
    for _turn in range(4 * desired + 4):
        new, old = _step(new, old, limit)
        total = new.wanted + sum(r.wanted for r in old)
        available = new.available + sum(r.available for r in old)
        assert total <= limit.most
        assert available >= min(limit.least_available, desired)
        # Some of the new pods become ready; at least one, or a rollout may stand still for good reason.
        waiting = new.wanted - new.available
        step = ready.draw(st.integers(1, waiting)) if waiting else 0
        new = Replicas("new", new.wanted, new.available + step, 1)
    assert new.wanted == desired
    assert sum(r.wanted for r in old) == 0


@given(
    new=counts,
    available=counts,
    old=st.lists(st.tuples(counts, counts), max_size=4),
    desired=counts,
    surge=amounts,
    unavailable=amounts,
)
def test_one_step_never_goes_past_zero_or_above_what_is_wanted(
    new: int, available: int, old: list[tuple[int, int]], desired: int, surge: int | str, unavailable: int | str
) -> None:
    limit = rollout.limits(surge, unavailable, desired)
    row = Replicas("new", new, min(available, new))
    rows = [Replicas(f"old-{i}", wanted, min(ready, wanted), i) for i, (wanted, ready) in enumerate(old)]
    assert min(new, desired) <= rollout.scale_up_new(row, rows, limit) <= desired
    sizes = rollout.scale_down_old(row, rows, limit)
    for r in rows:
        assert 0 <= sizes.get(r.name, r.wanted) <= r.wanted


@given(sizes=st.lists(st.integers(1, 30), min_size=2, max_size=5), desired=counts, surge=amounts)
def test_scaling_in_proportion_hands_out_exactly_what_there_is(
    sizes: list[int], desired: int, surge: int | str
) -> None:
    limit = rollout.limits(surge, 0, desired)
    rows = [Replicas(f"rs-{i}", n, n, i, most_before=sum(sizes)) for i, n in enumerate(sizes)]
    found = rollout.scale_in_proportion(rows, limit)
    assert all(n >= 0 for n in found.values())
    assert sum(found.values()) == (limit.most if desired else 0)


def test_scaling_in_proportion_keeps_the_ratio() -> None:
    # kubernetes.io, "Proportional scaling": 10 replicas at 8 + 5 scaled to 15 with a surge of 3 become 11 + 7.
    limit = Limits(15, 3, 2)
    rows = [Replicas("old", 8, 8, 0, most_before=13), Replicas("new", 5, 0, 1, most_before=13)]
    assert rollout.scale_in_proportion(rows, limit) == {"old": 11, "new": 7}


def test_unhealthy_old_pods_go_first() -> None:
    limit = Limits(4, 1, 1)
    old = [Replicas("broken", 2, 0, 0), Replicas("good", 2, 2, 1)]
    assert rollout.scale_down_old(Replicas("new", 1, 1, 2), old, limit)["broken"] == 0
