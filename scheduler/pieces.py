"""Searches a part of the model (scheduler.by_size) to its end: in pieces, each with its own numbers of machines.

A part is divided by how many machines there are in a region, first where the relaxation has a number that is not whole,
into pieces of which relaxations say more than of the whole. What the relaxation of a piece excludes is left out
(scheduler.narrowing); CP-SAT then searches the model with each single machine and its zone (scheduler.zoned). Most
pieces hold nothing cheaper than what is known, which is soon shown. What takes longer is divided again, at last by how
many machines of a type there are; what cannot be is searched once more with more work. Callers: search. Pure and
deterministic; two pieces at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from scheduler.aside import side_by_side
from scheduler.by_size import WHOLE, BySize, Part, Range
from scheduler.check import weight_of
from scheduler.cp_sat import solve_whole_numbers
from scheduler.eligibility import Eligibility
from scheduler.highs import LinearProgram, MixedIntegerModel, Status, solve_linear
from scheduler.narrowing import Narrowing
from scheduler.nodes import Complete
from scheduler.problem import Problem
from scheduler.zoned import ZonedSlots

FIRST_PIECES = 12
AT_ONCE = 4  # pieces before what was found counts for the others
MARGIN = 5e-7  # relative: what costs less by so little is not sought
SOLVE_EFFORT = 0.003  # what a relaxation of 1,500 columns counts for; others by the square of theirs
PIECE_EFFORT = 4.0  # deterministic time of CP-SAT for a piece; twice as much for one that cannot be divided, and so on
MOST_COLUMNS = 4_000  # of a piece's model
MOST_BEFORE = 2_500  # of the model without single machines; with more, relaxations take too long

Limits = dict[int, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Piece:
    """limits: of columns of the model. bound: nothing in it costs less. effort: for its search."""

    part: Part
    limits: Limits = field(default_factory=dict)
    bound: float = -math.inf
    effort: float = PIECE_EFFORT


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of a piece's search. bound: of what it leaves to nobody; rest: what is to be searched still."""

    bound: float = math.inf
    rest: tuple[Piece, ...] = ()
    found: Complete | None = None
    effort: float = 0.0


@dataclass(slots=True)
class Pieces:
    """cutoff: only what costs less is sought. After `search`, bound: nothing in the part costs less than it or than the
    cutoff; found: placements from the way; effort: what it took."""

    problem: Problem
    eligibility: Eligibility
    sized: BySize
    part: Part
    cutoff: float
    bound: float = -math.inf
    found: list[Complete] = field(default_factory=list)
    effort: float = 0.0
    _best: float = math.inf  # what the best of them costs

    def search(self, effort: float, enough: float = 0.0) -> None:
        """To the end of the part or of the effort, or up to a gap (of what is found to the bound) that is enough."""
        self._limit_size()
        waiting, closed = self._first(), math.inf
        while waiting and self.effort < effort:
            waiting.sort(key=lambda p: p.bound)
            wave, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            for outcome in side_by_side(self._look, wave):
                self.effort += outcome.effort
                closed = min(closed, outcome.bound)
                waiting += outcome.rest
                if outcome.found is not None:
                    self.found.append(outcome.found)
                    self._best = min(self._best, weight_of(self.problem, outcome.found.assignment, outcome.found.pools))
            self.bound = min([closed, *(piece.bound for piece in waiting)])
            self.cutoff = min(self.cutoff, self._best * (1 - MARGIN))
            if self._best <= self.bound * (1 + enough):
                break
        self.bound = min([closed, *(piece.bound for piece in waiting)])

    @property
    def possible(self) -> bool:
        """Whether the model is small enough."""
        return len(self.sized.formulation.model.cost) <= MOST_BEFORE

    def tell(self, part: Part) -> None:
        """The part what was found out about it."""
        part.in_pieces = True
        part.bound = max(part.bound, min(self.bound, self.cutoff))

    def _limit_size(self) -> None:
        """A part without a limit has at most as many machines as what costs no more than the cutoff can have."""
        if self.part.size[1] is not None:
            return
        model = self.sized.model(self.part, self.cutoff)
        totals = range(len(self.sized.formulation.model.cost), len(model.cost))
        model.cost = [-1.0 if col in totals else 0.0 for col in range(len(model.cost))]
        most = solve_linear(LinearProgram(model))
        if most is not None:
            least = self.part.size[0]
            self.part = replace(self.part, size=(least, max(least, math.floor(-most.objective + WHOLE))))

    def _first(self) -> list[Piece]:
        """The part in a few pieces, those with the lowest bounds divided first."""
        whole, self.effort = self._narrowed(Piece(self.part), deep=False)
        heap = [(whole.bound, 0, whole)] if whole is not None else []
        made = 0
        undivided: list[Piece] = []
        while heap and len(heap) + len(undivided) < FIRST_PIECES:
            piece = heappop(heap)[2]
            halves = self._halves(piece)
            if halves is None:
                undivided.append(piece)
                continue
            for half in halves:
                made += 1
                heappush(heap, (half.bound, made, half))
        return [*undivided, *(piece for _, _, piece in heap)]

    def _look(self, piece: Piece) -> Outcome:
        """For what is cheaper in it."""
        narrower, effort = self._narrowed(piece, deep=True)
        if narrower is None:
            return Outcome(effort=effort)
        model = self._model(narrower)
        part = narrower.part
        slots = ZonedSlots(self.problem, self.eligibility, self.sized, part, model, most_columns=MOST_COLUMNS)
        if not slots.possible:
            halves = self._halves(narrower)
            return (
                Outcome(narrower.bound, effort=effort) if halves is None else Outcome(rest=tuple(halves), effort=effort)
            )
        # The relaxation's values lead to an end sooner, if to one; what had none is searched the other way.
        by_relaxation = piece.effort == PIECE_EFFORT
        answer = solve_whole_numbers(
            slots.model, work=piece.effort, search_by_relaxation=by_relaxation, cutoff=self.cutoff
        )
        effort += answer.effort
        if answer.status is Status.INFEASIBLE:
            return Outcome(effort=effort)
        found = slots.read(answer.values) if answer.values is not None else None
        bound = max(narrower.bound, answer.bound)
        if answer.status is Status.OPTIMAL or not answer.effort:
            return Outcome(bound, found=found, effort=effort)
        halves = self._halves(replace(narrower, bound=bound))
        if halves is None:
            halves = [replace(narrower, bound=bound, effort=2 * piece.effort)]
        return Outcome(rest=tuple(halves), found=found, effort=effort)

    def _narrowed(self, piece: Piece, deep: bool) -> tuple[Piece | None, float]:
        """Without what its relaxation excludes, None if that is everything; and the effort. deep: of the services'
        presence, too."""
        f, model = self.sized.formulation, self._model(piece)
        totals = range(len(f.model.cost), len(model.cost))
        columns = [*f.n.values(), *(f.here.values() if deep else ())]
        narrowing = Narrowing(model, self.cutoff)
        narrowing.narrow([*totals, *columns])
        effort = narrowing.solves * SOLVE_EFFORT * (len(model.cost) / 1_500) ** 2
        if narrowing.cost == math.inf:
            return None, effort
        regions: dict[str, Range] = {}
        for region, col in zip(self.sized.regions, totals, strict=True):
            regions[region] = (round(model.lower[col]), round(model.upper[col]))
        limits = {**piece.limits, **{col: (model.lower[col], model.upper[col]) for col in columns}}
        bound = max(narrowing.cost, piece.bound)
        return replace(piece, part=Part(piece.part.size, regions), limits=limits, bound=bound), effort

    def _halves(self, piece: Piece) -> list[Piece] | None:
        """The piece in two, without what costs more than the cutoff. None: it cannot be divided further."""
        relaxed = solve_linear(LinearProgram(self._model(piece)))
        if relaxed is None:
            return []
        values, shares = relaxed.values, self.sized.by_region(relaxed.values)
        region = max(self.sized.regions, key=lambda r: _off(shares[r]))
        machines = max(self.sized.formulation.n.values(), key=lambda col: _off(values[col]))
        ranges = {r: (low, high) for r, (low, high) in piece.part.regions.items() if high is not None and high > low}
        if _off(shares[region]) > WHOLE:
            halves = _by_total(piece, region, math.floor(shares[region]))
        elif ranges:
            region = max(sorted(ranges), key=lambda r: ranges[r][1] - ranges[r][0])
            halves = _by_total(piece, region, sum(ranges[region]) // 2)
        elif _off(values[machines]) > WHOLE:
            halves = _by_limit(piece, machines, math.floor(values[machines]))
        else:
            return None
        found: list[Piece] = []
        for half in halves:
            relaxed = solve_linear(LinearProgram(self._model(half)))
            if relaxed is not None and relaxed.objective <= self.cutoff:
                found.append(replace(half, bound=max(piece.bound, relaxed.objective)))
        return found

    def _model(self, piece: Piece) -> MixedIntegerModel:
        model = self.sized.model(piece.part)
        for col, (lower, upper) in piece.limits.items():
            model.lower[col] = max(model.lower[col], lower)
            model.upper[col] = min(model.upper[col], upper)
        return model


def _by_total(piece: Piece, region: str, most: int) -> list[Piece]:
    """With at most so many machines in that region, and with more."""
    low, high = piece.part.regions.get(region, (0, None))
    ranges: list[Range] = [(low, most), (most + 1, high)]
    return [replace(piece, part=Part(piece.part.size, {**piece.part.regions, region: some})) for some in ranges]


def _by_limit(piece: Piece, column: int, most: int) -> list[Piece]:
    """With at most so many machines of that type, and with more."""
    low, high = piece.limits.get(column, (0.0, math.inf))
    return [replace(piece, limits={**piece.limits, column: some}) for some in ((low, most), (most + 1, high))]


def _off(number: float) -> float:
    """How far from a whole number."""
    return abs(number - round(number))
