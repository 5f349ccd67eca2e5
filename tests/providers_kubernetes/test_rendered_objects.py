"""What the renderer makes, applied to a cluster: accepted strictly, observed as written, ready, and answering."""

from __future__ import annotations

from typing import Any

import pytest

from model.resources import LABEL_SITE, Address, Kind, KubernetesObject, State
from model.spec.app import Application
from model.spec.fleet import Fleet, Site
from orchestrator.render import render_dependencies, render_namespace, render_service, site_label
from orchestrator.verify import verify_service, verify_workload
from providers.base import Account, Call, ClusterAccess
from providers.kubernetes import KubernetesProvider, open_cluster
from sandbox.kubernetes.embedded import running_cluster
from sandbox.world import NodeSpec

ACCOUNT = Account("north", "aws", "aws-cn", "222222222222")


def service(name: str, calls: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    base = {
        "name": name,
        "image": f"shop/{name}:1.0",
        "resources": {"cpu": "100m", "memory": "64Mi"},
        "ports": [{"port": 8080, "public": name == "web"}],
        "depends_on": [{"name": c} for c in calls],
        "data_class": "internal",
        "zones": ["any"],
    }
    return {**base, **more}


@pytest.fixture(scope="module")
def app() -> Application:
    services = [
        service("web", ("orders", "far", "legacy", "mysql", "bank"), env={"EMPTY": "", "X": "$(HOME)"}),
        service("orders", probes={"readiness": {"path": "/ready"}, "liveness": {"path": "/live"}}),
        service("far"),
        service("legacy", runtime="vm"),
        service("worker", ports=[]),
    ]
    externals = [
        {"name": "mysql", "sites": ["internet"], "endpoints": ["10.0.9.1:3306", "10.0.9.2:3306"]},
        {"name": "bank", "sites": ["internet"], "endpoints": ["api.bank.example:443"]},
    ]
    document = {"apiVersion": "duoyun.dev/v1", "kind": "Application", "metadata": {"name": "shop"}}
    return Application.model_validate(document | {"spec": {"services": services, "externals": externals}})


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    def region(name: str, gateway: str) -> dict[str, Any]:
        return {
            "account": "north",
            "region": name,
            "zones": [{"zone": f"{name}a"}, {"zone": f"{name}b"}],
            "country": "CN",
            "network": {"cidr": "10.0.0.0/16"},
            "cluster": {"name": "main"},
            "gateway": {"address": gateway},
        }

    spec = {
        "accounts": [{"name": "north", "partition": "aws-cn", "account_id": "222222222222"}],
        "regions": [region("cn-north-1", "10.0.255.1"), region("cn-northwest-1", "10.1.255.1")],
        "links": [{"between": ["aws-cn/cn-north-1", "aws-cn/cn-northwest-1"], "rtt_ms": 20}],
    }
    document = {"apiVersion": "duoyun.dev/v1", "kind": "Fleet", "metadata": {"name": "prod"}}
    return Fleet.model_validate(document | {"spec": spec})


def address(obj: KubernetesObject) -> Address:
    return Address(ACCOUNT.partition, ACCOUNT.account_id, "cn-north-1", Kind.KUBERNETES_OBJECT, obj.name)


def test_everything_that_is_rendered_is_accepted_observed_as_written_and_answers(
    app: Application, fleet: Fleet
) -> None:
    sites = [s for s in fleet.sites() if s.region.region == "cn-north-1"]
    a, b = (s.id for s in sites)
    placement = {
        "web": {a: 2, b: 1},
        "orders": {a: 1},
        "worker": {b: 1},
        "far": {"aws-cn/cn-northwest-1a": 1},
        "legacy": {a: 1},
    }
    objects = [render_namespace(app, "main")]
    for name in ("web", "orders", "worker"):
        objects += render_service(app, app.service(name), placement[name], sites)
    objects += render_dependencies(app, fleet, placement, sites, vm_addresses={"legacy": ["10.0.1.7"]})
    nodes = [
        NodeSpec(f"node-{s.zone}", s.zone, "cn-north-1", "t", 4000, 8192, labels={LABEL_SITE: site_label(s.id)})
        for s in sites
    ]
    with running_cluster(nodes) as running:
        access = ClusterAccess(running.url, ca_pem=running.ca_pem, token=lambda: running.token)
        provider = open_cluster(ACCOUNT, "cn-north-1", "main", access)
        for wanted in objects:
            assert provider.diff(provider.create(address(wanted), wanted, Call(fleet="prod")), wanted) == ()
        for wanted in objects:
            seen = provider.wait_ready(address(wanted), Call(fleet="prod"))
            assert seen.state is State.READY
            assert seen.resource.manifest == wanted.manifest, wanted.name
        assert {o.address.name for o in provider.list_owned(Call(fleet="prod"))} == {o.name for o in objects}
        _assert_answers(provider, app, placement, sites)
        for wanted in reversed(objects):
            provider.delete(provider.get(address(wanted), Call(fleet="prod")), Call(fleet="prod"))
        for wanted in objects:
            provider.wait_gone(address(wanted), Call(fleet="prod"))
        assert provider.list_owned(Call(fleet="prod")) == []
        provider.close()


def _assert_answers(
    provider: KubernetesProvider, app: Application, placement: dict[str, dict[str, int]], sites: list[Site]
) -> None:
    found = verify_service(
        app,
        app.service("web"),
        placement["web"],
        sites,
        cluster=lambda _site: provider,
        addresses=lambda _site: (),
        call=Call(fleet="prod"),
    )
    assert sorted(v.site for v in found) == [sites[0].id, sites[0].id, sites[1].id]
    assert all('"service": "web"' in v.last.body for v in found)
    name = "main/shop/Deployment/orders-a"
    place = Address(ACCOUNT.partition, ACCOUNT.account_id, "cn-north-1", Kind.KUBERNETES_OBJECT, name)
    seen = provider.get(place, Call(fleet="prod"))
    assert len(verify_workload(provider, app.service("orders"), "shop", seen, Call(fleet="prod"))) == 1
