"""Which systems a probe can be exported to: what belongs to nobody, Kubernetes, and one table of each cloud.

Callers: `duoyun probe export`.
"""

from __future__ import annotations

import importlib

from model.probe_limits import ProbeLimits
from orchestrator.registry import CLOUDS
from probes.export import OF_NOBODY, by_name

CLUSTERS = "providers.kubernetes"


def known() -> dict[str, ProbeLimits]:
    """Limits by the name that users give."""
    modules = (CLUSTERS, *(cloud.module for cloud in CLOUDS.values()))
    tables = [importlib.import_module(f"{module}.probe_limits").PROBE_LIMITS for module in modules]
    return by_name([*(row for table in tables for row in table), *OF_NOBODY])
