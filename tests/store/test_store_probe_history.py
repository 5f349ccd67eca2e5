"""What probes learned: kept between processes, bounded, and never in anybody's way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from model.errors import StoreUnavailable
from orchestrator.remembering import HERE, Remembered, may_be_kept, own_name, remembering
from orchestrator.store import Store
from orchestrator.store.tables import probe_history as table
from probes.history import History, Learned
from probes.policy import Outcome, Result

DAY_S = 86_400.0


def result(elapsed_s: float, outcome: Outcome = Outcome.OK, target: str = "web", lag_s: float = 0.0) -> Result:
    return Result(HERE, target, 0.0, elapsed_s, outcome, lag_s)


def test_the_next_process_begins_with_what_this_one_learned(store: Store, manual_clock) -> None:
    with remembering(store.probes, manual_clock, name="office") as first:
        assert first.learned(["web"], [HERE, "probe-a"]) == {}
        for number in range(70):
            first.of("web").add(result(0.1 + number / 1000, target="pod web-7d9"))
        first.add(Result("probe-a", "web", 0.0, 0.5, Outcome.OK))
        first.add(result(30.0, Outcome.TIMEOUT))
    with remembering(store.probes, manual_clock, name="office") as second:
        known = second.learned(["web", "api"], [HERE, "probe-a"])
        assert known["web", HERE] == pytest.approx([0.1 + n / 1000 for n in range(6, 70)])
        assert second.of("web").learned(["probe-a"]) == {"probe-a": (0.5,)}
        second.add(result(0.2))
    with remembering(store.probes, manual_clock, name="elsewhere") as third:
        assert third.of("web").learned([HERE]) == {}  # another place, another way there
    (row,) = [r for r in store.probes.of(["web"]) if r.vantage == "office"]
    assert (row.times_s[-1], row.outcomes, row.at_s) == (0.2, {"ok": 71, "timeout": 1}, manual_clock.now_s())
    assert first.lost == 6  # of 70 times before the first writing the ring held 64


def test_old_rows_and_rows_beyond_the_bound_go(store: Store) -> None:
    store.probes.put([Learned(f"t{n}", "v", (0.1,), {"ok": 1}, n * DAY_S) for n in range(10)])
    assert store.probes.prune(35 * DAY_S, keep_s=30 * DAY_S, rows_most=3) == 7
    assert [r.target for r in store.probes.of(f"t{n}" for n in range(10))] == ["t7", "t8", "t9"]
    assert store.probes.prune(35 * DAY_S) == 0


def test_rows_that_make_no_sense_are_left_out(store: Store) -> None:
    rows = {
        "well": ("100 200", '{"ok": 2}'),
        "words": ("1e9 nan", "{}"),
        "far": ("9" * 30, "{}"),
        "counts": ("1", '{"ok": "many"}'),
        "list": ("1", "[]"),
        "broken": ("1", "{"),
        "long": ("1 " * 5000, "{}"),
    }
    with store.db.write() as conn:
        for name, (times, outcomes) in rows.items():
            conn.execute(sa.insert(table).values(target=name, vantage="v", times_us=times, outcomes=outcomes, at_s=1.0))
    assert [(r.target, r.times_s) for r in store.probes.of(rows)] == [("well", (0.0001, 0.0002))]


def test_thousands_of_targets_are_few_transactions(store: Store, manual_clock) -> None:
    begun: list[str] = []

    @sa.event.listens_for(store.db.engine, "commit")
    def count(_conn: object) -> None:
        begun.append("commit")

    with remembering(store.probes, manual_clock, name="office") as kept:
        for number in range(1_200):
            kept.add(result(0.1, target=f"t{number}"))
        assert begun == []  # nobody who probes writes
    assert len(begun) <= 4  # one that prunes, three of at most 500 rows
    assert len(store.probes.of(f"t{n}" for n in range(1_200))) == 1_200


def test_a_store_that_is_away_is_told_once_and_written_later(store: Store, manual_clock, monkeypatch) -> None:
    @contextmanager
    def away() -> Iterator[sa.Connection]:
        raise StoreUnavailable("no answer")
        yield

    told: list[str] = []
    kept = Remembered(store.probes, manual_clock, told.append, "office")
    with monkeypatch.context() as patch:
        patch.setattr(store.db, "write", away)
        patch.setattr(store.db, "read", away)
        assert kept.learned(["web"], [HERE]) == {}
        kept.add(result(0.25))
        kept.flush()
        kept.flush()
    assert len(told) == 1 and "no answer" in told[0]
    kept.flush()
    assert [r.times_s for r in store.probes.of(["web"])] == [(0.25,)]


@pytest.mark.parametrize("url", ["http://u:p@host/", "http://host/?token=abc", "h" * 500])
def test_what_may_hold_a_secret_is_not_kept(url: str, store: Store, manual_clock) -> None:
    with remembering(store.probes, manual_clock) as kept:
        kept.add(result(0.1, target=url))
        assert kept.learned([url], [HERE]) == {}
    with store.db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0
    assert may_be_kept("prod/shop/web in aws-cn/cn-north-1")


def test_our_name_is_given_or_the_hosts() -> None:
    assert own_name({"DUOYUN_PROBE_VANTAGE": "ci"}) == "ci"
    assert own_name({})


def test_what_teaches_no_time() -> None:
    history = History()
    for bad in (result(0.1, lag_s=1.0), result(0.1, lag_s=math.nan), result(math.nan), result(math.inf), result(0.0)):
        history.add(bad, 1.0)
    for outcome in (Outcome.TIMEOUT, Outcome.REFUSED, Outcome.ERROR):
        history.add(result(0.1, outcome), 2.0)
    assert history.times_s("web", HERE) == ()
    (row,) = history.take(10)
    assert row.outcomes == {"ok": 5, "timeout": 1, "refused": 1, "error": 1}
    assert history.take(10) == []


def test_memory_is_bounded_and_what_found_no_room_is_counted() -> None:
    history = History(pairs_most=100, ring=4)
    for number in range(100_000):
        history.add(result(0.1, target=f"t{number % 1000}"), 0.0)
    assert len(history.take(10_000)) == 100
    # 900 targets without room, and 96 of the 100 times of each of the others before anybody wrote them
    assert history.lost == 90_000 + 100 * 96
    with pytest.raises(ValueError, match="room"):
        History(ring=0)
