"""Between what limits a scale set may grow and shrink: an autoscale setting with one profile and no rules of ours.

Callers: groups.py. Azure keeps the capacity within the profile's minimum and maximum; rules that somebody adds stay.
Source: learn.microsoft.com/rest/api/monitor/autoscale-settings.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from providers.azure.arm import Arm, Raw
from providers.azure.names import owner_of
from providers.azure.session import Session
from providers.base import Call

TYPE = "Microsoft.Insights/autoscaleSettings"
API = "2022-10-01"


@dataclass(frozen=True, slots=True)
class Limits:
    """0 and 0: none. largest 0: no more than the size is."""

    smallest: int = 0
    largest: int = 0


class ScaleLimits:
    def __init__(self, session: Session) -> None:
        self.arm = Arm(session)

    def all(self, call: Call) -> dict[str, Limits]:
        """Scale set's id in lower case -> its limits."""
        return {
            str(raw.said("targetResourceUri") or "").lower(): _limits(raw)
            for raw in self.arm.of_type(TYPE, API, "", call)
        }

    def of(self, scale_set: Any, call: Call) -> Limits:
        """Of ours by name, which is one small answer; of others among all."""
        if not owner_of(scale_set.tags):
            return self.all(call).get(str(scale_set.id).lower(), Limits())
        raw = self.arm.find("insights.scaling.get", _id(scale_set.id), API, call)
        return _limits(raw) if raw is not None else Limits()

    def put(self, scale_set: Any, wanted: Limits, size: int, call: Call) -> None:
        """Sends nothing where nothing differs; takes the setting away where no limits are wanted."""
        raw = self.arm.find("insights.scaling.get", _id(scale_set.id), API, call)
        if wanted == Limits():
            if raw is not None:
                self.delete(scale_set.id, call)
            return
        capacity = {
            "minimum": str(wanted.smallest), "maximum": str(wanted.largest or size), "default": str(size),
        }  # fmt: skip
        profiles = copy.deepcopy(list(raw.said("profiles") or ())) if raw is not None else []
        if raw is not None and profiles and profiles[0].get("capacity") == capacity:
            return
        first = {"name": "duoyun", "rules": [], **(profiles[0] if profiles else {}), "capacity": capacity}
        body = {
            "location": scale_set.location,
            "tags": dict(scale_set.tags or {}),
            "properties": {
                "enabled": True, "targetResourceUri": scale_set.id, "profiles": [first, *profiles[1:]],
            },
        }  # fmt: skip
        self.arm.put("insights.scaling.put", _id(scale_set.id), body, API, call)

    def delete(self, set_id: str, call: Call) -> None:
        self.arm.delete("insights.scaling.delete", _id(set_id), API, call)


def _id(set_id: str) -> str:
    group, _, name = str(set_id).partition("/providers/")
    return f"{group}/providers/{TYPE}/{name.rsplit('/', 1)[-1]}-scale"


def _limits(raw: Raw) -> Limits:
    profiles = raw.said("profiles") or ()
    capacity = profiles[0].get("capacity") or {} if profiles else {}
    low, high = (str(capacity.get(name) or "0") for name in ("minimum", "maximum"))
    return Limits(int(low) if low.isdigit() else 0, int(high) if high.isdigit() else 0)
