"""Why no placement exists, as the error that a person reads: what cannot hold together, where it stands, the ways out.

Callers: placing, and whoever solves a problem of its own. What conflicts is decided in scheduler.infeasible.
"""

from __future__ import annotations

from collections.abc import Callable

from model.errors import Diagnostic, Infeasible
from scheduler.infeasible import Conflict, Relaxation, advice
from scheduler.verdicts import InfeasibleVerdict


def infeasible_error(
    verdict: InfeasibleVerdict, currency: str, line: Callable[[Conflict], str] = lambda _: ""
) -> Infeasible:
    """The verdict as an error whose detail lists the constraints that cannot hold together."""
    enough = {r.conflict: r.cost_per_hour or 0.0 for r in verdict.relaxations if r.enough}
    rows = [
        Diagnostic(
            line(c.parts[0]), c.words, f"without it: at most {enough[c]:.4f} {currency}/h" if c in enough else ""
        )
        for c in verdict.conflicts
    ]
    lines = [f"- {row.what}" + (f" ({row.position})" if row.position else "") for row in rows]
    if not verdict.irreducible:
        lines.append("(the list may be longer than it need be: the work limit came while shortening it)")
    for further in verdict.also:
        lines.append("and these, whatever becomes of those above:")
        lines += [f"- {c.words}" + (f" ({where})" if (where := line(c.parts[0])) else "") for c in further]
    ways = [_way_out(r, currency) for r in verdict.relaxations if r.enough]
    return Infeasible(
        "no placement exists: these constraints cannot hold together"
        if len(verdict.conflicts) > 1
        else "no placement exists: one constraint cannot hold anywhere",
        conflicts=rows,
        detail="\n".join(lines),
        mend="; or ".join(ways[:3]) or _no_way_out(verdict),
    )


def _no_way_out(verdict: InfeasibleVerdict) -> str:
    if any(r.enough is None for r in verdict.relaxations):
        return "no single one of them that was tried is enough to give up; change several, or leave services out"
    return "giving up one of them is not enough; " + (
        "mend the other sets, too" if verdict.also else "other constraints conflict as well"
    )


def _way_out(way: Relaxation, currency: str) -> str:
    """What to do so that a placement exists, and what the best one found then costs."""
    cost = way.cost_per_hour or 0.0
    if way.conflict.kind == "budget":
        return f"raise the budget to {cost:.4f} {currency}/h, what the best placement found costs"
    return f"{advice(way)} (then at most {cost:.4f} {currency}/h)"
