"""Watches what a release changed for a while: a workload that falls over after it was ready fails the release.

Callers: release. Asks each changed Deployment and instance once a second. One bad answer is asked again, since a pod
may be replaced for good reasons; two in a row are evidence. A cluster that does not answer is no evidence against the
workload: it is asked again until the time is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from model.errors import CloudError, DuoyunError, Interrupted, NotFound, RolloutFailed
from model.plan import Op, Plan
from model.resources import Address, Kind, Ownership, State
from orchestrator.metrics import Judge
from providers.base import Call, Provider

_EVERY_S = 1.0
UNJUDGED_S = 60.0
_BAD_IN_A_ROW = 2
_WORKERS = 8


def watched(plan: Plan) -> tuple[Address, ...]:
    """Deployments and instances that the plan touches; all of them where it only says what an interrupted release left,
    since nobody knows how long that was watched. Pure.
    """
    if not plan.actions:
        return tuple(i.address for i in plan.own_items if i.ownership is not Ownership.REFERENCE and runs(i.address))
    return tuple(a.address for a in plan.actions if a.op is not Op.DELETE and runs(a.address))


def runs(address: Address) -> bool:
    """Whether it is a Deployment or a machine: what carries replicas of a service."""
    return address.kind is Kind.INSTANCE or "/Deployment/" in address.name


def watch(
    plan: Plan,
    targets: Callable[[Address], Provider],
    cancelled: Callable[[], bool],
    *,
    bake_s: float,
    fleet: str,
    judge: Judge | None = None,
) -> None:
    """Returns when bake_s have passed without evidence. Raises RolloutFailed with it, Interrupted when cancelled.

    judge: reads metrics meanwhile; what has no value by the end is waited for, UNJUDGED_S more.
    """
    addresses = watched(plan)
    bad: dict[Address, int] = {}
    end_s = time.monotonic() + bake_s
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="bake") as pool:
        while addresses:
            round_s = time.monotonic()
            states = list(pool.map(lambda a: _healthy(targets, a, fleet), addresses))
            for address, healthy in zip(addresses, states, strict=True):
                bad[address] = 0 if healthy else bad.get(address, 0) + 1
            suspects = [a for a, count in bad.items() if count >= _BAD_IN_A_ROW]
            if suspects:
                raise _evidence(targets, suspects, fleet)
            if judge is not None:
                judge.ask(time.monotonic())
                _require_good(judge, over_s=time.monotonic() - end_s)
            left_s = end_s - time.monotonic()
            if left_s <= 0 and not any(bad.values()) and (judge is None or not judge.open):
                return
            while (rest_s := round_s + _EVERY_S - time.monotonic()) > 0:
                if cancelled():
                    raise Interrupted("stopped while watching the release", mend="`duoyun resume` goes on from here")
                time.sleep(min(0.1, rest_s))


def _require_good(judge: Judge, *, over_s: float) -> None:
    if judge.evidence:
        raise RolloutFailed(
            judge.evidence, detail="twice in a row", mend="look at what the new version does differently"
        )
    if judge.unjudged and over_s > UNJUDGED_S:
        raise RolloutFailed(
            "the canaries could not be judged: a metric has no value",
            detail=judge.unjudged,
            mend="mend the metric, or release with --no-canary",
        )


def _healthy(targets: Callable[[Address], Provider], address: Address, fleet: str) -> bool:
    try:
        observed = targets(address).get(address, Call(deadline_s=time.monotonic() + 10.0, fleet=fleet))
    except NotFound:
        return False
    except CloudError:
        return True  # not seen is not bad
    return observed.state is State.READY


def _evidence(targets: Callable[[Address], Provider], suspects: list[Address], fleet: str) -> RolloutFailed:
    """The adapter's own words for what is wrong, from a last, short wait."""
    address = suspects[0]
    what, detail = "fell over after it was ready", ""
    try:
        targets(address).wait_ready(address, Call(deadline_s=time.monotonic() + 6.0, fleet=fleet))
    except DuoyunError as exc:
        what, detail = exc.summary, exc.detail
    name = address.name.rsplit("/", 1)[-1]
    more = f"\nas well as {', '.join(str(a) for a in suspects[1:5])}" if len(suspects) > 1 else ""
    return RolloutFailed(
        f"{name} in {address.region} did not stay healthy after its rollout",
        detail=f"{what}\n{detail}{more}".strip(),
        mend="look at its logs and events",
        address=str(address),
    )
