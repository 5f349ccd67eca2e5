"""Faults while working: each survived or ended with a sentence, a mend, the right exit code, and nothing lost."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def versions(duoyun: Any) -> set[str]:
    """Which version strangers are answered by."""
    rows = duoyun.on("status", "-o", "json").ended(0).json["endpoints"]
    assert rows
    return {httpx.get(r["url"], timeout=10.0, trust_env=False).json()["version"] for r in rows}


def test_throttling_is_waited_out(duoyun: Any, sandbox: Any) -> None:
    codes = {"aws": (503, "RequestLimitExceeded"), "azure": (429, "TooManyRequests"), "alibaba": (400, "Throttling")}
    for service, (status, code) in codes.items():
        sandbox.fault(service=service, operation="*", count=4, status=status, code=code, writes_only=True)
    assert duoyun.deploy()["revision"] == 1
    assert len(sandbox.fired()) >= 12
    assert duoyun.plan("--detailed-exitcode")["changes"] == {}


def test_a_quota_is_named_and_a_second_deploy_goes_on(duoyun: Any, sandbox: Any) -> None:
    sandbox.fault(
        service="aws", operation="ec2:RunInstances", count=-1, status=400, code="VcpuLimitExceeded", message="16 vCPU"
    )
    answer = duoyun.on("deploy", "--yes", "--bake", "0s")
    assert answer.code in (8, 9), answer.told
    assert "mend" in answer.err
    assert "quota" in answer.err.lower() or "limit" in answer.err.lower()
    sandbox.faultless()
    duoyun.deploy()
    assert versions(duoyun) == {"1.0.0"}


def test_an_image_that_is_missing_is_rolled_back_and_the_old_one_goes_on_answering(duoyun: Any) -> None:
    duoyun.deploy()
    duoyun.edit(duoyun.app, ("small/web:1.0.0", "small/web:missing"))
    duoyun.on("deploy", "--yes").refused(8, "small/web:missing", "not found", "revision 1 is in place again")
    assert versions(duoyun) == {"1.0.0"}
    states = [r["state"] for r in duoyun.on("history", "-o", "json").ended(0).json["revisions"]]
    assert states == ["deployed", "rolled_back", "superseded"]


def test_an_image_that_never_becomes_ready_is_rolled_back(duoyun: Any) -> None:
    duoyun.deploy()
    duoyun.edit(
        duoyun.app,
        (
            "image: registry.example.com/small/web:1.0.0\n",
            "image: registry.example.com/small/web:1.1.0\n"
            "      annotations: {sandbox.duoyun.dev/behaviour: '{\"never_ready\": true}'}\n"
            "      rollout: {progress_deadline: 5s}\n",
        ),
    )
    duoyun.on("deploy", "--yes").refused(8, "web")
    assert versions(duoyun) == {"1.0.0"}


def test_a_reader_may_look_and_not_touch(duoyun: Any, sandbox: Any) -> None:
    duoyun.deploy()
    reader = {"DUOYUN_SANDBOX_READER": "1"}
    before = sandbox.inventory()
    duoyun.on("validate", env=reader).ended(0)
    duoyun.on("plan", "--detailed-exitcode", env=reader).ended(0)
    duoyun.on("drift scan", env=reader).ended(0)
    duoyun.edit(duoyun.app, ("small/web:1.0.0", "small/web:1.1.0"))
    duoyun.on("deploy", "--yes", env=reader).refused(77, "nothing was changed")
    assert sandbox.inventory() == before
    assert versions(duoyun) == {"1.0.0"}


@pytest.mark.soak  # every read is tried again for a minute
def test_a_cluster_that_disappears_is_unknown_and_never_recreated(duoyun: Any, sandbox: Any) -> None:
    duoyun.deploy()
    sandbox.fault(service="kubernetes", operation="*", count=-1, status=503, code="ServiceUnavailable")
    clusters = [row for rows in sandbox.inventory().values() for row in rows]
    assert "unknown" in duoyun.on("drift scan").ended(75).out
    sandbox.faultless()
    assert len([row for rows in sandbox.inventory().values() for row in rows]) == len(clusters)
    duoyun.on("drift scan").ended(0)
