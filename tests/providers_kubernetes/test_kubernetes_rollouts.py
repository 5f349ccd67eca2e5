"""Waiting for workloads: done by watch, and early, explained failures."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from model.errors import DependencyInUse, Interrupted, NotFound, RolloutFailed, Unreachable
from model.resources import LABEL_CAPACITY, State
from sandbox.kubernetes.embedded import running_cluster
from sandbox.world import Fault


def failure(bench: Any, deployment: Any, seconds: float = 20.0) -> tuple[RolloutFailed, float]:
    """Why it failed, and after how many seconds."""
    bench.create(deployment)
    began_s = time.monotonic()
    with pytest.raises(RolloutFailed) as caught:
        bench.provider.wait_ready(bench.at("Deployment", "web"), bench.call(seconds))
    return caught.value, time.monotonic() - began_s


def test_a_rollout_is_ready_when_every_replica_is_updated_and_available(bench: Any) -> None:
    bench.create(bench.deployment(replicas=3, behaviour='{"ready_after_s": 0.5}'))
    seen = bench.provider.wait_ready(bench.at("Deployment", "web"), bench.call())
    assert seen.state is State.READY
    assert seen.detail == "3/3 updated, 3/3 available"
    assert any("updated" in line for line in bench.progress)


def test_a_missing_image_fails_early_with_the_pod_and_its_event(bench: Any) -> None:
    error, seconds = failure(bench, bench.deployment(image="shop/missing:1"))
    assert "ImagePull" in error.summary
    assert "pod web-" in error.detail
    assert "last event: Warning" in error.detail
    assert error.address.endswith(f"main/{bench.namespace}/Deployment/web")
    assert seconds < 5


def test_a_crash_loop_fails_with_exit_code_restarts_and_last_log_line(bench: Any) -> None:
    behaviour = '{"crash_after_s": 0.05, "exit_code": 3, "ready_after_s": 5}'
    error, seconds = failure(bench, bench.deployment(replicas=1, behaviour=behaviour))
    assert "CrashLoop" in error.summary
    assert "last exit code 3" in error.summary
    assert "restarts" in error.detail
    assert "last log line: " in error.detail
    assert seconds < 10


def test_a_pod_that_no_node_can_take_fails_after_a_grace_in_the_schedulers_words(bench: Any) -> None:
    error, seconds = failure(bench, bench.deployment(cpu="64"))
    assert "Unschedulable" in error.summary
    assert "Insufficient cpu" in error.summary
    assert 0.4 < seconds < 8


def test_a_pod_that_may_be_on_spot_machines_is_waited_for_longer_and_told_why(bench: Any) -> None:
    """Half a second for others; a pool that lost a machine needs minutes."""
    plain = bench.deployment(cpu="64", deadline_s=2)
    template = plain.manifest["spec"]["template"]
    toleration = {"key": LABEL_CAPACITY, "operator": "Equal", "value": "spot", "effect": "NoSchedule"}
    pod = {**template["spec"], "tolerations": [toleration]}
    spec = {**plain.manifest["spec"], "template": {**template, "spec": pod}}
    error, seconds = failure(bench, replace(plain, manifest={**plain.manifest, "spec": spec}))
    assert seconds > 0.5 and "ProgressDeadlineExceeded" in error.summary  # whole seconds, from when it was made
    assert "Insufficient cpu" in error.detail
    assert "taken spot machines back" in error.mend and "max_spot_share" in error.mend


def test_pods_that_never_become_ready_fail_at_the_progress_deadline(bench: Any) -> None:
    error, _ = failure(bench, bench.deployment(behaviour='{"never_ready": true}', deadline_s=2))
    assert "ProgressDeadlineExceeded" in error.summary


def test_pods_that_are_not_ready_at_the_calls_deadline_fail_with_how_far_they_came(bench: Any) -> None:
    error, seconds = failure(bench, bench.deployment(behaviour='{"never_ready": true}'), seconds=1.5)
    assert "not ready before the deadline" in error.summary
    assert "2/2 updated, 0/2 available" in error.detail
    assert "not ready: running, and its readiness probe does not succeed" in error.detail
    assert seconds < 6


def test_an_update_that_fails_is_noticed_while_the_old_pods_serve_on(bench: Any) -> None:
    bench.create(bench.deployment())
    seen = bench.provider.wait_ready(bench.at("Deployment", "web"), bench.call())
    bench.provider.update(seen, bench.deployment(image="shop/missing:2"), bench.call())
    with pytest.raises(RolloutFailed, match="ImagePull"):
        bench.provider.wait_ready(bench.at("Deployment", "web"), bench.call())
    back = bench.provider.get(bench.at("Deployment", "web"), bench.call())
    bench.provider.update(back, bench.deployment(), bench.call())
    assert bench.provider.wait_ready(bench.at("Deployment", "web"), bench.call()).state is State.READY


def test_a_stumbling_api_server_does_not_end_the_wait(bench: Any) -> None:
    address = bench.at("Deployment", "web")
    bench.create(bench.deployment(replicas=1, behaviour='{"ready_after_s": 1.0}'))
    bench.running.faults.rows += [
        Fault("a", operation="GET deployments", match=f"/{bench.namespace}/", count=1, status=503),
        Fault("b", operation="GET deployments", match=f"/{bench.namespace}/", count=1, drop_answer=True),
    ]
    assert bench.provider.wait_ready(address, bench.call()).state is State.READY


def test_a_request_to_stop_ends_the_wait(bench: Any) -> None:
    bench.create(bench.deployment(behaviour='{"never_ready": true}'))
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began_s = time.monotonic()
    with pytest.raises(Interrupted):
        bench.provider.wait_ready(bench.at("Deployment", "web"), bench.call(cancelled=stop.is_set))
    assert time.monotonic() - began_s < 5


def test_what_is_deleted_while_we_wait_is_not_found(bench: Any) -> None:
    bench.create(bench.deployment(behaviour='{"never_ready": true}'))
    seen = bench.provider.get(bench.at("Deployment", "web"), bench.call())
    threading.Timer(0.3, lambda: bench.provider.delete(seen, bench.call())).start()
    with pytest.raises(NotFound):
        bench.provider.wait_ready(bench.at("Deployment", "web"), bench.call())


def test_what_a_finalizer_holds_is_told_at_the_deadline(bench: Any) -> None:
    held = bench.manifest("ConfigMap", "held")
    metadata = {**held.manifest["metadata"], "finalizers": ["example.com/hold"]}
    seen = bench.create(type(held)(name=held.name, manifest={**held.manifest, "metadata": metadata}))
    bench.provider.delete(seen, bench.call())
    with pytest.raises(DependencyInUse, match="still there") as caught:
        bench.provider.wait_gone(seen.address, bench.call(0.5))
    assert "example.com/hold" in caught.value.detail


def test_a_cluster_that_disappears_during_a_rollout_is_unreachable_and_not_failed(bench: Any) -> None:
    with running_cluster(cluster_id="short-lived") as running:
        own = type(bench)(running, None, bench.namespace)
        own.provider = own.open(lambda: running.token, max_attempts=3)
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own.namespace}}
        own.create(type(own.deployment())(name=f"main/-/Namespace/{own.namespace}", manifest=manifest))
        own.create(own.deployment(behaviour='{"never_ready": true}'))
        ended: list[BaseException] = []

        def wait() -> None:
            try:
                own.provider.wait_ready(own.at("Deployment", "web"), own.call(8))
            except BaseException as exc:
                ended.append(exc)

        thread = threading.Thread(target=wait)
        thread.start()
        began_s = time.monotonic()
        while not own.progress and time.monotonic() - began_s < 10:
            time.sleep(0.01)
        running.call(running.clusters.delete("short-lived"))
        thread.join(15)
    assert [type(e) for e in ended] == [Unreachable]
    own.provider.close()
