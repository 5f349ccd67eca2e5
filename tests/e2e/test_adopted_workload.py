"""A Deployment that others made, with a password in its environment: adopted, brought back, then released."""

from __future__ import annotations

import copy
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PASSWORD = "not-for-the-state-7731"
ENVIRONMENT = [{"name": "DB_PASSWORD", "value": PASSWORD}, {"name": "MODE", "value": "theirs"}]
THEIRS = "registry.example.com/theirs/web:0.9"
WEB = """    - name: web
      image: registry.example.com/small/web:1.0.0
"""


def plain(deployment: Any) -> dict[str, Any]:
    container = deployment.spec.template.spec.containers[0]
    return {"image": container.image, **{e.name: e.value for e in container.env or ()}}


def test_a_workload_of_others_is_taken_over_without_a_second_one(duoyun: Any) -> None:
    from kubernetes import client

    duoyun.edit(
        duoyun.app,
        ("placement: {sites: [azure-cn/chinanorth3-1]}", "placement: {sites: [aws-cn/cn-north-1a]}"),
        ("sites: [aws-cn/cn-north-1a, alibaba-cn/cn-hangzhou-h]", "sites: [aws-cn/cn-north-1a]"),
        ("        spread: {over: cloud, min_domains: 2, min_each: 1}\n", ""),
    )
    duoyun.deploy()
    apps = client.AppsV1Api(duoyun.cluster("aws-cn/cn-north-1"))
    ours = client.ApiClient().sanitize_for_serialization(apps.read_namespaced_deployment("web-a", "small"))

    # web is taken out of the application, and its team runs it by a script of its own.
    whole = duoyun.app.read_text(encoding="utf-8")
    start, end = whole.index(WEB), whole.index("    - name: orders")
    duoyun.app.write_text(whole[:start] + whole[end:], encoding="utf-8")
    duoyun.deploy()
    theirs = copy.deepcopy({k: ours[k] for k in ("apiVersion", "kind", "spec")})
    theirs["metadata"] = {"name": "web-a", "namespace": "small", "annotations": {"team": "web"}}
    theirs["spec"]["template"]["spec"]["serviceAccountName"] = "default"
    theirs["spec"]["template"]["spec"]["containers"][0] |= {"image": THEIRS, "env": ENVIRONMENT}
    made = apps.create_namespaced_deployment("small", theirs)

    address = "aws-cn/222222222222/cn-north-1/kubernetes_object/main/small/Deployment/web-a"
    duoyun("adopt", address, "--app", duoyun.files).ended(0)
    assert duoyun.on("drift scan", "-o", "json").ended(0).json["drift"] == []

    # A release that fails leaves it as it was, its environment too: the values come from its ReplicaSet.
    mode = "      env: {MODE: ours}\n"
    broken = whole.replace(WEB, WEB.replace("web:1.0.0", "web:missing-1") + mode)
    duoyun.app.write_text(broken, encoding="utf-8")
    planned = duoyun.on("plan", "-o", "json", "--save", str(duoyun.home / "plan.json")).ended(0)
    assert [a["op"] for a in planned.json["actions"] if a["address"] == address] == ["update"]
    failed = duoyun.on("deploy", "--yes", "--bake", "0s").ended(8)
    after = apps.read_namespaced_deployment("web-a", "small")
    assert after.metadata.uid == made.metadata.uid
    assert plain(after) == {"image": THEIRS, "DB_PASSWORD": PASSWORD, "MODE": "theirs"}

    # One that does not fail makes it what the spec says, and it is the same Deployment.
    duoyun.app.write_text(whole.replace(WEB, WEB + mode), encoding="utf-8")
    duoyun.deploy()
    last = apps.read_namespaced_deployment("web-a", "small")
    assert (last.metadata.uid, last.metadata.annotations["team"]) == (made.metadata.uid, "web")
    assert plain(last)["image"].endswith("small/web:1.0.0")
    assert plain(last)["MODE"] == "ours"
    names = sorted(d.metadata.name for d in apps.list_namespaced_deployment("small").items)
    assert names == ["orders-a", "web-a"], "there is no second one"
    assert duoyun.plan()["changes"] == {}

    told = [failed.told, planned.told, *(p.read_text(errors="replace") for p in duoyun.home.glob("*.out"))]
    assert all(PASSWORD not in text for text in told)
    files = [p for p in duoyun.home.rglob("*") if p.is_file()]
    holding = {str(p.relative_to(duoyun.home)): p.read_bytes() for p in files if PASSWORD.encode() in p.read_bytes()}
    assert {name: _around(data) for name, data in holding.items()} == {}, "neither state nor plan nor output holds it"


def _around(data: bytes) -> list[bytes]:
    parts = data.split(PASSWORD.encode())
    return [before[-200:] for before in parts[:-1]][:3]
