"""Whether a new plan needs a new placement at all. Pure.

A release that changes images, settings or probes moves nothing: the placement that is deployed still answers every
question that placing asks. Only what bears on placement (how much, where it may run, whom it calls) asks it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.codec import digest
from model.plan import Placement, Plan

# What a service has that placement does not look at.
_NOT_PLACED = frozenset({"image", "env", "secretRefs", "probes", "rollout", "annotations", "manifests"})


def placement_inputs(app: Mapping[str, Any]) -> str:
    """Digest of everything in an application document that placement depends on."""
    spec = app["spec"]
    services = [{k: v for k, v in s.items() if k not in _NOT_PLACED} for s in spec["services"]]
    return digest({"services": services, "externals": spec.get("externals", ())})


def kept_placement(current: Plan | None, app: Mapping[str, Any], fleet_sha256: str) -> Placement | None:
    """The deployed placement, where nothing that it depends on has changed; None where placing is due."""
    if current is None or current.fleet_sha256 != fleet_sha256 or not current.placement.services:
        return None
    return current.placement if placement_inputs(current.app) == placement_inputs(app) else None
