"""What the relaxation of a model says of single columns: values that none of what is cheap enough has are left out.

Each column is held among its highest values (then its lowest): where the relaxation costs more than the cutoff there,
no solution that costs less has any of them ("optimality-based bound tightening"; Belotti, Cafieri, Lee and Liberti
2012). Each relaxation that has a solution also shows values of other columns that need not be asked for. Callers:
pieces. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scheduler.highs import MixedIntegerModel, Relaxation

NEAR = 1e-6  # a relaxation's column this near to a value has it
SLACK = 1e-7  # relative: so much above the cutoff a relaxation must be, since its numbers are not exact


@dataclass(slots=True)
class Narrowing:
    """cutoff: of interest is only what costs at most so much. model: its limits are tightened in place. After `narrow`,
    cost: of the relaxation, infinite where nothing is left; solves: how many relaxations that took."""

    model: MixedIntegerModel
    cutoff: float
    cost: float = -math.inf
    solves: int = 0
    _low: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # least and greatest values seen
    _high: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def narrow(self, columns: Sequence[int]) -> None:
        """Tighten the limits of those columns, which take whole numbers."""
        relaxation = Relaxation(self.model)
        if not self._solve(relaxation):
            return
        model = self.model
        for column in columns:
            least, most = math.floor(self._high[column] + NEAR), round(model.upper[column])
            while least < most:
                middle = (least + most) // 2
                relaxation.limit(column, middle + 1, most)
                if self._solve(relaxation):
                    least = max(middle + 1, math.floor(self._high[column] + NEAR))
                else:
                    most = middle
            model.upper[column] = float(most)
            least, most = round(model.lower[column]), math.ceil(self._low[column] - NEAR)
            while least < most:
                middle = (least + most) // 2
                relaxation.limit(column, least, middle)
                if self._solve(relaxation):
                    most = min(middle, math.ceil(self._low[column] - NEAR))
                else:
                    least = middle + 1
            model.lower[column] = float(least)
            relaxation.limit(column, model.lower[column], model.upper[column])
        self._solve(relaxation)

    def _solve(self, relaxation: Relaxation) -> bool:
        """Whether it has a solution, or may have one."""
        self.solves += 1
        self.cost, values = relaxation.solve(self.cutoff + SLACK * abs(self.cutoff))
        if values is not None:
            first = not len(self._low)
            self._low = values if first else np.minimum(self._low, values)
            self._high = values if first else np.maximum(self._high, values)
        return values is not None or self.cost == -math.inf
