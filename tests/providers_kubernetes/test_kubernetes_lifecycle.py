"""The contract against a cluster of the sandbox: apply, observe, compare, delete, and what must not happen."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from kubernetes import client as k8s

from model.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    InvalidRequest,
    LeaseLost,
    NotFound,
    Throttled,
    Unauthenticated,
    Unreachable,
)
from model.resources import Address, Kind, KubernetesObject, Network, State
from sandbox.world import Fault


def with_image(obj: KubernetesObject, image: str) -> KubernetesObject:
    spec = obj.manifest["spec"]
    pod = spec["template"]["spec"]
    containers = [{**pod["containers"][0], "image": image}]
    template = {**spec["template"], "spec": {**pod, "containers": containers}}
    return replace(obj, manifest={**obj.manifest, "spec": {**spec, "template": template}})


def test_what_was_applied_is_observed_as_it_was_wanted(bench: Any) -> None:
    for wanted in (
        bench.deployment(),
        bench.service(),
        bench.manifest("ServiceAccount", "web", automountServiceAccountToken=False),
        bench.manifest("ConfigMap", "web", data={"a": "1"}),
    ):
        seen = bench.create(wanted)
        assert seen.owner == "prod"
        assert seen.provider_id
        again = bench.provider.get(seen.address, bench.call())
        assert again.resource.manifest == wanted.manifest
        assert bench.provider.diff(again, wanted) == ()


def test_creating_again_changes_nothing(bench: Any) -> None:
    first = bench.create(bench.deployment())
    second = bench.create(bench.deployment())
    assert second.provider_id == first.provider_id
    assert second.raw["object"]["metadata"]["generation"] == first.raw["object"]["metadata"]["generation"]


def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_made_twice(bench: Any) -> None:
    bench.running.faults.rows.append(Fault("f", operation="PATCH deployments", match=bench.namespace, drop_answer=True))
    seen = bench.create(bench.deployment())
    assert seen.raw["object"]["metadata"]["generation"] == 1
    assert len([o for o in bench.provider.list_owned(bench.call()) if o.address == seen.address]) == 1


def test_somebody_elses_object_of_that_name_is_not_taken(bench: Any) -> None:
    core = k8s.CoreV1Api(bench.api())
    core.create_namespaced_config_map(bench.namespace, {"metadata": {"name": "web"}, "data": {"a": "theirs"}})
    with pytest.raises(AlreadyExists, match="not ours"):
        bench.create(bench.manifest("ConfigMap", "web", data={"a": "ours"}))
    bench.create(bench.manifest("ConfigMap", "other"))
    with pytest.raises(AlreadyExists, match="fleet prod"):
        bench.create(bench.manifest("ConfigMap", "other"), fleet="staging")


def test_an_update_changes_what_differs_and_only_that(bench: Any) -> None:
    bench.create(bench.deployment())
    seen = bench.provider.wait_ready(bench.at("Deployment", "web"), bench.call())
    wanted = with_image(bench.deployment(), "shop/web:2")
    (difference,) = bench.provider.diff(seen, wanted)
    assert (difference.path, difference.before, difference.after) == (
        "spec.template.spec.containers[name=web].image",
        "shop/web:1",
        "shop/web:2",
    )
    bench.provider.update(seen, wanted, bench.call())
    ready = bench.provider.wait_ready(bench.at("Deployment", "web"), bench.call())
    assert ready.state is State.READY
    assert bench.provider.diff(ready, wanted) == ()
    pods = bench.provider.pods(bench.namespace, {"app": "web"}, bench.call())
    alive = [p for p in pods if not p["metadata"].get("deletionTimestamp")]
    assert {p["spec"]["containers"][0]["image"] for p in alive} == {"shop/web:2"}


def test_what_we_no_longer_want_of_an_object_goes(bench: Any) -> None:
    seen = bench.create(bench.manifest("ConfigMap", "web", data={"a": "1", "b": "2"}))
    wanted = bench.manifest("ConfigMap", "web", data={"b": "2"})
    assert [(d.path, d.after) for d in bench.provider.diff(seen, wanted)] == [("data.a", None)]
    after = bench.provider.update(seen, wanted, bench.call())
    assert after.raw["object"]["data"] == {"b": "2"}


# -- other managers --------------------------------------------------------------------------------------------


def scale(bench: Any, replicas: int, manager: str = "autoscaler") -> None:
    k8s.AppsV1Api(bench.api()).patch_namespaced_deployment(
        "web", bench.namespace, {"spec": {"replicas": replicas}}, field_manager=manager
    )


def test_a_field_that_another_manager_took_is_shown_and_left_alone(bench: Any) -> None:
    bench.create(bench.deployment(replicas=1))
    scale(bench, 3)
    seen = bench.provider.get(bench.at("Deployment", "web"), bench.call())
    wanted = with_image(bench.deployment(replicas=1), "shop/web:2")
    shown = {d.path: (d.before, d.after, d.delegated, d.actor) for d in bench.provider.diff(seen, wanted)}
    assert shown["spec.replicas"] == (3, 1, True, "autoscaler")
    assert not shown["spec.template.spec.containers[name=web].image"][2]
    after = bench.provider.update(seen, wanted, bench.call())
    assert after.raw["object"]["spec"]["replicas"] == 3
    assert after.raw["object"]["spec"]["template"]["spec"]["containers"][0]["image"] == "shop/web:2"


def test_a_field_taken_since_the_observation_is_a_conflict_that_names_manager_and_field(bench: Any) -> None:
    seen = bench.create(bench.deployment(replicas=1))
    scale(bench, 3)
    with pytest.raises(Conflict, match=r"spec\.replicas is owned by autoscaler"):
        bench.provider.update(seen, bench.deployment(replicas=2), bench.call())


def test_what_the_desired_object_delegates_is_not_applied(bench: Any) -> None:
    wanted = bench.deployment(replicas=4, delegated=("spec.replicas",))
    seen = bench.create(wanted)
    assert seen.raw["object"]["spec"]["replicas"] == 1  # the default: nobody asked for 4
    assert [d.delegated for d in bench.provider.diff(seen, wanted)] == [True]


def test_taking_over_is_possible_when_asked_for(bench: Any) -> None:
    bench.create(bench.deployment(replicas=1))
    scale(bench, 3)
    seen = bench.provider.get(bench.at("Deployment", "web"), bench.call())
    after = bench.provider.take_over(seen, bench.deployment(replicas=1), bench.call())
    assert after.raw["object"]["spec"]["replicas"] == 1
    assert bench.provider.diff(after, bench.deployment(replicas=1)) == ()


def test_who_changed_it_is_told_newest_first(bench: Any) -> None:
    bench.create(bench.deployment(replicas=1))
    scale(bench, 3)
    changes = bench.provider.changes(bench.at("Deployment", "web"), 0.0, bench.call())
    assert {c.actor for c in changes} >= {"duoyun", "autoscaler"}
    assert [c.at_s for c in changes] == sorted((c.at_s for c in changes), reverse=True)
    assert bench.provider.changes(bench.at("Deployment", "web"), changes[0].at_s + 3600, bench.call()) == ()


# -- listing ---------------------------------------------------------------------------------------------------


def test_only_what_we_applied_is_listed_by_fleet_and_over_pages(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.kubernetes.provider._PAGE", "1")
    bench.create(bench.deployment(replicas=1))
    bench.create(bench.service())
    for name in ("a", "b", "c"):
        bench.create(bench.manifest("ConfigMap", name))
    bench.create(bench.manifest("ConfigMap", "theirs"), fleet="staging")
    labels = {"app.kubernetes.io/managed-by": "duoyun", "duoyun.dev/fleet": "prod"}
    copied = {"metadata": {"name": "copied", "labels": labels}}
    k8s.CoreV1Api(bench.api()).create_namespaced_config_map(bench.namespace, copied)
    bench.provider.wait_ready(bench.at("Deployment", "web"), bench.call())  # so that an EndpointSlice of its own exists

    def names(fleet: str | None) -> list[str]:
        found = bench.provider.list(Kind.KUBERNETES_OBJECT, "cn-north-1", bench.call(), fleet=fleet)
        return sorted(o.address.name.split("/", 2)[2] for o in found if bench.namespace in o.address.name)

    ours = [
        "ConfigMap/a",
        "ConfigMap/b",
        "ConfigMap/c",
        "Deployment/web",
        f"Namespace/{bench.namespace}",
        "Service/web",
    ]
    assert names("prod") == ours
    assert names("staging") == ["ConfigMap/theirs"]
    assert names(None) == sorted([*ours, "ConfigMap/theirs"])


def test_other_kinds_and_regions_are_empty(bench: Any) -> None:
    assert list(bench.provider.list(Kind.NETWORK, "cn-north-1", bench.call())) == []
    assert list(bench.provider.list(Kind.KUBERNETES_OBJECT, "elsewhere", bench.call())) == []


# -- deleting --------------------------------------------------------------------------------------------------


def test_a_deleted_deployment_is_gone_with_its_pods(bench: Any) -> None:
    bench.create(bench.deployment())
    seen = bench.provider.wait_ready(bench.at("Deployment", "web"), bench.call())
    bench.provider.delete(seen, bench.call())
    bench.provider.wait_gone(seen.address, bench.call())
    with pytest.raises(NotFound):
        bench.provider.get(seen.address, bench.call())
    bench.provider.delete(seen, bench.call())  # of something that is gone: fine
    pods = bench.provider.pods(bench.namespace, {"app": "web"}, bench.call())
    assert all(p["metadata"].get("deletionTimestamp") for p in pods)


def test_what_is_still_being_deleted_is_waited_for_before_it_is_made_anew(bench: Any) -> None:
    held = bench.manifest("ConfigMap", "held")
    metadata = {**held.manifest["metadata"], "finalizers": ["example.com/hold"]}
    first = bench.create(replace(held, manifest={**held.manifest, "metadata": metadata}))
    bench.provider.delete(first, bench.call())
    assert bench.provider.get(first.address, bench.call()).state is State.DELETING
    core = k8s.CoreV1Api(bench.api())
    release = {"metadata": {"finalizers": None}}
    timer = threading.Timer(0.3, lambda: core.patch_namespaced_config_map("held", bench.namespace, release))
    timer.start()
    assert bench.create(held).provider_id != first.provider_id
    timer.join()


def test_another_object_of_the_same_name_is_not_deleted(bench: Any) -> None:
    first = bench.create(bench.manifest("ConfigMap", "web"))
    bench.provider.delete(first, bench.call())
    bench.provider.wait_gone(first.address, bench.call())
    second = bench.create(bench.manifest("ConfigMap", "web"))
    bench.provider.delete(first, bench.call())
    assert bench.provider.get(second.address, bench.call()).provider_id == second.provider_id


# -- rights, leases, failures ----------------------------------------------------------------------------------


def test_reading_rights_are_enough_to_list_and_compare_and_a_write_is_refused_by_name(bench: Any) -> None:
    wanted = bench.deployment(replicas=1)
    bench.create(wanted)
    bench.running.tokens["look"] = "reader:ann"
    reader = bench.open(lambda: "look")
    seen = next(o for o in reader.list_owned(bench.call()) if o.address == bench.at("Deployment", "web"))
    assert reader.diff(seen, wanted) == ()
    assert [d.path for d in reader.diff(seen, bench.deployment(replicas=2))] == ["spec.replicas"]
    with pytest.raises(Forbidden, match=r"patch deployments\.apps") as caught:
        reader.update(seen, bench.deployment(replicas=2), bench.call())
    assert "grant the verb patch on deployments.apps" in caught.value.mend
    with pytest.raises(Forbidden, match=r"delete deployments\.apps"):
        reader.delete(seen, bench.call())
    reader.close()


def test_a_wrong_token_is_a_matter_of_credentials(bench: Any) -> None:
    stranger = bench.open(lambda: "wrong")
    with pytest.raises(Unauthenticated) as caught:
        stranger.list_owned(bench.call())
    assert "wrong" not in str(caught.value.to_dict())
    with pytest.raises(Unauthenticated):
        stranger.identity(bench.call())
    stranger.close()


def test_an_expired_token_is_asked_for_anew(bench: Any) -> None:
    tokens = iter(["expired", bench.running.token])
    provider = bench.open(lambda: next(tokens))
    assert provider.get(bench.at("ServiceAccount", "default"), bench.call()).state is State.READY
    provider.close()


def test_a_write_is_sent_only_under_the_lease(bench: Any) -> None:
    bench.create(bench.manifest("ConfigMap", "web"))
    assert len(bench.guarded) == 1

    def lost() -> None:
        raise LeaseLost("taken")

    with pytest.raises(LeaseLost):
        bench.create(bench.manifest("ConfigMap", "other"), guard=lost)
    with pytest.raises(NotFound):
        bench.provider.get(bench.at("ConfigMap", "other"), bench.call())


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        (Fault("f", status=429, code="TooManyRequests", retry_after_s=0.05, count=2), 3),
        (Fault("f", status=500, code="InternalError", count=1), 2),
        (Fault("f", status=503, code="ServiceUnavailable", count=2), 3),
    ],
)
def test_what_passes_by_itself_is_tried_again(bench: Any, fault: Fault, tries: int) -> None:
    bench.running.faults.rows.append(replace(fault, operation="PATCH configmaps", match=bench.namespace))
    bench.create(bench.manifest("ConfigMap", "web"))
    assert len(bench.guarded) == tries


def test_throttling_that_does_not_end_is_reported_as_such(bench: Any) -> None:
    row = Fault("f", operation="GET configmaps", match=bench.namespace, status=429, retry_after_s=30.0, count=-1)
    bench.running.faults.rows.append(row)
    try:
        with pytest.raises(Throttled) as caught:
            bench.provider.get(bench.at("ConfigMap", "web"), bench.call(5))
        assert caught.value.retry_after_s == 30.0
    finally:
        bench.running.faults.rows.remove(row)


def test_what_the_server_refuses_as_invalid_is_told_field_by_field(bench: Any) -> None:
    bad = bench.deployment()
    spec = {**bad.manifest["spec"], "replicas": -1}
    with pytest.raises(InvalidRequest) as caught:
        bench.create(replace(bad, manifest={**bad.manifest, "spec": spec}))
    assert "spec.replicas" in caught.value.detail
    typo = {**bad.manifest["spec"], "replcas": 1}
    with pytest.raises(InvalidRequest, match="refused as invalid") as caught:
        bench.create(replace(bad, manifest={**bad.manifest, "spec": typo}))
    assert "replcas" in caught.value.detail


def test_what_is_no_object_of_this_cluster_is_refused(bench: Any) -> None:
    with pytest.raises(InvalidRequest, match="no object of cluster main"):
        bench.provider.get(Address("aws-cn", "1", "r", Kind.KUBERNETES_OBJECT, "other/a/Pod/b"), bench.call())
    with pytest.raises(NotFound, match="serves no kind HTTPRoute"):
        bench.provider.get(bench.at("HTTPRoute.gateway.networking.k8s.io", "web"), bench.call())
    with pytest.raises(InvalidRequest, match="never read"):
        bench.provider.get(bench.at("Secret", "web"), bench.call())
    with pytest.raises(InvalidRequest, match="not Network"):
        bench.provider.create(bench.at("Pod", "x"), Network(name="n", cidr="10.0.0.0/8"), bench.call())


def test_a_secret_is_known_to_exist_without_being_read(bench: Any) -> None:
    k8s.CoreV1Api(bench.api()).create_namespaced_secret(bench.namespace, {"metadata": {"name": "keys"}})
    assert bench.provider.secret_exists(bench.namespace, "keys", bench.call())
    assert not bench.provider.secret_exists(bench.namespace, "nothing", bench.call())


def test_a_cluster_that_is_not_there_is_unreachable(bench: Any) -> None:
    from providers.base import ClusterAccess
    from providers.kubernetes import open_cluster

    gone = open_cluster(bench.provider.account, "cn-north-1", "main", ClusterAccess("http://127.0.0.1:9"))
    with pytest.raises(Unreachable, match="no answer from the cluster"):
        gone.list_owned(bench.call(1))
    gone.close()


def test_immutable_fields_want_a_replacement(bench: Any) -> None:
    before = bench.deployment()
    spec = before.manifest["spec"]
    other = replace(before, manifest={**before.manifest, "spec": {**spec, "selector": {"matchLabels": {"app": "x"}}}})
    assert bench.provider.needs_replace(before, other) == ("spec.selector",)
    assert bench.provider.needs_replace(before, with_image(before, "x:2")) == ()


# -- reaching what runs ----------------------------------------------------------------------------------------


def test_services_and_pods_answer_through_the_api_server(bench: Any) -> None:
    bench.create(bench.deployment(behaviour='{"status": 418}'.replace("418", "200")))
    bench.create(bench.service())
    bench.provider.wait_ready(bench.at("Deployment", "web"), bench.call())
    status, body = bench.provider.http_get(bench.namespace, "web", 80, "/hello?x=1", bench.call())
    assert status == 200
    assert b'"namespace"' in body
    pod = bench.provider.pods(bench.namespace, {"app": "web"}, bench.call())[0]["metadata"]["name"]
    status, body = bench.provider.http_get_pod(bench.namespace, pod, 8080, "/hello", bench.call())
    assert status == 200
    assert pod.encode() in body
    with pytest.raises(NotFound):
        bench.provider.http_get(bench.namespace, "nothing", 80, "/", bench.call())


def test_a_service_without_pods_answers_503(bench: Any) -> None:
    bench.create(bench.service("lonely"))
    assert bench.provider.http_get(bench.namespace, "lonely", 80, "/", bench.call())[0] == 503


def test_a_load_balancer_is_ready_when_it_has_an_address(bench: Any) -> None:
    bench.create(bench.deployment(replicas=1))
    bench.create(bench.service("web", "LoadBalancer"))
    seen = bench.provider.wait_ready(bench.at("Service", "web"), bench.call())
    assert seen.state is State.READY
    assert len(seen.endpoints) == 1
    assert seen.endpoints[0].startswith("http://127.")
