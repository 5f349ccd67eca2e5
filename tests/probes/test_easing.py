"""A release gate asks a silent target no more often than it takes: few questions hang, and nothing is found later."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise

import pytest

from orchestrator.patience import GATE_PROBES
from probes.policy import Outcome, ProbePolicy, Send, Status, Vantage, eased_s
from probes.samples import Samples

OFTEN = replace(GATE_PROBES, ease_from=1_000)
ALONE = (Vantage("here"),)


def hanging_most(sends: Iterable[Send], silent_from_s: float) -> int:
    """The most questions to one vantage that hung at once: of those since then each hangs until its timeout."""
    times = [(s.vantage, s.sent_s, s.sent_s + s.timeout_s) for s in sends if s.sent_s >= silent_from_s]
    return max(sum(v == w and began <= at < until for w, began, until in times) for v, at, _ in times)


@pytest.mark.parametrize("silent_from_s", [0.0, 7.3])
@pytest.mark.parametrize("vantages", [ALONE, (*ALONE, Vantage("agent", "site"))])
def test_few_questions_hang_and_silence_is_found_as_early(
    world: Callable[..., object], silent_from_s: float, vantages: tuple[Vantage, ...]
) -> None:
    def silent(send: Send):
        return None if send.sent_s >= silent_from_s else (Outcome.OK, 0.05)

    eased, often = (
        world(silent, policy, vantages=vantages, tick_s=0.1).watch("t").run(100) for policy in (GATE_PROBES, OFTEN)
    )
    assert hanging_most(often.sends, silent_from_s) > 20
    assert hanging_most(eased.sends, silent_from_s) <= 9
    assert eased.first(Status.UNREACHABLE) == often.first(Status.UNREACHABLE) < silent_from_s + 16


def test_one_that_refuses_is_found_as_early(world: Callable[..., object]) -> None:
    eased, often = (
        world(lambda _: (Outcome.REFUSED, 0.01), policy, vantages=ALONE, tick_s=0.1).watch("t").run(20)
        for policy in (GATE_PROBES, OFTEN)
    )
    assert eased.first(Status.DOWN) == often.first(Status.DOWN) < 3
    assert eased.sends == often.sends  # what is answered does not hang


def test_one_that_is_back_is_noticed_within_eight_seconds(world: Callable[..., object]) -> None:
    found = (
        world(lambda send: (Outcome.OK, 0.05) if send.sent_s >= 50 else None, GATE_PROBES, vantages=ALONE, tick_s=0.1)
        .watch("t")
        .run(70)
    )
    assert found.first(Status.UP, 50) <= 8.2


def test_a_vantage_where_questions_hang_slows_down_no_other(world: Callable[..., object]) -> None:
    def of_agent(send: Send):
        return None if send.vantage == "agent" else (Outcome.OK, 0.05)

    found = world(of_agent, GATE_PROBES, vantages=(*ALONE, Vantage("agent", "site")), tick_s=0.1).watch("t").run(60)
    asked = [s.sent_s for s in found.sends if s.vantage == "here"]
    assert max(after - before for before, after in pairwise(asked)) < 2.1
    assert hanging_most((s for s in found.sends if s.vantage == "agent"), 0.0) <= 9
    assert Status.DOWN not in found.statuses()
    assert Status.UNREACHABLE not in found.statuses()


def test_an_agent_that_was_away_is_asked_as_ever_soon_after() -> None:
    held = Samples(GATE_PROBES)
    for sent_s in (0.0, 1.0, 2.0, 3.0, 5.0, 9.0):
        held.sent(sent_s, 1, fresh=True, reporting_s=0.0)
    assert held.free_at_s(9.0) == 9.0 + 8.0
    assert held.free_at_s(35.5) < 35.5  # nobody reported: five of them are given up


def test_how_long_a_vantage_rests() -> None:
    policy = ProbePolicy(ease_from=2, suspect_interval_s=1.0)
    assert [eased_s(hanging, policy) for hanging in range(7)] == [0.0, 0.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert eased_s(10_000, policy) == 8.0
