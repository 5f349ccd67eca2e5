"""Rules of the fleet's capacity: reserved machines, existing nodes, teams' quotas, populations of users.

Callers: model.spec.check_fleet.
"""

from __future__ import annotations

from collections.abc import Mapping

from model.spec.check import Checked, Notes, Path
from model.spec.fleet import Fleet, RegionSpec
from model.spec.words import did_you_mean, shown


def check_capacity(notes: Notes[Fleet], fleet: Checked[Fleet], partitions: Mapping[str, str]) -> None:
    """All mistakes. partitions: account -> partition."""
    assert fleet.value is not None
    spec = fleet.value.spec
    for i, region in enumerate(spec.regions):
        _machines(notes, ("spec", "regions", i), region)
    regions = [f"{partitions[r.account]}/{r.region}" for r in spec.regions if r.account in partitions]
    known = None if fleet.partial else regions
    names: set[str] = set()
    for i, people in enumerate(spec.populations):
        here: Path = ("spec", "populations", i)
        if people.name in names:
            notes.error((*here, "name"), f"a population named {shown(people.name)} is already there", "rename one")
        names.add(people.name)
        for name in people.rtt_ms:
            _region(notes, (*here, "rtt_ms", name), name, known)
    seen: set[tuple[str, str | None]] = set()
    for i, quota in enumerate(spec.capacity.team_quotas):
        here = ("spec", "capacity", "team_quotas", i)
        if quota.cpu is None and quota.memory is None:
            notes.error(here, f"the quota of {quota.team} limits nothing", "add `cpu:` or `memory:`")
        if quota.region is not None:
            _region(notes, (*here, "region"), quota.region, known)
        if (quota.team, quota.region) in seen:
            where = f" in {quota.region}" if quota.region else ""
            notes.error((*here, "team"), f"the quota of {quota.team}{where} is already there", "keep one")
        seen.add((quota.team, quota.region))


def _region(notes: Notes[Fleet], at: Path, name: str, known: list[str] | None) -> None:
    if known is not None and name not in known:
        mend = did_you_mean(name, known, "regions are partition/region, as the fleet lists them")
        notes.error(at, f"{shown(name)} is no region of this fleet", mend)


def _machines(notes: Notes[Fleet], here: Path, region: RegionSpec) -> None:
    for j, zone in enumerate(region.zones):
        at = (*here, "zones", j)
        types: set[str] = set()
        for k, row in enumerate(zone.reserved):
            if row.instance_type in types:
                what = f"reserved {row.instance_type} in {zone.zone} is already there"
                notes.error((*at, "reserved", k, "instance_type"), what, "keep one row, with their sum")
            types.add(row.instance_type)
        names: set[str] = set()
        for k, node in enumerate(zone.existing_nodes):
            if node.name in names:
                what = f"the node {node.name} of {zone.zone} is already there"
                notes.error((*at, "existing_nodes", k, "name"), what, "keep one")
            names.add(node.name)
        if zone.existing_nodes and region.cluster is None:
            what = f"{region.region} has no cluster that these nodes could belong to"
            notes.error((*at, "existing_nodes"), what, "add `cluster:` to the region")
