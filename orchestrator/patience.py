"""Asks one target until it is known to be well, or known not to be, however slow the way there is.

Callers: verify. What an answer proves is the detector's to say (probes/detector.py): refusals in three rounds are a
dead service; a silence is waited out (probes/gate.py) before it counts; that an answer is late counts for nothing. No
question is cut short because another network is quicker. Who else can look (agents in the target's site) is asked in
turn with us. Non-goals: what is asked, and the words of the evidence.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from model.errors import Interrupted
from probes.detector import Detector
from probes.gate import Act, GatePolicy, ReleaseGate
from probes.policy import Outcome, ProbePolicy, Result, Send, Vantage, Verdict
from providers.base import Call

T = TypeVar("T")
Asked = Callable[[float], tuple[Outcome, T] | None]
"""One question within so many seconds; None where nobody could look from there."""

HERE = "here"
AGREEING = 2  # failure domains that must find a target refusing, where there is more than ours
# A release asks for seconds, not for months: again at once while all is well, and from the one place where it runs.
# A question that hangs is a thread for 30 s: a vantage with four of them is asked less often (probes.policy.eased_s).
GATE_PROBES = ProbePolicy(
    stable_interval_s=0.1, jitter=0.0, suspect_interval_s=1.0, down_vantages=1, target_budget_per_min=600, ease_from=4
)
GATE = GatePolicy()
_TICK_S = 0.2


class Memory(Protocol):
    """What outlives the target: where releases before this one put their times, and this one puts its own."""

    def learned(self, vantages: Sequence[str]) -> Mapping[str, Sequence[float]]:
        """Response times in seconds, oldest first, by vantage (ours is HERE)."""

    def add(self, result: Result) -> None:
        """Takes an answer's time. Never raises, never waits."""


@dataclass(frozen=True, slots=True)
class Judged(Generic[T]):
    """answers: all that came, in their order. why: what speaks against the target; empty where it is well."""

    answers: tuple[T, ...]
    why: str


def judge(
    target: str,
    ask: Asked[T],
    *,
    successes: int,
    most: int,
    call: Call,
    elsewhere: Mapping[Vantage, Asked[T]] | None = None,
    memory: Memory | None = None,
    probes: ProbePolicy = GATE_PROBES,
    gate: GatePolicy = GATE,
) -> Judged[T]:
    """Until `successes` good answers in a row to one vantage, or evidence against it. Asked in threads.

    most: answers of the target's own (good or unhealthy) to each vantage that got any, before one that flaps counts as
    not well; what only the way there did is not counted. elsewhere: how other vantages ask. memory: what was
    learned of the target before, and who is told of each answer. Raises Interrupted on request, and what ask raises.
    """
    watch = _Watch(target, {Vantage(HERE): ask, **(elsewhere or {})}, probes, gate, memory)
    counts: dict[str, _Count] = {}
    while True:
        if call.cancelled():
            raise Interrupted(f"{target}: verification stopped on request", mend="duoyun resume goes on")
        why = watch.turn(call)
        if why:
            return Judged(tuple(watch.answers), why)
        result = watch.wait(call)
        if result is None:
            continue
        count = counts.setdefault(result.vantage, _Count())
        count.add(result.outcome)
        if count.in_a_row >= successes:
            return Judged(tuple(watch.answers), "")
        answered = [c for c in counts.values() if c.own]
        if answered and all(most - c.own < successes - c.in_a_row for c in answered):
            own = sum(c.own for c in answered)
            return Judged(tuple(watch.answers), f"it answers now well and now not: {own} answers")


@dataclass(slots=True)
class _Count:
    """Of one vantage. own: answers that were the target's own, good or unhealthy."""

    in_a_row: int = 0
    own: int = 0

    def add(self, outcome: Outcome) -> None:
        self.in_a_row = self.in_a_row + 1 if outcome is Outcome.OK else 0
        self.own += outcome in (Outcome.OK, Outcome.UNHEALTHY)


class _Watch(Generic[T]):
    """One detector over one target, and the questions that are under way."""

    def __init__(
        self,
        target: str,
        asks: Mapping[Vantage, Asked[T]],
        probes: ProbePolicy,
        gate: GatePolicy,
        memory: Memory | None,
    ) -> None:
        self.answers: list[T] = []
        self._asks = {vantage.name: ask for vantage, ask in asks.items()}
        if len(asks) > 1:
            probes = replace(probes, down_vantages=max(AGREEING, probes.down_vantages))
        self._detector = Detector(probes, tuple(asks), seed=target)
        self._gate = ReleaseGate(gate)
        self._came: queue.SimpleQueue[tuple[Result, T] | BaseException] = queue.SimpleQueue()
        self._detector.watch(target, time.monotonic())
        self._memory = memory
        for vantage, times_s in (memory.learned(list(self._asks)) if memory else {}).items():
            self._detector.learn(target, vantage, times_s)

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

    def wait(self, call: Call) -> Result | None:
        """The next answer, given to the detector; None where none came in time for its next turn."""
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
        if self._memory is not None:
            self._memory.add(result)
        self.answers.append(answer)
        return result

    def _run(self, order: Send) -> None:
        began_s = time.monotonic()
        try:
            found = self._asks[order.vantage](order.timeout_s)
        except BaseException as exc:  # noqa: BLE001  (a thread has no caller: it is raised where the answer is waited for)
            self._came.put(exc)
            return
        if found is None:
            return  # nobody looked: no answer, and nothing against the target
        outcome, answer = found
        took_s = time.monotonic() - began_s
        self._came.put((Result(order.vantage, order.target, order.sent_s, took_s, outcome), answer))
