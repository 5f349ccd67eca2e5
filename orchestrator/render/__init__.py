"""From a validated spec to manifests and VM user data. Pure: same values in, same text out; no time, no randomness.

Callers: the planner, which turns each object into an Item; `placement` and image digests come in as values.
Not here: talking to clusters (providers/kubernetes), ordering (reconcile), deciding where anything runs (scheduler).
"""

from __future__ import annotations

from orchestrator.render.dependencies import (
    address_variables,
    render_dependencies,
    render_external,
    render_remote_dependency,
    render_vm_service,
)
from orchestrator.render.names import object_name, site_label, site_of, zone_suffix
from orchestrator.render.prerendered import load_manifests
from orchestrator.render.services import CONFIG_HASH, render_namespace, render_service
from orchestrator.render.user_data import render_user_data

__all__ = [
    "CONFIG_HASH",
    "address_variables",
    "load_manifests",
    "object_name",
    "render_dependencies",
    "render_external",
    "render_namespace",
    "render_remote_dependency",
    "render_service",
    "render_user_data",
    "render_vm_service",
    "site_label",
    "site_of",
    "zone_suffix",
]
