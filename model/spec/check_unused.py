"""What the documents accept and duoyun does not act on yet: said, so that nobody relies on it.

Callers: model.spec.check. An entry that promises safety is refused; `registry`, which every fleet will name, is told in
docs/spec.md alone. A field leaves this file in the change that gives it its effect.
"""

from __future__ import annotations

from model.errors import Diagnostic
from model.spec.app import Application, Runtime
from model.spec.check import Checked, Notes


def unused_in_app(app: Checked[Application]) -> list[Diagnostic]:
    """What VM services cannot have is refused: spot machines, local disks, nodes of arm64 alone."""
    assert app.value is not None
    notes = Notes(app)
    for i, service in enumerate(app.value.spec.services):
        here = ("spec", "services", i)
        if service.runtime is not Runtime.VM:
            continue
        if "amd64" not in service.architectures:
            what = f"service {service.name} has no amd64 image, and VM services run on amd64 machines yet"
            notes.error((*here, "architectures"), what, "build the image for amd64 too")
        if service.placement.max_spot_share > 0:
            what = f"service {service.name} runs on VMs, which are on demand"
            notes.error((*here, "placement", "max_spot_share"), what, "leave `max_spot_share` out")
        if service.resources.disk:
            what = f"service {service.name} runs on VMs, whose local disks are not set up"
            notes.error((*here, "resources", "disk"), what, "leave `resources.disk` out")
    return notes.found
