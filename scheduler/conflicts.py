"""Why nothing holds, within a few seconds: a small conflict of the user's constraints.

What a subset of the constraints asks for is judged by the cheapest argument that decides it: rules that follow service
by service (scheduler.propagate), the linear relaxation with equal zones merged, a placement found before that holds
here, too, one found by the method for large problems or by a short search, and the exact search last. Whole services
are dropped first, so that the exact search meets the few that are left; where a sum of many is too much, constraints
of a kind are one (scheduler.families). Callers: solve. Pure and deterministic: work is counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from scheduler.check import broken_rules
from scheduler.eligibility import Eligibility, eligible_sites
from scheduler.families import by_kind, family
from scheduler.infeasible import Conflict, constraints_of, quick_xplain, without
from scheduler.nodes import Complete, buy
from scheduler.problem import Problem
from scheduler.propagate import hopeless
from scheduler.rough import relaxation_is_empty, rough_placement
from scheduler.search import Search
from scheduler.verdicts import InfeasibleVerdict
from scheduler.ways import ways_out

EXPLAINING = 3  # work limits that a conflict may cost; after them what is found may have superfluous members
QUESTIONS = 120  # that may be asked of the relaxation, about a twentieth of a second each
EXACT_QUESTIONS = 90  # in the same measure, of the exact methods
PAIRS = 25  # asking for a placement counts as one of them for so many pairs of a service and a site
WITNESSES = 12  # placements that are kept to be tried again
FAMILY = 3  # so many shared limits of one kind are looked at as one first
FURTHER = 4  # conflicts that are told beside the first
MANY = 6  # services; where more are needed for a conflict, they are told as one

SHARED = ("quota", "machines", "team", "headroom", "node_loss", "node_headroom", "spare_node")
Group = tuple[Conflict, ...]
Shows = Callable[[Sequence[Group]], bool]


def impossible(problem: Problem) -> bool:
    """True only where no placement exists; quickly told, and not always noticed."""
    eligibility = eligible_sites(problem)
    return hopeless(problem, eligibility) or relaxation_is_empty(problem, eligibility)


def explain_infeasible(problem: Problem, work_limit: int, work: int, *, known: bool = True) -> InfeasibleVerdict:
    """The problem has no placement: shrink its constraints to a conflict, then try giving up each of its members.

    known: that it has none is proven; else the conflict is empty where it is not found to be so.
    """
    judge = Judge(work_limit, work + EXPLAINING * work_limit, work)
    conflicts, irreducible = smallest_conflict(problem, judge, known=known)
    found = ways_out(problem, conflicts)
    also = () if any(w.enough is not False for w in found) else further_conflicts(problem, conflicts)
    return InfeasibleVerdict(
        conflicts=conflicts, relaxations=found, also=also, irreducible=irreducible, work=judge.work
    )


def further_conflicts(problem: Problem, known: Sequence[Conflict]) -> tuple[tuple[Conflict, ...], ...]:
    """What else cannot hold, as far as rules alone show it, once everything in the known conflict is given up but that
    its services run: whoever mends one thing at a time wants to know of the next."""
    found: list[tuple[Conflict, ...]] = []
    conflict: Sequence[Conflict] = known
    while len(found) < FURTHER:
        soft = [c for c in conflict if c.kind != "demand"]
        problem = without(problem, soft or conflict)
        if not hopeless(problem, eligible_sites(problem)):
            break
        conflict, _ = smallest_conflict(problem, Judge(0, 0), exact=False)
        found.append(tuple(conflict))
    return tuple(found)


def smallest_conflict(
    problem: Problem, judge: Judge, *, known: bool = True, exact: bool = True
) -> tuple[tuple[Conflict, ...], bool]:
    """An irreducible conflicting set, and whether it is proven to be irreducible. The whole problem must not hold.

    exact False: as small as the argument that shows the conflict can make it, which takes no search.
    """
    every = constraints_of(problem)

    def only(kept: Sequence[Group]) -> Problem:
        chosen = {c for group in kept for c in group}
        return without(problem, [c for c in every if c not in chosen])

    def by_rules(kept: Sequence[Group]) -> bool:
        candidate = only(kept)
        return hopeless(candidate, eligible_sites(candidate))

    def by_relaxation(kept: Sequence[Group]) -> bool:
        candidate = only(kept)
        return judge.may_ask() and relaxation_is_empty(candidate, eligible_sites(candidate))

    def exactly(kept: Sequence[Group]) -> bool:
        return judge.holds(only(kept)) is False

    blocks = _blocks(problem, every)
    shows = next((s for s in (by_rules, by_relaxation) if s(blocks)), exactly)
    if shows is exactly and not known and not exactly(blocks):
        return (), False
    suspects = _suspects(_needed(blocks, shows))
    if shows is not exactly:
        suspects = _members_needed(quick_xplain(suspects, shows), shows)
    judge.questions = max(judge.questions, EXACT_QUESTIONS)
    suspects = _each_needed(suspects, exactly) if exact else suspects
    order = {c: i for i, c in enumerate(every)}
    found = [family(problem, group) for group in sorted(suspects, key=lambda group: order[group[0]])]
    return tuple(found), not judge.unsure


def _blocks(problem: Problem, every: Sequence[Conflict]) -> list[Group]:
    """What is dropped as one at first: shared limits, those of one kind together where they are several, then whole
    services, those that ask for most first. What comes first stays where there is a choice, which makes a sum of
    services that do not fit together one of few of them.
    """
    size = {s.name: s.replicas * (s.cpu_millicores + s.memory_mib / 4) for s in problem.services}
    shared: list[Group] = []
    for group in by_kind(c for c in every if c.kind in SHARED):
        shared += [group] if len(group) >= FAMILY else [(c,) for c in group]
    own: dict[str, list[Conflict]] = {name: [] for name in sorted(size, key=lambda n: (-size[n], n))}
    for c in every:
        if c.kind not in SHARED:
            own[c.subject].append(c)
    return [*shared, *map(tuple, own.values())]


def _needed(blocks: list[Group], shows: Shows) -> list[Group]:
    """As few blocks as still conflict: one after the other that is needed is found by halving (Hemery, Lecoutre, Sais
    and Boussemart 2006), until there are so many services that no one of them matters.
    """
    found: list[Group] = []
    rest = blocks
    while True:
        low, high = 0, len(rest)  # with the first `high` of the rest it conflicts; with fewer than `low` it does not
        while low < high:
            middle = (low + high) // 2
            if shows([*found, *rest[:middle]]):
                high = middle
            else:
                low = middle + 1
        if high == 0:
            return found
        found.append(rest[high - 1])
        rest = rest[: high - 1]
        if sum(1 for group in found if group[0].kind not in SHARED) > MANY:
            return [*found, *rest]


def _suspects(needed: list[Group]) -> list[Group]:
    """What is dropped one by one: shared limits as they are; each constraint of a few services, of many those of one
    kind together.
    """
    shared = [group for group in needed if group[0].kind in SHARED]
    own = [group for group in needed if group[0].kind not in SHARED]
    constraints = [c for group in own for c in group]
    return [*shared, *(by_kind(constraints) if len(own) > MANY else [(c,) for c in constraints])]


def _members_needed(groups: list[Group], shows: Shows) -> list[Group]:
    """Shared limits that are one group, without those of them that are not needed; apart again where few are."""
    found = list(groups)
    for group in groups:
        if len(group) == 1 or group[0].kind not in SHARED:
            continue
        rest = [other for other in found if other is not group]

        def with_rest(some: Sequence[Conflict], rest: list[Group] = rest) -> bool:
            return shows([*rest, *((c,) for c in some)])

        members = tuple(quick_xplain(list(group), with_rest))
        found = [*rest, *([(c,) for c in members] if len(members) < FAMILY else [members])]
    return found


def _each_needed(suspects: list[Group], conflicting: Shows) -> list[Group]:
    """Without those that the rest conflicts without: one question each, which is best where most are needed."""
    kept = list(suspects)
    for group in suspects:
        rest = [other for other in kept if other is not group]
        if conflicting(rest):
            kept = rest
    return kept


def depth(eligibility: Eligibility) -> int:
    """As how many questions one for a placement counts: larger problems take longer."""
    return 2 + sum(len(sites) for sites in eligibility.allowed.values()) // PAIRS


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
        if not self.may_ask(depth(eligibility)):
            return None
        found = rough_placement(problem, eligibility, priced=False)
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


def _fits(problem: Problem, known: Complete) -> bool:
    """Whether a placement of these services (and perhaps more, on machines of their own) holds here, too."""
    names = {s.name for s in problem.services}
    if not names <= known.assignment.keys():
        return False
    if names == known.assignment.keys():
        return not broken_rules(problem, known.assignment, known.pools, known.packing)
    bought = buy(problem, {name: dict(sites) for name, sites in known.assignment.items() if name in names})
    return bought is not None and not broken_rules(problem, bought.assignment, bought.pools, bought.packing)
