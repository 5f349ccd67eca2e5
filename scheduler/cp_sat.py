"""A model of integers solved by CP-SAT (ortools), for what HiGHS's branch and bound is slow at.

Every column takes whole numbers only, so that the columns that are not integers must be ones that take whole numbers
anyway where the others do: so are all of scheduler.formulation. Prices are rounded down and rows widened by what
rounding their coefficients may take away, so that a bound stays a bound. Callers: search, slots. Pure; one worker and a
limit in the solver's deterministic time, which counts its steps: equal models give equal answers for one version of it.
"""

from __future__ import annotations

import math
from typing import Any

from scheduler.highs import Answer, MixedIntegerModel, Status

PRICE_STEPS = 10**8  # of one unit of money; what rounding takes from a bound is far below search.OPTIMALITY_GAP
ROW_STEPS = 10**6  # of one, where a row has coefficients that are not whole


def solve_whole_numbers(
    model: MixedIntegerModel, *, work: float, search_by_relaxation: bool = False, price_steps: int = PRICE_STEPS
) -> Answer:
    """Solve it. work: deterministic time, about a second of a fast core. price_steps: of one unit of money; with few of
    them solutions are found sooner and the bound is lower. search_by_relaxation: branch on what the
    linear relaxation's values say, which shows sooner that there is nothing and finds solutions later.

    The values are those of the model's columns; nodes: conflicts of the search.
    """
    from ortools.sat.python import cp_model

    program = cp_model.CpModel()
    columns = [
        program.new_int_var(math.ceil(lower - 1e-9), math.floor(upper + 1e-9), "")
        for lower, upper in zip(model.lower, model.upper, strict=True)
    ]
    ends = [*model.starts[1:], len(model.columns)]
    for row, (start, end) in enumerate(zip(model.starts, ends, strict=True)):
        cols = model.columns[start:end]
        numbers, low, high = _whole_row(model, row, model.coefficients[start:end], cols)
        terms = cp_model.LinearExpr.weighted_sum([columns[c] for c in cols], numbers)
        program.add_linear_constraint(
            terms,
            cp_model.INT_MIN if low is None else low,
            cp_model.INT_MAX if high is None else high,
        )
    paid = [(col, math.floor(cost * price_steps)) for col, cost in enumerate(model.cost) if cost]
    program.minimize(cp_model.LinearExpr.weighted_sum([columns[c] for c, _ in paid], [price for _, price in paid]))
    solver = cp_model.CpSolver()
    limits = solver.parameters
    limits.num_workers, limits.random_seed, limits.max_deterministic_time = 1, 0, work
    limits.linearization_level = 2
    if search_by_relaxation:
        limits.search_branching = cp_model.LP_SEARCH
    status = solver.solve(program)
    return _answer(model, columns, solver, status, price_steps)


def _whole_row(
    model: MixedIntegerModel, row: int, coefficients: list[float], cols: list[int]
) -> tuple[list[int], int | None, int | None]:
    """Its coefficients and limits as whole numbers; it excludes nothing that the row allows."""
    whole = all(abs(c - round(c)) < 1e-9 for c in coefficients)
    steps = 1 if whole else ROW_STEPS
    numbers = [round(c * steps) for c in coefficients]
    lost = 0.0
    if not whole:
        for number, exact, col in zip(numbers, coefficients, cols, strict=True):
            lost += abs(number - exact * steps) * max(abs(model.lower[col]), abs(model.upper[col]))
    low, high = model.row_lower[row], model.row_upper[row]
    return (
        numbers,
        None if math.isinf(low) else math.ceil(low * steps - lost - 1e-6),
        None if math.isinf(high) else math.floor(high * steps + lost + 1e-6),
    )


def _answer(model: MixedIntegerModel, columns: list[Any], solver: Any, status: Any, price_steps: int) -> Answer:
    from ortools.sat.python import cp_model

    steps = int(solver.num_conflicts)
    if status == cp_model.INFEASIBLE:
        return Answer(Status.INFEASIBLE, None, math.inf, math.inf, steps)
    bound = solver.best_objective_bound / price_steps
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(Status.LIMIT, None, math.inf, bound, steps)
    values = [float(solver.value(col)) for col in columns]
    objective = math.fsum(cost * value for cost, value in zip(model.cost, values, strict=True) if cost)
    return Answer(Status.OPTIMAL if status == cp_model.OPTIMAL else Status.LIMIT, values, objective, bound, steps)
