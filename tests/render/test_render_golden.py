"""Snapshots: a change in what is rendered shows up as a diff in a review."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import yaml

from model.resources import KubernetesObject
from model.spec.app import Application
from model.spec.fleet import Fleet
from orchestrator.render import (
    render_dependencies,
    render_namespace,
    render_service,
    render_user_data,
    render_vm_service,
)

NORTH_A, NORTH_B, EAST = "aws-cn/cn-north-1a", "aws-cn/cn-north-1b", "alibaba-cn/cn-hangzhou-h"
PLACEMENT = {"web": {NORTH_A: 2, NORTH_B: 1}, "orders": {EAST: 1}, "legacy": {NORTH_A: 1}, "worker": {EAST: 1}}


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def as_text(objects: Iterable[KubernetesObject]) -> str:
    return "".join(
        f"# {o.name}\n---\n{yaml.dump(o.manifest, Dumper=_NoAliases, sort_keys=False, width=120)}" for o in objects
    )


def sites(fleet: Fleet, region: str) -> list:
    return [s for s in fleet.sites() if s.region.region == region]


@pytest.mark.parametrize("region", ["cn-north-1", "cn-hangzhou"])
def test_everything_rendered_for_a_region_matches_its_snapshot(
    app: Application, fleet: Fleet, golden: Callable[[str, str], None], region: str
) -> None:
    here = sites(fleet, region)
    objects = [render_namespace(app, "main")]
    for service in app.spec.services:
        if service.runtime == "kubernetes":
            objects += render_service(app, service, PLACEMENT[service.name], here)
    objects += render_dependencies(app, fleet, PLACEMENT, here, vm_addresses={"legacy": ["10.0.1.7"]})
    golden(f"{region}.yaml", as_text(objects))


def test_the_user_data_of_a_vm_matches_its_snapshot(
    app: Application, fleet: Fleet, golden: Callable[[str, str], None]
) -> None:
    golden("legacy-0.cloud-config", render_user_data(app, app.service("legacy"), 0, sites(fleet, "cn-north-1")[0]))


def test_rendering_twice_gives_the_same_values(app: Application, fleet: Fleet) -> None:
    here = sites(fleet, "cn-north-1")
    web = app.service("web")
    assert render_service(app, web, PLACEMENT["web"], here) == render_service(app, web, PLACEMENT["web"], here)


def test_a_vm_service_without_known_addresses_has_a_name_but_no_endpoints(app: Application, fleet: Fleet) -> None:
    made = render_vm_service(app, app.service("legacy"), (), sites(fleet, "cn-north-1"))
    assert [o.manifest["kind"] for o in made] == ["Service"]
    assert "selector" not in made[0].manifest["spec"]
