"""What of a plan a Terraform state manages: refused while planning, and again before anything is touched.

Callers: planning, release. The decision is pure (`touched`); `require_free` reads the states and, where a name alone
cannot tell, asks the cloud what is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.errors import CloudError, Diagnostic, Interrupted, InvalidInput, NotFound, Unauthenticated
from model.plan import Action, Op
from model.resources import Address
from orchestrator.observe import Plane
from orchestrator.registry import terraform_prefix
from orchestrator.terraform_state import Managed, States
from providers.base import Call

if TYPE_CHECKING:
    from orchestrator.observe import World
    from orchestrator.planning import Context

_DONE = {
    Op.CREATE: "would be created",
    Op.UPDATE: "would be changed",
    Op.REPLACE: "would be replaced",
    Op.DELETE: "would be deleted",
    Op.ADOPT: "would become ours",
}


@dataclass(frozen=True, slots=True)
class Touched:
    """An action on what a state manages."""

    action: Action
    managed: Managed

    def told(self) -> Diagnostic:
        at, there = self.action.address, self.managed
        gone = self.action.op is Op.DELETE
        mend = f"`terraform state rm '{there.address}'` where that state is"
        mend += ", and write it anew" if gone else f", write it anew and `duoyun adopt {at}`"
        mend += "; or leave it to Terraform" + ("" if gone else ": `ownership: reference` in the fleet, or a new name")
        what = f"{at} {_DONE[self.action.op]}, and Terraform manages it: {there.address} in {there.file}"
        return Diagnostic("", what, mend)


def touched(
    actions: Iterable[Action], ids: Mapping[Address, str], states: States, prefix: Callable[[Address], str]
) -> Iterator[Touched]:
    """Pure. ids: the cloud's id of what is there, or was when it was last seen. prefix: of its cloud's Terraform types.

    What is there goes by its id. What is not there yet goes by its name, where the state itself says the region: there
    Terraform will make one.
    """
    for action in actions:
        at = action.address
        if at in ids:
            found = states.holder(at, ids[at], prefix(at))
        else:
            found = next((m for m in states.called(at, prefix(at)) if m.region), None)
        if found is not None:
            yield Touched(action, found)


def doubtful(
    actions: Iterable[Action], ids: Mapping[Address, str], states: States, prefix: Callable[[Address], str]
) -> Iterator[Action]:
    """Pure. What would be made under a name that a state knows: whose is what stands there now has to be looked at."""
    for action in actions:
        if action.address not in ids and states.called(action.address, prefix(action.address)):
            yield action


def require_free(context: Context, actions: tuple[Action, ...], world: World, known: Mapping[Address, str]) -> None:
    """Raises InvalidInput with every action on what a state manages. known: ids that the inventory has.

    What cannot be looked at becomes part of world.unobserved.
    """
    states = context.states()
    if not states.resources:
        return
    clouds: dict[str, str] = {a.partition: a.cloud for a in context.loaded.fleet.spec.accounts}

    def prefix(address: Address) -> str:
        return terraform_prefix(clouds.get(address.partition, ""))

    ids = {**known, **{a: seen.provider_id for a, seen in world.resources.items()}}
    for action in doubtful(actions, ids, states, prefix):
        found = _look(context, action, world)
        if found is not None:
            ids[action.address] = found
    rows = [touch.told() for touch in touched(actions, ids, states, prefix)]
    if rows:
        what = "a resource" if len(rows) == 1 else f"{len(rows)} resources"
        raise InvalidInput(rows, summary=f"refused: the plan would touch {what} that Terraform manages")


def _look(context: Context, action: Action, world: World) -> str | None:
    """The id of what has that name, and lies where the action would put it; None where nothing does."""
    deadline_s = time.monotonic() + context.timeout_s
    at = action.address
    try:
        seen = context.targets(at).get(
            at, Call(deadline_s=deadline_s, fleet=context.scope.fleet, cancelled=context.cancelled)
        )
    except NotFound:
        return None
    except (Unauthenticated, Interrupted):
        raise
    except CloudError as exc:
        world.unobserved.setdefault(Plane(at.partition, at.account, at.region), exc)
        return None
    wanted = getattr(action.desired, "network", "")
    return seen.provider_id if wanted in ("", getattr(seen.resource, "network", "")) else None
