"""Why nothing holds, within a few seconds: a small conflict of the user's constraints, and what each way out costs.

What a subset of the constraints asks for is judged by the cheapest argument that decides it: rules that follow service
by service (scheduler.propagate), the linear relaxation with equal zones merged, a placement found before that holds
here, too, one found by the method for large problems, and the exact search last. Whole services are dropped first, so
that the exact search meets the few that are left. Callers: solve. Pure and deterministic: work is counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from scheduler.check import broken_rules, weight_of
from scheduler.eligibility import Eligibility, eligible_sites
from scheduler.formulation import Formulation
from scheduler.highs import LinearProgram, solve_linear
from scheduler.improve import TRIAL_LIMIT, LocalSearch
from scheduler.infeasible import Conflict, Relaxation, constraints_of, quick_xplain, without
from scheduler.large import Large, assemble
from scheduler.nodes import Complete, buy
from scheduler.problem import Problem
from scheduler.propagate import hopeless
from scheduler.search import Search
from scheduler.verdicts import InfeasibleVerdict

EXPLAINING = 3  # work limits that a conflict may cost; after them what is found may have superfluous members
RELAXATION_WORK = 100  # for whether giving up one constraint is enough, where nothing quicker tells
ROUGH_TRIALS = 1_000  # of local search on the price of each way out
QUESTIONS = 120  # that may be asked of the relaxation, about a twentieth of a second each
EXACT_QUESTIONS = 60  # in the same measure, of the exact methods
WAY_QUESTIONS = 130  # what the ways out may cost together
PAIRS = 25  # asking for a placement counts as one of them for so many pairs of a service and a site
WITNESSES = 12  # placements that are kept to be tried again

SHARED = ("quota", "machines", "team", "headroom", "node_loss", "node_headroom", "spare_node")
Kept = Sequence[Conflict]


def impossible(problem: Problem) -> bool:
    """True only where no placement exists; quickly told, and not always noticed."""
    eligibility = eligible_sites(problem)
    return hopeless(problem, eligibility) or relaxation_is_empty(problem, eligibility)


def relaxation_is_empty(problem: Problem, eligibility: Eligibility) -> bool:
    """Whether not even parts of replicas and machines, with equal zones merged, keep all rules."""
    if not all(eligibility.allowed.values()):
        return True
    formulation = Formulation(problem, eligibility, priced=False, merged=True, whole_pods=False)
    return bool(formulation.model.cost) and solve_linear(LinearProgram(formulation.model)) is None


def explain_infeasible(problem: Problem, work_limit: int, work: int) -> InfeasibleVerdict:
    """The problem has no placement: shrink its constraints to a conflict, then try giving up each of its members."""
    judge = Judge(work_limit, work + EXPLAINING * work_limit, work)
    conflicts, irreducible = smallest_conflict(problem, judge)
    judge.questions = WAY_QUESTIONS
    ways = {c: _way_out(without(problem, [c]), c, judge) for c in sorted(conflicts, key=_hopeful)}
    found = tuple(ways[c] for c in conflicts)
    return InfeasibleVerdict(conflicts=conflicts, relaxations=found, irreducible=irreducible, work=judge.work)


def _hopeful(conflict: Conflict) -> tuple[bool, bool]:
    """Which ways out are looked at first: what is shared by many, then wishes, then services and calls left out."""
    return conflict.kind not in SHARED, conflict.kind in ("demand", "calls")


def _depth(eligibility: Eligibility) -> int:
    """As how many questions one for a placement counts: larger problems take longer."""
    return 2 + sum(len(sites) for sites in eligibility.allowed.values()) // PAIRS


def smallest_conflict(problem: Problem, judge: Judge) -> tuple[tuple[Conflict, ...], bool]:
    """An irreducible conflicting set, and whether it is proven to be irreducible. The whole problem must not hold."""
    every = constraints_of(problem)

    def only(kept: Kept) -> Problem:
        chosen = set(kept)
        return without(problem, [c for c in every if c not in chosen])

    def by_rules(kept: Kept) -> bool:
        candidate = only(kept)
        return hopeless(candidate, eligible_sites(candidate))

    def by_relaxation(kept: Kept) -> bool:
        candidate = only(kept)
        return judge.may_ask() and relaxation_is_empty(candidate, eligible_sites(candidate))

    def exactly(kept: Kept) -> bool:
        return judge.holds(only(kept)) is False

    suspects: list[Conflict] = every
    for shows in (by_rules, by_relaxation):
        if shows(every):
            suspects = quick_xplain(_of_few_services(problem, suspects, shows), shows)
            break
    else:
        suspects = _of_few_services(problem, suspects, exactly)
    judge.questions = max(judge.questions, EXACT_QUESTIONS)
    found = _each_needed(suspects, exactly)
    return tuple(sorted(found, key=every.index)), not judge.unsure


def _each_needed(suspects: list[Conflict], conflicting: Callable[[Kept], bool]) -> list[Conflict]:
    """Without those that the rest conflicts without: one question each, which is best where most are needed."""
    kept = list(suspects)
    for c in suspects:
        rest = [other for other in kept if other != c]
        if conflicting(rest):
            kept = rest
    return kept


def _of_few_services(problem: Problem, suspects: list[Conflict], conflicting: Callable[[Kept], bool]) -> list[Conflict]:
    """Whole services, and what they share, dropped while the rest still conflicts.

    What comes first stays where there is a choice: limits that are shared, then the services that ask for most, which
    makes a sum of services that do not fit together one of few of them.
    """
    size = {s.name: s.replicas * (s.cpu_millicores + s.memory_mib / 4) for s in problem.services}
    groups: dict[tuple[str, str, str], list[Conflict]] = {}
    for c in suspects:
        shared = c.subject not in size or c.kind in SHARED
        groups.setdefault((c.kind, c.subject, c.detail) if shared else ("", c.subject, ""), []).append(c)
    order = sorted(groups, key=lambda key: (key[0] == "", -size.get(key[1], 0.0), key))

    def together(some: Sequence[tuple[Conflict, ...]]) -> bool:
        return conflicting([c for group in some for c in group])

    found = quick_xplain([tuple(groups[key]) for key in order], together)
    kept = {c for group in found for c in group}
    return [c for c in suspects if c in kept]


@dataclass(slots=True)
class Judge:
    """Decides whether a problem has a placement at all.

    most: work that all questions together may cost; questions: how many more may be asked. unsure: one was not decided.
    """

    work_limit: int
    most: int
    work: int = 0
    questions: int = QUESTIONS
    unsure: bool = False
    _seen: deque[Complete] = field(default_factory=lambda: deque(maxlen=WITNESSES))

    def may_ask(self, questions: int = 1) -> bool:
        """Counts questions; False, noted in `unsure`, where there were enough."""
        self.questions -= questions
        self.unsure = self.unsure or self.questions < 0
        return self.questions >= 0

    def holds(self, problem: Problem) -> bool | None:
        """True, False, or None where the work was used up (noted in `unsure`)."""
        if not problem.services:
            return True
        if not self.may_ask():
            return None
        eligibility = eligible_sites(problem)
        if hopeless(problem, eligibility) or relaxation_is_empty(problem, eligibility):
            return False
        if any(_fits(problem, known) for known in self._seen):
            return True
        if not self.may_ask(_depth(eligibility)):
            return None
        found = quick_placement(problem, eligibility)
        if found is not None:
            self._seen.appendleft(found)
            return True
        return self._searched(problem, eligibility)

    def _searched(self, problem: Problem, eligibility: Eligibility) -> bool | None:
        left = self.most - self.work
        if left <= 0:
            self.unsure = True
            return None
        search = Search(problem, eligibility, min(self.work_limit, left), priced=False)
        search.run()
        self.work += search.work
        if search.best is not None:
            self._seen.appendleft(search.best)
            return True
        self.unsure = self.unsure or not search.infeasible
        return False if search.infeasible else None


def quick_placement(problem: Problem, eligibility: Eligibility) -> Complete | None:
    """One that holds, from the method for large problems; None says nothing."""
    large = Large.of(problem, eligibility)
    counts = None if large.impossible else large.chosen()
    found = None if counts is None else assemble(large.model, counts)[0]
    if found is None or broken_rules(problem, found.assignment, found.pools, found.packing):
        return None
    return found


def _fits(problem: Problem, known: Complete) -> bool:
    """Whether a placement of these services (and perhaps more, on machines of their own) holds here, too."""
    names = {s.name for s in problem.services}
    if not names <= known.assignment.keys():
        return False
    if names == known.assignment.keys():
        return not broken_rules(problem, known.assignment, known.pools, known.packing)
    bought = buy(problem, {name: dict(sites) for name, sites in known.assignment.items() if name in names})
    return bought is not None and not broken_rules(problem, bought.assignment, bought.pools, bought.packing)


def _way_out(problem: Problem, conflict: Conflict, judge: Judge) -> Relaxation:
    """Whether the problem without that constraint holds, and the price of the best placement that was found then."""
    if not problem.services:
        return Relaxation(conflict, True, 0.0)
    eligibility = eligible_sites(problem)
    if hopeless(problem, eligibility):
        return Relaxation(conflict, False)
    if not judge.may_ask():
        return Relaxation(conflict, None)
    if relaxation_is_empty(problem, eligibility):
        return Relaxation(conflict, False)
    if not judge.may_ask(_depth(eligibility)):
        return Relaxation(conflict, None)
    found = quick_placement(problem, eligibility)
    if found is None:
        if not judge.may_ask(3 * _depth(eligibility)):
            return Relaxation(conflict, None)
        search = Search(problem, eligibility, min(judge.work_limit, RELAXATION_WORK))
        search.run()
        judge.work += search.work
        enough = False if search.infeasible else (True if search.best is not None else None)
        return Relaxation(conflict, enough, search.best_cost if enough else None)
    return Relaxation(conflict, True, _improved(problem, eligibility, found))


def _improved(problem: Problem, eligibility: Eligibility, found: Complete) -> float:
    """The least that it and what local search makes of it cost."""
    least = weight_of(problem, found.assignment, found.pools)
    start = {name: dict(sites) for name, sites in found.assignment.items()}
    search = LocalSearch(problem, eligibility, start, trials=TRIAL_LIMIT - ROUGH_TRIALS)
    better = buy(problem, search.assignment) if search.run() else None
    if better is None or broken_rules(problem, better.assignment, better.pools, better.packing):
        return least
    return min(least, weight_of(problem, better.assignment, better.pools))
