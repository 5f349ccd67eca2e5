"""Instance groups, disks, load balancers, DNS records, registries, and what is only read: what their tests stand on.

A kind that a cloud's adapter has not declared is not run for it: it is listed in that cloud's `lacking`
(tools/conformance/strangers), and the list must be true.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import pytest

from model.resources import Kind, Observed
from orchestrator.compare import diff_resource
from orchestrator.registry import CLOUDS
from tests.contract import in_memory
from tools.conformance.more import MADE, READ, Base, More, wish

ROWS: dict[str, More] = {
    **{name: importlib.import_module(f"tools.conformance.strangers.{name}").MORE for name in sorted(CLOUDS)},
    "fake": in_memory.MORE,
}
ZONE = "contract.example"


def cases(kinds: tuple[Kind, ...]) -> list[Any]:
    """(cloud, kind) of what the clouds have declared."""
    rows = [(cloud, kind) for kind in kinds for cloud, more in ROWS.items() if kind not in more.lacking]
    return [pytest.param(*row, id=f"{row[0]}-{row[1]}") for row in rows]


class Here:
    """A site with what this module's kinds need. Each wish is a new one."""

    def __init__(self, site: Any, more: More) -> None:
        self.site, self.more = site, more
        self.standing: dict[Kind, tuple[Any, Observed]] = {}
        self._base: Base | None = None

    def base(self) -> Base:
        if self._base is None:
            site, cloud = self.site, self.site.cloud
            if self.more.dns_zone is not None:
                self.more.dns_zone(site.account, cloud.region, ZONE)
            self._base = Base(
                network=site.base(Kind.NETWORK), subnets=site.subnets(), zones=cloud.zones, zone=ZONE,
                firewall_group=site.base(Kind.FIREWALL_GROUP), instance_type=cloud.instance_type,
                instance=site.base(Kind.INSTANCE),
            )  # fmt: skip
        return self._base

    def wish(self, kind: Kind, **changes: Any) -> Any:
        number = next(self.site.numbers)
        made = wish(self.more, kind, f"{kind.replace('_', '-')}-{number}", number, self.base())
        return replace(made, **changes)

    def stands(self, kind: Kind) -> tuple[Any, Observed]:
        """One that is made once and that no test changes: (as wanted, as seen)."""
        if kind not in self.standing:
            wanted = self.wish(kind)
            self.standing[kind] = (wanted, self.site.make(wanted))
        return self.standing[kind]

    def gone(self, *seen: Observed) -> None:
        for one in seen:
            self.site.provider.delete(one, self.site.call())
            self.site.provider.wait_gone(one.address, self.site.call())


made = pytest.mark.parametrize(("cloud", "kind"), cases(MADE))
read = pytest.mark.parametrize(("cloud", "kind"), cases(READ))


def only(kind: Kind) -> Any:
    return pytest.mark.parametrize(("cloud", "kind"), cases((kind,)))


def differences(seen: Observed, wanted: Any) -> Any:
    return diff_resource(seen, wanted, wanted)
