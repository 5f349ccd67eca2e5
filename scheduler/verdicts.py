"""What solving can end in. Callers: solve, at_scale, and everybody who asks for a placement."""

from __future__ import annotations

from dataclasses import dataclass

from model.plan import Placement
from scheduler.infeasible import Conflict, Relaxation
from scheduler.problem import NodeLoad


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """packing: the certificate. moved_replicas: replicas that arrive where none was; 0 without a current placement.

    binding: rules that leave no room, in words. warnings: what holds and should be known. migration_per_hour: what the
    moves weigh against the bill; preference_per_hour: what sites that services would rather not be in weigh. Both were
    minimised with the bill and are no part of it.
    """

    placement: Placement
    packing: tuple[NodeLoad, ...]
    work: int
    moved_replicas: int = 0
    binding: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    migration_per_hour: float = 0.0
    preference_per_hour: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InfeasibleVerdict:
    """No placement exists. conflicts: a set of constraints that cannot hold together, none of which is superfluous.

    relaxations: for each of them, whether giving it up is enough, and at what price. also: where giving up none is
    enough, further such sets. A verdict whose `irreducible` is False ran out of work while shrinking the set: true, but
    perhaps longer than it need be.
    """

    conflicts: tuple[Conflict, ...]
    relaxations: tuple[Relaxation, ...] = ()
    also: tuple[tuple[Conflict, ...], ...] = ()
    irreducible: bool = True
    work: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """The work limit came before an answer. what: one sentence; raise_limit_to: what to try next."""

    what: str
    raise_limit_to: int = 0
    lower_bound_per_hour: float = 0.0
    work: int = 0


Verdict = Solved | InfeasibleVerdict | Undecided
