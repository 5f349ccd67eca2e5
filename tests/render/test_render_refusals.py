"""Specs that the schema accepts and a cluster or VM would not: all mistakes at once, in words."""

from __future__ import annotations

from typing import Any

import pytest

from model.errors import InvalidInput
from model.spec.app import Application, HttpProbe, Port, Probes, Rollout, SecretRef, Service
from model.spec.fleet import Fleet, Site
from orchestrator.render import (
    render_dependencies,
    render_external,
    render_namespace,
    render_remote_dependency,
    render_service,
    render_user_data,
    site_of,
)


def changed(app: Application, name: str, **update: Any) -> tuple[Application, Service]:
    service = app.service(name).model_copy(update=update)
    services = tuple(service if s.name == name else s for s in app.spec.services)
    return app.model_copy(update={"spec": app.spec.model_copy(update={"services": services})}), service


def north(fleet: Fleet) -> list[Site]:
    return [s for s in fleet.sites() if s.region.region == "cn-north-1"]


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"env": {"1X": "a"}}, "'1X' is no environment variable"),
        ({"env": {"DUOYUN_SITE": "a"}}, "DUOYUN_SITE is set by duoyun"),
        ({"env": {"A": "\0"}}, "NUL"),
        ({"env": {"SESSION_KEY": "a"}}, "SESSION_KEY is set twice"),
        ({"image": "--privileged"}, "is no image reference"),
        ({"annotations": {"a b": "c"}}, "is no annotation key"),
        ({"probes": Probes(readiness=HttpProbe(port="grpc"))}, "asks port 'grpc'"),
        ({"rollout": Rollout(max_surge=0, max_unavailable="0%")}, "are both 0"),
        ({"rollout": Rollout(min_ready=700)}, "not above min_ready"),
        ({"ports": (Port(name="a-very-long-port-name", port=1),)}, "is no name for a container's port"),
    ],
)
def test_what_a_cluster_would_refuse_is_refused_before(
    app: Application, fleet: Fleet, update: dict[str, Any], said: str
) -> None:
    app, web = changed(app, "web", **update)
    with pytest.raises(InvalidInput) as caught:
        render_service(app, web, {north(fleet)[0].id: 1}, north(fleet))
    assert any(said in d.what and "service web" in d.what for d in caught.value.diagnostics)


def test_secrets_are_never_put_into_user_data(app: Application, fleet: Fleet) -> None:
    app, legacy = changed(app, "legacy", secret_refs=(SecretRef(name="db", key="password", env="PASSWORD"),))
    with pytest.raises(InvalidInput, match="1 mistake") as caught:
        render_user_data(app, legacy, 0, north(fleet)[0])
    assert "not built yet" in caught.value.diagnostics[0].mend


def test_a_namespace_of_the_cluster_is_refused(app: Application) -> None:
    spec = app.spec.model_copy(update={"namespace": "kube-system"})
    with pytest.raises(InvalidInput):
        render_namespace(app.model_copy(update={"spec": spec}))


def test_labels_that_no_cluster_takes_are_refused(app: Application) -> None:
    metadata = app.metadata.model_copy(update={"labels": {"a": "b c", "d/e/f": "g"}})
    with pytest.raises(InvalidInput) as caught:
        render_namespace(app.model_copy(update={"metadata": metadata}))
    assert len(caught.value.diagnostics) == 2


def test_a_dependency_that_no_link_reaches_is_refused_when_required(app: Application, fleet: Fleet) -> None:
    unlinked = fleet.model_copy(update={"spec": fleet.spec.model_copy(update={"links": ()})})
    counts = {"web": {"aws-cn/cn-north-1a": 1}, "orders": {"alibaba-cn/cn-hangzhou-h": 1}}
    with pytest.raises(InvalidInput) as caught:
        render_dependencies(app, unlinked, counts, north(fleet))
    assert any("orders" in d.what and "no link" in d.what for d in caught.value.diagnostics)
    app, _ = changed(
        app,
        "web",
        depends_on=tuple(d.model_copy(update={"required": False}) for d in app.service("web").depends_on),
    )
    names = [o.manifest["metadata"]["name"] for o in render_dependencies(app, unlinked, counts, north(fleet))]
    assert "orders" not in names
    assert "mysql" in names


def test_the_nearest_linked_region_is_chosen(app: Application, fleet: Fleet) -> None:
    east = fleet.spec.regions[1]
    changes = {"region": "cn-beijing", "zones": [{"zone": "cn-beijing-a"}], "gateway": {"address": "10.2.255.1"}}
    plain = fleet.to_plain()
    plain["spec"]["regions"].append(east.model_dump(mode="json") | changes)
    plain["spec"]["links"].append({"between": ["alibaba-cn/cn-beijing", "aws-cn/cn-north-1"], "rtt_ms": 4})
    wider = Fleet.model_validate(plain)
    everywhere = {"alibaba-cn/cn-hangzhou-h": 1, "alibaba-cn/cn-beijing-a": 1}
    orders = app.service("orders")
    _, endpoints = render_remote_dependency(app, orders, everywhere, north(fleet), wider)
    assert endpoints.manifest["endpoints"][0]["addresses"] == ["10.2.255.1"]
    _, endpoints = render_remote_dependency(app, orders, {"alibaba-cn/cn-hangzhou-h": 1}, north(fleet), wider)
    assert endpoints.manifest["endpoints"][0]["addresses"] == ["10.1.255.1"]


def test_an_external_that_is_no_endpoint_is_refused(app: Application, fleet: Fleet) -> None:
    bank = app.spec.externals[1].model_copy(update={"endpoints": ("https://bank.example/",)})
    with pytest.raises(InvalidInput, match="1 mistake"):
        render_external(app, bank, north(fleet))


def test_an_object_tells_its_site(app: Application, fleet: Fleet) -> None:
    sites = north(fleet)
    made = render_service(app, app.service("web"), {sites[1].id: 1}, sites)
    assert [site_of(o, sites) for o in made if o.manifest["kind"] == "Deployment"] == [sites[1].id]
    assert site_of(made[0], sites) == ""


def test_nothing_is_rendered_where_no_replica_runs(app: Application, fleet: Fleet) -> None:
    assert render_service(app, app.service("web"), {"alibaba-cn/cn-hangzhou-h": 2}, north(fleet)) == ()


def test_the_config_hash_follows_the_pods_content_and_not_the_site_or_count(app: Application, fleet: Fleet) -> None:
    def hashes(application: Application, service: Service, counts: dict[str, int]) -> set[str]:
        return {
            o.manifest["spec"]["template"]["metadata"]["annotations"]["duoyun.dev/config-hash"]
            for o in render_service(application, service, counts, north(fleet))
            if o.manifest["kind"] == "Deployment"
        }

    a, b = (s.id for s in north(fleet))
    first = hashes(app, app.service("web"), {a: 1, b: 1})
    assert len(first) == 1
    assert hashes(app, app.service("web"), {b: 9}) == first
    other_app, other = changed(app, "web", image="registry.example/shop/web:1.4.3")
    assert hashes(other_app, other, {a: 1}) != first
