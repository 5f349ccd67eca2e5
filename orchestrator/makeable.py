"""Refuses a placement on machines that duoyun cannot make yet, before anything is planned. Pure. Callers: placing.

`duoyun place` and `explain` count with such machines, since a fleet may have them as `existing_nodes`.
"""

from __future__ import annotations

from collections.abc import Sequence

from model.errors import Diagnostic, InvalidInput
from model.spec.app import Application
from orchestrator.machines import is_existing
from scheduler.problem import NodeLoad


def refuse_what_cannot_be_made(app: Application, packing: Sequence[NodeLoad]) -> None:
    """InvalidInput where a pool to be made would need its local disks set up. packing: the certificate."""
    found: list[Diagnostic] = []
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
