"""What the newer services keep: one plain record for every kind, and the ways to make, find and take away one.

Callers: the action modules beside this file; state.py for inventory and snapshots. A thing becomes ready, and goes,
when its time has come: nothing runs in the background for that, so a snapshot needs no more than the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.alibaba.state import Ctx, Estate
    from sandbox.alibaba.wire import ApiError


@dataclass(slots=True)
class Thing:
    """kind: as model.resources names it; one with a leading `_` (a domain, a namespace) is no row of the inventory.

    region: "" for what an account has once. ready_s, gone_s: seconds since the epoch; gone_s 0: it stays. values: what
    the service tells of it besides, plain data.
    """

    kind: str
    id: str
    region: str
    name: str
    tags: dict[str, str]
    created_s: float
    ready_s: float = 0.0
    gone_s: float = 0.0
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return time.time() >= self.ready_s

    @property
    def leaving(self) -> bool:
        return self.gone_s > 0.0


def living(estate: Estate, kind: str, region: str | None = None) -> list[Thing]:
    """All of a kind that are there yet, oldest first; what has gone by now is forgotten."""
    now = time.time()
    for key in [k for k, t in estate.things.items() if t.leaving and now >= t.gone_s]:
        del estate.things[key]
    return [t for t in estate.things.values() if t.kind == kind and region in (None, t.region)]


def find(ctx: Ctx, kind: str, thing_id: str, missing: Callable[[], ApiError], *, everywhere: bool = False) -> Thing:
    """Raises missing() where there is none of that id in the request's region."""
    region = None if everywhere else ctx.region
    found = next((t for t in living(ctx.estate, kind, region) if t.id == thing_id), None)
    if found is None:
        raise missing()
    return found


def add(
    ctx: Ctx,
    kind: str,
    thing_id: str,
    name: str,
    *,
    takes: str = "",
    touched: str = "",
    tags: dict[str, str] | None = None,
    everywhere: bool = False,
    **values: Any,
) -> Thing:
    """A new one. takes: the timing's name of its creation, such as `disk.create`; touched: its type for the trail."""
    now = time.time()
    seconds = ctx.cloud.duration_s(takes, f"{ctx.region}/{name}", thing_id) if takes else 0.0
    made = Thing(
        kind, thing_id, "" if everywhere else ctx.region, name, dict(tags or {}), now, now + seconds, values=values
    )
    ctx.estate.things[f"{kind}/{thing_id}"] = made
    if touched:
        ctx.touched.append((touched, thing_id))
    return made


def remove(ctx: Ctx, thing: Thing, *, takes: str = "", touched: str = "") -> None:
    """It goes; at once where takes is empty."""
    if touched:
        ctx.touched.append((touched, thing.id))
    if not takes:
        ctx.estate.things.pop(f"{thing.kind}/{thing.id}", None)
    elif not thing.leaving:
        thing.gone_s = time.time() + ctx.cloud.duration_s(takes, f"{thing.region}/{thing.name}", thing.id)


def with_tags(things: Iterable[Thing], wanted: list[dict[str, str]]) -> list[Thing]:
    """Those that have all of Tag.N; a filter without a value asks for the key alone."""
    return [
        t
        for t in things
        if all(t.tags.get(w["Key"], w.get("Value", "")) == w.get("Value", t.tags.get(w["Key"])) and w["Key"] in t.tags
               for w in wanted if w.get("Key"))
    ]  # fmt: skip
