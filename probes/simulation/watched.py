"""What a baseline detector says of one service, and the shape of its run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from probes.simulation.conditions import World
from probes.simulation.network import Crash


@dataclass(slots=True)
class Watched:
    """Changes of opinion on one service, (when, does it fail), in order; and how many probes it took from 0 s on."""

    changes: list[tuple[float, bool]] = field(default_factory=list)
    probes: int = 0


Run = Callable[[World, int, int, Crash | None, float, float], Watched]
