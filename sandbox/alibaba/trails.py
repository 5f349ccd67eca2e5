"""Actiontrail 2020-07-06: trails, which keep the audit log. Callers: sandbox/alibaba/server.py.

Nothing is delivered. Sources: CreateTrail, DescribeTrails, StartLogging of the ActionTrail reference.
"""

from __future__ import annotations

from typing import Any

from sandbox.alibaba import things
from sandbox.alibaba.state import Ctx, iso
from sandbox.alibaba.things import Thing
from sandbox.alibaba.wire import ApiError

KIND, TRAIL = "audit_trail", "ACS::ActionTrail::Trail"


def create_trail(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    name = p.require("Name")
    if any(t.name == name for t in things.living(ctx.estate, KIND)):
        raise ApiError(409, "TrailAlreadyExistsException", "The specified Trail already exists.")
    if not (p.get("OssBucketName") or p.get("SlsProjectArn")):
        raise ApiError(400, "InvalidTrailDelivery", "A trail needs an OSS bucket or an SLS project.")
    if p.get("EventRW", "Write") not in ("Write", "Read", "All"):
        raise ApiError(400, "InvalidParameter.EventRW", "The specified EventRW is not valid.")
    made = things.add(
        ctx, KIND, name, name, touched=TRAIL,
        rw=p.get("EventRW", "Write"), bucket=p.get("OssBucketName"), project=p.get("SlsProjectArn"),
        regions=p.get("TrailRegion", "All"), status="Fresh",
    )  # fmt: skip
    return {
        "Name": name,
        "HomeRegion": made.region,
        "EventRW": made.values["rw"],
        "OssBucketName": made.values["bucket"],
        "SlsProjectArn": made.values["project"],
        "TrailRegion": made.values["regions"],
    }


def _find(ctx: Ctx) -> Thing:
    found = things.find(
        ctx, KIND, ctx.params.require("Name"),
        lambda: ApiError(404, "TrailNotFoundException", "The specified Trail does not exist."), everywhere=True,
    )  # fmt: skip
    ctx.touched.append((TRAIL, found.id))
    return found


def start_logging(ctx: Ctx) -> dict[str, Any]:
    _find(ctx).values["status"] = "Enable"
    return {}


def stop_logging(ctx: Ctx) -> dict[str, Any]:
    _find(ctx).values["status"] = "Disable"
    return {}


def delete_trail(ctx: Ctx) -> dict[str, Any]:
    things.remove(ctx, _find(ctx))
    return {}


def describe_trails(ctx: Ctx) -> dict[str, Any]:
    shadows = ctx.params.flag("IncludeShadowTrails")
    rows = [
        {
            "Name": t.name,
            "HomeRegion": t.region,
            "TrailRegion": t.values["regions"],
            "EventRW": t.values["rw"],
            "OssBucketName": t.values["bucket"],
            "SlsProjectArn": t.values["project"],
            "Status": t.values["status"],
            "CreateTime": iso(t.created_s),
        }
        for t in things.living(ctx.estate, KIND)
        if t.region == ctx.region or (shadows and t.values["regions"] in ("All", ctx.region))
    ]
    return {"TrailList": rows}
