"""What must hold after every run of the soak, whatever was done to it. Callers: soak.

Non-goals: judging how a disturbed process ended; only what it left behind counts.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from soak_world import World

from model.plan import RevisionState
from orchestrator import sandbox_process
from orchestrator.planning import Context, make_plan, plan_destroy, plan_of_revision
from orchestrator.sandbox_endpoints import read_endpoints
from orchestrator.store.audit import AuditEntry

_WRITES = ("resource_", "revision_")
_VERSIONS = {"deploy": "1.0.0", "update": "2.0.0", "broken": "2.0.0", "rollback": "1.0.0"}
"""Of the service web, once the operation is over."""


def clouds(world: World) -> dict[str, list[dict[str, Any]]]:
    """What is alive, by the clouds' own account."""
    if world.paper:
        return world.cloud.rows()
    return dict(sandbox_process.control("/inventory", read_endpoints())["clouds"])


def inventory(world: World) -> list[str]:
    """The same as sorted text, without ids and without the tag that names the creating action."""
    found = clouds(world)
    kinds = {row["id"]: f"<{row['kind']}>" for rows in found.values() for row in rows}
    ids = re.compile("|".join(re.escape(i) for i in sorted(kinds, key=len, reverse=True)) or "(?!)")

    def plain(text: str) -> str:
        return re.sub(r"\basg-[0-9a-z]+", "<asg>", ids.sub(lambda m: kinds[m[0]], text))

    return sorted(
        json.dumps(
            [
                cloud, row["kind"], plain(row["name"]), row.get("account", ""), row.get("region", ""),
                {plain(k): plain(v) for k, v in row["tags"].items() if k != "duoyun-key"},
            ],
            sort_keys=True,
        )
        for cloud, rows in found.items()
        for row in rows
    )  # fmt: skip


def reference(world: World, operation: str) -> list[str]:
    """What a run that nobody disturbed leaves: the clouds' rows, and everything of ours by address."""
    with world.open(operation) as context:
        seen = make_plan(context).world.resources if operation != "destroy" else {}
        return [*inventory(world), *sorted(f"seen {a}" for a, o in seen.items() if o.owner == context.scope.fleet)]


def problems(world: World, operation: str, expected: list[str]) -> list[str]:
    """Every invariant that does not hold; empty where all do."""
    with world.open(operation) as context:
        found = _places(world, context, operation, expected)
        found += _revisions(context, operation)
        found += _lease(world, context)
        if (broken := context.store.audit.verify(str(context.scope))) is not None:
            found.append(f"the audit chain is broken: {broken}")
        entries = _entries(context)
        images = {r.number: r.images["web"] for r in context.store.revisions.list(context.scope, limit=1000)}
        found += fenced(entries)
        found += canaries_first(entries, images)
    return found


def _places(world: World, context: Context, operation: str, expected: list[str]) -> list[str]:
    if operation == "destroy":
        found = [f"orphan: {row}" for row in inventory(world)]
        found += [f"recorded although destroyed: {r.address}" for r in context.store.inventory.list(context.scope)]
        if not plan_destroy(context).plan.empty:
            found.append("a second destroy would do something")
        return found
    number = context.store.revisions.latest_deployed(context.scope)
    planned = plan_of_revision(context, number.number) if number else make_plan(context)
    seen = planned.world.resources
    here = [*inventory(world), *sorted(f"seen {a}" for a, o in seen.items() if o.owner == context.scope.fleet)]
    wanted, there = Counter(expected), Counter(here)
    found = [f"missing: {row}" for row in (wanted - there).elements()]
    found += [f"{'twice' if row in wanted else 'orphan'}: {row}" for row in (there - wanted).elements()]
    found += [
        f"the plan is not empty: {a.op} {a.address} {[d.path for d in a.diffs[:4]]}" for a in planned.plan.actions
    ]
    found += [f"could not be seen: {row}" for row in planned.plan.unobserved]
    records = {r.address: r for r in context.store.inventory.list(context.scope)}
    found += [f"{a} is recorded as {r.state}" for a, r in records.items() if r.state != "live"]
    found += [f"recorded and not wanted: {a}" for a in sorted(set(records) - {i.address for i in planned.plan.items})]
    for address, record in records.items():
        live = seen.get(address)
        if live is not None and record.provider_id and live.provider_id != record.provider_id:
            found.append(f"{address}: recorded as {record.provider_id}, there is {live.provider_id}")
    return found


def _revisions(context: Context, operation: str) -> list[str]:
    """Whole: numbered without a gap, every plan there, each with a verdict, one of them in place."""
    rows = context.store.revisions.list(context.scope, limit=1000)
    found = []
    if [r.number for r in rows] != list(range(len(rows), 0, -1)):
        found.append(f"revisions are not whole: {[r.number for r in rows]}")
    found += [f"revision {r.number} has no verdict: {r.state}" for r in rows if r.state is RevisionState.RUNNING]
    if context.store.revisions.unfinished(context.scope) is not None:
        found.append("the last release is unfinished")
    for row in rows:
        context.store.plans.load(row.plan_sha256)
    deployed = [r.number for r in rows if r.state is RevisionState.DEPLOYED]
    if operation == "destroy":
        found += [f"revision {n} is still deployed" for n in deployed]
        if rows and rows[0].state is not RevisionState.DESTROYED:
            found.append(f"the last revision is {rows[0].state}, not destroyed")
    elif len(deployed) != 1:
        found.append(f"deployed revisions: {deployed}")
    else:
        image = context.store.revisions.get(context.scope, deployed[0]).images["web"]
        if not image.endswith(f":{_VERSIONS[operation]}"):
            found.append(f"revision {deployed[0]} with {image} is in place")
    return found


def _lease(world: World, context: Context) -> list[str]:
    """Free or expired; or about to expire in the name of a process that is gone (its disk was full at the end)."""
    held = context.store.leases.current(context.scope)
    if held is None:
        return []
    left_s, pid = held.until_s - context.store.db.clock.now_s(), int(held.holder.split()[2])
    if left_s <= world.lease_s and not Path(f"/proc/{pid}").exists():
        return []
    return [f"the lease is still held by {held.holder} for {left_s:.0f} s"]


def _entries(context: Context) -> list[AuditEntry]:
    rows: list[AuditEntry] = []
    while more := context.store.audit.entries(str(context.scope), after_seq=rows[-1].seq if rows else 0):
        rows += more
    return rows


def fenced(entries: list[AuditEntry]) -> list[str]:
    """Writes in the audit chain that were accepted under another token than the newest one held. Pure."""
    found, newest, held = [], 0, False
    for entry in entries:
        token = entry.data.get("token")
        if entry.kind == "lease_acquired":
            if token <= newest:
                found.append(f"entry {entry.seq}: token {token} after {newest}")
            newest, held = token, True
        elif entry.kind in ("lease_released", "lease_unlocked"):
            held = False
        elif entry.kind.startswith(_WRITES) and (token != newest or not held):
            state = "held" if held else "given up"
            found.append(f"entry {entry.seq}: {entry.kind} under token {token} while {newest} was {state}")
    return found


def canaries_first(entries: list[AuditEntry], images: Mapping[int, str]) -> list[str]:
    """Releases that changed web's second Deployment before the first was in place, or ever, with a broken image. Pure.

    images: web's, by revision. The first version is what is gone back to, which has no canaries.
    """
    found = []
    broken = {number for number, image in images.items() if image.endswith(":missing")}
    back = {number for number, image in images.items() if image.endswith(":1.0.0")}
    back |= {e.data["revision"] for e in entries if e.kind == "revision_started" and e.data["rollback_of"]}
    first: dict[int, str] = {}
    live: set[tuple[int, str]] = set()
    for entry in entries:
        name, number = entry.data.get("address", ""), entry.data.get("revision", 0)
        if "/Deployment/web-" not in name or number in back:
            continue
        release = 0 if number in broken else number  # whoever goes on with a broken one is bound by its canary
        if entry.kind == "resource_live":
            live.add((number, name))
        elif entry.kind == "resource_updating" and first.setdefault(release, name) != name:
            if number in broken:
                found.append(f"entry {entry.seq}: revision {number}, which is broken, went on to {name}")
            elif (number, first[number]) not in live:
                found.append(f"entry {entry.seq}: {name} was changed before the canary {first[number]} was in place")
    return found


__all__ = ["canaries_first", "clouds", "fenced", "inventory", "problems", "reference"]
