"""A plan as a file: written by `plan --save`, executed by `deploy --plan` where nothing moved in between.

Callers: releases.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import InvalidInput, OtherExecutor, PlanStale

if TYPE_CHECKING:
    from model.plan import Plan
    from orchestrator.planning import Context, Planned


def save_plan(plan: Plan, path: Path) -> None:
    """Whole and readable by its owner alone: it names every address and setting, though never a secret."""
    from model.codec import canonical

    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(canonical(plan) + "\n", encoding="utf-8")


_MAX_PLAN_BYTES = 200 * 2**20


def load_plan(path: Path) -> Plan:
    """Raises InvalidInput where the file is no plan of this version."""
    import json

    from model.codec import from_data
    from model.plan import SCHEMA_VERSION, Plan

    try:
        if path.stat().st_size > _MAX_PLAN_BYTES:
            raise InvalidInput((), summary=f"{path} is larger than {_MAX_PLAN_BYTES // 2**20} MiB: no plan is")
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data.get("schema_version") if isinstance(data, dict) else None
        if version != SCHEMA_VERSION:
            raise InvalidInput((), summary=f"{path} is no plan of version {SCHEMA_VERSION} (it says {version!r})")
        return from_data(data, Plan)
    except FileNotFoundError as exc:
        raise InvalidInput((), summary=f"there is no file {path}") from exc
    except (OSError, ValueError, KeyError) as exc:
        raise InvalidInput((), summary=f"{path} is no plan that duoyun wrote: {type(exc).__name__}") from exc
    except ExceptionGroup as exc:
        raise InvalidInput((), summary=f"{path} is no plan that duoyun wrote: {exc.exceptions[0]}") from exc


def planned_again(context: Context, path: Path) -> Planned:
    """A saved plan with a fresh look at the world: executed only where nothing moved since it was made.

    An executor that works for some partitions does its part of a plan for all: what that plan says of them, as far as
    it is its turn and not done yet, and nothing else.
    """
    from orchestrator.parts import unseen
    from orchestrator.planning import plan_for
    from orchestrator.stages import with_canaries

    plan = load_plan(path)
    if (plan.application, plan.fleet) != (context.scope.application, context.scope.fleet):
        raise InvalidInput((), summary=f"{path} is a plan for {plan.fleet}/{plan.application}, not {context.scope}")
    here = context.targets.executor.here(context.loaded.fleet) if context.elsewhere else ()
    if plan.partitions and plan.partitions != here:
        raise OtherExecutor(
            f"{path} was made for {', '.join(plan.partitions)} alone, and this executor works for "
            f"{', '.join(here) or 'every partition'}",
            mend="deploy it on that executor, or make a new plan here",
        )
    now = plan_for(context, plan.items, plan.placement, app=plan.app, app_sha256=plan.app_sha256)
    if here:
        new = unseen(now.plan.actions, plan.actions)
        if new:
            raise PlanStale(
                "what is there has changed since the plan was saved",
                detail="\n".join(f"{a.op} {a.address} does not stand in it so" for a in new[:10]),
                mend="make a new plan",
            )
        return now
    if {a.id for a in now.plan.actions} != {a.id for a in plan.actions}:
        raise PlanStale(
            "what is there has changed since the plan was saved",
            detail=f"the plan has {len(plan.actions)} actions, {len(now.plan.actions)} are needed now",
            mend="make a new plan",
        )
    return replace(now, plan=with_canaries(now.plan))
