"""What the documents accept and duoyun does not act on yet: said, so that nobody relies on it.

Callers: model.spec.check. An entry that promises safety is refused; one that only tells duoyun more
than it uses is a warning; `registry`, which every fleet will name, is told in docs/spec.md alone. A field leaves this
file in the change that gives it its effect.
"""

from __future__ import annotations

from model.errors import Diagnostic
from model.spec.app import Application
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
    """An image that is not built for amd64 is refused: no other nodes are chosen yet."""
    assert app.value is not None
    notes = Notes(app)
    for i, service in enumerate(app.value.spec.services):
        if "amd64" not in service.architectures:
            notes.error(
                ("spec", "services", i, "architectures"),
                f"service {service.name} has no amd64 image, and only amd64 nodes are chosen yet",
                "build the image for amd64 too",
            )
    return notes.found
