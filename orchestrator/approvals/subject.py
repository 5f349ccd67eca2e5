"""What is approved: the hash of everything a plan will do. Callers: flow, plan view. Pure.

It covers the application, the fleet, the placement, every item and action, the canaries, and the revision that the plan
was made against; not when it was made, what was found and told while making it: the same plan made again has the same
hash, and a plan that differs in anything that will be done has another.
"""

from __future__ import annotations

import hashlib
import json

from model.codec import to_data
from model.plan import Plan

_COVERED = (
    "application",
    "fleet",
    "base_revision",
    "app_sha256",
    "fleet_sha256",
    "app",
    "placement",
    "items",
    "actions",
    "stages",
)


def approval_hash(plan: Plan) -> str:
    """SHA-256, hexadecimal."""
    data = to_data(plan)
    text = json.dumps({k: data[k] for k in _COVERED}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
