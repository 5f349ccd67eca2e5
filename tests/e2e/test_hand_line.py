"""What a person does by hand, from the first plan to the last destroy, and what each command answers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def entries(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """What each public entry says to a stranger."""
    found = []
    for row in answer["endpoints"]:
        reply = httpx.get(row["url"], timeout=10.0, trust_env=False)
        assert reply.status_code == 200
        found.append(reply.json())
    return found


def pods_run_where_planned(duoyun: Any) -> None:
    """Every pod is on a node of the pools that its Deployment prefers, in each of the fleet's three clusters."""
    from kubernetes import client

    for region in ("aws-cn/cn-north-1", "alibaba-cn/cn-hangzhou", "azure-cn/chinanorth3"):
        core = client.CoreV1Api(duoyun.cluster(region))
        pool_of = {n.metadata.name: n.metadata.labels.get("duoyun.dev/pool") for n in core.list_node().items}
        pods = core.list_namespaced_pod("small").items
        assert pods
        for pod in pods:
            terms = pod.spec.affinity.node_affinity.preferred_during_scheduling_ignored_during_execution
            assert pool_of[pod.spec.node_name] in {v for t in terms for v in t.preference.match_expressions[0].values}


def test_from_the_first_plan_to_the_last_destroy(duoyun: Any, sandbox: Any) -> None:
    duoyun.on("validate").ended(0)
    first = duoyun.plan()
    assert first["changes"] == {"create": 39}
    assert all(first["gate"]["stages"].values())
    duoyun.plan("--detailed-exitcode", code=2)
    assert sandbox.empty, "a plan changes nothing"

    deployed = duoyun.deploy("-m", "first")
    assert deployed["revision"] == 1
    said = entries(deployed)
    assert {row["version"] for row in said} == {"1.0.0"}
    assert len(said) == 2, "web answers in both clouds that it runs in"
    pods_run_where_planned(duoyun)

    assert duoyun.plan("--detailed-exitcode")["changes"] == {}
    assert "no change" in duoyun.on("deploy", "--yes").ended(0).out
    assert len(duoyun.on("history", "-o", "json").ended(0).json["revisions"]) == 1, "no change is no release"

    duoyun.edit(duoyun.app, ("small/web:1.0.0", "small/web:1.1.0"))
    second = duoyun.plan("--detailed-exitcode", code=2)
    assert second["changes"] == {"update": 2}, "one service, in each of its two sites"
    assert {(a["op"], a["service"], a["address"].rsplit("/", 2)[-2]) for a in second["actions"]} == {
        ("update", "web", "Deployment")
    }
    changed = {d["path"] for a in second["actions"] for d in a["diffs"]}
    assert any("image" in path for path in changed)

    rows = duoyun.on("diff", "-o", "json").ended(0).json["changes"]
    assert {(r["change"], r["address"].rsplit("/", 1)[-1]) for r in rows} == {
        ("changed", "web-a"),
        ("changed", "web-h"),
    }

    again = duoyun.deploy("-m", "second")
    assert again["revision"] == 2
    assert {row["version"] for row in entries(again)} == {"1.1.0"}

    history = duoyun.on("history", "--verify", "-o", "json").ended(0).json
    assert [(r["number"], r["state"], r["message"]) for r in history["revisions"]] == [
        (2, "deployed", "second"),
        (1, "superseded", "first"),
    ]
    assert history["audit"] == "whole"
    between = duoyun.on("diff", "--from", "1", "--to", "2", "-o", "json").ended(0).json["changes"]
    assert {r["address"].rsplit("/", 1)[-1] for r in between} == {"web-a", "web-h"}

    back = duoyun.on("rollback", "--to", "1", "--yes", "-o", "json").ended(0).json
    assert back["revision"] == 3
    assert {row["version"] for row in entries(back)} == {"1.0.0"}
    status = duoyun.on("status", "-o", "json").ended(0).json
    assert status["state"] == "deployed"
    assert status["lease"] is None
    assert all(r["in_sync"] and r["consecutive_failures"] == 0 and r["last_sync_at_s"] for r in status["rows"])
    assert {r["service"] for r in status["rows"]} == {"-", "web", "orders", "ledger"}

    duoyun.on("destroy").refused(64, "--confirm small")
    duoyun.destroy()
    assert sandbox.empty
    assert duoyun.on("status", "-o", "json").ended(0).json["rows"] == []
    duoyun.on("destroy", "--confirm", "small").ended(0)


def test_a_saved_plan_is_executed_as_it_was_seen_or_not_at_all(duoyun: Any, sandbox: Any) -> None:
    saved = duoyun.home / "plan.json"
    planned = duoyun.plan("--save", str(saved))
    assert saved.stat().st_mode & 0o077 == 0, "a plan is its owner's"
    done = duoyun.on("deploy", "--plan", str(saved), "--bake", "0s", "-o", "json").ended(0).json
    assert done["actions"] == sum(planned["changes"].values())

    late = duoyun.home / "late.json"
    duoyun.edit(duoyun.app, ("small/orders:1.0.0", "small/orders:1.1.0"))
    duoyun.plan("--save", str(late))
    duoyun.deploy()
    stale = duoyun.on("deploy", "--plan", str(late), "-o", "json").ended(11).json
    assert stale["reason"] == "plan_stale"
    assert "new plan" in stale["mend"]
    # The world may move without a release of ours, too.
    duoyun.edit(duoyun.app, ("small/orders:1.1.0", "small/orders:1.2.0"))
    duoyun.plan("--save", str(late))
    group = sandbox.ec2().describe_security_groups(Filters=[{"Name": "tag:duoyun-name", "Values": ["web"]}])
    sandbox.ec2().authorize_security_group_ingress(
        GroupId=group["SecurityGroups"][0]["GroupId"], IpProtocol="tcp", FromPort=9000, ToPort=9000, CidrIp="10.0.0.0/8"
    )
    duoyun.on("deploy", "--plan", str(late)).refused(11, "changed since the plan was saved")

    broken = duoyun.home / "broken.json"
    broken.write_text(saved.read_text()[:-200])
    duoyun.on("deploy", "--plan", str(broken)).ended(3)
    data = json.loads(saved.read_text())
    broken.write_text(json.dumps(data | {"schema_version": 99}))
    duoyun.on("deploy", "--plan", str(broken)).ended(3)
    broken.write_text(json.dumps(data | {"application": "another"}))
    duoyun.on("deploy", "--plan", str(broken)).ended(3)
    assert len(duoyun.on("history", "-o", "json").ended(0).json["revisions"]) == 2
    duoyun.destroy()


def test_what_init_writes_deploys_as_it_is(duoyun: Any, sandbox: Any) -> None:
    folder = str(duoyun.home / "shop")
    duoyun("init", folder).ended(0)
    done = duoyun("deploy", folder, "--yes", "--bake", "0s", "-o", "json").ended(0).json
    assert len(done["endpoints"]) == 2, done
    assert duoyun("plan", folder, "-o", "json", "--detailed-exitcode").ended(0).json["changes"] == {}
    duoyun("destroy", folder, "--confirm", "shop").ended(0)
    assert sandbox.empty
