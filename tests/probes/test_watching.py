"""The loop between a detector and its probers: what is asked when, and what becomes of exceptions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from probes.detector import Detector
from probes.policy import Outcome, ProbePolicy, Result, Send, Status, Vantage, Verdict, for_many
from probes.targets import Look, ProbeTarget, Tell
from probes.watching import ASK_AT_ONCE, BEGIN_PER_S, watch

WITHIN_S = 30.0


class Answers:
    """In a prober's place: what it was asked, each answered in the loop's next turn."""

    def __init__(self, outcome: Outcome | None = Outcome.OK) -> None:
        self.sends: list[tuple[float, Send]] = []
        self.asked = asyncio.Event()
        self._outcome = outcome

    def ask(self, target: ProbeTarget, send: Send, tell: Tell) -> None:
        self.sends.append((time.monotonic(), send))
        self.asked.set()
        look = None
        if self._outcome is not None:
            look = Look(Result(send.vantage, target.name, send.sent_s, 0.001, self._outcome))
        asyncio.get_running_loop().call_soon(tell, look)


def targets(count: int) -> list[ProbeTarget]:
    return [ProbeTarget(f"t{i}", "127.0.0.1", 80) for i in range(count)]


def detector(count: int = 1) -> Detector:
    return Detector(for_many(count, 60.0), [Vantage("here")])


@pytest.mark.parametrize("which", ["verdict", "look"])
def test_what_a_callback_raises_ends_the_watch(which: str) -> None:
    def fails(_: object) -> None:
        raise ZeroDivisionError(which)

    def quiet(_: object) -> None:
        """Nothing."""

    async def go() -> None:
        told: dict[str, Callable[[object], None]] = {"verdict": quiet, "look": quiet, which: fails}
        await watch(detector(), targets(1), {"here": Answers()}, told["verdict"], asyncio.Event(), told["look"])

    with pytest.raises(ZeroDivisionError, match=which):
        asyncio.run(asyncio.wait_for(go(), WITHIN_S))


def test_thousands_of_new_targets_are_begun_one_after_the_other() -> None:
    async def go() -> Answers:
        prober, stop, ups = Answers(), asyncio.Event(), []

        def on_verdict(verdict: Verdict) -> None:
            ups.append(verdict.status)
            if len(ups) == 1000:
                stop.set()

        await watch(detector(1000), targets(1000), {"here": prober}, on_verdict, stop)
        assert set(ups) == {Status.UP}
        return prober

    asked = asyncio.run(asyncio.wait_for(go(), WITHIN_S))
    assert len(asked.sends) == 1000
    assert asked.sends[-1][0] - asked.sends[0][0] >= (1000 - ASK_AT_ONCE) / BEGIN_PER_S


def test_where_nobody_looked_there_is_no_result_and_after_the_end_none_is_heard() -> None:
    async def go() -> None:
        prober, stop = Answers(None), asyncio.Event()
        told: list[Look | Verdict] = []
        watching = asyncio.create_task(watch(detector(), targets(1), {"here": prober}, told.append, stop, told.append))
        await prober.asked.wait()
        for _ in range(3):
            await asyncio.sleep(0)
        stop.set()
        await watching
        assert told == []

    asyncio.run(asyncio.wait_for(go(), WITHIN_S))


def test_the_budget_fits_the_targets() -> None:
    assert for_many(10, 12.0) == ProbePolicy()
    many = for_many(3000, 12.0)
    assert many.global_budget_per_min == 22_500
    assert for_many(10_000, 0.5).suspect_interval_s == 0.5
    with pytest.raises(ValueError, match="above zero"):
        for_many(10, 0.0)
