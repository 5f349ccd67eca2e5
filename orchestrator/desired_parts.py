"""What the parts of desired share: the items so far, and a region in use. Callers: desired, desired_networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from model.plan import Item, Placement
from model.resources import (
    Address,
    Kind,
)
from model.spec.app import Application
from model.spec.fleet import ClusterSpec, Fleet, RegionSpec, Site
from orchestrator.ties import PlannedNodes


@dataclass(slots=True)
class Builder:
    app: Application
    fleet: Fleet
    placement: Placement
    manifests: Mapping[str, str]
    items: dict[Address, Item] = field(default_factory=dict)
    nodes: PlannedNodes = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = PlannedNodes(self.placement)

    def add(self, item: Item) -> Address:
        self.items[item.address] = item
        return item.address


@dataclass(frozen=True, slots=True)
class Region:
    """A region in use. sites: those of its zones that hold something; all_sites: every zone of it."""

    spec: RegionSpec
    all_sites: tuple[Site, ...]
    sites: tuple[Site, ...]

    @property
    def region_id(self) -> str:
        return self.all_sites[0].region_id

    def address(self, kind: Kind, name: str) -> Address:
        account = self.all_sites[0].account
        return Address(account.partition, account.account_id, self.spec.region, kind, name)

    @property
    def cluster(self) -> ClusterSpec:
        return self.spec.cluster or ClusterSpec()
