"""What the documents accept and duoyun does not act on yet: said, so that nobody relies on it.

Callers: model.spec.check. An entry that promises safety is refused; one that only tells duoyun more
than it uses is a warning; `registry`, which every fleet will name, is told in docs/spec.md alone. A field leaves this
file in the change that gives it its effect.
"""

from __future__ import annotations

from model.errors import Diagnostic
from model.spec.app import Application, Runtime
from model.spec.check import Checked, Notes
from model.spec.fleet import Fleet


def unused_in_fleet(fleet: Checked[Fleet]) -> list[Diagnostic]:
    """What has no effect is a warning."""
    assert fleet.value is not None
    notes = Notes(fleet)
    spec = fleet.value.spec
    for i, region in enumerate(spec.regions):
        here = ("spec", "regions", i)
        if region.cluster is None:
            continue
        for name, instead in (
            ("kubeconfig", "access comes from the cloud's API"),
            ("proxy_url", "a cluster is reached as its account is"),
        ):
            if getattr(region.cluster, name):
                notes.warn((*here, "cluster", name), f"has no effect yet: {instead}")
    return notes.found


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
