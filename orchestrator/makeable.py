"""Refuses a placement on machines that duoyun cannot make yet, before anything is planned. Pure. Callers: placing.

`duoyun place` and `explain` count with such machines, since a fleet may have them as `existing_nodes`.
"""

from __future__ import annotations

from collections.abc import Sequence

from model.errors import Diagnostic, InvalidInput
from model.plan import Placement, Terms
from model.spec.app import Application
from orchestrator.machines import is_existing
from scheduler.check import NodeLoad


def refuse_what_cannot_be_made(app: Application, placement: Placement, packing: Sequence[NodeLoad]) -> None:
    """InvalidInput where a pool to be made is of spot machines, or would need its local disks set up.

    placement: with its pools in the fleet's words (machines.machine_of); packing: the certificate.
    """
    ours = [p for p in placement.pools if p.terms is not Terms.EXISTING and p.count]
    found = [
        Diagnostic(
            "",
            f"{p.site}: {p.count} x {p.instance_type} would be spot machines, and node pools are made on demand yet",
            "set `max_spot_share` to 0, or list spot nodes of your own as `existing_nodes` with `spot: true`",
        )
        for p in ours
        if p.terms is Terms.SPOT
    ]
    made = [load for load in packing if not is_existing(load.instance_type)]
    for service in app.spec.services:
        here = sorted({load.site for load in made if service.name in load.pods}) if service.resources.disk else []
        if here:
            what = (
                f"{service.name} asks for {service.resources.disk} GiB of local disk, and node pools are made without "
                f"setting up the local disks of their machines yet ({', '.join(here)})"
            )
            mend = "leave `resources.disk` out, or list nodes that have it as `existing_nodes` with `disk`"
            found.append(Diagnostic("", what, mend))
    if found:
        raise InvalidInput(found)
