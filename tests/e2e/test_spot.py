"""Spot machines: own pools at the clouds' prices, a share that is kept, a machine taken back in a release."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
AWS, AZURE = "aws-cn/cn-north-1", "azure-cn/chinanorth3"


def nodes(duoyun: Any, region: str) -> dict[str, str]:
    """Node -> how it was bought, for those of our pools."""
    from kubernetes import client

    rows = client.CoreV1Api(duoyun.cluster(region)).list_node(label_selector="duoyun.dev/site").items
    return {r.metadata.name: r.metadata.labels.get("duoyun.dev/capacity", "on demand") for r in rows}


def where(duoyun: Any, region: str, service: str) -> list[str]:
    """How the node was bought on which each pod of a service runs, sorted."""
    from kubernetes import client

    bought = nodes(duoyun, region)
    pods = client.CoreV1Api(duoyun.cluster(region)).list_namespaced_pod(
        "small", label_selector=f"app.kubernetes.io/name={service}"
    )
    return sorted(bought[p.spec.node_name] for p in pods.items if not p.metadata.deletion_timestamp)


def test_a_share_on_spot_machines(duoyun: Any) -> None:
    """One pod fills a node, so that half of them on spot machines means half of the nodes."""
    duoyun.edit(
        duoyun.app,
        (
            "replicas: 2\n      resources: {cpu: 100m, memory: 128Mi}",
            'replicas: 4\n      resources: {cpu: "1", memory: 512Mi}\n'
            "      rollout: {max_surge: 0, max_unavailable: 1}",
        ),
        ("min_each: 1}\n", "min_each: 2}\n        max_spot_share: 50%\n"),
        ("sites: [azure-cn/chinanorth3-1]}", "sites: [azure-cn/chinanorth3-1], max_spot_share: 100%}"),
    )
    duoyun.edit(
        duoyun.fleet,
        ("  currency: CNY\n", "  currency: CNY\n  capacity: {survive_node_loss: false, rollout_headroom: false}\n"),
    )
    before = duoyun.plan()
    assert "spot" not in {p["terms"] for p in before["pools"]}, "no spot price is known yet"

    duoyun("providers", "prices", "--refresh", "--fleet", duoyun.files).ended(0)
    planned = duoyun.plan()
    made = {(p["site"].split("/")[0], p["terms"]): p["count"] for p in planned["pools"] if not p["dedicated_to"]}
    clouds = ("aws-cn", "alibaba-cn")
    assert made == {(c, terms): 1 for c in clouds for terms in ("on_demand", "spot")} | {("azure-cn", "spot"): 1}
    assert planned["on_spot"]["web"] == {"alibaba-cn/cn-hangzhou-h": 1, "aws-cn/cn-north-1a": 1}
    assert planned["cost"]["total_per_hour"] < before["cost"]["total_per_hour"]

    duoyun.deploy()
    assert where(duoyun, AWS, "web") == where(duoyun, "alibaba-cn/cn-hangzhou", "web") == ["on demand", "spot"]
    assert where(duoyun, AZURE, "orders") == ["spot"]
    assert duoyun.plan()["changes"] == {}

    (lost,) = [name for name, bought in nodes(duoyun, AWS).items() if bought == "spot"]
    duoyun.edit(duoyun.app, ("small/web:1.0.0", "small/web:1.1.0"))
    assert duoyun("sandbox", "reclaim", lost, "-o", "json").ended(0).json["cloud"] == "aws"
    duoyun.deploy()
    assert lost not in nodes(duoyun, AWS)
    assert where(duoyun, AWS, "web") == ["on demand", "spot"]
    duoyun("sandbox", "reclaim", lost).ended(64)

    duoyun.edit(duoyun.app, ("        max_spot_share: 50%\n", ""), (", max_spot_share: 100%", ""))
    duoyun.deploy()
    assert where(duoyun, AWS, "web") == ["on demand", "on demand"]
    assert set(nodes(duoyun, AZURE).values()) == {"on demand"}
    duoyun.destroy()
