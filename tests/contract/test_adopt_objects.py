"""`duoyun adopt` of objects in a cluster: recorded as they are, left alone; what somebody keeps is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client as k8s

from cli.main import run
from model.exit_codes import ExitCode
from model.plan import Op
from model.resources import Address, Kind, KubernetesObject, Ownership
from orchestrator.drift import Drift, DriftKind, scan
from orchestrator.planning import Context, desired_now, make_plan, plan_destroy
from providers.base import Call
from tests.contract.conftest import Opened
from tests.contract.theirs import SPACE, api


def at(site: Any, kind: str, name: str, space: str = SPACE) -> Address:
    full = f"{site.base(Kind.CLUSTER)}/{space}/{kind}/{name}"
    where = site.cloud
    return Address(where.partition, site.account.account_id, where.region, Kind.KUBERNETES_OBJECT, full)


@pytest.fixture
def ours(files: Path, sites: Any, theirs: None) -> Path:
    """The small application on the fleet that made the cluster."""
    text = (files / "fleet.yaml").read_text(encoding="utf-8")
    text = text.replace("name: adopting", f"name: {sites['aws'].fleet}")
    text = text.replace(
        "cluster: {ownership: own, name: main", f"cluster: {{name: {sites['aws'].base(Kind.CLUSTER)}", 1
    )
    (files / "fleet.yaml").write_text(text, encoding="utf-8")
    return files


def adopt(files: Path, *args: Any) -> int:
    return run(["-o", "json", "adopt", *map(str, args), "--app", str(files)])


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def drifted(context: Context) -> list[Drift]:
    """But for what other tests of this fleet have made, and no application knows."""
    return [row for row in scan(context).drifted if row.kind is not DriftKind.ORPHAN]


def live(site: Any, name: str) -> Any:
    with api(site) as client:
        return k8s.CoreV1Api(client).read_namespaced_config_map(name, SPACE).to_dict()


def test_an_object_is_recorded_and_stays_as_it_is(
    ours: Path, context: Opened, sites: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    site = sites["aws"]
    address, before = at(site, "ConfigMap", "by-hand"), live(site, "by-hand")
    assert adopt(ours, address) == 0
    assert [row["outcome"] for row in said(capsys)["adopted"]] == ["adopted"]
    assert live(site, "by-hand") == before
    with context() as now:
        record = now.store.inventory.get(now.scope, address)
        assert record is not None
        assert (record.ownership, record.provider_id) == (Ownership.ADOPT, before["metadata"]["uid"])
        assert isinstance(record.desired, KubernetesObject)
        assert record.desired.manifest["data"] == {"a": "b"}
        assert "uid" not in record.desired.manifest["metadata"]
        assert drifted(now) == []
        assert address not in {a.address for a in plan_destroy(now).plan.actions}
        with api(site) as client:
            core = k8s.CoreV1Api(client)
            core.patch_namespaced_config_map("by-hand", SPACE, {"data": {"a": "changed"}})
            (row,) = drifted(now)
            core.patch_namespaced_config_map("by-hand", SPACE, {"data": {"a": "b"}})
        assert (row.kind, row.address, row.ownership) == (DriftKind.CHANGED, address, "adopt")
        assert [(d.path, d.before, d.after) for d in row.diffs] == [("data.a", "changed", "b")]
    assert run(["-o", "json", "status", str(ours)]) == ExitCode.OK
    capsys.readouterr()
    assert adopt(ours, address, "--undo") == 0
    with context() as now:
        assert now.store.inventory.get(now.scope, address) is None


def test_what_somebody_keeps_is_refused_with_the_way_to_let_go(
    ours: Path, context: Opened, sites: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    site = sites["aws"]
    owner = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "by-hand",
        "uid": live(site, "by-hand")["metadata"]["uid"],
    }
    with api(site) as client:
        meta = {"name": "derived", "namespace": SPACE, "ownerReferences": [owner]}
        k8s.CoreV1Api(client).create_namespaced_config_map(SPACE, {"metadata": meta})
    state = ours / "state.json"
    kept = at(site, "ConfigMap", "by-hand")
    values = {"metadata": [{"name": "by-hand", "namespace": SPACE, "uid": owner["uid"]}]}
    row = {"address": "kubernetes_config_map_v1.x", "mode": "managed", "type": "kubernetes_config_map_v1", "name": "x"}
    document = {"format_version": "1.0", "values": {"root_module": {"resources": [{**row, "values": values}]}}}
    state.write_text(json.dumps(document), encoding="utf-8")
    wanted = {
        at(site, "ConfigMap", "by-helm"): ("Helm: release theirs/shop", "helm uninstall shop -n theirs"),
        at(site, "ConfigMap", "by-old-helm"): ("Helm: release theirs/old", "helm uninstall old"),
        at(site, "ConfigMap", "by-argo"): ("managed by argocd", "managed-by"),
        at(site, "ConfigMap", "derived"): ("kept by ConfigMap/by-hand", "adopt that"),
        at(site, "Namespace", "kube-system", "-"): ("the cluster itself", "nothing to adopt"),
        at(site, "ConfigMap", "never-was"): ("is not there", "survey"),
        at(site, "Secret", "any"): ("never read", "secretRefs"),
        kept: ("kubernetes_config_map_v1.x", "terraform state rm"),
    }
    assert adopt(ours, *wanted, at(site, "Namespace", SPACE, "-"), "--terraform-state", state) == 3
    told = {d["what"].split()[0].rstrip(":"): d for d in said(capsys)["diagnostics"]}
    assert told.keys() == {str(address) for address in wanted}
    for address, (what, mend) in wanted.items():
        assert what in told[str(address)]["what"]
        assert mend in told[str(address)]["mend"]
    with context() as now:
        assert not now.store.inventory.list(now.scope)


def test_a_plan_takes_an_adopted_workload_for_ours_and_its_update_keeps_what_is_others(
    ours: Path, context: Opened, sites: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    site = sites["aws"]
    with context() as now:
        place = (site.cloud.partition, f"{site.base(Kind.CLUSTER)}/")
        item = next(
            i for i in desired_now(now)
            if "/Deployment/web" in i.address.name and (i.address.partition, i.address.name[: len(place[1])]) == place
        )  # fmt: skip
    assert isinstance(item.resource, KubernetesObject)
    theirs: Any = copy.deepcopy(dict(item.resource.manifest))
    theirs["metadata"] = {"name": theirs["metadata"]["name"], "namespace": theirs["metadata"]["namespace"]}
    theirs["metadata"]["annotations"] = {"team": "shop"}
    theirs["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/theirs:0.9"
    space = theirs["metadata"]["namespace"]
    with api(site) as client:
        k8s.CoreV1Api(client).create_namespace({"metadata": {"name": space}})
        made = k8s.AppsV1Api(client).create_namespaced_deployment(space, theirs)
    assert adopt(ours, item.address) == 0
    capsys.readouterr()
    with context() as now:
        planned = make_plan(now)
        (action,) = (a for a in planned.plan.actions if a.address == item.address)
        assert action.op is Op.UPDATE
        assert any("image" in d.path for d in action.diffs)
        assert [i.ownership for i in planned.plan.items if i.address == item.address] == [Ownership.ADOPT]
        assert item.address not in {a.address for a in plan_destroy(now).plan.actions}
        assert action.desired is not None
        now.targets(item.address).update(planned.world.resources[item.address], action.desired, Call(fleet=site.fleet))
    with api(site) as client:
        after = k8s.AppsV1Api(client).read_namespaced_deployment(theirs["metadata"]["name"], space)
        k8s.CoreV1Api(client).delete_namespace(space)
    assert after.metadata.uid == made.metadata.uid
    assert after.metadata.annotations["team"] == "shop"
    wanted: Any = item.resource.manifest
    assert after.spec.template.spec.containers[0].image == wanted["spec"]["template"]["spec"]["containers"][0]["image"]
