"""A model of integers solved by CP-SAT (ortools), for what HiGHS's branch and bound is slow at.

Every column takes whole numbers only, so that the columns that are not integers must be ones that take whole numbers
anyway where the others do: so are all of scheduler.formulation. Prices are rounded down and rows widened by what
rounding their coefficients may take away, so that a bound stays a bound. Callers: parts, pieces, slots, fillings. Pure;
one worker and a limit in the solver's deterministic time, which counts its steps: equal models give equal answers for
one version of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from scheduler.highs import Answer, MixedIntegerModel, Status

PRICE_STEPS = 10**8  # of one unit of money; what rounding takes from a bound is far below search.OPTIMALITY_GAP
MUCH = 10**9  # more than any column takes: replicas, machines and their sums
ROW_STEPS = 10**6  # of one, where a row has coefficients that are not whole
LARGEST = 2**60  # sums beyond it are left to the other solver

Terms = list[tuple[int, int]]  # column, coefficient


def solve_whole_numbers(
    model: MixedIntegerModel,
    *,
    work: float,
    search_by_relaxation: bool = False,
    price_steps: int = PRICE_STEPS,
    cutoff: float = math.inf,
) -> Answer:
    """Solve it. work: deterministic time, about a second of a fast core. price_steps: of one unit of money; with few of
    them solutions are found sooner and the bound is lower. search_by_relaxation: branch on what the
    linear relaxation's values say, which shows sooner that there is nothing and finds solutions later. cutoff: only
    what costs at most so much is sought; closer than a row of the model says it, whose coefficients are rounded.

    The values are those of the model's columns; nodes: conflicts of the search. Where numbers are too large to be
    counted exactly, it says nothing (status LIMIT, no values, no bound).
    """
    from ortools.sat.python import cp_model

    rows = list(_whole_rows(model))
    paid = [(col, math.floor(cost * price_steps)) for col, cost in enumerate(model.cost) if cost]
    lower = [math.ceil(max(low, -MUCH) - 1e-9) for low in model.lower]
    upper = [math.floor(min(high, MUCH) + 1e-9) for high in model.upper]
    ends = [abs(end) for _, low, high in rows for end in (low, high) if end is not None]
    countable = all(_fits(terms, lower, upper) for terms in (paid, *(terms for terms, _, _ in rows)))
    if not countable or max(ends, default=0) >= LARGEST:
        return Answer(Status.LIMIT, None, math.inf, -math.inf, 0)
    program = cp_model.CpModel()
    columns = [program.new_int_var(low, high, "") for low, high in zip(lower, upper, strict=True)]

    def total(terms: Terms) -> Any:
        return cp_model.LinearExpr.weighted_sum([columns[col] for col, _ in terms], [number for _, number in terms])

    for terms, low, high in rows:
        least, most = cp_model.INT_MIN if low is None else low, cp_model.INT_MAX if high is None else high
        program.add_linear_constraint(total(terms), least, most)
    if cutoff < math.inf:
        program.add(total(paid) <= math.floor(cutoff * price_steps))
    program.minimize(total(paid))
    solver = cp_model.CpSolver()
    limits = solver.parameters
    limits.num_workers, limits.random_seed, limits.max_deterministic_time = 1, 0, work
    limits.linearization_level = 2
    if search_by_relaxation:
        limits.search_branching = cp_model.LP_SEARCH
    status = solver.solve(program)
    return _answer(model, columns, solver, status, price_steps)


def _whole_rows(model: MixedIntegerModel) -> Iterator[tuple[Terms, int | None, int | None]]:
    """Each row with its coefficients and limits as whole numbers; none excludes anything that the row allows."""
    ends = [*model.starts[1:], len(model.columns)]
    for start, end, low, high in zip(model.starts, ends, model.row_lower, model.row_upper, strict=True):
        cols, coefficients = model.columns[start:end], model.coefficients[start:end]
        whole = all(abs(c - round(c)) < 1e-9 for c in coefficients)
        steps = 1 if whole else ROW_STEPS
        numbers = [round(c * steps) for c in coefficients]
        lost = 0.0
        if not whole:
            for number, exact, col in zip(numbers, coefficients, cols, strict=True):
                lost += abs(number - exact * steps) * min(MUCH, max(abs(model.lower[col]), abs(model.upper[col])))
        yield (
            list(zip(cols, numbers, strict=True)),
            None if math.isinf(low) else math.ceil(low * steps - lost - 1e-6),
            None if math.isinf(high) else math.floor(high * steps + lost + 1e-6),
        )


def _fits(terms: Terms, lower: list[int], upper: list[int]) -> bool:
    """Whether the sum can be counted in 64 bits, whatever the columns are."""
    return sum(abs(number) * max(abs(lower[col]), abs(upper[col])) for col, number in terms) < LARGEST


def _answer(model: MixedIntegerModel, columns: list[Any], solver: Any, status: Any, price_steps: int) -> Answer:
    from ortools.sat.python import cp_model

    steps, effort = int(solver.num_conflicts), float(solver.response_proto.deterministic_time)
    if status == cp_model.INFEASIBLE:
        return Answer(Status.INFEASIBLE, None, math.inf, math.inf, steps, effort=effort)
    bound = solver.best_objective_bound / price_steps
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(Status.LIMIT, None, math.inf, bound, steps, effort=effort)
    values = [float(solver.value(col)) for col in columns]
    objective = math.fsum(cost * value for cost, value in zip(model.cost, values, strict=True) if cost)
    proven = Status.OPTIMAL if status == cp_model.OPTIMAL else Status.LIMIT
    return Answer(proven, values, objective, bound, steps, effort=effort)
