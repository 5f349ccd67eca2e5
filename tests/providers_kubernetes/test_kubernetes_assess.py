"""Verdicts over workloads and pods: pure."""

from __future__ import annotations

from typing import Any

import pytest

from providers.kubernetes.objects import endpoints_of
from providers.kubernetes.rollout import assess, laggards, newest_template_hash, pod_problems, selector_text


def deployment(replicas: int = 3, generation: int = 2, **status: Any) -> dict[str, Any]:
    base = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "uid": "d", "generation": generation},
        "spec": {"replicas": replicas},
        "status": {**base, **status},
    }


def condition(kind: str, status: str, reason: str, message: str = "") -> list[dict[str, str]]:
    return [{"type": kind, "status": status, "reason": reason, "message": message}]


def test_running_out_of_time_counts_where_it_is_younger_than_our_last_change() -> None:
    """A rollback of what ran out of time begins with that condition, and would be given up at once."""
    (late,) = condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")
    for said_at, counts in (("2026-11-27T10:00:04Z", False), ("2026-11-27T10:00:06Z", True)):
        obj = deployment(availableReplicas=1, conditions=[late | {"lastUpdateTime": said_at}])
        obj["metadata"]["managedFields"] = [
            {"manager": "kubectl", "time": "2026-11-27T10:00:09Z"},
            {"manager": "duoyun", "time": "2026-11-27T10:00:09Z", "subresource": "status"},
            {"manager": "duoyun", "operation": "Apply", "time": "2026-11-27T10:00:05Z"},
        ]
        assert bool(assess(obj).failed) is counts, said_at
    obj["metadata"]["managedFields"] = []
    assert assess(obj).failed, "what we never changed says of itself how it is"


@pytest.mark.parametrize(
    ("obj", "ready", "failed"),
    [
        (deployment(), True, ""),
        (deployment(generation=3), False, ""),
        (deployment(updatedReplicas=2), False, ""),
        (deployment(availableReplicas=2), False, ""),
        (deployment(replicas=4), False, ""),
        ({**deployment(), "spec": {"replicas": 0}, "status": {"observedGeneration": 2}}, True, ""),
        ({**deployment(), "status": {**deployment()["status"], "replicas": 4}}, False, ""),
        (
            deployment(
                availableReplicas=1,
                conditions=condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out"),
            ),
            False,
            "ProgressDeadlineExceeded: timed out",
        ),
        ({"kind": "ConfigMap", "metadata": {}}, True, ""),
        ({"kind": "Namespace", "metadata": {}, "status": {"phase": "Terminating"}}, False, ""),
        ({"kind": "Job", "metadata": {}, "status": {"conditions": condition("Complete", "True", "")}}, True, ""),
        (
            {
                "kind": "Job",
                "metadata": {},
                "status": {"conditions": condition("Failed", "True", "BackoffLimitExceeded")},
            },
            False,
            "BackoffLimitExceeded: ",
        ),
        (
            {
                "kind": "StatefulSet",
                "metadata": {"generation": 1},
                "spec": {"replicas": 2},
                "status": {"observedGeneration": 1, "readyReplicas": 2, "updatedReplicas": 2},
            },
            True,
            "",
        ),
        (
            {
                "kind": "DaemonSet",
                "metadata": {"generation": 1},
                "status": {
                    "observedGeneration": 1,
                    "desiredNumberScheduled": 2,
                    "updatedNumberScheduled": 2,
                    "numberAvailable": 1,
                },
            },
            False,
            "",
        ),
    ],
)
def test_a_workload_is_ready_failed_or_on_its_way(obj: dict[str, Any], ready: bool, failed: str) -> None:
    progress = assess(obj)
    assert (progress.ready, progress.failed) == (ready, failed)


def test_replicas_that_cannot_be_made_are_stuck_and_not_yet_failed() -> None:
    refused = deployment(availableReplicas=1, conditions=condition("ReplicaFailure", "True", "FailedCreate", "quota"))
    assert assess(refused).stuck == "FailedCreate: quota"
    assert assess(refused).failed == ""


def pod(name: str = "p", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": status}


def container(state: dict[str, Any], restarts: int = 0, ready: bool = False, last: Any = None) -> list[dict[str, Any]]:
    return [{"name": "c", "state": state, "restartCount": restarts, "ready": ready, "lastState": last or {}}]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"containerStatuses": container({"waiting": {"reason": "ImagePullBackOff"}})}, "ImagePullBackOff"),
        ({"containerStatuses": container({"waiting": {"reason": "ErrImagePull"}})}, "ErrImagePull"),
        (
            {
                "containerStatuses": container(
                    {"waiting": {"reason": "CreateContainerConfigError", "message": "no key"}}
                )
            },
            "CreateContainerConfigError",
        ),
        ({"initContainerStatuses": container({"waiting": {"reason": "CrashLoopBackOff"}}, 2)}, "CrashLoopBackOff"),
        ({"containerStatuses": container({"waiting": {"reason": "CrashLoopBackOff"}}, 1)}, None),
        (
            {"containerStatuses": container({"running": {}}, 3, last={"terminated": {"exitCode": 137}})},
            "CrashLoop",
        ),
        ({"containerStatuses": container({"running": {}}, 3, True, {"terminated": {"exitCode": 1}})}, None),
        ({"containerStatuses": container({"waiting": {"reason": "ContainerCreating"}})}, None),
        ({"conditions": condition("PodScheduled", "False", "Unschedulable", "no room")}, "Unschedulable"),
        ({}, None),
    ],
)
def test_a_pods_trouble_is_named(status: dict[str, Any], reason: str | None) -> None:
    found = pod_problems([pod(**status)])
    assert [p.reason for p in found] == ([reason] if reason else [])


def test_fatal_troubles_come_first_and_pods_that_are_leaving_do_not_count() -> None:
    waiting = pod("a", conditions=condition("PodScheduled", "False", "Unschedulable"))
    broken = pod("b", containerStatuses=container({"waiting": {"reason": "ErrImagePull"}}))
    leaving = pod("c", containerStatuses=container({"waiting": {"reason": "ErrImagePull"}}))
    leaving["metadata"]["deletionTimestamp"] = "2026-11-23T00:00:00Z"
    assert [(p.pod, p.waits) for p in pod_problems([waiting, leaving, broken])] == [("b", False), ("a", True)]


def test_pods_that_are_merely_late_say_what_they_are_doing() -> None:
    last = {"terminated": {"exitCode": 3}}
    late = [
        pod("a", containerStatuses=container({"running": {}})),
        pod("b", containerStatuses=container({"running": {}}, 1, last=last)),
        pod("c", containerStatuses=container({"waiting": {"reason": "ContainerCreating"}})),
        pod("d", phase="Pending"),
        pod("e", conditions=condition("Ready", "True", "")),
    ]
    assert [(p.pod, p.message) for p in laggards(late)] == [
        ("b", "last exit code 3"),
        ("a", "running, and its readiness probe does not succeed"),
        ("c", "waiting, ContainerCreating"),
        ("d", "phase Pending"),
    ]


def replica_set(revision: str, template: str, owner: str = "d") -> dict[str, Any]:
    return {
        "metadata": {
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "labels": {"pod-template-hash": template},
            "ownerReferences": [{"uid": owner}],
        }
    }


def test_the_newest_template_is_that_of_the_highest_revision_of_this_deployment() -> None:
    sets = [replica_set("9", "old"), replica_set("10", "new"), replica_set("11", "other", owner="x")]
    assert newest_template_hash(deployment(), sets) == "new"
    assert newest_template_hash(deployment(), []) == ""


def test_selectors_are_written_as_the_api_takes_them() -> None:
    expressions = [
        {"key": "a", "operator": "In", "values": ["x", "y"]},
        {"key": "b", "operator": "NotIn", "values": ["z"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    assert selector_text({"matchLabels": {"k": "v"}, "matchExpressions": expressions}) == (
        "k=v,a in (x,y),b notin (z),c,!d"
    )


def test_a_load_balancer_gives_a_url_per_address_and_tcp_port() -> None:
    ports = [{"port": 80}, {"port": 443, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
    ingress = [{"ip": "192.0.2.1"}, {"hostname": "lb.example"}, {"ip": "2001:db8::1"}]
    live = {"kind": "Service", "spec": {"ports": ports}, "status": {"loadBalancer": {"ingress": ingress}}}
    assert endpoints_of(live) == (
        "http://192.0.2.1:80",
        "https://192.0.2.1:443",
        "http://lb.example:80",
        "https://lb.example:443",
        "http://[2001:db8::1]:80",
        "https://[2001:db8::1]:443",
    )
