"""What happens to a Deployment from apply to deletion, seen through the official client."""

from __future__ import annotations

import time
from typing import Any

import pytest
from kubernetes.client import ApiException

from sandbox.kubernetes.api import timestamp
from sandbox.kubernetes.controllers.replicaset import available_in


def _waiting(pod: Any) -> str:
    states = pod.status.container_statuses or []
    return states[0].state.waiting.reason if states and states[0].state.waiting else ""


def test_a_deployment_becomes_available_soon_after_apply(kube: Any) -> None:
    begin = time.monotonic()
    kube.apply(kube.deployment())
    found = kube.rolled_out()
    assert time.monotonic() - begin < 5.0, "about 0.05 s on an idle machine"
    assert found.metadata.annotations["deployment.kubernetes.io/revision"] == "1"
    assert kube.condition("Progressing").reason == "NewReplicaSetAvailable"
    assert kube.condition("Available").status == "True"
    assert len({p.spec.node_name for p in kube.pods()}) == 3, "one on each node"
    assert len({p.status.pod_ip for p in kube.pods()}) == 3


def test_a_new_image_makes_a_new_revision_and_keeps_enough_pods_available(kube: Any) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    kube.apply(kube.deployment(strategy=strategy))
    kube.rolled_out()
    kube.apply(kube.deployment(image="registry.example/web:2", strategy=strategy))
    least = 3

    def done() -> bool:
        nonlocal least
        status = kube.apps.read_namespaced_deployment("web", "default").status
        least = min(least, status.available_replicas or 0)
        assert (status.replicas or 0) <= 4
        return status.updated_replicas == 3 and status.replicas == 3 and status.available_replicas == 3

    kube.until(done)
    assert least == 3
    assert kube.rolled_out().metadata.annotations["deployment.kubernetes.io/revision"] == "2"
    sets = kube.apps.list_namespaced_replica_set("default").items
    assert sorted((s.spec.replicas, s.metadata.annotations["deployment.kubernetes.io/revision"]) for s in sets) == [
        (0, "1"),
        (3, "2"),
    ]
    assert {p.spec.containers[0].image for p in kube.pods()} == {"registry.example/web:2"}


def test_going_back_reuses_the_old_replica_set_as_a_newer_revision(kube: Any) -> None:
    for image in ("web:1", "web:2", "web:1"):
        kube.apply(kube.deployment(image=image, replicas=1))
        kube.rolled_out()
    sets = kube.apps.list_namespaced_replica_set("default").items
    assert sorted(s.metadata.annotations["deployment.kubernetes.io/revision"] for s in sets) == ["2", "3"]


def test_old_replica_sets_beyond_the_history_limit_go(kube: Any) -> None:
    for image in ("web:1", "web:2", "web:3", "web:4"):
        kube.apply(kube.deployment(image=image, replicas=1, revisionHistoryLimit=1))
        kube.rolled_out()
    kube.until(lambda: len(kube.apps.list_namespaced_replica_set("default").items) == 2)


def test_recreate_never_runs_old_and_new_together(kube: Any) -> None:
    kube.apply(kube.deployment(strategy={"type": "Recreate"}))
    kube.rolled_out()
    kube.apply(kube.deployment(image="web:2", strategy={"type": "Recreate"}))

    def done() -> bool:
        images = {p.spec.containers[0].image for p in kube.pods()}
        assert len(images) <= 1, images
        status = kube.apps.read_namespaced_deployment("web", "default").status
        return images == {"web:2"} and status.available_replicas == 3

    kube.until(done)


def test_scaling_adds_and_removes_pods_without_a_new_revision(kube: Any) -> None:
    kube.apply(kube.deployment())
    kube.rolled_out()
    kube.apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 5}})
    assert kube.rolled_out().status.replicas == 5
    assert kube.apps.read_namespaced_deployment_scale("web", "default").spec.replicas == 5
    kube.apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 0}})
    kube.until(lambda: not kube.pods())
    assert len(kube.apps.list_namespaced_replica_set("default").items) == 1


def test_a_paused_deployment_does_not_roll_until_it_is_resumed(kube: Any) -> None:
    kube.apply(kube.deployment())
    kube.rolled_out()
    kube.apply(kube.deployment(image="web:2", paused=True))
    kube.until(lambda: kube.condition("Progressing").reason == "DeploymentPaused")
    assert {p.spec.containers[0].image for p in kube.pods()} == {"registry.example/web:1"}
    kube.apply(kube.deployment(image="web:2"))
    kube.rolled_out()
    assert {p.spec.containers[0].image for p in kube.pods()} == {"web:2"}


def test_a_missing_image_is_told_and_leaves_the_old_pods_serving(kube: Any) -> None:
    kube.apply(kube.deployment())
    kube.rolled_out()
    kube.apply(kube.deployment(image="registry.example/missing-web:2"))
    kube.until(lambda: any(_waiting(p) == "ImagePullBackOff" for p in kube.pods()))
    status = kube.apps.read_namespaced_deployment("web", "default").status
    assert status.available_replicas == 3, "25 % of three rounds down: none may be unavailable"
    assert {"Failed", "BackOff"} <= kube.reasons()


def test_a_crashing_container_backs_off_and_counts_its_restarts(kube: Any) -> None:
    kube.apply(kube.deployment(replicas=1, behaviour={"crash_after_s": 0.05}))
    pod = kube.until(lambda: next((p for p in kube.pods() if _waiting(p) == "CrashLoopBackOff"), None))
    status = pod.status.container_statuses[0]
    assert status.restart_count >= 1
    assert status.last_state.terminated.exit_code == 1
    assert status.last_state.terminated.reason == "Error"
    kube.until(lambda: kube.pods()[0].status.container_statuses[0].restart_count >= 3)
    assert kube.pods()[0].status.pod_ip == pod.status.pod_ip, "a pod keeps its address while its container restarts"


def test_a_pod_that_never_becomes_ready_exceeds_the_progress_deadline(kube: Any) -> None:
    kube.apply(kube.deployment(replicas=1, behaviour={"never_ready": True}, progressDeadlineSeconds=1))
    kube.until(lambda: (c := kube.condition("Progressing")) and c.reason == "ProgressDeadlineExceeded")
    assert kube.condition("Progressing").status == "False"
    assert kube.condition("Available").status == "False"
    assert "Unhealthy" in kube.reasons()


def test_min_ready_seconds_delay_availability(kube: Any) -> None:
    pod = {"status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": timestamp(1000.0)}]}}
    assert available_in(pod, 0, 1000.0) == 0
    assert available_in(pod, 5, 1001.5) == 3.5
    assert available_in(pod, 5, 1005.0) == 0
    assert available_in({"status": {}}, 0, 1000.0) is None
    kube.apply(kube.deployment(replicas=1, minReadySeconds=1))
    kube.rolled_out()


def test_a_failing_liveness_probe_restarts_the_container(kube: Any) -> None:
    manifest = kube.deployment(replicas=1, behaviour={"status": 500}, probe=False)
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["livenessProbe"] = {
        "httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1
    }  # fmt: skip
    kube.apply(manifest)
    kube.until(lambda: any(c.restart_count for p in kube.pods() for c in p.status.container_statuses or ()))
    assert "Killing" in kube.reasons()


def test_a_pod_answers_over_http_with_its_identity(kube: Any) -> None:
    manifest = kube.deployment(replicas=1, image="registry.example/web:7")
    kube.apply(manifest)
    kube.rolled_out()
    (pod,) = kube.pods()
    answer = kube.http(f"/api/v1/namespaces/default/pods/{pod.metadata.name}:8080/proxy/hello").json()
    assert answer["service"] == "web"
    assert (answer["version"], answer["pod"], answer["node"]) == ("7", pod.metadata.name, pod.spec.node_name)
    assert (answer["zone"], answer["cluster"], answer["path"]) == (
        pod.spec.node_name[5:].join(["zone-", ""]),
        "test",
        "/hello",
    )
    assert "GET /hello 200" in kube.core.read_namespaced_pod_log(pod.metadata.name, "default")


def test_a_pod_may_be_a_child_process(kube: Any) -> None:
    program = "import os,sys; print('up', os.environ['NAME'], flush=True); sys.exit(3)"
    manifest = kube.deployment(replicas=1, behaviour={"process": ["python3", "-c", program]}, probe=False)
    manifest["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "NAME", "value": "wang"}]
    kube.apply(manifest)

    def ended() -> Any:
        pods = kube.pods()
        statuses = pods[0].status.container_statuses if pods else None
        return statuses and statuses[0].last_state.terminated and pods[0]

    pod = kube.until(ended)
    assert pod.status.container_statuses[0].last_state.terminated.exit_code == 3


def test_a_bad_behaviour_is_told_as_an_event_not_swallowed(kube: Any) -> None:
    kube.apply(kube.deployment(replicas=1, behaviour={"latency": 3}))
    kube.until(lambda: any(_waiting(p) == "RunContainerError" for p in kube.pods()))
    messages = [e.message for e in kube.core.list_namespaced_event("default").items]
    assert any("unknown behaviour latency" in m for m in messages)


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_deleting_a_deployment_takes_its_pods_along(kube: Any, policy: str) -> None:
    kube.apply(kube.deployment())
    kube.rolled_out()
    kube.apps.delete_namespaced_deployment("web", "default", propagation_policy=policy)
    kube.until(lambda: not kube.pods() and not kube.apps.list_namespaced_replica_set("default").items)
    with pytest.raises(ApiException) as caught:
        kube.until(lambda: kube.apps.read_namespaced_deployment("web", "default") is None)
    assert caught.value.status == 404


def test_orphaned_replica_sets_stay_and_are_adopted_again(kube: Any) -> None:
    kube.apply(kube.deployment(replicas=1))
    kube.rolled_out()
    before = kube.pods()[0].metadata.uid
    kube.apps.delete_namespaced_deployment("web", "default", propagation_policy="Orphan")
    kube.until(lambda: not kube.apps.list_namespaced_deployment("default").items)
    assert kube.apps.list_namespaced_replica_set("default").items[0].metadata.owner_references is None
    kube.apply(kube.deployment(replicas=1))
    kube.rolled_out()
    assert [p.metadata.uid for p in kube.pods()] == [before]
