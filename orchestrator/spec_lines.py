"""Where a constraint of the scheduler's stands in the user's files. Pure. Callers: placing, `duoyun place`.

A constraint that is a default, and written nowhere, has the place of the entry that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from model.spec.app import Application, Service
from model.spec.fleet import Fleet
from model.spec.yaml_source import Document
from scheduler.infeasible import Conflict

Path = tuple[str | int, ...]
_OF_SERVICE: Mapping[str, Path] = {
    "demand": ("replicas",),
    "data_residency": ("zones",),
    "icp": ("icp",),
    "arch": ("architectures",),
    "sites": ("placement", "sites"),
    "avoid": ("placement", "avoid_sites"),
    "spread": ("placement", "spread"),
    "node_share": ("placement", "max_node_share"),
    "spot": ("placement", "max_spot_share"),
}
_WITH_DETAIL: Mapping[str, Path] = {
    "survives": ("placement", "survive"),
    "at_most": ("placement", "max_per"),
    "pin": ("placement", "pin"),
}
_OF_ZONE: Mapping[str, str] = {"machines": "max_nodes", "node_headroom": "node_headroom"}
_OF_FLEET: Mapping[str, Path] = {
    "headroom": ("capacity", "rollout_headroom"),
    "node_loss": ("capacity", "survive_node_loss"),
    "node_headroom": ("capacity", "node_headroom"),
    "spare_node": ("capacity", "spare_node_per_pool"),
    "moves": ("capacity", "max_moves"),
    "budget": ("budget", "max_per_hour"),
}


@dataclass(frozen=True, slots=True)
class Lines:
    """documents: by kind, as loaded; without them nothing has a place."""

    app: Application
    fleet: Fleet
    documents: Mapping[str, Document]

    def of(self, conflict: Conflict) -> str:
        """`file:line:column`, or nothing where it is written nowhere."""
        index = {s.name: i for i, s in enumerate(self.app.spec.services)}
        if conflict.kind == "node_headroom" and conflict.subject:
            return self._at("Fleet", self._shared(conflict))
        if conflict.kind in _OF_FLEET:
            return self._at("Fleet", ("spec", *_OF_FLEET[conflict.kind]), exact=True)
        if conflict.kind in ("quota", "machines", "team"):
            return self._at("Fleet", self._shared(conflict))
        if conflict.subject not in index:
            return ""
        number = index[conflict.subject]
        return self._at("Application", ("spec", "services", number, *_own(self.app.spec.services[number], conflict)))

    def _shared(self, conflict: Conflict) -> Path:
        """A quota of a region, machines of a zone, the quota of a team."""
        if conflict.kind == "team":
            rows = [(q.team, q.region or "") for q in self.fleet.spec.capacity.team_quotas]
            return ("spec", "capacity", "team_quotas", rows.index((conflict.subject, conflict.detail)))
        for i, region in enumerate(self.fleet.spec.regions):
            partition = self.fleet.account(region.account).partition
            if conflict.kind == "quota" and conflict.subject == f"{partition}/{region.region}":
                return ("spec", "regions", i, "quota_vcpu")
            for j, zone in enumerate(region.zones):
                if conflict.kind in _OF_ZONE and conflict.subject == f"{partition}/{zone.zone}":
                    return ("spec", "regions", i, "zones", j, _OF_ZONE[conflict.kind])
        return ("spec", "regions")

    def _at(self, kind: str, path: Path, *, exact: bool = False) -> str:
        document = self.documents.get(kind)
        if document is None or (exact and not document.has(path)):
            return ""
        return document.position(path)


def _own(service: Service, conflict: Conflict) -> Path:
    """The path below the service."""
    if conflict.kind in _WITH_DETAIL:
        return (*_WITH_DETAIL[conflict.kind], conflict.detail)
    if conflict.kind in ("latency", "calls", "affinity"):
        key = {"latency": "max_rtt_ms", "calls": "name", "affinity": "within"}[conflict.kind]
        return ("depends_on", [d.name for d in service.depends_on].index(conflict.detail), key)
    if conflict.kind == "apart":
        rows = [f"{a.service}/{a.over}" for a in service.placement.apart]
        return ("placement", "apart", rows.index(conflict.detail))
    if conflict.kind == "users":
        return ("placement", "users", [u.population for u in service.placement.users].index(conflict.detail))
    return _OF_SERVICE.get(conflict.kind, ())
