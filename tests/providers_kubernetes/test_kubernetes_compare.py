"""Field-wise comparison and paths: pure, over objects as an API server would return them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.resources import Address, Kind, KubernetesObject, Observed
from providers.kubernetes.compare import diff_manifests, left_alone, owned_manifest, quantity
from providers.kubernetes.paths import Item, Member, from_kubernetes, parse, show, without

ADDRESS = Address("aws-cn", "1", "cn-north-1", Kind.KUBERNETES_OBJECT, "main/shop/Deployment/web")


def fields(manifest: Any) -> dict[str, Any]:
    """fieldsV1 of an applied manifest, with the keys that Kubernetes uses for these lists."""
    keys = {"containers": ("name",), "env": ("name",), "ports": ("containerPort", "protocol"), "volumes": ("name",)}
    atoms = ("selector", "nodeSelector", "drop")

    def walk(value: Any, key: str = "") -> dict[str, Any]:
        if key in atoms:
            return {}
        if isinstance(value, dict):
            return {f"f:{k}": walk(v, k) for k, v in value.items()}
        if isinstance(value, list) and key in keys:
            rows = {}
            for item in value:
                chosen = {k: item.get(k, "TCP") for k in keys[key]}
                rows["k:" + json.dumps(chosen)] = {".": {}, **walk(item)}
            return rows
        return {}

    inner = {k: v for k, v in manifest.items() if k not in ("apiVersion", "kind")}
    inner["metadata"] = {k: v for k, v in inner["metadata"].items() if k not in ("name", "namespace")}
    return walk(inner)


def manager(name: str, owned: dict[str, Any], operation: str = "Apply", subresource: str = "") -> dict[str, Any]:
    entry = {"manager": name, "operation": operation, "apiVersion": "apps/v1", "time": "2026-11-23T19:00:00Z"}
    return entry | {"fieldsType": "FieldsV1", "fieldsV1": owned} | ({"subresource": subresource} if subresource else {})


def desired() -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "annotations": {"x.dev/a": "1"}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "nodeSelector": {"zone": "a"},
                    "containers": [
                        {
                            "name": "web",
                            "image": "web:1",
                            "env": [{"name": "A", "value": "0.5"}, {"name": "B"}],
                            "ports": [{"containerPort": 80}],
                            "resources": {"limits": {"cpu": "0.5", "memory": "1024Mi"}},
                            "securityContext": {"capabilities": {"drop": ["ALL"]}},
                        }
                    ],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                },
            },
        },
    }


def served(manifest: dict[str, Any]) -> dict[str, Any]:
    """What the API server makes of it: defaults, canonical quantities, fleet label, managedFields."""
    live = json.loads(json.dumps(manifest))
    live["metadata"]["labels"]["duoyun.dev/fleet"] = "prod"
    owned = fields(live)
    live["metadata"] |= {"uid": "u1", "resourceVersion": "7", "generation": 1}
    live["spec"]["revisionHistoryLimit"] = 10
    pod = live["spec"]["template"]["spec"]
    pod["dnsPolicy"] = "ClusterFirst"
    container = pod["containers"][0]
    container["terminationMessagePath"] = "/dev/termination-log"
    container["ports"][0]["protocol"] = "TCP"
    container["resources"]["limits"] = {"cpu": "500m", "memory": "1Gi"}
    live["metadata"]["managedFields"] = [
        manager("duoyun", owned),
        manager(
            "kube-controller-manager",
            {"f:metadata": {"f:annotations": {"f:deployment.kubernetes.io/revision": {}}}, "f:status": {}},
            "Update",
            "status",
        ),
    ]
    return live


def diffs(live: dict[str, Any], wanted: dict[str, Any], delegated: tuple[str, ...] = ()) -> list[tuple]:
    observed = Observed(
        address=ADDRESS,
        resource=KubernetesObject(name=ADDRESS.name, manifest=owned_manifest(live)),
        provider_id="u1",
        raw={"object": live},
    )
    found = diff_manifests(observed, KubernetesObject(name=ADDRESS.name, manifest=wanted, delegated=delegated))
    return [(d.path, d.before, d.after, d.delegated, d.actor) for d in found]


def test_what_we_applied_does_not_differ_whatever_the_server_added() -> None:
    assert diffs(served(desired()), desired()) == []


def test_the_reduced_manifest_holds_what_we_own_and_nothing_more() -> None:
    reduced = owned_manifest(served(desired()))
    assert "revisionHistoryLimit" not in reduced["spec"]
    assert "duoyun.dev/fleet" not in reduced["metadata"]["labels"]
    container = reduced["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "web:1"
    assert "terminationMessagePath" not in container


def test_a_changed_image_is_one_difference() -> None:
    wanted = desired()
    wanted["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    assert diffs(served(desired()), wanted) == [
        ("spec.template.spec.containers[name=web].image", "web:1", "web:2", False, "")
    ]


def test_what_we_no_longer_name_is_a_difference_and_what_we_newly_name_too() -> None:
    wanted = desired()
    del wanted["metadata"]["annotations"]["x.dev/a"]
    wanted["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "B"}, {"name": "C", "value": "c"}]
    assert diffs(served(desired()), wanted) == [
        ("metadata.annotations[x.dev/a]", "1", None, False, ""),
        ("spec.template.spec.containers[name=web].env[name=A]", {"name": "A", "value": "0.5"}, None, False, ""),
        ("spec.template.spec.containers[name=web].env[name=C]", None, {"name": "C", "value": "c"}, False, ""),
    ]


def test_quantities_compare_by_value_and_environment_does_not() -> None:
    wanted = desired()
    container = wanted["spec"]["template"]["spec"]["containers"][0]
    container["resources"]["limits"] = {"cpu": 0.5, "memory": "1073741824"}
    assert diffs(served(desired()), wanted) == []
    container["env"][0]["value"] = "500m"
    assert [d[0] for d in diffs(served(desired()), wanted)] == [
        "spec.template.spec.containers[name=web].env[name=A].value"
    ]


def scaled_by(name: str, replicas: int) -> dict[str, Any]:
    """Another manager updated spec.replicas: the field is theirs now, as the API server records it."""
    live = served(desired())
    live["spec"]["replicas"] = replicas
    del live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:replicas"]
    live["metadata"]["managedFields"].append(manager(name, {"f:spec": {"f:replicas": {}}}, "Update", "scale"))
    return live


def test_a_field_in_another_managers_hands_is_delegated_and_left_alone() -> None:
    live = scaled_by("horizontal-pod-autoscaler", 9)
    assert diffs(live, desired()) == [("spec.replicas", 9, 3, True, "horizontal-pod-autoscaler")]
    observed = Observed(
        address=ADDRESS, resource=KubernetesObject(name="x", manifest={}), provider_id="u", raw={"object": live}
    )
    wanted = KubernetesObject(name="x", manifest=desired())
    manifest = left_alone(wanted, diff_manifests(observed, wanted))
    assert "replicas" not in manifest["spec"]
    assert manifest["spec"]["template"] == desired()["spec"]["template"]


def test_another_manager_with_our_value_is_no_difference() -> None:
    assert diffs(scaled_by("horizontal-pod-autoscaler", 3), desired()) == []


def test_what_the_desired_object_delegates_is_shown_as_delegated() -> None:
    wanted = desired()
    wanted["spec"]["replicas"] = 4
    assert diffs(served(desired()), wanted, ("spec.replicas",)) == [("spec.replicas", 3, 4, True, "")]


def test_an_injected_sidecar_is_nobodys_difference() -> None:
    live = served(desired())
    live["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "mesh:1"})
    key = 'k:{"name":"proxy"}'
    theirs = {"f:spec": {"f:template": {"f:spec": {"f:containers": {key: {".": {}, "f:image": {}}}}}}}
    live["metadata"]["managedFields"].append(manager("injector", theirs, "Update"))
    assert diffs(live, desired()) == []


def test_an_atomic_map_that_somebody_changed_is_compared_and_left_alone_as_a_whole() -> None:
    live = served(desired())
    live["spec"]["template"]["spec"]["nodeSelector"] = {"zone": "a", "disk": "ssd"}
    ours = live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]
    del ours["f:nodeSelector"]
    theirs = {"f:spec": {"f:template": {"f:spec": {"f:nodeSelector": {}}}}}
    live["metadata"]["managedFields"].append(manager("mesh-operator", theirs, "Update"))
    assert diffs(live, desired()) == [
        ("spec.template.spec.nodeSelector", {"zone": "a", "disk": "ssd"}, {"zone": "a"}, True, "mesh-operator")
    ]


@pytest.mark.parametrize("name", ["kubectl-edit", "kubectl-patch", "OpenAPI-Generator", "python-requests"])
def test_what_somebody_changed_by_hand_is_ours_to_take_back(name: str) -> None:
    live = scaled_by(name, 9)
    live["metadata"]["managedFields"][-1].pop("subresource")
    assert diffs(live, desired()) == [("spec.replicas", 9, 3, False, name)]


@pytest.mark.parametrize("name", ["helm", "kubectl-client-side-apply", "horizontal-pod-autoscaler"])
def test_a_manager_that_will_come_back_keeps_its_field(name: str) -> None:
    live = scaled_by(name, 9)
    live["metadata"]["managedFields"][-1].pop("subresource")
    assert diffs(live, desired()) == [("spec.replicas", 9, 3, True, name)]


def test_something_that_was_removed_behind_our_back_is_to_be_restored() -> None:
    live = served(desired())
    del live["spec"]["template"]["spec"]["containers"][0]["securityContext"]
    container = live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    del container['k:{"name": "web"}']["f:securityContext"]
    assert diffs(live, desired()) == [
        (
            "spec.template.spec.containers[name=web].securityContext",
            None,
            {"capabilities": {"drop": ["ALL"]}},
            False,
            "",
        )
    ]


def test_an_empty_value_that_the_server_does_not_show_is_no_difference() -> None:
    wanted = desired()
    wanted["spec"]["minReadySeconds"] = 0
    live = served(wanted)
    del live["spec"]["minReadySeconds"]
    assert diffs(live, wanted) == []


def test_an_object_that_somebody_else_made_differs_in_what_we_want_of_it() -> None:
    live = served(desired())
    live["metadata"]["managedFields"] = [manager("helm", fields(live), "Apply")]
    wanted = desired()
    wanted["spec"]["replicas"] = 5
    assert ("spec.replicas", 3, 5, True, "helm") in diffs(live, wanted)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "replicas"), "spec.replicas"),
        (("metadata", "annotations", "a.dev/b-c"), "metadata.annotations[a.dev/b-c]"),
        (("spec", "containers", Item((("name", "web"),)), "image"), "spec.containers[name=web].image"),
        (("metadata", "finalizers", Member("x/y")), "metadata.finalizers[=x/y]"),
    ],
)
def test_paths_are_written_and_read_back(path: tuple, text: str) -> None:
    assert show(path) == text
    assert parse(text) == path


def test_a_servers_path_is_read_in_our_notation() -> None:
    assert from_kubernetes('.spec.template.spec.containers[name="web"].image') == (
        "spec.template.spec.containers[name=web].image"
    )
    with pytest.raises(ValueError, match="no field path"):
        parse("spec/replicas")


def test_a_path_leaves_out_what_it_names_and_nothing_else() -> None:
    manifest = desired()
    smaller = without(manifest, parse("spec.template.spec.containers[name=web].ports[containerPort=80,protocol=TCP]"))
    assert smaller["spec"]["template"]["spec"]["containers"][0]["ports"] == []
    assert without(manifest, parse("spec.nothing.here")) == manifest
    assert manifest == desired()


@given(st.integers(1, 10**6), st.sampled_from(["m", "", "k", "Ki", "Mi", "Gi", "M"]))
def test_a_quantity_written_in_a_smaller_unit_is_the_same(number: int, unit: str) -> None:
    smaller = {"": ("m", 1000), "k": ("", 1000), "Ki": ("", 1024), "Mi": ("Ki", 1024), "Gi": ("Mi", 1024)}
    smaller |= {"M": ("k", 1000), "m": ("u", 1000)}
    other, factor = smaller[unit]
    assert quantity(f"{number}{unit}") == quantity(f"{number * factor}{other}")


@pytest.mark.parametrize(("text", "value"), [("1e3", 1000), ("0.5", 0.5), (2, 2), ("-1", -1), ("x", None), ("", None)])
def test_quantities_are_read_as_kubernetes_writes_them(text: Any, value: Any) -> None:
    assert quantity(text) == value or float(quantity(text) or 0) == value


@pytest.mark.reference
def test_objects_of_a_real_cluster_do_not_differ_from_what_their_manager_owns(reference: Path) -> None:
    """Whoever applied them: taken as ours, the reduced manifest compared with the live object shows nothing."""
    document = json.loads((reference / "kubernetes" / "real-deployment-readback.json").read_text())
    objects = [o for o in document.get("items", [document]) if (o.get("metadata") or {}).get("managedFields")]
    for live in objects:
        for entry in live["metadata"]["managedFields"]:
            if entry.get("subresource") != "status":
                entry["manager"] = "duoyun"
        assert diffs(live, owned_manifest(live)) == []
