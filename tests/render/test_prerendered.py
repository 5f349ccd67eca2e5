"""load_manifests: what is taken, and every way in which it says no."""

from __future__ import annotations

import pytest

from model.errors import InvalidInput
from model.spec.app import Application
from orchestrator.render import load_manifests

GOOD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web, app.kubernetes.io/managed-by: Helm}, creationTimestamp: null}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}, annotations: {since: 2026-01-01}}}
status: {replicas: 3}
---
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec: {scaleTargetRef: {kind: Deployment, name: web, apiVersion: apps/v1}, maxReplicas: 5}
---
apiVersion: v1
kind: List
items:
  - {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: web}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"""


def test_objects_get_our_labels_and_namespace_and_nothing_else_changes(app: Application) -> None:
    web, scaler, route = load_manifests({"a.yaml": GOOD}, app, app.service("web"), "main")
    assert web.name == "main/shop/Deployment/web"
    assert route.name == "main/shop/HTTPRoute.gateway.networking.k8s.io/web"
    assert web.manifest["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "duoyun"
    assert web.manifest["metadata"]["labels"]["app"] == "web"
    assert web.manifest["spec"]["template"]["metadata"]["labels"] == {"app": "web"}
    assert web.manifest["spec"]["template"]["metadata"]["annotations"] == {"since": "2026-01-01"}
    assert "status" not in web.manifest
    assert "creationTimestamp" not in web.manifest["metadata"]
    assert web.delegated == ("spec.replicas",)
    assert scaler.delegated == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "f.yaml:1:5: "),
        ("- 1", "no object"),
        ("kind: X", "is missing"),
        ("{apiVersion: v1, kind: Pod, metadata: {generateName: a-}}", "None is no name"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: A_b}}", "is no name"),
        (
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}}",
            "belongs to the whole cluster",
        ),
        ("{apiVersion: v1, kind: Secret, metadata: {name: a}}", "keeps no secrets"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: other}}", "meant for namespace other"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {x: 1}}}", "labels must be strings"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {1: b}}", "is no string"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: .nan}}", "nan is no number"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: !!binary aGk=}}", "type bytes"),
        ("{apiVersion: v1, kind: Namespace, metadata: {name: other}}", "is not the application's namespace"),
        ("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {a: b}}}", "duoyun writes that namespace"),
        ("a: 1\na: 2", "f.yaml:2:1: 'a' is given twice"),
        ("a: &x [*x]", "an alias contains itself"),
        ("!!python/object:os.system {}", "could not determine a constructor"),
        ("[" * 100, "nested too deeply"),
        ("a: &a [1, 2]\nb: [" + "*a, " * 101 + "]", "too many aliases"),
        (
            "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n"
            + "\n".join(f"a{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * 10) + "]" for i in range(1, 8)),
            "more than 200000 values",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n"
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}",
            "given twice",
        ),
        ("x" * (4 * 2**20 + 1), "4 MiB"),
    ],
)
def test_what_cannot_be_ours_is_refused_with_its_place(app: Application, text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_manifests({"f.yaml": text}, app, app.service("web"))
    assert any(said in str(d) for d in caught.value.diagnostics), caught.value.detail
    assert all("f.yaml" in d.position for d in caught.value.diagnostics)


def test_all_mistakes_of_all_files_are_told_at_once(app: Application) -> None:
    texts = {"a.yaml": "kind: X\n---\nkind: Y", "b.yaml": "- 1"}
    with pytest.raises(InvalidInput) as caught:
        load_manifests(texts, app, app.service("web"))
    assert [d.position for d in caught.value.diagnostics] == ["a.yaml:1:1", "a.yaml:3:1", "b.yaml:1:1"]
