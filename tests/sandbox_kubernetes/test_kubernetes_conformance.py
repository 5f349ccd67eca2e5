"""What others think of our answers: kubernetes-validate, and a real application's manifests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes import dynamic

DATA = Path(os.environ.get("DUOYUN_REFERENCE_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
BOUTIQUE = DATA / "kubernetes" / "online-boutique.yaml"


def _assert_all_valid(kube: Any) -> set[str]:
    objects = kube.running.do(kube.running.cluster.store.dump)
    for obj in objects:
        kubernetes_validate.validate(obj, "1.31", strict=True)
    return {obj["kind"] for obj in objects}


def test_every_object_passes_strict_validation(kube: Any) -> None:
    kube.apply(kube.service(kind="LoadBalancer", port=18089))
    kube.apply(kube.deployment(behaviour={"crash_after_s": 0.05}, replicas=2))
    kube.apply(kube.deployment("good", replicas=2))
    kube.apply(kube.deployment("gone", image="missing:1", replicas=1))
    kube.rolled_out("good")
    kube.until(lambda: {"BackOff", "Unhealthy", "EnsuredLoadBalancer"} & kube.reasons())
    kinds = _assert_all_valid(kube)
    assert {"Deployment", "ReplicaSet", "Pod", "Node", "Service", "EndpointSlice", "Event", "Namespace"} <= kinds


@pytest.mark.reference
@pytest.mark.skipif(not BOUTIQUE.is_file(), reason=f"{BOUTIQUE} is absent")
def test_a_real_application_is_applied_unchanged_and_starts(kube: Any) -> None:
    found = dynamic.DynamicClient(kube.api)
    documents = [d for d in yaml.safe_load_all(BOUTIQUE.read_text(encoding="utf-8")) if d]
    for document in documents:
        resource = found.resources.get(api_version=document["apiVersion"], kind=document["kind"])
        name, namespace = document["metadata"]["name"], "default" if resource.namespaced else None
        resource.server_side_apply(body=document, name=name, namespace=namespace, field_manager="me")
    deployments = {d["metadata"]["name"] for d in documents if d["kind"] == "Deployment"}
    kube.until(lambda: {d.metadata.name for d in kube.apps.list_namespaced_deployment("default").items} == deployments)
    # Some ask for their first probe after 20 s, so readiness is not waited for.
    kube.until(lambda: _phases(kube) == ["Running"] * len(deployments))
    _assert_all_valid(kube)


def _phases(kube: Any) -> list[str]:
    return [p.status.phase for p in kube.core.list_namespaced_pod("default").items]
