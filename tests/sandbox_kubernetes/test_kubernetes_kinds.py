"""Workloads beyond Deployments, storage, quotas and node faults, seen through the API."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes.controllers.cron import Schedule
from sandbox.kubernetes.controllers.job import ranges
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.kinds import BY_PLURAL
from sandbox.kubernetes.subresources import evict

Send = Callable[..., Any]
_PATHS = {
    "apps/v1": "statefulsets daemonsets deployments replicasets controllerrevisions",
    "batch/v1": "jobs cronjobs",
    "v1": "pods services configmaps secrets resourcequotas limitranges persistentvolumeclaims endpoints events",
    "autoscaling/v2": "horizontalpodautoscalers",
    "policy/v1": "poddisruptionbudgets",
    "discovery.k8s.io/v1": "endpointslices",
}
_VERSIONS = {plural: version for version, names in _PATHS.items() for plural in names.split()}


def _path(plural: str, name: str = "", sub: str = "") -> str:
    version = _VERSIONS[plural]
    base = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    return "/".join(p for p in (f"{base}/namespaces/default/{plural}", name, sub) if p)


@pytest.fixture
def send(kube: Any) -> Send:
    """send(method, plural, name, body): the answer's JSON; its status under "code" where it is refused."""

    def call(method: str, plural: str, name: str = "", body: Any = None, sub: str = "") -> Any:
        headers = {"Content-Type": "application/json" if method != "PATCH" else "application/merge-patch+json"}
        data = json.dumps(body).encode() if body is not None else None
        return kube.http(_path(plural, name, sub), method=method, body=data, **headers).json()

    return call


@pytest.fixture
def get(send: Send) -> Send:
    return lambda plural, name="": send("GET", plural, name)


def _pod(labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "app", "image": "registry.example/app:1", "ports": [{"containerPort": 8080}]}
    return {"metadata": {"labels": labels or {"app": "x"}}, "spec": {"containers": [container], **spec}}


def _workload(name: str, template: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    body = {"selector": {"matchLabels": {"app": "x"}}, "template": template or _pod(), **spec}
    return {"metadata": {"name": name}, "spec": body}


def _names(get: Send, plural: str = "pods") -> list[str]:
    return sorted(o["metadata"]["name"] for o in get(plural)["items"] if "deletionTimestamp" not in o["metadata"])


def _store(kube: Any, plural: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kube.running.do(lambda: kube.running.cluster.store.list(BY_PLURAL[plural]))
    return found


# -- StatefulSet, DaemonSet ----------------------------------------------------------------------------------------


def test_a_stateful_set_makes_numbered_pods_with_claims_of_their_own_and_rolls_from_the_top(
    kube: Any, send: Send, get: Send
) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    templates = [{"metadata": {"name": "data"}, "spec": claim}]
    send("POST", "statefulsets", "", _workload("db", replicas=3, serviceName="db", volumeClaimTemplates=templates))
    kube.until(lambda: get("statefulsets", "db")["status"].get("readyReplicas") == 3)
    assert _names(get) == ["db-0", "db-1", "db-2"]
    assert _names(get, "persistentvolumeclaims") == ["data-db-0", "data-db-1", "data-db-2"]
    assert {c["status"]["phase"] for c in get("persistentvolumeclaims")["items"]} == {"Bound"}
    pod = get("pods", "db-1")
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("db-1", "db")
    assert pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "1"
    first = get("statefulsets", "db")["status"]["currentRevision"]

    change = {
        "spec": {
            "template": {"metadata": {"annotations": {"v": "2"}}},
            "updateStrategy": {"rollingUpdate": {"partition": 1}},
        }
    }
    send("PATCH", "statefulsets", "db", change)
    kube.until(lambda: get("statefulsets", "db")["status"].get("updatedReplicas") == 2)
    kube.until(lambda: get("statefulsets", "db")["status"].get("readyReplicas") == 3)
    hashes = {n: get("pods", n)["metadata"]["labels"]["controller-revision-hash"] for n in _names(get)}
    assert hashes["db-0"] in first
    assert hashes["db-1"] == hashes["db-2"] != hashes["db-0"]
    assert len(get("controllerrevisions")["items"]) == 2

    send("PATCH", "statefulsets", "db", {"spec": {"replicas": 1}})
    kube.until(lambda: _names(get) == ["db-0"])
    assert len(_names(get, "persistentvolumeclaims")) == 3, "claims stay"


def test_a_stateful_set_waits_for_each_pod_before_it_makes_the_next(kube: Any, send: Send, get: Send) -> None:
    template = _pod()
    template["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    template["metadata"]["annotations"] = {"sandbox.duoyun.dev/behaviour": '{"never_ready": true}'}
    send("POST", "statefulsets", "", _workload("db", template, replicas=2, serviceName="db"))
    kube.until(lambda: get("statefulsets", "db")["status"].get("replicas") == 1)
    kube.until(lambda: any(e["reason"] == "Unhealthy" for e in get("events")["items"]))
    assert _names(get) == ["db-0"]


def test_a_daemon_set_runs_on_every_node_that_it_may(kube: Any, send: Send, get: Send) -> None:
    node = _store(kube, "nodes")[0]["metadata"]["name"]
    taint = {"spec": {"taints": [{"key": "gpu", "value": "a", "effect": "NoSchedule"}]}}
    kube.core.patch_node(node, taint)
    send("POST", "daemonsets", "", _workload("agent"))
    kube.until(lambda: get("daemonsets", "agent")["status"].get("numberAvailable") == 2)
    assert node not in {p["spec"]["nodeName"] for p in get("pods")["items"]}
    kube.core.patch_node(node, {"spec": {"taints": None}})
    kube.until(lambda: get("daemonsets", "agent")["status"].get("numberAvailable") == 3)
    before = set(_names(get))
    send("PATCH", "daemonsets", "agent", {"spec": {"template": {"metadata": {"annotations": {"v": "2"}}}}})

    def rolled() -> bool:
        status = get("daemonsets", "agent")["status"]
        assert status.get("numberUnavailable", 0) <= 1, "one at a time"
        return status.get("updatedNumberScheduled") == 3 == status.get("numberAvailable")

    kube.until(rolled)
    assert not before & set(_names(get))


# -- Job, CronJob --------------------------------------------------------------------------------------------------


def test_a_job_completes_as_often_as_wanted(kube: Any, send: Send, get: Send) -> None:
    body = {"completions": 4, "parallelism": 2, "completionMode": "Indexed", "template": _pod(restartPolicy="Never")}
    send("POST", "jobs", "", {"metadata": {"name": "import"}, "spec": body})
    kube.until(lambda: any(c["type"] == "Complete" for c in get("jobs", "import")["status"].get("conditions", ())))
    status = get("jobs", "import")["status"]
    assert (status["succeeded"], status["completedIndexes"], "active" in status) == (4, "0-3", False)
    assert len({p["metadata"]["labels"]["batch.kubernetes.io/job-name"] for p in get("pods")["items"]}) == 1
    pods = [p for p in get("pods")["items"] if p["status"]["phase"] == "Succeeded"]
    assert len(pods) == 4
    log = kube.core.read_namespaced_pod_log(pods[0]["metadata"]["name"], "default")
    assert "exited with code 0" in log
    assert "panic" not in log


def test_a_job_that_fails_stops_at_its_back_off_limit(kube: Any, send: Send, get: Send) -> None:
    template = _pod(restartPolicy="Never")
    template["metadata"]["annotations"] = {"sandbox.duoyun.dev/behaviour": '{"exit_code": 3}'}
    send("POST", "jobs", "", {"metadata": {"name": "bad"}, "spec": {"backoffLimit": 1, "template": template}})

    def failed() -> Any:
        rows = get("jobs", "bad")["status"].get("conditions", ())
        return next((c for c in rows if c["type"] == "Failed"), None)

    assert kube.until(failed)["reason"] == "BackoffLimitExceeded"
    assert get("jobs", "bad")["status"]["failed"] == 2
    refused = send("POST", "jobs", "", {"metadata": {"name": "no"}, "spec": {"template": _pod()}})
    assert refused["code"] == 422
    assert "restartPolicy" in refused["message"]


def test_a_suspended_job_begins_when_it_is_resumed(kube: Any, send: Send, get: Send) -> None:
    body = {"suspend": True, "template": _pod(restartPolicy="Never")}
    send("POST", "jobs", "", {"metadata": {"name": "later"}, "spec": body})
    kube.until(lambda: get("jobs", "later")["status"].get("conditions"))
    assert _names(get) == []
    send("PATCH", "jobs", "later", {"spec": {"suspend": False}})
    kube.until(lambda: get("jobs", "later")["status"].get("succeeded") == 1)


def test_a_cron_job_that_is_due_makes_a_job(kube: Any, send: Send, get: Send) -> None:
    job = {"spec": {"template": _pod(restartPolicy="Never")}}
    spec = {"schedule": "*/5 * * * *", "jobTemplate": job}
    send("POST", "cronjobs", "", {"metadata": {"name": "nightly"}, "spec": spec})
    cluster = kube.running.cluster
    moved = kube.running.do(cluster.api.clock) + 301
    kube.running.do(lambda: setattr(cluster.api, "clock", lambda: moved))
    send("PATCH", "cronjobs", "nightly", {"metadata": {"annotations": {"looked": "at"}}})
    kube.until(lambda: len(get("jobs")["items"]) == 1)
    assert get("jobs")["items"][0]["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
    kube.until(lambda: "lastScheduleTime" in get("cronjobs", "nightly")["status"])
    refused = send("POST", "cronjobs", "", {"metadata": {"name": "no"}, "spec": {**spec, "schedule": "61 * * * *"}})
    assert (refused["code"], refused["details"]["causes"][0]["field"]) == (422, "spec.schedule")


@pytest.mark.parametrize(
    ("text", "begin", "due"),
    [
        ("*/15 * * * *", "2026-11-23T10:07", ["2026-11-23T10:15", "2026-11-23T10:30"]),
        ("0 3 * * mon-fri", "2026-11-27T04:00", ["2026-11-30T03:00", "2026-12-01T03:00"]),
        ("0 0 13 * 5", "2026-11-12T00:00", ["2026-11-13T00:00", "2026-11-20T00:00"]),
        ("30 12 29 2 *", "2026-01-01T00:00", ["2028-02-29T12:30"]),
        ("@weekly", "2026-11-23T00:00", ["2026-11-29T00:00"]),
        ("5-10/5,50 1 * jan,dec sun", "2026-12-01T00:00", ["2026-12-06T01:05", "2026-12-06T01:10"]),
    ],
)
def test_cron_expressions(text: str, begin: str, due: list[str]) -> None:
    found = Schedule.parse(text).after(datetime.fromisoformat(begin).replace(tzinfo=UTC))
    assert [m.strftime("%Y-%m-%dT%H:%M") for m in islice(found, len(due))] == due


@pytest.mark.parametrize("text", ["* * * *", "60 * * * *", "*/0 * * * *", "a * * * *", "5-1 * * * *", "* * 0 * *"])
def test_cron_expressions_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Schedule.parse(text)


@given(st.sets(st.integers(0, 40)))
def test_ranges_of_indexes_name_exactly_the_numbers(numbers: set[int]) -> None:
    found: set[int] = set()
    for part in filter(None, ranges(list(numbers)).split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    assert found == numbers


# -- autoscalers, quotas, limits, priorities -----------------------------------------------------------------------


def test_an_autoscaler_keeps_its_bounds_and_says_that_metrics_are_missing(kube: Any, send: Send, get: Send) -> None:
    kube.apply(kube.deployment(replicas=1, probe=False))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"minReplicas": 2, "maxReplicas": 4, "scaleTargetRef": target}
    send("POST", "horizontalpodautoscalers", "", {"metadata": {"name": "web"}, "spec": spec})
    kube.until(lambda: kube.apps.read_namespaced_deployment("web", "default").spec.replicas == 2)

    def active() -> Any:
        rows = get("horizontalpodautoscalers", "web")["status"].get("conditions", ())
        return next((c for c in rows if c["type"] == "ScalingActive"), None)

    found = kube.until(active)
    assert (found["status"], found["reason"]) == ("False", "FailedGetResourceMetric")


def test_a_quota_refuses_what_is_too_much_and_counts_what_is_there(kube: Any, send: Send, get: Send) -> None:
    hard = {"pods": "2", "requests.cpu": "300m"}
    send("POST", "resourcequotas", "", {"metadata": {"name": "small"}, "spec": {"hard": hard}})
    kube.apply(kube.deployment(replicas=3, probe=False))
    kube.until(lambda: get("resourcequotas", "small")["status"]["used"] == {"pods": "2", "requests.cpu": "200m"})
    failure = kube.until(lambda: kube.condition("ReplicaFailure"))
    assert failure.reason == "FailedCreate"
    assert "is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2" in failure.message
    bare = {"metadata": {"name": "bare"}, "spec": _pod()["spec"]}
    refused = send("POST", "pods", "", bare)
    assert (refused["code"], refused["reason"]) == (403, "Forbidden")
    assert "failed quota: small: must specify requests.cpu for: app" in refused["message"]
    send("PATCH", "resourcequotas", "small", {"spec": {"hard": {"pods": "5"}}})
    kube.until(lambda: kube.apps.read_namespaced_deployment("web", "default").status.available_replicas == 3)
    kube.until(lambda: kube.condition("ReplicaFailure") is None)


def test_a_limit_range_gives_defaults_and_refuses(send: Send) -> None:
    limit = {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}, "max": {"cpu": "1"}}
    send("POST", "limitranges", "", {"metadata": {"name": "lim"}, "spec": {"limits": [limit]}})
    made = send("POST", "pods", "", {"metadata": {"name": "a"}, "spec": _pod()["spec"]})
    assert made["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "100m"}, "limits": {"cpu": "500m"}}
    assert made["status"]["qosClass"] == "Burstable"
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"].startswith("LimitRanger plugin set: cpu")
    spec = _pod()["spec"]
    spec["containers"][0]["resources"] = {"limits": {"cpu": "2"}}
    refused = send("POST", "pods", "", {"metadata": {"name": "b"}, "spec": spec})
    assert refused["code"] == 403
    assert refused["message"] == 'pods "b" is forbidden: maximum cpu usage per Container is 1, but limit is 2'


def test_a_missing_account_or_priority_class_is_refused(send: Send) -> None:
    for field, text in (
        ("serviceAccountName", 'error looking up service account default/none: serviceaccount "none" not found'),
        ("priorityClassName", "no PriorityClass with name none was found"),
    ):
        refused = send("POST", "pods", "", {"metadata": {"name": "a"}, "spec": {**_pod()["spec"], field: "none"}})
        assert (refused["code"], text in refused["message"]) == (403, True), refused["message"]


def test_a_more_important_pod_takes_the_place_of_a_less_important_one(kube: Any, send: Send, get: Send) -> None:
    big = {"requests": {"cpu": "3500m"}}
    for index in range(3):
        spec = _pod(terminationGracePeriodSeconds=0)["spec"]
        spec["containers"][0]["resources"] = big
        send("POST", "pods", "", {"metadata": {"name": f"low-{index}"}, "spec": spec})
    kube.until(lambda: [p["status"]["phase"] for p in get("pods")["items"]] == ["Running"] * 3)
    spec = _pod(priorityClassName="system-cluster-critical")["spec"]
    spec["containers"][0]["resources"] = big
    send("POST", "pods", "", {"metadata": {"name": "high"}, "spec": spec})
    kube.until(lambda: get("pods", "high")["status"]["phase"] == "Running")
    assert len(_names(get)) == 3
    assert "Preempted" in {e["reason"] for e in get("events")["items"]}


# -- references, init containers, storage, nodes -------------------------------------------------------------------


def test_a_missing_secret_keeps_the_container_from_being_created(kube: Any, send: Send, get: Send) -> None:
    spec = _pod(volumes=[{"name": "cfg", "configMap": {"name": "cfg"}}])["spec"]
    reference = {"secretKeyRef": {"name": "db", "key": "password"}}
    spec["containers"][0]["env"] = [{"name": "PASSWORD", "valueFrom": reference}]
    send("POST", "pods", "", {"metadata": {"name": "a"}, "spec": spec})

    def waiting() -> Any:
        rows = get("pods", "a")["status"].get("containerStatuses") or [{"state": {}}]
        return (rows[0]["state"].get("waiting") or {}).get("reason", ""), rows[0]["state"]

    kube.until(lambda: "FailedMount" in {e["reason"] for e in get("events")["items"]})
    assert waiting()[0] == "ContainerCreating"
    send("POST", "configmaps", "", {"metadata": {"name": "cfg"}, "data": {"a": "1"}})
    kube.until(lambda: waiting()[0] == "CreateContainerConfigError")
    assert waiting()[1]["waiting"]["message"] == 'secret "db" not found'
    send("POST", "secrets", "", {"metadata": {"name": "db"}, "data": {"user": base64.b64encode(b"u").decode()}})
    kube.until(lambda: "couldn't find key password in Secret default/db" in str(waiting()[1]))
    send("PATCH", "secrets", "db", {"data": {"password": base64.b64encode(b"p").decode()}})
    kube.until(lambda: get("pods", "a")["status"]["phase"] == "Running")


def test_init_containers_run_in_turn_and_a_sidecar_stays(kube: Any, send: Send, get: Send) -> None:
    inits = [
        {"name": "first", "image": "i:1"},
        {"name": "proxy", "image": "p:1", "restartPolicy": "Always", "ports": [{"containerPort": 15001}]},
        {"name": "last", "image": "i:1"},
    ]
    send("POST", "pods", "", {"metadata": {"name": "a"}, "spec": _pod(initContainers=inits)["spec"]})
    kube.until(lambda: get("pods", "a")["status"]["phase"] == "Running")
    status = get("pods", "a")["status"]
    assert [next(iter(s["state"])) for s in status["initContainerStatuses"]] == ["terminated", "running", "terminated"]
    assert {c["type"]: c["status"] for c in status["conditions"]}["Initialized"] == "True"
    inits[2]["image"] = "missing:1"
    send("POST", "pods", "", {"metadata": {"name": "b"}, "spec": _pod(initContainers=inits)["spec"]})
    kube.until(lambda: "ImagePullBackOff" in str(get("pods", "b")["status"].get("initContainerStatuses")))
    status = get("pods", "b")["status"]
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}


def test_a_claim_that_is_used_stays_until_its_pod_is_gone(kube: Any, send: Send, get: Send) -> None:
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    send("POST", "pods", "", {"metadata": {"name": "a"}, "spec": _pod(volumes=[volume])["spec"]})
    kube.until(lambda: 'persistentvolumeclaim "data" not found' in str(get("events")))
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    send("POST", "persistentvolumeclaims", "", {"metadata": {"name": "data"}, "spec": claim})
    kube.until(lambda: get("pods", "a")["status"]["phase"] == "Running")
    assert get("persistentvolumeclaims", "data")["spec"]["storageClassName"] == "standard"
    assert len(_store(kube, "persistentvolumes")) == 1
    send("DELETE", "persistentvolumeclaims", "data")
    assert "deletionTimestamp" in get("persistentvolumeclaims", "data")["metadata"]
    send("DELETE", "pods", "a", {"gracePeriodSeconds": 0})
    kube.until(lambda: get("persistentvolumeclaims", "data").get("code") == 404)
    kube.until(lambda: _store(kube, "persistentvolumes") == [])


def test_pods_leave_a_node_that_is_tainted_or_gone(kube: Any, send: Send, get: Send) -> None:
    kube.apply(kube.deployment(probe=False))
    kube.rolled_out()
    first, second, _third = (n["metadata"]["name"] for n in _store(kube, "nodes"))
    kube.core.patch_node(first, {"spec": {"taints": [{"key": "bad", "effect": "NoExecute"}]}})
    kube.until(lambda: first not in {p.spec.node_name for p in kube.pods()})
    assert "TaintManagerEviction" in kube.reasons()
    kube.core.delete_node(second)
    kube.until(lambda: {p.spec.node_name for p in kube.pods()} <= {_third})
    kube.rolled_out()


def test_endpoints_follow_readiness_and_go_with_their_service(kube: Any, send: Send, get: Send) -> None:
    kube.apply(kube.service())
    kube.apply(kube.deployment(replicas=2, behaviour={"ready_after_s": 0.3}))
    kube.until(lambda: "notReadyAddresses" in str(get("endpoints", "web")))
    kube.until(lambda: len(get("endpoints", "web")["subsets"][0].get("addresses", ())) == 2)
    assert get("endpoints", "web")["subsets"][0]["ports"] == [{"port": 8080, "protocol": "TCP"}]
    send("DELETE", "services", "web")
    kube.until(lambda: get("endpoints", "web").get("code") == 404)
    kube.until(lambda: get("endpointslices")["items"] == [])


def test_pods_without_an_owner_are_adopted_and_those_that_do_not_match_let_go(kube: Any, send: Send, get: Send) -> None:
    send("POST", "pods", "", {"metadata": {"name": "old", "labels": {"app": "x"}}, "spec": _pod()["spec"]})
    send("POST", "replicasets", "", _workload("rs", replicas=2))
    kube.until(lambda: get("replicasets", "rs")["status"].get("readyReplicas") == 2)
    assert "old" in _names(get)
    assert get("pods", "old")["metadata"]["ownerReferences"][0]["name"] == "rs"
    send("PATCH", "pods", "old", {"metadata": {"labels": {"app": "y"}}})
    kube.until(lambda: "ownerReferences" not in get("pods", "old")["metadata"])
    kube.until(lambda: len(_names(get)) == 3)


def test_an_eviction_takes_from_the_budget_at_once(kube: Any, send: Send, get: Send) -> None:
    kube.apply(kube.deployment(probe=False))
    kube.rolled_out()
    body = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    send("POST", "poddisruptionbudgets", "", {"metadata": {"name": "web"}, "spec": body})
    kube.until(lambda: get("poddisruptionbudgets", "web")["status"].get("disruptionsAllowed") == 1)
    first, second, _third = _names(get)

    def both() -> None:
        # In one turn of the loop, so that no controller counts in between.
        evict(kube.running.cluster.api, "default", first)
        evict(kube.running.cluster.api, "default", second)

    with pytest.raises(ApiError) as caught:
        kube.running.do(both)
    assert caught.value.code == 429
    assert caught.value.causes[0].reason == "DisruptionBudget"
    kube.until(lambda: first not in _names(get) and len(_names(get)) == 3)
    assert second in _names(get)


def test_every_kind_passes_strict_validation(kube: Any, send: Send, get: Send) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    templates = [{"metadata": {"name": "data"}, "spec": claim}]
    labels = {"app": "y"}
    stateful = _workload("db", _pod(labels), replicas=1, serviceName="db", volumeClaimTemplates=templates)
    send("POST", "statefulsets", "", stateful | {"spec": stateful["spec"] | {"selector": {"matchLabels": labels}}})
    send("POST", "daemonsets", "", _workload("agent"))
    job = {"template": _pod({"app": "z"}, restartPolicy="Never")}
    send("POST", "jobs", "", {"metadata": {"name": "j"}, "spec": job})
    send(
        "POST",
        "cronjobs",
        "",
        {"metadata": {"name": "c"}, "spec": {"schedule": "@daily", "jobTemplate": {"spec": job}}},
    )
    target = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"}
    scaler = {"maxReplicas": 4, "scaleTargetRef": target}
    send("POST", "horizontalpodautoscalers", "", {"metadata": {"name": "h"}, "spec": scaler})
    send("POST", "resourcequotas", "", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "20"}}})
    limit = {"type": "Container", "default": {"cpu": "500m"}}
    send("POST", "limitranges", "", {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
    send(
        "POST", "services", "", {"metadata": {"name": "s"}, "spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]}}
    )
    budget = {"minAvailable": 1, "selector": {"matchLabels": labels}}
    send("POST", "poddisruptionbudgets", "", {"metadata": {"name": "b"}, "spec": budget})
    kube.until(lambda: get("statefulsets", "db")["status"].get("readyReplicas") == 1)
    kube.until(lambda: get("jobs", "j")["status"].get("succeeded") == 1)
    kube.until(lambda: get("horizontalpodautoscalers", "h").get("status"))
    kube.until(lambda: "subsets" in get("endpoints", "s"))
    objects = kube.running.do(kube.running.cluster.store.dump)
    for obj in objects:
        kubernetes_validate.validate(obj, "1.31", strict=True)
    missing = {k.kind for k in BY_PLURAL.values()} - {o["kind"] for o in objects}
    assert missing <= {
        "ConfigMap", "Secret", "Deployment", "ReplicaSet", "NetworkPolicy", "Ingress", "IngressClass", "Lease", "Role",
        "RoleBinding", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition",
    }, "kinds that the sandbox writes itself were all there"  # fmt: skip
