"""The search for the cheapest placement of a problem of small or middle size, and for a bound that none beats.

Where everything that a node can carry can be listed, one model decides. Else rounds: solve the model; pack every site's
replicas on its nodes; what provably does not pack becomes a cut and, by adding nodes, a complete placement to fall back
on. Callers: solve. Pure and deterministic: the work limit counts branch-and-bound nodes, and no clock is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from scheduler.by_size import BySize, Part
from scheduler.check import broken_rules, weight_of
from scheduler.eligibility import Eligibility
from scheduler.formulation import Draft, Formulation, PackingCut
from scheduler.highs import Answer, MixedIntegerModel, Status, solve_model
from scheduler.improve import LocalSearch, split_over_zones
from scheduler.nodes import Complete, buy, complete
from scheduler.on_machines import Ways
from scheduler.parts import EXACT_COLUMNS, is_middle, look_below, middle_part, search_deeper, unseen_below, weight
from scheduler.patterns import all_patterns
from scheduler.pieces import Pieces
from scheduler.problem import Problem, SiteOffer
from scheduler.pruning import site_classes
from scheduler.regions import only_in, regions_of, with_regions, without_dominated
from scheduler.rough import quick_placement
from scheduler.rounded import rounded_placement
from scheduler.slots import rounded_slots
from scheduler.traffic import Assignment
from scheduler.zone_names import renamed

NODE_ITERATIONS = 100  # of the simplex method; a model that needs more of them a node is counted by these
WORTH_OPENING = 0.25  # smallest machines that a relaxation buys in a region for it to count as used
AMONG_NODES, AMONG_GAP = 1, 0.08  # for a first placement in the regions that the relaxation uses
NEAR = 0.02  # relative to the bound; from there on local search finds next to nothing
SLOTS_WORK = 5.0  # deterministic time of CP-SAT for a placement
EFFORT = 40  # of the work limit for a unit of CP-SAT's deterministic time for parts in pieces
THOROUGH = 1600  # work limit from which parts are searched in pieces however small the gap is
WORTH_PIECES = 0.01  # gap from which they always are
FAR = 0.06  # relative to the bound; a placement that is dearer by more is sought once more, zone by zone
MAX_ROUNDS = 40
OPTIMALITY_GAP = 1e-6  # relative; below it a placement counts as proven optimal


@dataclass(slots=True)
class Search:
    """State of the rounds: the best complete placement, the proven bound, the cuts and the work left."""

    problem: Problem
    eligibility: Eligibility
    work_left: int
    priced: bool = True
    cuts: list[PackingCut] = field(default_factory=list)
    sound: bool = True  # every cut so far is proven, so the model's bound is a bound on the problem
    best: Complete | None = None
    best_cost: float = math.inf
    bound: float = 0.0
    work: int = 0
    bounding: bool = True  # the model at hand covers the whole problem, so its bound counts
    infeasible: bool = False
    exhausted: bool = False
    refined_cost: float = math.inf  # of the best placement when its machines were last gone through
    regions: set[str] = field(default_factory=set)  # those that the relaxation uses, where it was asked
    _slotted: Complete | None = None  # the placement that single machines in the model gave, where it was the best
    _fewer: tuple[Problem, Eligibility] | None = None
    _worth: float = WORTH_PIECES
    _effort_left: float = 0.0

    def __post_init__(self) -> None:
        self._effort_left = self.work_left / EFFORT
        self._worth = 0.0 if self.work_left >= THOROUGH else WORTH_PIECES

    def run(self) -> None:
        """Until optimal, infeasible, or out of work.

        A model with many interchangeable zones is first solved with equal zones merged, which gives the bound, and
        then taken apart into zones and improved by local search, which gives the placement.
        """
        if self._by_patterns():
            return
        whole = self._formulation(self.eligibility)
        if len(whole.model.cost) <= EXACT_COLUMNS or not any(n > 1 for n in self._merged().zones.values()):
            self._rounds(self.eligibility)
            if self.exhausted and self.best is not None and self.priced:
                self._improve(self.best.assignment)
            return
        self._merged_first()
        if self.priced and self.best is not None and not self._close_enough():
            self._search_on(self.best)

    def _merged_first(self) -> None:
        if self.priced:
            self._keep(quick_placement(self.problem, self.eligibility))
            self._by_size()
        if self.infeasible or self._found():
            return
        if self._at_root() is None:
            if not self.infeasible:
                self._rounds(self.eligibility)
            return
        if not self._found():
            self.bounding, self.exhausted = True, False
            self._rounds(self.eligibility)

    def _search_on(self, best: Complete) -> None:
        """Zone by zone in its regions where the best placement may be far from the optimum; then on other machines."""
        if self.best_cost > self.bound * (1 + FAR):
            self._zone_by_zone(self.regions or regions_of(self.problem, best.assignment))
        if self.best_cost < self.refined_cost:
            self._on_other_machines()

    def _zone_by_zone(self, regions: set[str]) -> None:
        self.bounding, before = False, self.best_cost
        self._rounds(only_in(self.problem, self.eligibility, regions))
        self.infeasible = False  # of a part of the sites only
        if self.best is not None and self.best_cost < before:
            self._improve(self.best.assignment)

    def _by_patterns(self) -> bool:
        """One model that knows packing, where everything that a node can carry can be listed. True where it decided."""
        patterns = all_patterns(self.problem, self.eligibility)
        if patterns is None:
            return False
        formulation = Formulation(self.problem, self.eligibility, priced=self.priced, patterns=patterns)
        # Without presolve: it gains nothing here, and it is what called one such model infeasible that was not.
        answer = solve_model(formulation.model, node_limit=max(1, self.work_left), submodels=False, presolve=False)
        self.work += answer.nodes
        self.work_left -= answer.nodes
        self.infeasible = answer.status is Status.INFEASIBLE
        self.exhausted = answer.status is Status.LIMIT
        if math.isfinite(answer.bound):
            self.bound = max(self.bound, answer.bound)
        if answer.values is not None:
            self._consider(formulation, formulation.read(answer.values))
            if self.exhausted and self.best is not None and self.priced:
                self._improve(self.best.assignment)
        return self.infeasible or self._found()

    def _at_root(self) -> Draft | None:
        """What the model with equal zones merged says at the root of its search."""
        merged = self._merged()
        answer = self._solve(merged.model)
        if answer.status is Status.INFEASIBLE:  # a relaxation without a solution: the problem has none either
            self.infeasible = True
            return None
        self.bound = max(self.bound, answer.bound)
        if answer.values is None:
            return None
        draft = merged.read(answer.values)
        self.regions = regions_of(self.problem, draft.assignment)
        self._improve(split_over_zones(self.problem, self._zones(), draft.assignment))
        if not self._found():
            self._zone_by_zone(self.regions)
        return draft

    def _by_size(self) -> None:
        """The model with equal zones merged, in parts by the number of machines, gives the bound; the regions that
        its relaxation uses, zone by zone, give a placement.

        Both at once, in two threads: neither needs the other, and the solvers let others run meanwhile. Then, while the
        placement's machines are gone through, the parts are asked for what is cheaper than it: most hold nothing, which
        is soon shown. At last always the one with the lowest bound is looked into, as far as the work lasts.
        """
        sized = BySize(self._merged())
        sized.split()
        nodes = self._place_and_bound(sized)
        each = weight(len(sized.formulation.model.cost))
        self.work += nodes * each
        self.work_left -= nodes * each
        self.infeasible = not sized.parts
        if not self.infeasible:
            self._look_into_lowest(sized, each)

    def _place_and_bound(self, sized: BySize) -> int:
        """How many nodes that took."""
        with ThreadPoolExecutor(2, thread_name_prefix="bound") as other:
            first = sized.parts[0] if sized.parts else None
            bounding = other.submit(middle_part, sized)
            known = self.best_cost * (1 - OPTIMALITY_GAP / 2)
            deeper = other.submit(lambda: search_deeper(sized, bounding.result().part, known))
            if first is not None:
                self._on_slots(sized, first)
            middle = bounding.result()
            near = middle.bound * (1 + NEAR)
            # Only then is the part's bound final: until `deeper` has ended it may rise at any moment.
            if middle.part and self.best_cost > near and self._in_pieces(sized, middle.part, deeper.result):
                near = max(near, middle.part.bound * (1 + NEAR))
            if first is not None and self.best_cost > near:
                rounding = other.submit(rounded_placement, self.problem, self.eligibility, sized, first)
                self._among(first)
                self._keep(rounding.result())
            start = self._start(near, middle.draft)
            if start is not None:
                self._improve(start)
            cutoff = self.best_cost * (1 - OPTIMALITY_GAP / 2)
            looking = other.submit(lambda: [look_below(sized, part, cutoff) for part in unseen_below(sized, cutoff)])

            def once_more() -> None:
                deeper.result()
                search_deeper(sized, middle.part, cutoff)  # where it had no end

            again = other.submit(once_more)
            if self.best is not None and self.best is self._slotted and self.best_cost <= near:
                self.refined_cost = self.best_cost  # its machines were chosen with their pods
            elif self.best is not None:
                self._on_other_machines()
            again.result()
            return middle.nodes + sum(looking.result())

    def _look_into_lowest(self, sized: BySize, each: int) -> None:
        """Into the part with the lowest bound, again and again, as far as the work lasts."""
        while True:
            lowest = min(sized.parts, key=lambda p: p.bound)
            self.bound = max(self.bound, min(lowest.bound, self.best_cost))
            nodes = self.work_left // each
            if self._close_enough():
                break
            if self.best_cost > self.bound * (1 + self._worth) and self._in_pieces(sized, lowest):
                continue
            if lowest.solved or nodes < 1:
                break
            self._one_part(sized, lowest, nodes)
        self.infeasible = math.isinf(self.bound)

    def _on_slots(self, sized: BySize, part: Part) -> None:
        """The best placement with all pods of a region in its first zone and as many machines there as the relaxation
        buys, rounded down or up, as far as the work lasts."""
        before = self.best
        self._keep(rounded_slots(self.problem, self.eligibility, sized, part, SLOTS_WORK))
        self._slotted = self.best if self.best is not before else None

    def _start(self, near: float, draft: Draft | None) -> Assignment | None:
        """Where local search begins; None where it need not: hardly anything is left to gain, or nothing is known."""
        if self.best is not None:
            return self.best.assignment if self.best_cost > near else None
        return split_over_zones(self.problem, self._zones(), draft.assignment) if draft is not None else None

    def _on_other_machines(self) -> None:
        """The optimum on the machines of the best placement, and on machines that differ from these a little."""
        assert self.best is not None
        used = regions_of(self.problem, self.best.assignment)
        ways = Ways(self.problem, with_regions(self.problem, self._reduced[1], self.eligibility, used), self.best)
        ways.run()
        self.work += ways.nodes
        self.best, self.best_cost = ways.best, min(self.best_cost, ways.cost)
        self.refined_cost = self.best_cost

    def _among(self, part: Part) -> None:
        """A placement with so many machines in the regions that the part's relaxation uses, from a short search zone
        by zone.
        """
        self.regions = {region for region, share in part.shares.items() if share >= WORTH_OPENING}
        formulation = self._formulation(only_in(self.problem, self.eligibility, self.regions), whole_pods=False)
        answer = self._solve(BySize(formulation).model(part), AMONG_NODES, gap=AMONG_GAP)
        if answer.values is not None:
            self._consider(formulation, formulation.read(answer.values))

    def _in_pieces(self, sized: BySize, part: Part, meanwhile: Callable[[], None] = lambda: None) -> bool:
        """Searches that part to its end, or as far as the effort lasts. False where that was done, or cannot be.
        meanwhile: waits for who else works on that part."""
        if part.in_pieces or self.best is None or self._effort_left <= 0:
            return False
        pieces = Pieces(self.problem, self.eligibility, sized, part, self.best_cost * (1 - OPTIMALITY_GAP / 2))
        if not pieces.possible:
            return False
        pieces.search(self._effort_left, self._worth)
        meanwhile()
        pieces.tell(part)
        self._effort_left -= pieces.effort
        self.work += math.ceil(pieces.effort * EFFORT)
        before = self.best
        for found in pieces.found:
            self._keep(found)
        self._slotted = self._slotted if self.best is before else self.best
        return True

    def _one_part(self, sized: BySize, part: Part, nodes: int) -> None:
        """Looks in one part for what is cheaper than the best placement: its bound rises, and so may our luck."""
        cutoff = self.best_cost * (1 - OPTIMALITY_GAP / 2)
        part.seen = True
        answer = self._solve(sized.model(part, cutoff), nodes, submodels=False, presolve=is_middle(part))
        part.bound = max(part.bound, cutoff if answer.status is Status.INFEASIBLE else answer.bound)
        part.solved = answer.status is not Status.LIMIT
        if answer.values is not None and self.best is None:
            draft = sized.formulation.read(answer.values)
            self._improve(split_over_zones(self.problem, self._zones(), draft.assignment))

    def _zones(self) -> list[list[SiteOffer]]:
        return site_classes(self.problem, self.eligibility)

    def _found(self) -> bool:
        return self.best is not None

    def _improve(self, start: Assignment) -> None:
        """Local search from there; what it finds becomes the best placement where it is cheaper and can be bought."""
        search = LocalSearch(self.problem, self.eligibility, {k: dict(v) for k, v in start.items()})
        if search.run():
            self._keep(buy(self.problem, search.assignment))

    def _keep(self, done: Complete | None) -> None:
        """The best placement now, where it holds and is cheaper."""
        if done is None or broken_rules(self.problem, done.assignment, done.pools, done.packing):
            return
        cost = weight_of(self.problem, done.assignment, done.pools)
        if cost < self.best_cost - 1e-12:
            other = renamed(self.problem, self.eligibility, done)
            holds = other is done or not broken_rules(self.problem, other.assignment, other.pools, other.packing)
            self.best, self.best_cost = other if holds else done, cost

    def _merged(self) -> Formulation:
        return Formulation(*self._reduced, priced=self.priced, merged=True, whole_pods=False)

    @property
    def _reduced(self) -> tuple[Problem, Eligibility]:
        """Without the regions that others are as good as: for the relaxation with equal zones merged."""
        if self._fewer is None:
            self._fewer = without_dominated(self.problem, self.eligibility)
        return self._fewer

    def _formulation(self, eligibility: Eligibility, whole_pods: bool = True) -> Formulation:
        return Formulation(self.problem, eligibility, tuple(self.cuts), priced=self.priced, whole_pods=whole_pods)

    def _solve(
        self,
        model: MixedIntegerModel,
        nodes: int | None = None,
        gap: float = OPTIMALITY_GAP,
        *,
        submodels: bool = True,
        presolve: bool = True,
    ) -> Answer:
        each = weight(len(model.cost))
        most = self.work_left // each if nodes is None else nodes
        answer = solve_model(model, node_limit=max(1, most), relative_gap=gap, submodels=submodels, presolve=presolve)
        spent = max(answer.nodes * each, answer.iterations // NODE_ITERATIONS)
        self.work += spent
        self.work_left -= spent
        return answer

    def _rounds(self, eligibility: Eligibility) -> None:
        for _ in range(MAX_ROUNDS):
            formulation = self._formulation(eligibility)
            answer = self._solve(formulation.model)
            if answer.status is Status.INFEASIBLE:
                self._nothing_more(self.bounding or eligibility is self.eligibility)
                return
            if self.sound and self.bounding and math.isfinite(answer.bound):
                self.bound = max(self.bound, answer.bound)
            if answer.values is not None and self._consider(formulation, formulation.read(answer.values)):
                self.exhausted = answer.status is Status.LIMIT
                return
            if self._close_enough():
                return
            if answer.values is None or self.work_left <= 0:
                self.exhausted = True
                return
        self.exhausted = True

    def _nothing_more(self, complete_model: bool) -> None:
        proven = self.sound and complete_model
        if self.best is None:
            self.infeasible, self.exhausted = proven, not proven
        elif proven:
            self.bound = self.best_cost  # the cuts exclude everything that could be cheaper

    def _close_enough(self) -> bool:
        if self.best is None:
            return False
        return not self.priced or self.best_cost <= self.bound * (1 + OPTIMALITY_GAP) + 1e-12

    def _consider(self, formulation: Formulation, draft: Draft) -> bool:
        """Pack it. True where the model's own nodes suffice, so nothing is left to do at this bound."""
        done = complete(self.problem, draft, formulation)
        if done.placement is not None:
            cost = weight_of(self.problem, done.placement.assignment, done.placement.pools)
            if cost < self.best_cost - 1e-12:
                self.best, self.best_cost = done.placement, cost
        if not done.cuts:
            return True
        self.cuts += [cut for cut, _ in done.cuts]
        self.sound = self.sound and all(proven for _, proven in done.cuts)
        return False
