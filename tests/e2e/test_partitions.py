"""A fleet over three partitions, and an executor for each: a release done in parts, in the application's order."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

CLOUDS = {"aws-cn": "aws", "azure-cn": "azure", "alibaba-cn": "alibaba"}


def filled(sandbox: Any) -> set[str]:
    return {cloud for cloud, rows in sandbox.inventory().items() if rows}


def test_a_release_in_parts(duoyun: Any, sandbox: Any) -> None:
    def deploy(partition: str) -> dict[str, Any]:
        return dict(duoyun.deploy("--partition", partition)["part"])

    first = deploy("aws-cn")
    assert filled(sandbox) == {"aws"}, "ledger, which nothing is needed for, and the ground for web"
    assert [h.split(" waits for ")[0].rsplit("/", 1)[-1] for h in first["held"]] == ["web-a"]
    assert "Deployment/orders-1" in first["held"][0]
    assert first["elsewhere"] == ["alibaba-cn", "azure-cn"]
    told = duoyun.on("resume", "--partition", "azure-cn").ended(3)
    assert "nothing to resume" in told.err

    assert deploy("azure-cn") == {"partitions": ["azure-cn"], "held": [], "elsewhere": ["alibaba-cn", "aws-cn"]}
    assert deploy("alibaba-cn")["elsewhere"] == ["aws-cn"]
    assert filled(sandbox) == set(CLOUDS.values())
    last = deploy("aws-cn")
    assert (last["held"], last["elsewhere"]) == ([], [])
    assert duoyun.plan()["changes"] == {}, "together they are the whole release"

    # An executor sees its own partition: the rest is unknown to it, neither drifted nor gone.
    scanned = duoyun.on("drift scan", "-o", "json", "--partition", "azure-cn").ended(0).json
    assert (scanned["drift"], set(scanned["elsewhere"])) == ([], {"aws-cn", "alibaba-cn"})
    duoyun("kubeconfig", "aws-cn/cn-north-1", "--app", duoyun.files, "--partition", "azure-cn").refused(77, "aws-cn")

    # One plan for all, made where all can be seen, and done in parts.
    duoyun.edit(duoyun.app, ("small/web:1.0.0", "small/web:1.1.0"), ("small/orders:1.0.0", "small/orders:1.1.0"))
    saved = str(duoyun.home / "plan.json")
    duoyun.plan("--save", saved)
    by = ("deploy", "--plan", saved, "--bake", "0s", "-o", "json", "--partition")
    early = duoyun.on(*by, "alibaba-cn").ended(0).json
    assert (early["changes"], len(early["part"]["held"])) == ({}, 1), "web waits for the new orders"
    for partition in ("azure-cn", "alibaba-cn", "aws-cn"):
        assert duoyun.on(*by, partition).ended(0).json["actions"] == 1
    assert duoyun.plan()["changes"] == {}

    # What fails in one part is taken back there; what other executors did stays.
    duoyun.edit(duoyun.app, ("small/web:1.1.0", "small/web:missing-1"), ("small/orders:1.1.0", "small/orders:1.2.0"))
    deploy("azure-cn")
    duoyun.on("deploy", "--yes", "--bake", "0s", "--partition", "alibaba-cn").ended(8)
    # (web was not changed in aws-cn, and orders stays at 1.2.0 in azure-cn)
    duoyun.edit(duoyun.app, ("small/web:missing-1", "small/web:1.1.0"))
    assert duoyun.plan()["changes"] == {}
    duoyun.on("rollback", "--to", "7", "--yes", "--partition", "azure-cn").ended(0)
    duoyun.edit(duoyun.app, ("small/orders:1.2.0", "small/orders:1.1.0"))
    assert duoyun.plan()["changes"] == {}

    duoyun.on("destroy", "--confirm", "small", "--partition", "azure-cn").ended(0)
    assert filled(sandbox) == {"aws", "alibaba"}
    duoyun.destroy()
    assert sandbox.empty
