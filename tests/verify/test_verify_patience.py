"""A slow or broken way to a target is no evidence against it; refusals, and a long silence, are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from model.errors import Forbidden, Interrupted
from orchestrator import patience
from orchestrator.patience import judge
from orchestrator.verify import VerifyPolicy
from probes.gate import GatePolicy
from probes.policy import Outcome, ProbePolicy, Result, Vantage
from providers.base import Call

QUICK = ProbePolicy(
    stable_interval_s=0.002, jitter=0.0, suspect_interval_s=0.01, unreachable_after_s=0.1, down_vantages=1,
    soft_initial_s=0.01, soft_min_s=0.005, soft_max_s=0.05, hard_timeout_s=0.5, target_budget_per_min=60_000,
    reporting_initial_s=0.02,
)  # fmt: skip
HOLD = GatePolicy(unreachable_hold_s=0.2)


def script(*outcomes: Outcome) -> Callable[[float], tuple[Outcome, str]]:
    """Answers one after the other, the last one for ever."""
    left, lock = list(outcomes), threading.Lock()

    def ask(_timeout_s: float) -> tuple[Outcome, str]:
        with lock:
            outcome = left.pop(0) if len(left) > 1 else left[0]
        return outcome, str(outcome)

    return ask


@dataclass
class SlowWay:
    """Answers well, and late: the clock of the module under test is put on meanwhile, and nobody waits for it.

    by_s: how late. The asking thread goes on once the judging one has looked at the clock again.
    """

    by_s: float
    ahead_s: float = 0.0
    looked: threading.Event = field(default_factory=threading.Event)

    def monotonic(self) -> float:
        if threading.current_thread() is threading.main_thread():
            self.looked.set()
        return time.monotonic() + self.ahead_s

    def ask(self, _timeout_s: float) -> tuple[Outcome, str]:
        self.ahead_s += self.by_s
        for _ in range(2):  # the first look may have begun before
            self.looked.clear()
            self.looked.wait(10)
        return Outcome.OK, "as always"


@pytest.fixture
def slow_way(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], SlowWay]:
    def of(by_s: float) -> SlowWay:
        way = SlowWay(by_s)
        monkeypatch.setattr(patience, "time", way)
        return way

    return of


def ask_it(ask: Callable[[float], tuple[Outcome, str]], most: int = 10, call: Call | None = None):
    return judge("web", ask, successes=3, most=most, call=call or Call(), probes=QUICK, gate=HOLD)


def test_three_good_answers_in_a_row_are_enough() -> None:
    found = ask_it(script(Outcome.OK))
    assert (found.why, len(found.answers)) == ("", 3)


def test_what_the_way_there_does_counts_for_nothing() -> None:
    found = ask_it(script(*[Outcome.ERROR, Outcome.TIMEOUT, Outcome.OK] * 5, Outcome.OK), most=10)
    assert found.why == ""
    assert len(found.answers) > 10


def test_an_answer_that_is_late_is_a_good_answer(slow_way: Callable[[float], SlowWay]) -> None:
    assert ask_it(slow_way(0.08).ask).why == ""  # beyond every soft timeout here


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.UNHEALTHY])
def test_one_that_refuses_again_and_again_is_dead(outcome: Outcome) -> None:
    found = ask_it(script(outcome))
    assert "3 rounds" in found.why
    assert len(found.answers) <= 5


def test_a_refusal_that_is_followed_by_good_answers_is_forgiven() -> None:
    assert ask_it(script(Outcome.REFUSED, Outcome.UNHEALTHY, Outcome.OK)).why == ""


def test_one_that_flaps_is_not_well() -> None:
    found = ask_it(script(*[Outcome.OK, Outcome.UNHEALTHY] * 20), most=8)
    assert "now well and now not" in found.why


def test_silence_is_waited_out_before_it_counts() -> None:
    began_s = time.monotonic()
    found = ask_it(script(Outcome.TIMEOUT))
    assert "unreachable" in found.why
    assert time.monotonic() - began_s >= QUICK.unreachable_after_s + HOLD.unreachable_hold_s


def test_the_deadline_ends_it_without_waiting_for_questions_under_way() -> None:
    never = threading.Event()

    def hangs(_timeout_s: float) -> tuple[Outcome, str]:
        never.wait(20)
        return Outcome.OK, ""

    began_s = time.monotonic()
    found = ask_it(hangs, call=Call(deadline_s=began_s + 0.05))
    never.set()
    assert "deadline" in found.why
    assert time.monotonic() - began_s < 5


def test_an_agent_near_the_target_is_enough_where_our_own_way_is_cut() -> None:
    found = judge(
        "web", script(Outcome.ERROR), successes=3, most=10, call=Call(), probes=QUICK, gate=HOLD,
        elsewhere={Vantage("probe-a", "site"): script(Outcome.OK)},
    )  # fmt: skip
    assert found.why == ""


def test_an_agent_alone_condemns_nobody() -> None:
    found = judge(
        "web", script(Outcome.OK), successes=3, most=100, call=Call(), probes=QUICK, gate=HOLD,
        elsewhere={Vantage("probe-a", "site"): script(Outcome.REFUSED)},
    )  # fmt: skip
    assert found.why == ""


@pytest.mark.parametrize("there", [Outcome.REFUSED, None])
def test_a_dead_target_is_found_with_an_agent_and_with_one_that_is_gone(there: Outcome | None) -> None:
    asked = script(there) if there else lambda _: None
    found = judge(
        "web", script(Outcome.REFUSED), successes=3, most=1000, call=Call(), probes=QUICK, gate=HOLD,
        elsewhere={Vantage("probe-a", "site"): asked},
    )  # fmt: skip
    assert ("seen from here, probe-a" if there else "unreachable for") in found.why


def test_a_stop_and_a_missing_right_are_raised() -> None:
    with pytest.raises(Interrupted):
        ask_it(script(Outcome.OK), call=Call(cancelled=lambda: True))

    def forbidden(_timeout_s: float) -> tuple[Outcome, str]:
        raise Forbidden("not allowed")

    with pytest.raises(Forbidden):
        ask_it(forbidden)


def test_the_environment_chooses_fixed_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert VerifyPolicy().adaptive
    monkeypatch.setenv("DUOYUN_PROBES", "fixed")
    assert not VerifyPolicy().adaptive


@dataclass
class Memory:
    """What releases before this one learned, and what this one did."""

    times_s: dict[str, list[float]]
    added: list[Result] = field(default_factory=list)

    def learned(self, vantages: Sequence[str]) -> dict[str, list[float]]:
        return {v: self.times_s[v] for v in vantages if v in self.times_s}

    def add(self, result: Result) -> None:
        self.added.append(result)


def test_who_knows_that_the_way_is_long_suspects_nobody(slow_way: Callable[[float], SlowWay]) -> None:
    for times_s, suspects in (({}, True), ({"here": [4.0] * 8}, False)):
        said: list[str] = []
        memory = Memory(times_s)
        policy = replace(QUICK, stable_interval_s=0.4, suspect_interval_s=0.4, soft_max_s=6.0, unreachable_after_s=9.0)
        call, ask = Call(progress=said.append), slow_way(0.3).ask
        assert judge("web", ask, successes=3, most=10, call=call, probes=policy, memory=memory).why == ""
        assert any("suspect" in line for line in said) is suspects
        assert [r.outcome for r in memory.added[:3]] == [Outcome.OK] * 3
        assert all(r.elapsed_s >= 0.3 for r in memory.added)
