"""What is found out of the parts of a model (scheduler.by_size): each one's bound rises, or it holds nothing.

Callers: search, replan. Pure; a thread may work on one part while others are worked on elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scheduler.by_size import BySize, Part
from scheduler.cp_sat import solve_whole_numbers
from scheduler.formulation import Draft
from scheduler.highs import Status, solve_model

EXACT_COLUMNS = 900  # up to here the model is solved as it is, zone by zone
LARGE_NODE = 40  # a node of a model beyond EXACT_COLUMNS counts for so many, times the square of its relative size
ROOTS = 4  # parts whose root is looked at, whatever the work limit, beside the middle one's
DEEPER_WORK = 5.0  # deterministic time of CP-SAT for the middle part's bound
DEEPER_COLUMNS = 2_500  # of the middle part's model; a larger one is not searched in that time


@dataclass(frozen=True, slots=True)
class Middle:
    """The part with as many machines as the relaxation buys, and what its root says: a bound, nodes, any solution."""

    part: Part | None
    bound: float = 0.0
    nodes: int = 0
    draft: Draft | None = None


def middle_part(sized: BySize) -> Middle:
    """Divides the parts and looks at the root of the middle one."""
    sized.divide()
    part = next((p for p in sized.parts if is_middle(p)), None)
    if part is None:
        return Middle(None)
    answer = solve_model(sized.model(part), node_limit=1, submodels=False)
    part.seen, part.solved = True, answer.status is not Status.LIMIT
    part.bound = max(part.bound, answer.bound)
    draft = sized.formulation.read(answer.values) if answer.values is not None else None
    return Middle(part, part.bound, answer.nodes, draft)


def is_middle(part: Part) -> bool:
    """Whether it has the size that the relaxation buys. Presolve helps there; other parts mostly end at once, and
    faster without it."""
    return part.size[0] == part.size[1]


def unseen_below(sized: BySize, cutoff: float) -> list[Part]:
    """Those that nobody has looked at and that may hold what is cheaper, lowest bound first."""
    return sorted((p for p in sized.parts if not p.seen and p.bound < cutoff), key=lambda p: p.bound)[:ROOTS]


def look_below(sized: BySize, part: Part, cutoff: float) -> int:
    """At the root of that part's search, for what is cheaper: how many nodes that took."""
    answer = solve_model(sized.model(part, cutoff), node_limit=1, submodels=False, presolve=is_middle(part))
    part.seen, part.solved = True, answer.status is not Status.LIMIT
    part.bound = max(part.bound, cutoff if answer.status is Status.INFEASIBLE and cutoff < math.inf else answer.bound)
    return answer.nodes


def search_deeper(sized: BySize, part: Part | None, cutoff: float) -> None:
    """For what is cheaper, to the end of that part or of the work: its root's bound leaves most of the gap."""
    if part is None or part.solved or part.bound >= cutoff:
        return
    model = sized.model(part, cutoff)
    if len(model.cost) > DEEPER_COLUMNS:
        return
    answer = solve_whole_numbers(model, work=DEEPER_WORK, search_by_relaxation=True)
    part.bound = max(part.bound, cutoff if answer.status is Status.INFEASIBLE else answer.bound)
    part.solved = answer.status is not Status.LIMIT


def weight(columns: int) -> int:
    """For how many nodes of a small model one of a model with so many columns counts."""
    return 1 if columns <= EXACT_COLUMNS else round(LARGE_NODE * (columns / EXACT_COLUMNS) ** 2)
