"""Verdicts: what makes a target up, suspect, unreachable and down, and what does not."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.detector import Detector
from probes.policy import Outcome, ProbePolicy, Result, Send, Status, Vantage, Verdict

Make = Callable[..., Any]
FAST = (Outcome.OK, 0.05)
CRASH_S = 100.0


def healthy_until(crash_s: float, after: Any) -> Callable[[Send], Any]:
    return lambda send: FAST if send.sent_s < crash_s else after


def test_a_healthy_target_is_up_and_asked_about_every_twelve_seconds(world: Make) -> None:
    found = world(lambda _: FAST).watch("t").run(1200)
    assert found.statuses() == [Status.UP]
    assert found.first(Status.UP) <= 1.0
    calm = [s for s in found.sends if not s.fresh]
    assert 95 <= len(calm) <= 105
    assert {s.vantage for s in calm} == {"a", "b", "c"}
    gaps = [b.sent_s - a.sent_s for a, b in pairwise(calm)]
    assert min(gaps) >= 12 * 0.9
    assert max(gaps) <= 12 * 1.1 + 0.5
    assert len(set(gaps)) > 1  # jitter


def test_a_refusing_target_is_down_within_25_seconds(world: Make) -> None:
    found = world(healthy_until(CRASH_S, (Outcome.REFUSED, 0.05))).watch("t").run(200)
    assert found.statuses() == [Status.UP, Status.SUSPECT, Status.DOWN]
    assert found.first(Status.SUSPECT, CRASH_S) <= 14.0
    assert found.first(Status.DOWN, CRASH_S) <= 22.0
    verdict = found.verdicts[-1]
    assert "seen from a, b, c" in verdict.evidence
    assert verdict.numbers["refused_rounds"] >= 3


def test_an_unhealthy_target_is_down_too(world: Make) -> None:
    found = world(healthy_until(CRASH_S, (Outcome.UNHEALTHY, 0.05))).watch("t").run(200)
    assert found.statuses()[-1] is Status.DOWN


def test_a_silent_target_is_unreachable_within_30_seconds(world: Make) -> None:
    found = world(healthy_until(CRASH_S, None)).watch("t").run(300)
    assert found.statuses() == [Status.UP, Status.SUSPECT, Status.UNREACHABLE]
    assert found.first(Status.UNREACHABLE, CRASH_S) <= 30.0
    assert found.verdicts[-1].numbers["failing_for_s"] >= 15.0


def test_recovery_is_seen(world: Make) -> None:
    for broken in ((Outcome.REFUSED, 0.05), None):
        found = world(lambda s, b=broken: b if 100 <= s.sent_s < 200 else FAST).watch("t").run(400)
        assert found.statuses()[-1] is Status.UP
        assert found.first(Status.UP, 200.0) <= 10.0


def test_a_jump_to_600_ms_harms_nobody(world: Make) -> None:
    """What tripped fixed timeouts of one second on fresh connections."""
    found = world(lambda s: (Outcome.OK, 0.04 if s.sent_s < 300 else 1.25)).watch("t").run(900)
    assert Status.DOWN not in found.statuses()
    assert Status.UNREACHABLE not in found.statuses()
    assert found.statuses()[-1] is Status.UP
    assert len(found.statuses()) <= 7  # the soft timeout learns


def test_one_vantage_alone_cannot_condemn(world: Make) -> None:
    for broken in ((Outcome.REFUSED, 0.01), None, (Outcome.ERROR, 0.01)):
        found = world(lambda s, b=broken: b if s.vantage == "a" else FAST).watch("t").run(900)
        assert not {Status.DOWN, Status.UNREACHABLE} & set(found.statuses())


def test_vantages_of_one_failure_domain_count_once(world: Make) -> None:
    together = (Vantage("a", "z"), Vantage("b", "z"), Vantage("c", "other"))
    for broken in ((Outcome.REFUSED, 0.01), None):
        found = world(lambda s, b=broken: FAST if s.vantage == "c" else b, vantages=together).watch("t").run(600)
        assert not {Status.DOWN, Status.UNREACHABLE} & set(found.statuses())


def test_a_single_vantage_still_judges(world: Make) -> None:
    alone = (Vantage("a"),)
    found = world(healthy_until(CRASH_S, (Outcome.REFUSED, 0.05)), vantages=alone).watch("t").run(200)
    assert found.statuses()[-1] is Status.DOWN


def test_a_target_that_never_answered(world: Make) -> None:
    refused = world(lambda _: (Outcome.REFUSED, 0.01)).watch("t").run(60)
    assert refused.statuses() == [Status.SUSPECT, Status.DOWN]
    silent = world(lambda _: None).watch("t").run(60)
    assert silent.statuses() == [Status.SUSPECT, Status.UNREACHABLE]


def test_late_answers_raise_the_soft_timeout(world: Make) -> None:
    found = world(lambda _: (Outcome.OK, 0.05)).watch("t").run(600)
    before_s = found.detector.soft_timeout_s("t", "a")
    found.behaviour = lambda _: (Outcome.OK, 2.0)
    found.run(300)
    assert before_s == pytest.approx(0.3)
    assert 2.0 < found.detector.soft_timeout_s("t", "a") <= 6.0


def test_an_answer_from_before_the_crash_does_not_hide_it(world: Make) -> None:
    """A slow success that arrives while the target already refuses clears nothing sent after its half way."""
    detector = Detector(ProbePolicy(), (Vantage("a"), Vantage("b")))
    detector.watch("t", 0.0)
    sends = [o for o in detector.poll(0.0) if isinstance(o, Send)]
    assert [s.vantage for s in sends] == ["a", "b"]
    for at_s in (3.0, 6.0, 9.0):
        for order in detector.poll(at_s):
            if isinstance(order, Send):
                detector.on_result(Result(order.vantage, "t", order.sent_s, 0.01, Outcome.REFUSED))
    detector.on_result(Result("a", "t", 0.0, 5.0, Outcome.OK))
    assert [o.status for o in detector.poll(9.5) if isinstance(o, Verdict)] == [Status.DOWN]
    detector.on_result(Result("a", "t", 8.0, 30.0, Outcome.OK))  # half way is past all refusals: it lives after all
    assert [o.status for o in detector.poll(10.0) if isinstance(o, Verdict)] == [Status.UP]


def test_our_own_stall_is_not_the_targets_silence(world: Make) -> None:
    found = world(lambda _: FAST).watch("t").run(100)
    found.now_s += 3600
    found.run(60)
    assert found.statuses() == [Status.UP]


def test_a_clock_that_jumps_back(world: Make) -> None:
    found = world(lambda _: FAST).watch("t").run(100)
    found.detector.poll(-1e9)
    found.run(100)
    assert found.statuses() == [Status.UP]


def test_a_busy_prober_distrusts_itself() -> None:
    """Its timeouts are no silence, its times do not enter the ring."""
    detector = Detector(ProbePolicy(), (Vantage("a"),))
    detector.watch("t", 0.0)
    now_s, seen = 0.0, []
    while now_s < 120:
        for order in detector.poll(now_s):
            if isinstance(order, Send):
                detector.on_result(Result("a", "t", order.sent_s, 1.0, Outcome.TIMEOUT, loop_lag_s=0.5))
            else:
                seen.append(order.status)
        now_s += 0.5
    assert seen == [Status.SUSPECT]
    assert detector.soft_timeout_s("t", "a") == ProbePolicy().soft_initial_s


def test_nonsense_is_ignored_and_counted() -> None:
    detector = Detector(ProbePolicy(), (Vantage("a"),))
    detector.watch("t", 0.0)
    detector.poll(0.0)
    nan, inf = float("nan"), float("inf")
    for result in (
        Result("a", "other", 0.0, 0.1, Outcome.OK),
        Result("b", "t", 0.0, 0.1, Outcome.OK),
        Result("a", "t", nan, 0.1, Outcome.OK),
        Result("a", "t", 0.0, inf, Outcome.OK),
        Result("a", "t", 0.0, -1.0, Outcome.OK),
        Result("a", "t", 0.0, 0.1, Outcome.OK, loop_lag_s=nan),
    ):
        detector.on_result(result)
    assert detector.ignored == 6
    assert [o for o in detector.poll(0.5) if isinstance(o, Verdict)] == []
    with pytest.raises(ValueError, match="finite"):
        detector.poll(nan)


def test_forgotten_targets_are_asked_no_more(world: Make) -> None:
    found = world(lambda _: FAST).watch("t", "u").run(30)
    found.detector.forget("t")
    before = len(found.sends)
    found.run(60)
    assert {s.target for s in found.sends[before:]} == {"u"}
    with pytest.raises(KeyError):
        found.detector.status("t")
    found.detector.forget("u")
    assert found.detector.next_wake_s == float("inf")


def test_vantages_must_be_told_apart() -> None:
    with pytest.raises(ValueError, match="at least one vantage"):
        Detector(ProbePolicy(), ())
    with pytest.raises(ValueError, match="at least one vantage"):
        Detector(ProbePolicy(), (Vantage("a"), Vantage("a")))


@pytest.mark.parametrize(
    "wrong", [{"ring_size": 0}, {"jitter": 1.0}, {"soft_min_s": 9.0}, {"stable_interval_s": float("inf")}]
)
def test_policies_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"above zero|jitter"):
        ProbePolicy(**wrong)  # type: ignore[arg-type]


def test_a_spent_budget_starves_nobody(world: Make, sends_per_window: Callable[..., int]) -> None:
    policy = ProbePolicy(global_budget_per_min=120)
    found = world(lambda _: None, policy=policy).watch(*[f"t{i}" for i in range(200)]).run(400)
    assert sends_per_window(found.sends) <= 120
    asked = {s.target for s in found.sends}
    assert len(asked) == 200


def test_a_vantage_that_alone_calls_a_dead_target_well_is_overruled(world: Make) -> None:
    def behave(send: Send) -> Any:
        return FAST if send.sent_s < CRASH_S or send.vantage == "b" else (Outcome.REFUSED, 0.02)

    found = world(behave).watch("t").run(400)
    assert found.statuses()[-1] is Status.DOWN
    assert found.first(Status.DOWN, CRASH_S) <= 120.0
    assert "seen from a, c" in found.verdicts[-1].evidence
    found.behaviour = lambda _: FAST
    found.run(60)
    assert found.statuses()[-1] is Status.UP


def test_an_unreachable_target_is_asked_from_one_vantage_at_a_time(world: Make) -> None:
    """Until it answers one of them, or one of them is refused."""
    found = world(healthy_until(CRASH_S, None)).watch("t").run(300)
    asked = [s for s in found.sends if 150 <= s.sent_s < 300]
    assert 48 <= len(asked) <= 51
    assert {s.vantage for s in asked} == {"a", "b", "c"}
    found.behaviour = lambda _: (Outcome.REFUSED, 0.02)
    found.run(20)
    assert found.statuses()[-1] is Status.DOWN


def test_a_spent_budget_is_no_evidence_of_silence(world: Make) -> None:
    """A moment's loss, and then no budget to ask again for most of a minute: suspicion at most."""
    found = world(lambda s: None if 100 <= s.sent_s < 131 else FAST, policy=ProbePolicy(target_budget_per_min=6))
    found.watch("t").run(1200)
    assert not {Status.DOWN, Status.UNREACHABLE} & set(found.statuses())


def test_reports_that_travel_long_are_not_the_targets_slowness() -> None:
    """Orders and reports take 0.5 s; the target answers in 20 ms. After the first reports nobody is suspected."""
    detector = Detector(ProbePolicy(), (Vantage("a"), Vantage("b"), Vantage("c")))
    detector.watch("t", 0.0)
    late: list[tuple[float, Result]] = []
    seen: list[Status] = []
    for tick in range(1200):
        now_s = tick * 0.25
        for _, result in [r for r in late if r[0] <= now_s]:
            detector.on_result(result)
        late = [r for r in late if r[0] > now_s]
        for order in detector.poll(now_s):
            if isinstance(order, Verdict):
                seen.append(order.status)
            else:
                late.append((now_s + 0.5, Result(order.vantage, "t", now_s, 0.02, Outcome.OK)))
    assert seen == [Status.UP]


def test_what_was_learned_before_sets_the_soft_timeout() -> None:
    detector = Detector(ProbePolicy(), (Vantage("a"),))
    detector.watch("t", 0.0)
    assert detector.soft_timeout_s("t", "a") == 3.0
    detector.learn("t", "a", [1.0, float("nan"), -1.0, float("inf")] * 8)
    assert detector.soft_timeout_s("t", "a") == pytest.approx(1.25)
    with pytest.raises(KeyError):
        detector.learn("t", "b", [1.0])


def test_many_targets_that_die_at_once(world: Make) -> None:
    found = world(
        healthy_until(30.0, (Outcome.REFUSED, 0.01)), tick_s=1.0, policy=ProbePolicy(global_budget_per_min=90_000)
    )
    found.watch(*[f"t{i}" for i in range(300)]).run(75)
    assert {found.detector.status(f"t{i}") for i in range(300)} == {Status.DOWN}


def test_ten_thousand_targets_that_die_at_once(sends_per_window: Callable[..., int]) -> None:
    """Each gets its verdict and a reason, within the budget; what is kept of each does not grow."""
    names, most = [f"t{i}" for i in range(10_000)], 70_000
    detector = Detector(ProbePolicy(global_budget_per_min=most), (Vantage("a"), Vantage("b")))
    for name in names:
        detector.watch(name, 0.0)
    sent, verdicts = [], {}
    for tick in range(4):
        now_s = tick * 3.0
        for order in detector.poll(now_s):
            if isinstance(order, Verdict):
                verdicts[order.target] = order
                continue
            sent.append(order)
            detector.on_result(Result(order.vantage, order.target, order.sent_s, 0.01, Outcome.REFUSED))
    assert {v.status for v in verdicts.values()} == {Status.DOWN}
    assert set(verdicts) == set(names)
    assert all("refused or unhealthy in 3 rounds, seen from a, b" in v.evidence for v in verdicts.values())
    assert sends_per_window(sent) <= most


def test_what_is_kept_of_a_target_that_stays_dead_does_not_grow(world: Make) -> None:
    found = world(lambda _: (Outcome.REFUSED, 0.01), tick_s=1.0).watch("t").run(1_000)
    assert found.statuses() == [Status.SUSPECT, Status.DOWN]
    for held in found.detector._targets["t"].samples.values():
        assert (len(held.in_flight) <= 1, len(held.ring)) == (True, 0)
        assert len(held.failed) == len(held.refused) == 64


def test_a_million_samples_and_results_that_nobody_asked_for() -> None:
    detector = Detector(ProbePolicy(), (Vantage("a"),))
    detector.watch("t", 0.0)
    detector.learn("t", "a", [0.1] * 1_000_000)
    assert detector.soft_timeout_s("t", "a") == pytest.approx(0.3)
    for number in range(10_000):
        detector.on_result(Result("a", "t", float(number), 0.1, Outcome.REFUSED))
    assert len(detector._targets["t"].pending) <= 128
    assert detector.ignored >= 9_000
    detector.poll(10_000.0)
    assert detector.status("t") is not Status.DOWN  # refusals without a question are no rounds


# -- laws ------------------------------------------------------------------------------------------------------

OUTCOMES = st.sampled_from(list(Outcome))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_same_inputs_in_any_order_within_a_tick_give_the_same(seed: int, loss: float, refusal: float) -> None:
    """Two detectors get the same results each tick, one of them shuffled."""
    rng = random.Random(seed)
    vantages = (Vantage("a"), Vantage("b"), Vantage("c"))
    one, two = Detector(ProbePolicy(), vantages, seed), Detector(ProbePolicy(), vantages, seed)
    for target in ("t", "u"):
        one.watch(target, 0.0)
        two.watch(target, 0.0)
    waiting: list[tuple[float, Result]] = []
    for tick in range(200):
        now_s = tick * 0.5
        ready = [r for at_s, r in waiting if at_s <= now_s]
        waiting = [(at_s, r) for at_s, r in waiting if at_s > now_s]
        for result in ready:
            one.on_result(result)
        rng.shuffle(ready)
        for result in ready:
            two.on_result(result)
        orders = one.poll(now_s)
        assert orders == two.poll(now_s)
        for order in orders:
            if isinstance(order, Send):
                draw = rng.random()
                outcome = (
                    Outcome.TIMEOUT
                    if draw < loss / 2
                    else Outcome.REFUSED
                    if draw < (loss + refusal) / 2
                    else Outcome.OK
                )
                elapsed_s = 30.0 if outcome is Outcome.TIMEOUT else rng.choice((0.05, 0.6, 2.0, 7.0))
                waiting.append((now_s + elapsed_s, Result(order.vantage, order.target, now_s, elapsed_s, outcome)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 60), st.integers(5, 90))
def test_no_probe_beyond_the_budgets(seed: int, per_target: int, overall: int) -> None:
    rng = random.Random(seed)
    policy = ProbePolicy(target_budget_per_min=per_target, global_budget_per_min=overall)
    detector = Detector(policy, (Vantage("a"), Vantage("b"), Vantage("c")), seed)
    for i in range(5):
        detector.watch(f"t{i}", 0.0)
    sends: list[Send] = []
    for tick in range(400):
        for order in detector.poll(tick * 0.5):
            if isinstance(order, Send):
                sends.append(order)
                if rng.random() < 0.7:
                    outcome = rng.choice(list(Outcome))
                    detector.on_result(Result(order.vantage, order.target, order.sent_s, rng.random(), outcome))
    for at_s in {s.sent_s for s in sends}:
        window = [s for s in sends if at_s <= s.sent_s < at_s + 60.0]
        assert len(window) <= overall
        for i in range(5):
            assert sum(s.target == f"t{i}" for s in window) <= per_target
    assert sends


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(OUTCOMES, st.floats(0, 40), st.floats(0, 0.2)), min_size=1, max_size=60),
    st.sampled_from(["a", "b", "c"]),
)
def test_no_down_and_no_unreachable_without_a_quorum(answers: list[tuple[Outcome, float, float]], liar: str) -> None:
    """Whatever one vantage says, while the others see it well, the target is not condemned."""
    detector = Detector(ProbePolicy(), (Vantage("a"), Vantage("b"), Vantage("c")))
    detector.watch("t", 0.0)
    said = iter(answers * 10)
    for tick in range(200):
        for order in detector.poll(tick * 0.5):
            if isinstance(order, Verdict):
                assert order.status not in (Status.DOWN, Status.UNREACHABLE)
            elif order.vantage != liar:
                detector.on_result(Result(order.vantage, "t", order.sent_s, 0.05, Outcome.OK))
            else:
                outcome, elapsed_s, lag_s = next(said, (Outcome.REFUSED, 0.0, 0.0))
                detector.on_result(Result(liar, "t", order.sent_s, elapsed_s, outcome, lag_s))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(20, 80),
    st.floats(0.001, 0.25),
    st.floats(0, 0.3),
    st.sampled_from(["refused", "silent"]),
)
def test_no_crash_is_missed(
    seed: int,
    crash_s: float,
    rtt_s: float,
    loss: float,
    kind: str,
) -> None:
    """A crash is DOWN or UNREACHABLE within 45 s, also on a link that loses probes."""
    rng = random.Random(seed)
    detector = Detector(ProbePolicy(), (Vantage("a"), Vantage("b"), Vantage("c")), seed)
    detector.watch("t", 0.0)
    waiting: list[tuple[float, Result]] = []
    for tick in range(int((crash_s + 45) * 4) + 1):
        now_s = tick * 0.25
        for _, result in [w for w in waiting if w[0] <= now_s]:
            detector.on_result(result)
        waiting = [w for w in waiting if w[0] > now_s]
        for order in detector.poll(now_s):
            if not isinstance(order, Send):
                continue
            if now_s >= crash_s and kind == "refused":
                outcome, elapsed_s = Outcome.REFUSED, rtt_s
            elif now_s >= crash_s or rng.random() < loss:
                outcome, elapsed_s = Outcome.TIMEOUT, 30.0
            else:
                outcome, elapsed_s = Outcome.OK, rtt_s
            waiting.append((now_s + elapsed_s, Result(order.vantage, "t", now_s, elapsed_s, outcome)))
    assert detector.status("t") in (Status.DOWN, Status.UNREACHABLE)


def test_memory_is_bounded_while_nothing_is_ever_reported() -> None:
    detector = Detector(ProbePolicy(), (Vantage("a"),))
    detector.watch("t", 0.0)
    for tick in range(4_000):
        detector.poll(tick * 1.0)
    samples = detector._targets["t"].samples["a"]
    assert len(samples.in_flight) <= 64
    assert len(detector._heap) <= 16
