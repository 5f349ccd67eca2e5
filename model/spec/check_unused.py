"""What the documents accept and duoyun does not act on yet: said, so that nobody relies on it.

Callers: model.spec.check. An entry that promises safety is refused; `registry`, which every fleet will name, is told in
docs/spec.md alone. A field leaves this file in the change that gives it its effect.
"""

from __future__ import annotations

from model.errors import Diagnostic
from model.spec.app import Application
from model.spec.check import Checked, Notes


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
