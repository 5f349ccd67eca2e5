"""The part of a service that may be on spot machines: what is rendered, and what a scheduler makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from model.resources import LABEL_CAPACITY, LABEL_SITE, SPOT_TAINT
from model.spec.app import Application, PlacementRules
from model.spec.fleet import Fleet
from orchestrator.registry import CLOUDS
from orchestrator.render import render_service
from orchestrator.render.pod import pod_template
from orchestrator.render.spot import parts_of, tolerations
from sandbox.kubernetes.controllers.fit import Slot, choose
from sandbox.kubernetes.nodes.machines import node_object

HERE = "aws-cn/cn-north-1a"
LABEL = HERE.replace("/", ".")


def with_rules(app: Application, **rules: Any) -> Application:
    """The application whose web has four replicas and those placement rules."""
    changes = {"replicas": 4, "placement": PlacementRules.model_validate(rules)}
    services = tuple(s.model_copy(update=changes) if s.name == "web" else s for s in app.spec.services)
    return app.model_copy(update={"spec": app.spec.model_copy(update={"services": services})})


def deployments(app: Application, fleet: Fleet, on_spot: int, replicas: int = 4) -> dict[str, dict[str, Any]]:
    sites = [s for s in fleet.sites() if s.region.region == "cn-north-1"]
    objects = render_service(app, app.service("web"), {HERE: replicas}, sites, on_spot={HERE: on_spot})
    return {o.manifest["metadata"]["name"]: dict(o.manifest) for o in objects if o.manifest["kind"] == "Deployment"}


def slot(name: str, *, spot: bool = False, cpu: int = 64000) -> Slot:
    """A node of a pool of ours, as it is in a cluster of the sandbox once it has joined."""
    labels = {LABEL_SITE: LABEL, "kubernetes.io/arch": "amd64"} | ({LABEL_CAPACITY: "spot"} if spot else {})
    spec = {"name": name, "zone": "a", "region": "r", "instance_type": "t", "cpu_millicores": cpu,
            "memory_mib": 65536, "pods": 100, "labels": labels, "provider_id": "",
            "taints": (SPOT_TAINT,) if spot else ()}  # fmt: skip
    node = node_object(spec, "1.35", "c", "now")
    node["spec"]["taints"] = [t for t in node["spec"]["taints"] if "not-ready" not in t["key"]]
    return Slot.of(node)


def placed(rendered: list[dict[str, Any]], slots: list[Slot]) -> dict[str, list[str | None]]:
    """Deployment -> the node of each of its pods, in the order in which they are made; None where it waits."""
    found: dict[str, list[str | None]] = {}
    for deployment in rendered:
        template, name = deployment["spec"]["template"], deployment["metadata"]["name"]
        for number in range(deployment["spec"]["replicas"]):
            labels = {**template["metadata"]["labels"], "pod-template-hash": name}
            pod = {"metadata": {"name": f"{name}-{number}", "namespace": "shop", "labels": labels},
                   "spec": template["spec"]}  # fmt: skip
            node = choose(pod, slots).node
            found.setdefault(name, []).append(node)
            if node is not None:
                next(s for s in slots if s.name == node).take({**pod, "spec": {**pod["spec"], "nodeName": node}})
    return found


def test_a_share_on_spot_machines_is_a_deployment_of_its_own(app: Application, fleet: Fleet) -> None:
    found = deployments(with_rules(app, max_spot_share="50%"), fleet, 2)
    assert {n: d["spec"]["replicas"] for n, d in found.items()} == {"web-aspot": 2, "web-a": 2}
    whole, part = found["web-a"], found["web-aspot"]
    for one, other in ((whole, part), (part, whole)):
        selector = one["spec"]["selector"]["matchLabels"].items()
        assert selector <= one["spec"]["template"]["metadata"]["labels"].items()
        assert not selector <= other["spec"]["template"]["metadata"]["labels"].items(), "each has its own pods"
    assert whole["metadata"]["labels"][LABEL_SITE] == part["metadata"]["labels"][LABEL_SITE] == LABEL
    # Nothing of the first one changes, so that a share can be given, and taken back, while it runs.
    (before,) = deployments(with_rules(app), fleet, 0).values()
    before["spec"]["replicas"] = 2
    assert whole == before


@pytest.mark.parametrize("full", [False, True])
def test_no_more_than_its_share_gets_there(app: Application, fleet: Fleet, full: bool) -> None:
    """Whether or not the other nodes have room; those on demand wait rather than go there."""
    rendered = deployments(with_rules(app, max_spot_share="50%"), fleet, 2)
    nodes = [slot("spot", spot=True), slot("other", cpu=100 if full else 64000)]
    found = placed(list(rendered.values()), nodes)
    assert found == {"web-aspot": ["spot", "spot"], "web-a": [None, None] if full else ["other", "other"]}


def test_its_pods_find_room_elsewhere_once_spot_machines_are_gone(app: Application, fleet: Fleet) -> None:
    rendered = deployments(with_rules(app, max_spot_share="50%"), fleet, 2)
    assert placed([rendered["web-aspot"]], [slot("other")]) == {"web-aspot": ["other", "other"]}
    verdict = choose({"metadata": {"name": "p", "namespace": "shop", "labels": {}},
                      "spec": rendered["web-a"]["spec"]["template"]["spec"]}, [slot("spot", spot=True)])  # fmt: skip
    assert verdict.node is None and f"untolerated taint {{{LABEL_CAPACITY}: spot}}" in verdict.message


def test_a_node_carries_no_more_of_both_together(app: Application, fleet: Fleet) -> None:
    rendered = deployments(with_rules(app, max_spot_share="50%", max_per={"node": 1}), fleet, 2)
    found = placed(list(rendered.values()), [slot("a"), slot("b"), slot("c")])
    assert sorted(n for nodes in found.values() for n in nodes if n) == ["a", "b", "c"]
    assert [n for nodes in found.values() for n in nodes].count(None) == 1


def test_what_may_be_there_whole_is_not_divided(app: Application, fleet: Fleet) -> None:
    """Nor renamed; and nothing is said of spot machines where the plan has none."""
    (name, found), = deployments(with_rules(app, max_spot_share="100%"), fleet, 3).items()  # fmt: skip
    assert (name, found["spec"]["replicas"]) == ("web-a", 4)
    assert placed([found], [slot("spot", spot=True), slot("other")]) == {"web-a": ["spot"] * 4}
    for share in ("50%", "100%"):
        ((name, found),) = deployments(with_rules(app, max_spot_share=share), fleet, 0).items()
        assert name == "web-a" and "tolerations" not in found["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("share", "replicas", "on_spot", "wanted"),
    [
        ("0", 3, 0, ((3, False),)),
        ("50%", 3, 1, ((1, True), (2, False))),
        ("50%", 1, 2, ((1, True),)),
        ("100%", 3, 1, ((3, True),)),
        ("100%", 0, 0, ()),
    ],
)
def test_how_replicas_are_divided(app: Application, share: str, replicas: int, on_spot: int, wanted: Any) -> None:
    service = with_rules(app, max_spot_share=share).service("web")
    assert parts_of(service, replicas, on_spot) == wanted


def test_the_taints_of_a_cloud_are_tolerated_and_no_others(app: Application, fleet: Fleet) -> None:
    for site in fleet.sites():
        texts = {f"{t['key']}={t['value']}:{t['effect']}" for t in tolerations(site)}
        assert texts == {SPOT_TAINT} | {t for t in (CLOUDS[site.cloud].spot_taint,) if t}
    assert [name for name, cloud in CLOUDS.items() if cloud.spot_taint] == ["azure"]
    site = next(iter(fleet.sites()))
    template = pod_template(app, app.service("web"), site, "registry.example/x:1")
    assert "tolerations" not in template["spec"]
