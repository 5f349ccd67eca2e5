"""The API's manners: answers, refusals, lists, watches, users and faults, through the official client."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
import urllib3
from kubernetes import watch
from kubernetes.client import ApiException

from sandbox.kubernetes.kinds import BY_PLURAL
from sandbox.world import Fault


def _refusal(call: Callable[[], Any]) -> tuple[int, dict[str, Any]]:
    with pytest.raises(ApiException) as caught:
        call()
    return caught.value.status, json.loads(caught.value.body)


def _config_map(name: str = "settings", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_life_of_an_object(kube: Any) -> None:
    made = kube.core.create_namespaced_config_map("default", _config_map(a="1"))
    assert made.metadata.uid
    assert made.metadata.creation_timestamp
    read = kube.core.read_namespaced_config_map("settings", "default")
    read.data = {"a": "2"}
    changed = kube.core.replace_namespaced_config_map("settings", "default", read)
    assert int(changed.metadata.resource_version) > int(made.metadata.resource_version)
    patched = kube.core.patch_namespaced_config_map("settings", "default", {"data": {"b": "3"}})
    assert patched.data == {"a": "2", "b": "3"}
    gone = kube.core.delete_namespaced_config_map("settings", "default")
    assert (gone.status, gone.details.uid) == ("Success", made.metadata.uid)


def test_refusals_read_as_the_real_ones(kube: Any) -> None:
    code, body = _refusal(lambda: kube.core.read_namespaced_config_map("nope", "default"))
    assert (code, body["reason"], body["message"]) == (404, "NotFound", 'configmaps "nope" not found')
    kube.core.create_namespaced_config_map("default", _config_map())
    code, body = _refusal(lambda: kube.core.create_namespaced_config_map("default", _config_map()))
    assert (code, body["reason"]) == (409, "AlreadyExists")
    stale = _config_map() | {"metadata": {"name": "settings", "resourceVersion": "1"}}
    code, body = _refusal(lambda: kube.core.replace_namespaced_config_map("settings", "default", stale))
    assert (code, body["reason"]) == (409, "Conflict")
    code, body = _refusal(lambda: kube.core.create_namespaced_config_map("nowhere", _config_map()))
    assert (code, body["message"]) == (404, 'namespaces "nowhere" not found')
    assert kube.http("/apis/example.com/v1/things").status == 404
    assert kube.http("/api/v1/namespaces/default/pods", method="PUT", body=b"{}").status == 405
    maps = "/api/v1/namespaces/default/configmaps"
    assert kube.http(maps, method="POST", body=b"{", **{"Content-Type": "application/json"}).status == 400
    assert kube.http(maps, method="POST", body=b"{", **{"Content-Type": "text/plain"}).status == 415


def test_every_mistake_of_an_object_is_told_at_once(kube: Any) -> None:
    manifest = kube.deployment()
    manifest["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    del container["image"]
    container["readinessProbe"] = {"periodSeconds": 5}
    code, body = _refusal(lambda: kube.apps.create_namespaced_deployment("default", manifest))
    assert (code, body["reason"]) == (422, "Invalid")
    assert {c["field"] for c in body["details"]["causes"]} == {
        "spec.template.metadata.labels",
        "spec.template.spec.containers[0].image",
        "spec.template.spec.containers[0].readinessProbe",
    }
    kube.apps.create_namespaced_deployment("default", kube.deployment(replicas=0))
    other = {"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}}}}
    code, body = _refusal(lambda: kube.apps.patch_namespaced_deployment("web", "default", other))
    assert code == 422
    assert "field is immutable" in body["message"]


def test_unknown_fields_and_wrong_types(kube: Any) -> None:
    body = json.dumps(kube.deployment(replicas=0, replica=1)).encode()
    path = "/apis/apps/v1/namespaces/default/deployments"
    headers = {"Content-Type": "application/json"}
    strict = kube.http(f"{path}?fieldValidation=Strict", method="POST", body=body, **headers)
    assert strict.status == 400
    assert 'unknown field "spec.replica"' in strict.json()["message"]
    warned = kube.http(path, method="POST", body=body, **headers)
    assert warned.status == 201
    assert 'unknown field \\"spec.replica\\"' in warned.headers["Warning"]
    wrong = json.dumps(kube.deployment(replicas="3")).encode()
    answer = kube.http(path, method="POST", body=wrong, **headers)
    assert answer.status == 400
    assert "cannot unmarshal string into Go struct field" in answer.json()["message"]


def test_lists_by_selector_and_in_pages(kube: Any) -> None:
    for number in range(5):
        labels = {"half": str(number % 2)}
        body = _config_map(f"m-{number}") | {"metadata": {"name": f"m-{number}", "labels": labels}}
        kube.core.create_namespaced_config_map("default", body)
    by_label = kube.core.list_namespaced_config_map("default", label_selector="half=1")
    assert [m.metadata.name for m in by_label.items] == ["m-1", "m-3"]
    by_field = kube.core.list_namespaced_config_map("default", field_selector="metadata.name=m-4")
    assert [m.metadata.name for m in by_field.items] == ["m-4"]
    names, token = [], ""
    while True:
        page = kube.core.list_namespaced_config_map("default", limit=2, _continue=token)
        names += [m.metadata.name for m in page.items]
        token = page.metadata._continue
        if not token:
            break
        assert page.metadata.remaining_item_count == 5 - len(names)
    assert names == [f"m-{n}" for n in range(5)]
    kube.core.delete_collection_namespaced_config_map("default", label_selector="half=0")
    assert len(kube.core.list_namespaced_config_map("default").items) == 2


def test_a_watch_goes_on_where_the_list_ended(kube: Any) -> None:
    kube.core.create_namespaced_config_map("default", _config_map("before"))
    version = kube.core.list_namespaced_config_map("default").metadata.resource_version
    seen: list[tuple[str, str]] = []

    def follow() -> None:
        stream = watch.Watch()
        for event in stream.stream(
            kube.core.list_namespaced_config_map, "default", resource_version=version, timeout_seconds=10
        ):
            seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                stream.stop()

    thread = threading.Thread(target=follow)
    thread.start()
    kube.core.create_namespaced_config_map("default", _config_map("new"))
    kube.core.patch_namespaced_config_map("new", "default", {"data": {"a": "1"}})
    kube.core.delete_namespaced_config_map("new", "default")
    thread.join(10)
    assert seen == [("ADDED", "new"), ("MODIFIED", "new"), ("DELETED", "new")]


def _lines(kube: Any, path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in kube.http(path).body.splitlines()]


def test_initial_events_end_with_a_bookmark(kube: Any) -> None:
    path = "/api/v1/namespaces?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true"
    rows = _lines(kube, f"{path}&resourceVersionMatch=NotOlderThan")
    assert [r["type"] for r in rows] == ["ADDED"] * 4 + ["BOOKMARK"]
    assert rows[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_with_a_selector_sees_objects_enter_and_leave_it(kube: Any) -> None:
    version = kube.core.list_namespaced_config_map("default").metadata.resource_version
    kube.core.create_namespaced_config_map("default", _config_map())
    for value in ("yes", "no"):
        kube.core.patch_namespaced_config_map("settings", "default", {"metadata": {"labels": {"in": value}}})
    path = f"/api/v1/configmaps?watch=1&timeoutSeconds=1&labelSelector=in%3Dyes&resourceVersion={version}"
    assert [r["type"] for r in _lines(kube, path)] == ["ADDED", "DELETED"]


def test_a_forgotten_version_is_gone(kube: Any) -> None:
    def forget() -> None:
        for number in range(5000):
            kube.running.cluster.store.put(
                BY_PLURAL["configmaps"],
                {"kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default", "n": str(number)}},
            )

    kube.running.do(forget)
    (row,) = _lines(kube, "/api/v1/configmaps?watch=1&timeoutSeconds=1&resourceVersion=3")
    assert (row["type"], row["object"]["code"], row["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_only_valid_tokens_get_in_and_readers_only_read(kube: Any, as_user: Any) -> None:
    reader, writer = as_user("reader:lin"), as_user("wang")
    writer.core.create_namespaced_config_map("default", _config_map())
    assert reader.core.read_namespaced_config_map("settings", "default").metadata.name == "settings"
    code, body = _refusal(lambda: reader.core.create_namespaced_config_map("default", _config_map("b")))
    assert (code, body["reason"]) == (403, "Forbidden")
    assert 'User "reader:lin" cannot create resource "configmaps"' in body["message"]
    for call in (
        lambda: reader.apply(kube.deployment()),
        lambda: reader.core.delete_namespaced_config_map("settings", "default"),
        lambda: reader.core.patch_namespaced_config_map("settings", "default", {"data": {}}),
    ):
        assert _refusal(call)[0] == 403
    assert kube.http("/api/v1/pods", **{"Authorization": "Bearer wrong"}).status == 401
    assert kube.http("/api/v1/pods", **{"Authorization": ""}).json()["reason"] == "Unauthorized"
    assert kube.http("/version", **{"Authorization": ""}).status == 200


def test_faults_delay_refuse_and_lose_answers(kube: Any) -> None:
    faults = kube.running.faults
    faults.rows.append(Fault("a", operation="POST configmaps", status=429, retry_after_s=3.0, match="test/default/"))
    with pytest.raises(ApiException) as caught:
        kube.core.create_namespaced_config_map("default", _config_map())
    assert caught.value.status == 429
    assert caught.value.headers["Retry-After"] == "3"
    faults.rows.append(Fault("b", operation="POST configmaps", drop_answer=True))
    with pytest.raises((urllib3.exceptions.ProtocolError, http.client.RemoteDisconnected)):
        kube.core.create_namespaced_config_map("default", _config_map())
    assert kube.core.read_namespaced_config_map("settings", "default"), "it was executed all the same"
    faults.rows.append(Fault("c", operation="*", status=503, writes_only=True, count=1))
    assert kube.core.read_namespaced_config_map("settings", "default")
    assert _refusal(lambda: kube.core.delete_namespaced_config_map("settings", "default"))[0] == 503
    assert any(row.startswith("kubernetes POST configmaps test/default/ write") for row in faults.seen)


def test_discovery_tables_and_openapi(kube: Any) -> None:
    names = {r["name"] for r in kube.http("/apis/apps/v1").json()["resources"]}
    assert {"deployments", "deployments/scale", "deployments/status", "replicasets"} <= names
    assert kube.http("/version").json()["gitVersion"] == "v1.31.0"
    kube.apply(kube.deployment(replicas=1))
    kube.rolled_out()
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    found = kube.http("/apis/apps/v1/namespaces/default/deployments", **accept).json()
    assert [c["name"] for c in found["columnDefinitions"]][:4] == ["Name", "Ready", "Up-to-date", "Available"]
    assert found["rows"][0]["cells"][:4] == ["web", "1/1", 1, 1]
    for kind in ("pods", "nodes", "services", "events", "secrets", "configmaps", "namespaces"):
        assert kube.http(f"/api/v1/{kind}", **accept).json()["kind"] == "Table"
    urls = kube.http("/openapi/v3").json()["paths"]
    document = kube.http(urls["apis/apps/v1"]["serverRelativeURL"]).json()
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert "fieldValidation" in {p["name"] for p in patch["parameters"]}


def test_the_status_of_a_deployment_is_its_controllers_alone(kube: Any) -> None:
    kube.apply(kube.deployment(replicas=1))
    found = kube.rolled_out()
    found.status.available_replicas = 99
    kube.apps.replace_namespaced_deployment("web", "default", found)
    assert kube.apps.read_namespaced_deployment("web", "default").status.available_replicas == 1


def test_secrets_take_plain_text_and_config_maps_may_be_immutable(kube: Any) -> None:
    kube.core.create_namespaced_secret("default", {"metadata": {"name": "s"}, "stringData": {"k": "v"}})
    secret = kube.core.read_namespaced_secret("s", "default")
    assert (secret.type, secret.data) == ("Opaque", {"k": "dg=="})
    kube.core.create_namespaced_config_map("default", _config_map(a="1") | {"immutable": True})
    code, _ = _refusal(lambda: kube.core.patch_namespaced_config_map("settings", "default", {"data": {"a": "2"}}))
    assert code == 422


def test_finalizers_hold_an_object_until_they_are_gone(kube: Any) -> None:
    body = _config_map() | {"metadata": {"name": "settings", "finalizers": ["example.com/wait"]}}
    kube.core.create_namespaced_config_map("default", body)
    kube.core.delete_namespaced_config_map("settings", "default")
    assert kube.core.read_namespaced_config_map("settings", "default").metadata.deletion_timestamp
    kube.core.patch_namespaced_config_map("settings", "default", {"metadata": {"finalizers": None}})
    assert _refusal(lambda: kube.core.read_namespaced_config_map("settings", "default"))[0] == 404


def test_deleting_a_namespace_takes_everything_in_it(kube: Any) -> None:
    kube.core.create_namespace({"metadata": {"name": "shop"}})
    manifest = kube.deployment(namespace="shop", replicas=2)
    kube.until(lambda: kube.core.list_namespaced_service_account("shop").items)
    kube.apply(manifest)
    kube.core.create_namespaced_config_map("shop", _config_map())
    kube.until(lambda: [p.status.phase for p in kube.core.list_namespaced_pod("shop").items] == ["Running"] * 2)
    kube.core.delete_namespace("shop")
    code, body = _refusal(lambda: kube.core.create_namespaced_config_map("shop", _config_map("late")))
    assert (code, body["details"]["causes"][0]["reason"]) in ((403, "NamespaceTerminating"),)
    kube.until(lambda: "shop" not in {n.metadata.name for n in kube.core.list_namespace().items})
    assert not kube.core.list_pod_for_all_namespaces().items
    assert _refusal(lambda: kube.core.delete_namespace("default"))[0] == 403


def test_pages_and_exact_lists_show_one_version(kube: Any) -> None:
    for number in range(4):
        kube.core.create_namespaced_config_map("default", {"metadata": {"name": f"p-{number}"}})
    first = kube.core.list_namespaced_config_map("default", limit=2)
    version = first.metadata.resource_version
    kube.core.delete_namespaced_config_map("p-3", "default")
    kube.core.create_namespaced_config_map("default", {"metadata": {"name": "p-9"}})
    rest = kube.core.list_namespaced_config_map("default", limit=9, _continue=first.metadata._continue)
    before = [m.metadata.name for m in (*first.items, *rest.items)]
    assert {"p-0", "p-1", "p-2", "p-3"} <= set(before)
    assert "p-9" not in before
    exact = kube.core.list_namespaced_config_map("default", resource_version=version, resource_version_match="Exact")
    assert [m.metadata.name for m in exact.items] == before
    assert exact.metadata.resource_version == version
    newest = kube.core.list_namespaced_config_map(
        "default", resource_version=version, resource_version_match="NotOlderThan"
    )
    assert "p-9" in {m.metadata.name for m in newest.items}


def test_a_page_of_a_forgotten_version_gives_a_token_to_go_on(kube: Any) -> None:
    for number in range(3):
        kube.core.create_namespaced_config_map("default", {"metadata": {"name": f"p-{number}"}})
    token = kube.core.list_namespaced_config_map("default", limit=1).metadata._continue
    store = kube.running.cluster.store
    kube.running.do(lambda: store._forgotten.update(configmaps=store.version + 1))
    kube.core.create_namespaced_config_map("default", {"metadata": {"name": "p-4"}})
    kube.core.create_namespaced_config_map("default", {"metadata": {"name": "p-5"}})
    gone = kube.http(f"/api/v1/namespaces/default/configmaps?limit=9&continue={token}")
    assert (gone.status, gone.json()["reason"]) == (410, "Expired")
    fresh = gone.json()["metadata"]["continue"]
    rest = kube.http(f"/api/v1/namespaces/default/configmaps?limit=9&continue={fresh}").json()
    assert {"p-4", "p-5"} <= {m["metadata"]["name"] for m in rest["items"]}
