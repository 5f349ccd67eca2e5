"""What the relaxation of a model says of single columns: values that none of what is cheap enough has are left out.

Each column is held at its highest value (then at its lowest): where the relaxation then costs more than the cutoff, no
solution that costs less has it there ("optimality-based bound tightening"; Belotti, Cafieri, Lee and Liberti 2012).
Each relaxation that has a solution also shows values of the other columns that need not be asked for. Callers: pieces.
Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scheduler.highs import MixedIntegerModel, Relaxation

NEAR = 1e-6  # a relaxation's column this near to a value has it
SLACK = 1e-7  # relative: so much above the cutoff a relaxation must be, since its numbers are not exact


def narrow(model: MixedIntegerModel, columns: Sequence[int], cutoff: float) -> float:
    """Tighten the limits of those columns, which take whole numbers, in place. cutoff: of interest is only what costs
    at most so much. Returns what the relaxation costs then; infinite where nothing is left.
    """
    relaxation = Relaxation(model)
    most = cutoff + SLACK * abs(cutoff)
    cost, values = relaxation.solve(most)
    if values is None:
        return cost
    low, high = values.copy(), values.copy()

    def excluded(column: int, value: float) -> bool:
        relaxation.limit(column, value, value)
        cost, values = relaxation.solve(most)
        relaxation.limit(column, model.lower[column], model.upper[column])
        if values is not None:
            np.minimum(low, values, out=low)
            np.maximum(high, values, out=high)
        return cost == math.inf

    for column in columns:
        while model.lower[column] < model.upper[column] and high[column] < model.upper[column] - NEAR:
            if not excluded(column, model.upper[column]):
                break
            model.upper[column] -= 1
            relaxation.limit(column, model.lower[column], model.upper[column])
        while model.lower[column] < model.upper[column] and low[column] > model.lower[column] + NEAR:
            if not excluded(column, model.lower[column]):
                break
            model.lower[column] += 1
            relaxation.limit(column, model.lower[column], model.upper[column])
    return relaxation.solve(most)[0]
