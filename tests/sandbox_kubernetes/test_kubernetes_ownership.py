"""Server-side apply: who owns a field, who conflicts, what goes when nobody wants it any more."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.client import ApiException

from sandbox.kubernetes import schema
from sandbox.kubernetes.errors import ApiError
from sandbox.kubernetes.fieldsets import compare, field_set, from_fields_v1, to_fields_v1
from sandbox.kubernetes.ownership import APPLY, UPDATE, Manager, apply, record_update, with_managers

MODEL = "V1Deployment"
DATA = Path(os.environ.get("DUOYUN_REFERENCE_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
READBACK = DATA / "kubernetes" / "real-deployment-readback.json"


def _manager(name: str, operation: str = APPLY) -> Manager:
    return Manager(name, operation, "apps/v1", "", "2026-11-23T17:15:42Z", frozenset())


def _apply(live: dict[str, Any], applied: dict[str, Any], name: str, *, force: bool = False) -> dict[str, Any]:
    new, managers = apply(live, applied, _manager(name), MODEL, force=force)
    return with_managers(new, managers)


def _owned(obj: dict[str, Any], name: str) -> Any:
    rows = [e["fieldsV1"] for e in obj["metadata"]["managedFields"] if e["manager"] == name]
    return rows[0] if rows else None


def _containers(*items: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"template": {"spec": {"containers": list(items)}}} | spec}


def test_a_field_that_its_only_applier_drops_is_removed() -> None:
    live = _apply({}, {"metadata": {"name": "web", "labels": {"a": "1", "b": "2"}}, "spec": {"replicas": 2}}, "ours")
    live = _apply(live, {"metadata": {"name": "web", "labels": {"a": "1"}}}, "ours")
    assert live["metadata"]["labels"] == {"a": "1"}
    assert "replicas" not in live["spec"] or live["spec"] == {}


def test_a_field_that_somebody_else_owns_too_stays() -> None:
    both = {"metadata": {"name": "web", "labels": {"a": "1"}}}
    live = _apply(_apply({}, both, "ours"), both, "theirs")
    live = _apply(live, {"metadata": {"name": "web"}}, "ours")
    assert live["metadata"]["labels"] == {"a": "1"}
    assert _owned(live, "ours") is None
    live = _apply(live, {"metadata": {"name": "web"}}, "theirs")
    assert "labels" not in live["metadata"]


def test_the_same_value_is_shared_and_another_one_conflicts() -> None:
    live = _apply({}, {"metadata": {"name": "web"}, "spec": {"replicas": 2}}, "ours")
    live = _apply(live, {"metadata": {"name": "web"}, "spec": {"replicas": 2}}, "theirs")
    with pytest.raises(ApiError) as caught:
        _apply(live, {"metadata": {"name": "web"}, "spec": {"replicas": 3}}, "third")
    assert caught.value.code == 409
    assert {c.field for c in caught.value.causes} == {".spec.replicas"}
    assert {c.message for c in caught.value.causes} == {'conflict with "ours"', 'conflict with "theirs"'}
    live = _apply(live, {"metadata": {"name": "web"}, "spec": {"replicas": 3}}, "third", force=True)
    assert live["spec"]["replicas"] == 3
    assert (_owned(live, "ours"), _owned(live, "theirs")) == (None, None)


def test_list_items_merge_by_key_and_belong_to_whoever_applied_them() -> None:
    live = _apply({}, _containers({"name": "app", "image": "a"}), "ours")
    live = _apply(live, _containers({"name": "sidecar", "image": "s"}), "mesh")
    assert [c["name"] for c in live["spec"]["template"]["spec"]["containers"]] == ["app", "sidecar"]
    live = _apply(live, _containers({"name": "app", "image": "b"}), "ours")
    assert [c["image"] for c in live["spec"]["template"]["spec"]["containers"]] == ["b", "s"]
    live = _apply(live, {"metadata": {"name": "web"}}, "mesh")
    assert [c["name"] for c in live["spec"]["template"]["spec"]["containers"]] == ["app"]


def test_ports_without_a_protocol_are_those_with_the_default_one() -> None:
    live = _apply({}, _containers({"name": "app", "image": "a", "ports": [{"containerPort": 80}]}), "ours")
    explicit = {"name": "app", "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}]}
    live = _apply(live, _containers(explicit), "theirs")
    (container,) = live["spec"]["template"]["spec"]["containers"]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP", "name": "http"}]


def test_dropping_a_probe_drops_the_defaults_within_it() -> None:
    probe = {"httpGet": {"path": "/healthz", "port": 80}}
    live = _apply({}, _containers({"name": "app", "image": "a", "readinessProbe": probe}), "ours")
    filled = json.loads(json.dumps(live))
    filled["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] |= {"periodSeconds": 10}
    live = _apply(filled, _containers({"name": "app", "image": "a"}), "ours")
    assert "readinessProbe" not in live["spec"]["template"]["spec"]["containers"][0]


def test_an_update_takes_over_what_it_changes_and_only_that() -> None:
    live = _apply({}, {"metadata": {"name": "web", "labels": {"a": "1"}}, "spec": {"replicas": 2}}, "ours")
    new = {**live, "spec": {"replicas": 5}}
    live = with_managers(new, record_update(live, new, _manager("hpa", UPDATE), MODEL))
    assert _owned(live, "hpa") == {"f:spec": {"f:replicas": {}}}
    assert _owned(live, "ours") == {"f:metadata": {"f:labels": {"f:a": {}}}}
    with pytest.raises(ApiError) as caught:
        _apply(live, {"metadata": {"name": "web"}, "spec": {"replicas": 2}}, "ours")
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "hpa" using apps/v1 at 2026-11-23T17:15:42Z: .spec.replicas'
    )


@pytest.mark.reference
@pytest.mark.skipif(not READBACK.is_file(), reason=f"{READBACK} is absent")
def test_the_fields_of_a_recorded_object_are_those_a_real_cluster_recorded() -> None:
    recorded = json.loads(READBACK.read_text(encoding="utf-8"))
    theirs = next(e["fieldsV1"] for e in recorded["metadata"]["managedFields"] if e["manager"] == "orch")
    applied = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx:1.25", "ports": [{"containerPort": 80}]}]},
            },
        },
    }
    assert to_fields_v1(field_set(applied, MODEL)) == theirs
    assert to_fields_v1(from_fields_v1(theirs)) == theirs


# -- laws ----------------------------------------------------------------------------------------------------------

_names = st.sampled_from(["a", "b", "c"])
_values = st.sampled_from(["1", "2"])
_port = st.fixed_dictionaries({"containerPort": st.sampled_from([80, 81])}, optional={"name": _names})
_container = st.fixed_dictionaries(
    {"name": _names},
    optional={"image": _values, "ports": st.lists(_port, max_size=2, unique_by=lambda p: p["containerPort"])},
)
_labels = st.dictionaries(_names, _values, min_size=1)
_objects = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"name": st.just("web")}, optional={"labels": st.dictionaries(_names, _values, min_size=1)}
        ),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "replicas": st.integers(0, 2),
                "template": st.fixed_dictionaries(
                    {
                        "spec": st.fixed_dictionaries(
                            {"containers": st.lists(_container, min_size=1, max_size=3, unique_by=lambda c: c["name"])}
                        )
                    }
                ),
            },
        ),
    }
)


@given(steps=st.lists(st.tuples(st.sampled_from(["x", "y"]), _objects), max_size=5), last=_objects)
def test_after_a_forced_apply_every_applied_value_is_there_and_owned(
    steps: list[tuple[str, dict[str, Any]]], last: dict[str, Any]
) -> None:
    live: dict[str, Any] = {}
    for name, applied in [*steps, ("x", last)]:
        live = _apply(live, applied, name, force=True)
    again = _apply(live, last, "x")
    assert again == live, "applying the same again changes nothing and conflicts with nobody"
    owned = _owned(live, "x") or {}
    assert from_fields_v1(owned) == field_set(last, MODEL)
    merged, _ = apply(live, last, _manager("x"), MODEL, force=False)
    assert not compare(live, merged, MODEL)


@given(first=_objects, second=_objects)
def test_what_is_left_after_two_appliers_gave_up_is_nothing_that_they_brought(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    live = _apply(_apply({}, first, "x", force=True), second, "y", force=True)
    nothing = {"metadata": {"name": "web"}}
    live = _apply(_apply(live, nothing, "x"), nothing, "y")
    left = field_set(live, MODEL)
    assert left <= {("f:spec",), ("f:metadata",), ("f:spec", "f:template")}, left
    assert "managedFields" not in live["metadata"]


@given(before=_objects, after=_objects)
def test_comparison_is_empty_exactly_for_equal_objects(before: dict[str, Any], after: dict[str, Any]) -> None:
    same = field_set(before, MODEL) == field_set(after, MODEL) and not compare(before, after, MODEL).changed
    assert bool(compare(before, after, MODEL)) is not same


# -- over HTTP -----------------------------------------------------------------------------------------------------


def test_conflicts_force_and_dropping_through_the_official_client(kube: Any) -> None:
    kube.apply(kube.deployment(replicas=1))
    with pytest.raises(ApiException) as caught:
        kube.apply(kube.deployment(replicas=2), "other")
    status = json.loads(caught.value.body)
    assert (caught.value.status, status["reason"]) == (409, "Conflict")
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "duoyun"', "field": ".spec.replicas"}
    ]
    assert kube.apply(kube.deployment(replicas=2), "other", force=True).spec.replicas == 2
    without = kube.deployment()
    del without["spec"]["replicas"]
    assert kube.apply(without).spec.replicas == 2, "the other manager owns it now"
    assert kube.apply(without, "other").spec.replicas == 1, "nobody owns it: the default is back"


def test_applying_the_same_again_changes_neither_version_nor_generation(kube: Any) -> None:
    manifest = kube.deployment(replicas=0)
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": 0.5, "memory": "1024Mi"}}
    kube.apply(manifest)
    first = kube.until(lambda: (d := kube.rolled_out()) and kube.condition("Progressing").status == "True" and d)
    again = kube.apply(manifest)
    assert again.metadata.resource_version == first.metadata.resource_version
    assert again.metadata.generation == 1
    requests = again.spec.template.spec.containers[0].resources.requests
    assert requests == {"cpu": "500m", "memory": "1Gi"}, "quantities read back in their canonical form"


def test_a_dry_run_shows_the_result_and_stores_nothing(kube: Any) -> None:
    assert kube.apply(kube.deployment(), dry_run="All").spec.strategy.type == "RollingUpdate"
    with pytest.raises(ApiException) as caught:
        kube.apps.read_namespaced_deployment("web", "default")
    assert caught.value.status == 404


def test_a_write_without_a_field_manager_is_recorded_by_its_user_agent(kube: Any) -> None:
    kube.apply(kube.deployment(replicas=1))
    kube.apps.patch_namespaced_deployment("web", "default", {"spec": {"replicas": 2}})
    entries = kube.apps.read_namespaced_deployment("web", "default").metadata.managed_fields
    found = next(e for e in entries if e.manager == "OpenAPI-Generator")
    assert (found.operation, found.fields_v1) == ("Update", {"f:spec": {"f:replicas": {}}})


def test_an_unknown_field_is_refused_in_apply(kube: Any) -> None:
    manifest = kube.deployment(replica=3)
    with pytest.raises(ApiException) as caught:
        kube.apply(manifest)
    assert caught.value.status == 400
    assert ".spec.replica: field not declared in schema" in json.loads(caught.value.body)["message"]


def test_apply_needs_a_field_manager(kube: Any) -> None:
    with pytest.raises(ApiException) as caught:
        kube.apply(kube.deployment(), "")
    assert caught.value.status == 422
    assert "fieldManager: Required value" in caught.value.body


OPENAPI = DATA / "kubernetes" / "openapi-v3"


@pytest.mark.reference
@pytest.mark.skipif(not OPENAPI.is_dir(), reason=f"{OPENAPI} is absent")
def test_list_keys_and_atomic_types_agree_with_the_published_documents() -> None:
    for file in OPENAPI.glob("*.json"):
        schemas = json.loads(file.read_text(encoding="utf-8"))["components"]["schemas"]
        for full_name, body in schemas.items():
            model = "V1" + full_name.rpartition(".")[2]
            known = schema.fields(model)
            if ".v1." not in full_name or known is None:
                continue
            if body.get("x-kubernetes-map-type") == "atomic":
                assert model in schema.ATOMIC_MODELS or model.startswith("V1Endpoint"), model
            for name, spec in body.get("properties", {}).items():
                keys = spec.get("x-kubernetes-list-map-keys")
                if keys and name in known:
                    assert list(schema.list_keys(model, name)) == keys, (model, name)
                if spec.get("x-kubernetes-list-type") == "atomic" and name in known and "Job" not in model:
                    assert not schema.list_keys(model, name), (model, name)
