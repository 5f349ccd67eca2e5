"""Asks one target until it is known to be well, or known not to be, however slow the way there is.

Callers: verify. What an answer proves is the detector's to say (probes/detector.py): refusals in three rounds are a
dead service; a silence is waited out (probes/gate.py) before it counts; that an answer is late counts for nothing. No
question is cut short because another network is quicker. Non-goals: what is asked, and the words of the evidence.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from model.errors import Interrupted
from probes.detector import Detector
from probes.gate import Act, GatePolicy, ReleaseGate
from probes.policy import Outcome, ProbePolicy, Result, Send, Vantage, Verdict
from providers.base import Call

T = TypeVar("T")

HERE = "here"
# A release asks for seconds, not for months: again at once while all is well, and from the one place where it runs.
GATE_PROBES = ProbePolicy(
    stable_interval_s=0.1, jitter=0.0, suspect_interval_s=1.0, down_vantages=1, target_budget_per_min=600
)
GATE = GatePolicy()
_TICK_S = 0.2


@dataclass(frozen=True, slots=True)
class Judged(Generic[T]):
    """answers: all that came, in their order. why: what speaks against the target; empty where it is well."""

    answers: tuple[T, ...]
    why: str


def judge(
    target: str,
    ask: Callable[[float], tuple[Outcome, T]],
    *,
    successes: int,
    most: int,
    call: Call,
    probes: ProbePolicy = GATE_PROBES,
    gate: GatePolicy = GATE,
) -> Judged[T]:
    """Until `successes` good answers in a row, or evidence against it. ask(timeout_s) is called in threads.

    most: answers of the target's own (good or unhealthy) before one that flaps counts as not well; what only the way
    there did is not counted. Raises Interrupted on request, and what ask raises.
    """
    watch = _Watch(target, ask, probes, gate)
    in_a_row, own = 0, 0
    while True:
        if call.cancelled():
            raise Interrupted(f"{target}: verification stopped on request", mend="duoyun resume goes on")
        why = watch.turn(call)
        if why:
            return Judged(tuple(watch.answers), why)
        outcome = watch.wait(call)
        if outcome is None:
            continue
        in_a_row = in_a_row + 1 if outcome is Outcome.OK else 0
        own += outcome in (Outcome.OK, Outcome.UNHEALTHY)
        if in_a_row >= successes:
            return Judged(tuple(watch.answers), "")
        if most - own < successes - in_a_row:
            return Judged(tuple(watch.answers), f"it answers now well and now not: {own} answers")


class _Watch(Generic[T]):
    """One detector over one target, and the questions that are under way."""

    def __init__(
        self, target: str, ask: Callable[[float], tuple[Outcome, T]], probes: ProbePolicy, gate: GatePolicy
    ) -> None:
        self.answers: list[T] = []
        self._ask = ask
        self._detector = Detector(probes, (Vantage(HERE),), seed=target)
        self._gate = ReleaseGate(gate)
        self._came: queue.SimpleQueue[tuple[Result, T] | BaseException] = queue.SimpleQueue()
        self._detector.watch(target, time.monotonic())

    def turn(self, call: Call) -> str:
        """Lets the detector judge and ask. Returns what speaks against the target, or ""."""
        now_s = time.monotonic()
        for order in self._detector.poll(now_s):
            if isinstance(order, Verdict):
                self._gate.on_verdict(order)
                call.progress(f"{order.target} is {order.status}: {order.evidence}")
            else:
                # A question that hangs must not keep the process alive, nor anybody waiting.
                threading.Thread(target=self._run, args=(order,), name=f"ask {order.target}", daemon=True).start()
        decision = self._gate.decide(now_s)
        if decision.act is Act.ROLL_BACK:
            return decision.reason
        return "" if call.remaining_s() > 0 else "no verdict before the deadline"

    def wait(self, call: Call) -> Outcome | None:
        """The next answer's outcome, given to the detector; None where none came in time for its next turn."""
        now_s = time.monotonic()
        due_s = min(self._detector.next_wake_s, self._gate.next_decision_s) - now_s
        try:
            came = self._came.get(timeout=max(0.001, min(due_s, _TICK_S, call.remaining_s())))
        except queue.Empty:
            return None
        if isinstance(came, BaseException):
            raise came
        result, answer = came
        self._detector.on_result(result)
        self.answers.append(answer)
        return result.outcome

    def _run(self, order: Send) -> None:
        began_s = time.monotonic()
        try:
            outcome, answer = self._ask(order.timeout_s)
        except BaseException as exc:  # noqa: BLE001  (a thread has no caller: it is raised where the answer is waited for)
            self._came.put(exc)
            return
        took_s = time.monotonic() - began_s
        self._came.put((Result(order.vantage, order.target, order.sent_s, took_s, outcome), answer))
