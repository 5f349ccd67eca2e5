"""A mixed-integer model, column by column and row by row, solved by HiGHS without a clock.

Callers: formulation and solve. The stopping rule is a number of branch-and-bound nodes, one thread and a fixed seed,
so equal models give equal answers on every machine of one HiGHS version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

INFINITY = float("inf")


class Status(Enum):
    """optimal: within the tolerance; limit: stopped by the node limit, with or without a solution."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    LIMIT = "limit"


@dataclass(slots=True)
class Answer:
    """values: per column, None where no solution is known. bound: no solution costs less. nodes: work done, and
    iterations of the simplex method. effort: CP-SAT's deterministic time."""

    status: Status
    values: list[float] | None
    objective: float
    bound: float
    nodes: int
    iterations: int = 0
    effort: float = 0.0


@dataclass(slots=True)
class MixedIntegerModel:
    """min cost'x, with rows and bounds; columns are integer unless said otherwise."""

    cost: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    integer: list[bool] = field(default_factory=list)
    row_lower: list[float] = field(default_factory=list)
    row_upper: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    coefficients: list[float] = field(default_factory=list)

    def column(self, cost: float = 0.0, upper: float = 1.0, *, lower: float = 0.0, integer: bool = True) -> int:
        self.cost.append(cost)
        self.lower.append(lower)
        self.upper.append(upper)
        self.integer.append(integer)
        return len(self.cost) - 1

    def row(self, terms: Iterable[tuple[int, float]], lower: float = -INFINITY, upper: float = INFINITY) -> None:
        """lower <= sum(coefficient * column) <= upper; a column may be named more than once."""
        merged: dict[int, float] = {}
        for col, coefficient in terms:
            merged[col] = merged.get(col, 0.0) + coefficient
        self.starts.append(len(self.columns))
        self.columns.extend(merged)
        self.coefficients.extend(merged.values())
        self.row_lower.append(lower)
        self.row_upper.append(upper)


def solve_model(
    model: MixedIntegerModel,
    *,
    node_limit: int,
    start: Sequence[float] | None = None,
    relative_gap: float = 1e-6,
    submodels: bool = True,
    presolve: bool = True,
) -> Answer:
    """Solve it. start: a known solution to begin from, ignored where it does not hold. submodels: look for solutions
    in smaller models at the root, which takes most of the time there: not where the bound is what is wanted.

    Two of HiGHS's root heuristics are off: on these models they take most of the time and find little. HiGHS's presolve
    has called models infeasible that are not (1.16 one of ours; ERGO-Code/HiGHS#3090 is such a case), so what it finds
    before any search is asked again without it.
    """
    answer = _solve_once(model, node_limit, start, relative_gap, submodels, presolve)
    if answer.status is Status.INFEASIBLE and presolve and 0 < answer.nodes <= 1:
        return _solve_once(model, node_limit, start, relative_gap, submodels, False)
    return answer


def _solve_once(
    model: MixedIntegerModel,
    node_limit: int,
    start: Sequence[float] | None,
    relative_gap: float,
    submodels: bool,
    presolve: bool,
) -> Answer:
    import highspy

    if not model.cost:
        return _without_columns(model)
    solver = _quiet_solver()
    for name, value in (
        ("threads", 1),
        ("parallel", "off"),
        ("random_seed", 0),
        ("mip_max_nodes", max(1, node_limit)),
        ("mip_rel_gap", relative_gap),
        ("mip_abs_gap", 1e-9),
        ("mip_heuristic_run_rins", False),
        ("mip_heuristic_run_root_reduced_cost", False),
        ("mip_heuristic_run_rens", submodels),
        ("presolve", "choose" if presolve else "off"),
        ("mip_feasibility_tolerance", 1e-7),
    ):
        solver.setOptionValue(name, value)
    solver.passModel(_to_lp(model))
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = list(start)
        solver.setSolution(solution)
    solver.run()
    return _read(solver, highspy)


def _quiet_solver() -> Any:
    """A solver that never writes to standard output.

    highspy.Highs() prints a banner while it is made (it switches its callbacks on), before any option can be set; its
    base class does not, and has all that is used here.
    """
    from highspy._core import _Highs

    solver: Any = _Highs()
    solver.setOptionValue("output_flag", False)
    return solver


def _without_columns(model: MixedIntegerModel) -> Answer:
    bad = any(lo > 0 or hi < 0 for lo, hi in zip(model.row_lower, model.row_upper, strict=True))
    return Answer(Status.INFEASIBLE if bad else Status.OPTIMAL, None if bad else [], 0.0, 0.0, 0)


def _to_lp(model: MixedIntegerModel) -> Any:
    import highspy

    lp: Any = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(model.cost), len(model.row_lower)
    lp.col_cost_ = np.array(model.cost)
    lp.col_lower_, lp.col_upper_ = np.array(model.lower), np.array(model.upper)
    lp.row_lower_, lp.row_upper_ = np.array(model.row_lower), np.array(model.row_upper)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.num_col_, lp.a_matrix_.num_row_ = lp.num_col_, lp.num_row_
    lp.a_matrix_.start_ = np.array([*model.starts, len(model.columns)], dtype=np.int32)
    lp.a_matrix_.index_ = np.array(model.columns, dtype=np.int32)
    lp.a_matrix_.value_ = np.array(model.coefficients)
    whole, real = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
    lp.integrality_ = [whole if flag else real for flag in model.integer]
    return lp


def _read(solver: Any, highspy: Any) -> Answer:
    status, info = solver.getModelStatus(), solver.getInfo()
    nodes, iterations = max(1, int(info.mip_node_count)), max(0, int(info.simplex_iteration_count))
    kinds = highspy.HighsModelStatus
    if status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):  # no objective of ours is unbounded below
        return Answer(Status.INFEASIBLE, None, INFINITY, INFINITY, nodes, iterations)
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    values = list(solver.getSolution().col_value) if feasible else None
    objective = float(info.objective_function_value) if feasible else INFINITY
    if status == kinds.kOptimal and feasible:
        return Answer(Status.OPTIMAL, values, objective, float(info.mip_dual_bound), nodes, iterations)
    bound = float(info.mip_dual_bound)
    return Answer(Status.LIMIT, values, objective, bound if np.isfinite(bound) else -INFINITY, nodes, iterations)


@dataclass(slots=True)
class LinearProgram:
    """min cost'x, x >= 0, with rows; no integers."""

    model: MixedIntegerModel = field(default_factory=MixedIntegerModel)

    def columns(self, costs: list[float], uppers: list[float]) -> None:
        """uppers: of the first ones; the others have no upper bound."""
        model = self.model
        model.cost += costs
        model.lower += [0.0] * len(costs)
        model.upper += [*uppers, *[INFINITY] * (len(costs) - len(uppers))]
        model.integer += [False] * len(costs)

    def rows(self, least: NDArray[Any], lengths: NDArray[Any], columns: NDArray[Any], values: NDArray[Any]) -> None:
        """Rows that must be at least so much; lengths: how many of the columns and values belong to each."""
        model, before = self.model, len(self.model.columns)
        model.starts += (before + np.cumsum(lengths) - lengths).tolist()
        model.columns += columns.tolist()
        model.coefficients += values.tolist()
        model.row_lower += least.tolist()
        model.row_upper += [INFINITY] * len(least)


@dataclass(slots=True)
class LinearAnswer:
    """duals: per row, what one more unit of its bound costs."""

    values: list[float]
    duals: list[float]
    objective: float


def solve_linear(program: LinearProgram) -> LinearAnswer | None:
    """The optimum by the dual simplex method; None where there is none."""
    import highspy

    solver = _run(program)
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    found = solver.getSolution()
    objective = float(solver.getInfo().objective_function_value)
    return LinearAnswer(list(found.col_value), list(found.row_dual), objective)


class Relaxation:
    """A model without its integers, solved again and again with other bounds of the same columns: each time from the
    basis of the time before."""

    def __init__(self, model: MixedIntegerModel) -> None:
        self._solver = _quiet_solver()
        for name, value in (("threads", 1), ("random_seed", 0), ("presolve", "off"), ("solver", "simplex")):
            self._solver.setOptionValue(name, value)
        lp = _to_lp(model)
        lp.integrality_ = []
        self._solver.passModel(lp)

    def objective(self, columns: Sequence[int], values: Sequence[float], most: float) -> float:
        """The optimum with those columns fixed; infinite where there is none or it is more than `most`; minus infinite
        where the solver gave up."""
        fixed = np.array(values, float)
        self._solver.changeColsBounds(len(fixed), np.array(columns, np.int32), fixed, fixed)
        return self.solve(most)[0]

    def limit(self, column: int, lower: float, upper: float) -> None:
        """From now on that column is within those."""
        self._solver.changeColBounds(column, lower, upper)

    def solve(self, most: float) -> tuple[float, NDArray[np.float64] | None]:
        """The optimum, as `objective` says, and where it is known and no more than `most` the columns' values."""
        import highspy

        self._solver.setOptionValue("objective_bound", most)
        self._solver.run()
        status, kinds = self._solver.getModelStatus(), highspy.HighsModelStatus
        if status == kinds.kOptimal:
            found = float(self._solver.getInfo().objective_function_value)
            return (found, np.array(self._solver.getSolution().col_value)) if found <= most else (INFINITY, None)
        return (INFINITY if status in (kinds.kInfeasible, kinds.kObjectiveBound) else -INFINITY), None


def is_empty(program: LinearProgram) -> bool:
    """Whether it is shown that nothing keeps the rows; not where the solver gave up or stumbled over the numbers."""
    import highspy

    return bool(_run(program).getModelStatus() == highspy.HighsModelStatus.kInfeasible)


def _run(program: LinearProgram) -> Any:
    solver = _quiet_solver()
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", 0)
    lp = _to_lp(program.model)
    lp.integrality_ = []
    solver.passModel(lp)
    solver.run()
    return solver


class Covering:
    """min cost'x, x >= 0, with rows that must be at least so much; columns are added between one solve and the next,
    which starts from the basis of the one before."""

    def __init__(self, least: NDArray[np.float64]) -> None:
        self._solver = _quiet_solver()
        for name, value in (("threads", 1), ("random_seed", 0), ("presolve", "off"), ("solver", "simplex")):
            self._solver.setOptionValue(name, value)
        none = np.zeros(0, np.int32)
        most = np.full(len(least), INFINITY)
        self._solver.addRows(len(least), least, most, 0, np.zeros(len(least), np.int32), none, np.zeros(0))

    def add(self, costs: NDArray[np.float64], columns: NDArray[np.float64]) -> None:
        """columns: one a row, what each adds to every row of the program."""
        which, rows = np.nonzero(columns)
        starts = np.searchsorted(which, np.arange(len(costs))).astype(np.int32)
        zero, most = np.zeros(len(costs)), np.full(len(costs), INFINITY)
        values = columns[which, rows]
        self._solver.addCols(len(costs), costs, zero, most, len(rows), starts, rows.astype(np.int32), values)

    def solve(self) -> LinearAnswer | None:
        """The optimum; None where there is none."""
        import highspy

        self._solver.run()
        if self._solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        found = self._solver.getSolution()
        objective = float(self._solver.getInfo().objective_function_value)
        return LinearAnswer(list(found.col_value), list(found.row_dual), objective)
