"""The recorded status transitions of a real Deployment controller, replayed against the status rules."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sandbox.kubernetes.controllers import deployment_status as status_of
from sandbox.kubernetes.controllers.rollout import Limits

DATA = Path(os.environ.get("DUOYUN_REFERENCE_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
TRACE = DATA / "kubernetes" / "real-deployment-status-trace.jsonl"


def _events() -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in TRACE.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rows[row["name"]].append(row)
    return rows


def _progressing(status: dict[str, Any]) -> dict[str, Any] | None:
    return next((c for c in status.get("conditions") or () if c["type"] == "Progressing"), None)


@pytest.mark.reference
@pytest.mark.skipif(not TRACE.is_file(), reason=f"{TRACE} is absent")
def test_the_progressing_reason_follows_from_the_recorded_counts() -> None:
    checked = 0
    for rows in _events().values():
        for before, after in pairwise(rows):
            found = _progressing(after["status"])
            if found is None or "observedGeneration" not in after["status"]:
                continue
            deployment = {
                "metadata": {"name": after["name"], "generation": after["generation"]},
                "spec": {"replicas": after["spec_replicas"], "progressDeadlineSeconds": 600},
                "status": before["status"],
            }
            bare = {k: v for k, v in after["status"].items() if k != "conditions"}
            bare["conditions"] = before["status"].get("conditions") or []
            if status_of.is_complete(deployment, bare):
                expected = "NewReplicaSetAvailable"
            elif status_of.is_progressing(before["status"], bare):
                expected = "ReplicaSetUpdated"
            else:
                continue
            settled = _progressing(before["status"]) or {}
            if settled.get("reason") == "NewReplicaSetAvailable" and found == settled:
                continue
            assert found["reason"] == expected, (before, after)
            checked += 1
    assert checked >= 20


@pytest.mark.reference
@pytest.mark.skipif(not TRACE.is_file(), reason=f"{TRACE} is absent")
def test_one_bound_of_availability_explains_every_recorded_available_condition() -> None:
    for name, rows in _events().items():
        told: dict[str, set[int]] = {"True": set(), "False": set()}
        for row in rows:
            status = row["status"]
            found = next((c for c in status.get("conditions") or () if c["type"] == "Available"), None)
            if found is None or "observedGeneration" not in status:
                continue
            told[found["status"]].add(status.get("availableReplicas", 0))
            bound = Limits(row["spec_replicas"], 0, 0)
            if found["status"] == "False":
                assert status.get("availableReplicas", 0) < bound.least_available, (name, row)
        if told["True"] and told["False"]:
            assert max(told["False"]) < min(told["True"]), name
