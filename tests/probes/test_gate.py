"""What a release does on verdicts: goes on, waits, rolls back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.gate import Act, GatePolicy, ReleaseGate
from probes.policy import Status, Verdict

SITES = {"a1": "a", "a2": "a", "b1": "b"}


def gate(*verdicts: tuple[str, Status, float]) -> ReleaseGate:
    found = ReleaseGate(site_of=SITES)
    for target, status, at_s in verdicts:
        found.on_verdict(Verdict(target, status, at_s, "because"))
    return found


def test_down_rolls_back_at_once() -> None:
    found = gate(("a1", Status.DOWN, 10.0)).decide(10.0)
    assert (found.act, found.targets, found.reason) == (Act.ROLL_BACK, ("a1",), "because")


@pytest.mark.parametrize("status", [Status.UP, Status.SUSPECT, Status.UNKNOWN])
def test_suspicion_stops_nothing(status: Status) -> None:
    assert gate(("a1", status, 10.0)).decide(500.0).act is Act.GO_ON


def test_one_silent_service_pauses_and_rolls_back_after_a_minute() -> None:
    found = gate(("a1", Status.UNREACHABLE, 10.0), ("a2", Status.UP, 5.0))
    assert found.decide(69.9).act is Act.PAUSE
    assert found.next_decision_s == 70.0
    decision = found.decide(70.0)
    assert decision.act is Act.ROLL_BACK
    assert decision.reason == "unreachable for 60 s"


def test_an_answer_ends_the_pause() -> None:
    assert gate(("a1", Status.UNREACHABLE, 10.0), ("a1", Status.UP, 30.0)).decide(500.0).act is Act.GO_ON


def test_a_whole_site_that_fell_silent_is_waited_for_longer() -> None:
    found = gate(("a1", Status.UNREACHABLE, 10.0), ("a2", Status.UNREACHABLE, 14.0))
    decision = found.decide(200.0)
    assert decision.act is Act.PAUSE
    assert "nothing in a answers" in decision.reason
    assert found.decide(250.0).act is Act.ROLL_BACK


def test_a_site_of_one_service_is_no_evidence_about_the_site() -> None:
    assert gate(("b1", Status.UNREACHABLE, 10.0)).decide(70.0).act is Act.ROLL_BACK


def test_services_that_fell_silent_at_different_times_are_no_one_event() -> None:
    found = gate(("a1", Status.UNREACHABLE, 10.0), ("a2", Status.UNREACHABLE, 45.0))
    assert found.decide(70.0).act is Act.ROLL_BACK


def test_when_the_site_comes_back_the_rest_gets_a_moment_and_no_more() -> None:
    found = gate(("a1", Status.UNREACHABLE, 10.0), ("a2", Status.UNREACHABLE, 12.0), ("a2", Status.UP, 100.0))
    assert found.decide(100.0).act is Act.PAUSE
    assert found.next_decision_s == 120.0
    assert found.decide(120.0).act is Act.ROLL_BACK


def test_when_half_of_everything_falls_silent_it_is_our_own_network() -> None:
    """Also where each site has one service only, and says nothing about itself."""
    found = ReleaseGate(site_of={f"t{i}": f"site{i}" for i in range(6)})
    for i in range(6):
        found.on_verdict(Verdict(f"t{i}", Status.UNREACHABLE if i % 2 else Status.UP, 10.0 + i, ""))
    decision = found.decide(100.0)
    assert decision.act is Act.PAUSE
    assert "3 of 6 services" in decision.reason
    assert found.decide(251.0).act is Act.ROLL_BACK
    found.on_verdict(Verdict("t1", Status.UP, 252.0, ""))
    assert found.decide(252.0).act is Act.ROLL_BACK  # a third is silent: no longer the fleet


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(Status)), st.floats(0.1, 40.0)), max_size=40))
def test_a_flapping_neighbour_does_not_postpone_for_ever(flaps: list[tuple[Status, float]]) -> None:
    found = gate(("a1", Status.UNREACHABLE, 0.0))
    now_s = 0.0
    for status, after_s in flaps:
        now_s += after_s
        found.on_verdict(Verdict("a2", status, now_s, ""))
    limit_s = GatePolicy().site_hold_s
    assert found.decide(max(now_s, limit_s)).act is Act.ROLL_BACK
