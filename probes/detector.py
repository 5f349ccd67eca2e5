"""Tells a slow link from a dead service. Pure: results and the time come in, orders to probe and verdicts come out.

Callers: the prober's loop in production, simulators and tests with a clock of their own; both run this code.
Success from any vantage clears suspicion. DOWN takes refusals in three rounds seen from two vantages; UNREACHABLE takes
15 s without success, several probes without an answer at a majority of them; vantages that share a failure domain count
once. A vantage that alone calls well what a majority found refused again and again is overruled. Results are judged in
the next `poll`, in an order of their own, so that their order of arrival within a tick changes nothing. Poll after
results, and by `next_wake_s` at the latest: who comes much later stood still himself, and no silence of a target's is
counted for it. Non-goals: opening sockets; what a release does on a verdict (gate.py).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite

from model.rng import stream
from probes.budget import Budget
from probes.policy import Outcome, ProbePolicy, Result, Send, Status, Vantage, Verdict
from probes.samples import MAX_IN_FLIGHT, Samples

_EVER = float("-inf")
_GRAVE = (Status.DOWN, Status.UNREACHABLE)
_REPORTS = 8  # of each vantage whose time under way is remembered
_REPORTING_MAX_S = 5.0


@dataclass(slots=True)
class _Target:
    """What is held of one target. alive_s: the latest moment at which we know it to have been alive."""

    name: str
    samples: dict[str, Samples]
    budget: Budget
    status: Status = Status.UNKNOWN
    since_s: float = 0.0
    alive_s: float = _EVER
    revived: bool = False
    due_s: float = 0.0
    wake_s: float = 0.0
    queued: bool = False  # its probe is due and waits for the global budget
    round: int = 0
    pending: list[Result] = field(default_factory=list)


class Detector:
    """Verdicts on any number of targets, seen from some vantages. Not thread-safe. Same inputs, same outputs."""

    def __init__(self, policy: ProbePolicy, vantages: Sequence[Vantage], seed: int | str = 0) -> None:
        """vantages: at least one, names unique; ValueError otherwise. seed: of the jitter."""
        if not vantages or len({v.name for v in vantages}) != len(vantages):
            raise ValueError("give at least one vantage, each with a name of its own")
        self._policy = policy
        self._vantages = tuple(v.name for v in vantages)
        domains = {v.failure_domain or v.name for v in vantages}
        self._domain = {v.name: v.failure_domain or v.name for v in vantages}
        self._down_quorum = min(policy.down_vantages, len(domains))
        self._majority = len(domains) // 2 + 1
        self._seed = seed
        self._reporting: dict[str, deque[float]] = {v: deque(maxlen=_REPORTS) for v in self._vantages}
        self._targets: dict[str, _Target] = {}
        self._heap: list[tuple[float, str]] = []
        self._waiting: list[tuple[float, str]] = []  # whose probe is due, by when it was
        self._budget = Budget(policy.global_budget_per_min)
        self._now_s: float | None = None
        self._expected_s = float("inf")
        self.ignored = 0  # results that made no sense: unknown vantage or target, no numbers, too many

    # -- what is watched -----------------------------------------------------------------------------------

    def watch(self, target: str, now_s: float) -> None:
        """Begins to look at a target; it is asked from all vantages at the next poll. Again is no change."""
        if target in self._targets:
            return
        now_s = self._clamp(now_s)
        self._expected_s = min(self._expected_s, now_s) if self._targets else now_s
        samples = {v: Samples(self._policy) for v in self._vantages}
        found = _Target(target, samples, Budget(self._policy.target_budget_per_min), since_s=now_s, due_s=now_s)
        self._targets[target] = found
        self._wake(found, now_s)

    def learn(self, target: str, vantage: str, times_s: Sequence[float]) -> None:
        """What was measured before (kept by a store, or by a detector before this one), oldest first.

        Times that are no finite, positive number are left out. KeyError where there is no such pair.
        """
        self._targets[target].samples[vantage].learn(times_s)

    def forget(self, target: str) -> None:
        """Stops looking; results that still come are ignored."""
        self._targets.pop(target, None)

    def status(self, target: str) -> Status:
        """KeyError where nobody watches it."""
        return self._targets[target].status

    def soft_timeout_s(self, target: str, vantage: str) -> float:
        """The soft timeout in force. KeyError where there is no such pair."""
        return self._targets[target].samples[vantage].soft_s

    @property
    def next_wake_s(self) -> float:
        """When polling is worth it next; infinity where nothing is watched."""
        free_s = float("inf")
        if self._waiting and self._now_s is not None:
            free_s = self._budget.free_at_s(self._now_s)
        while self._heap:
            wake_s, name = self._heap[0]
            found = self._targets.get(name)
            if found is not None and found.wake_s == wake_s:
                return min(wake_s, free_s)
            heapq.heappop(self._heap)
        return free_s

    # -- results and time ----------------------------------------------------------------------------------

    def on_result(self, result: Result) -> None:
        """Keeps a result for the next poll. What makes no sense is counted in `ignored` and dropped."""
        target = self._targets.get(result.target)
        sane = isfinite(result.sent_s) and isfinite(result.elapsed_s) and result.elapsed_s >= 0
        if target is None or result.vantage not in target.samples or not sane or not result.loop_lag_s >= 0:
            self.ignored += 1
            return
        if len(target.pending) >= 2 * MAX_IN_FLIGHT * len(self._vantages):
            self.ignored += (
                1  # more than there can be answers to what was sent: nobody polls, or somebody makes them up
            )
            return
        target.pending.append(result)
        if target.wake_s > _EVER:
            self._wake(target, _EVER)

    def poll(self, now_s: float) -> list[Send | Verdict]:
        """Judges what has come since, and says what to send now. A now_s before the last one counts as the last.

        Verdicts come before sends; both in a fixed order.
        """
        now_s = self._clamp(now_s)
        if now_s - self._expected_s > self._policy.stall_s:
            for target in self._targets.values():
                for samples in target.samples.values():
                    samples.restart(now_s)
        verdicts: list[Verdict] = []
        queued: list[_Target] = []
        for target in self._due(now_s):
            if target.pending:
                self._book(target, now_s)
            verdict = self._judge(target, now_s)
            if verdict is not None:
                verdicts.append(verdict)
            self._queue(target, now_s)
            if target.queued:
                queued.append(target)
            else:
                self._wake(target, self._next_wake(target, now_s))
        sends = self._send_waiting(now_s)
        for target in queued:
            if target.queued:  # the global budget is spent
                self._wake(target, self._next_wake(target, now_s))
        self._expected_s = max(now_s, self.next_wake_s)
        return [*sorted(verdicts, key=lambda v: v.target), *sorted(sends)]

    def _clamp(self, now_s: float) -> float:
        if not isfinite(now_s):
            raise ValueError("now_s is a finite number of seconds")
        self._now_s = now_s if self._now_s is None else max(now_s, self._now_s)
        return self._now_s

    def _wake(self, target: _Target, wake_s: float) -> None:
        target.wake_s = wake_s
        if wake_s < float("inf"):
            heapq.heappush(self._heap, (wake_s, target.name))

    def _due(self, now_s: float) -> list[_Target]:
        """Targets to look at, in an order of their own."""
        found: dict[str, _Target] = {}
        while self._heap and self._heap[0][0] <= now_s:
            wake_s, name = heapq.heappop(self._heap)
            target = self._targets.get(name)
            if target is not None and target.wake_s == wake_s:
                found[name] = target
        return [found[name] for name in sorted(found)]

    # -- judging -------------------------------------------------------------------------------------------

    def _book(self, target: _Target, now_s: float) -> None:
        results, target.pending = target.pending, []
        if len(results) > 1:
            results.sort(key=lambda r: (r.sent_s + r.elapsed_s, r.vantage, r.sent_s, r.outcome, r.loop_lag_s))
        for result in results:
            target.samples[result.vantage].book(result)
            if result.loop_lag_s <= self._policy.lag_limit_s:
                under_way_s = now_s - result.sent_s - result.elapsed_s
                self._reporting[result.vantage].append(min(_REPORTING_MAX_S, max(0.0, under_way_s)))
        overruled = self._overruled(target)
        for result in results:
            if result.outcome is Outcome.OK and result.vantage not in overruled:
                # Somewhere between asking and hearing it answered: half way is our guess, so that an answer that
                # was long under way does not outweigh a refusal that came after it.
                target.alive_s = max(target.alive_s, result.sent_s + result.elapsed_s / 2)
                target.revived = True
        for samples in target.samples.values():
            samples.alive(target.alive_s)

    def _overruled(self, target: _Target) -> frozenset[str]:
        """Vantages in the minority while a majority is refused again and again."""
        rounds = self._policy.overrule_rounds
        refusing = frozenset(v for v, s in target.samples.items() if s.refused_in_a_row >= rounds)
        if not refusing or self._domains(refusing) < max(self._majority, self._down_quorum):
            return frozenset()
        return frozenset(self._vantages) - refusing

    def _reporting_s(self, vantage: str) -> float:
        seen = self._reporting[vantage]
        return 1.25 * max(seen) if seen else self._policy.reporting_initial_s

    def _judge(self, target: _Target, now_s: float) -> Verdict | None:
        policy = self._policy
        failing = {
            vantage: found
            for vantage, samples in target.samples.items()
            if (found := samples.failing(target.alive_s, now_s)) is not None
        }
        refusing = [v for v, s in target.samples.items() if len(s.refused) >= policy.down_rounds]
        silent = []
        if failing and now_s >= min(since_s for since_s, _ in failing.values()) + policy.unreachable_after_s:
            silent = [
                vantage
                for vantage, (_, probes) in failing.items()
                if probes >= policy.silent_probes and target.samples[vantage].distrusted_until_s <= now_s
            ]
        revived, target.revived = target.revived, False
        if refusing and self._domains(refusing) >= self._down_quorum:
            status = Status.DOWN
        elif silent and self._domains(silent) >= self._majority and target.status is not Status.DOWN:
            status = Status.UNREACHABLE
        elif target.status in _GRAVE and not revived:
            status = target.status
        elif failing:
            status = Status.SUSPECT
        elif target.alive_s > _EVER and (revived or target.status is Status.UP):
            status = Status.UP
        else:
            status = target.status
        if status is target.status:
            return None
        if target.status is Status.UP:
            target.due_s = min(target.due_s, now_s)  # ask from everywhere at once
        if status is Status.UP:  # a policy that asks a healthy target often asks it so from now on
            target.due_s = min(target.due_s, now_s + self._policy.stable_interval_s)
        target.status, target.since_s = status, now_s
        since = {vantage: since_s for vantage, (since_s, _) in failing.items()}
        return Verdict(target.name, status, now_s, *self._evidence(target, status, since, refusing, silent, now_s))

    def _domains(self, vantages: Iterable[str]) -> int:
        return len({self._domain[v] for v in vantages})

    def _evidence(
        self,
        target: _Target,
        status: Status,
        failing: dict[str, float],
        refusing: list[str],
        silent: list[str],
        now_s: float,
    ) -> tuple[str, dict[str, float]]:
        numbers = {"vantages": float(len(self._vantages)), "failing": float(len(failing))}
        if failing:
            numbers["failing_for_s"] = round(now_s - min(failing.values()), 3)
        soft = {v: s.soft_s for v, s in target.samples.items() if s.ring}
        if soft:
            numbers["soft_timeout_s"] = round(max(soft.values()), 3)
        if status is Status.DOWN:
            rounds = min(len(target.samples[v].refused) for v in refusing)
            numbers["refused_rounds"] = float(rounds)
            return f"refused or unhealthy in {rounds} rounds, seen from {', '.join(sorted(refusing))}", numbers
        if status is Status.UNREACHABLE:
            words = f"no answer for {numbers['failing_for_s']:g} s, seen from {', '.join(sorted(silent))}"
            return words, numbers
        if status is Status.SUSPECT:
            first = min(failing, key=lambda v: (failing[v], v))
            why = "came to nothing" if target.samples[first].failed else "is later than it ever was"
            return f"a probe from {first} {why}; asking from everywhere", numbers
        return "it answers", numbers

    # -- probing -------------------------------------------------------------------------------------------

    def _queue(self, target: _Target, now_s: float) -> None:
        """Has its probe sent, or lets it wait in line, where it is due and its own budget allows."""
        if target.due_s <= now_s and not target.queued and target.budget.left(now_s) > 0:
            target.queued = True
            heapq.heappush(self._waiting, (target.due_s, target.name))

    def _send_waiting(self, now_s: float) -> list[Send]:
        """Probes those first that have waited longest, so that a spent budget starves nobody and costs nothing."""
        sends: list[Send] = []
        while self._waiting and self._budget.left(now_s) > 0:
            _, name = heapq.heappop(self._waiting)
            target = self._targets.get(name)
            if target is None or not target.queued:
                continue  # forgotten while it waited
            target.queued = False
            sends += self._probe(target, now_s)
            self._wake(target, self._next_wake(target, now_s))
        return sends

    def _probe(self, target: _Target, now_s: float) -> list[Send]:
        """One vantage in turn while all is well or nobody answers, all of them otherwise, as far as the budgets go.

        Once it is unreachable everybody has asked in vain several times: one answer to one of them is the news that
        matters, and a link that broke makes every target of a site cost as much at once. A refusal is news too.
        """
        calm = target.status is Status.UP
        silent = target.status is Status.UNREACHABLE and not any(s.refused for s in target.samples.values())
        turn = target.round % len(self._vantages)
        order = self._vantages[turn:] + self._vantages[:turn]
        free = [vantage for vantage in order if target.samples[vantage].free_at_s(now_s) <= now_s]
        if not free:
            target.due_s = min(samples.free_at_s(now_s) for samples in target.samples.values())
            return []
        wanted = free[:1] if calm or silent else free
        room = min(self._budget.left(now_s), target.budget.left(now_s))
        if room <= 0:
            return []
        target.round += 1
        sends = []
        for vantage in wanted[:room]:
            self._budget.take(now_s)
            target.budget.take(now_s)
            reporting_s = self._reporting_s(vantage)
            target.samples[vantage].sent(now_s, target.round, fresh=not calm, reporting_s=reporting_s)
            sends.append(Send(now_s, target.name, vantage, fresh=not calm, timeout_s=self._policy.hard_timeout_s))
        target.due_s = now_s + (self._stable_interval_s(target) if calm else self._policy.suspect_interval_s)
        return sends

    def _stable_interval_s(self, target: _Target) -> float:
        spread = stream(self._seed, target.name, target.round).uniform(-1.0, 1.0) * self._policy.jitter
        return self._policy.stable_interval_s * (1.0 + spread)

    def _next_wake(self, target: _Target, now_s: float) -> float:
        times = [target.due_s]
        if target.due_s <= now_s and not target.queued:  # its own budget is spent
            times.append(target.budget.free_at_s(now_s))
        for samples in target.samples.values():
            times.append(samples.next_late_s(target.alive_s, now_s))
            failing = samples.failing(target.alive_s, now_s)
            if failing is not None:
                times += [failing[0] + self._policy.unreachable_after_s, samples.distrusted_until_s]
        return min((t for t in times if t > now_s), default=float("inf"))
