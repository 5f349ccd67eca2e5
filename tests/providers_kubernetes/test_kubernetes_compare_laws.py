"""Laws of comparison, over server-side apply as the sandbox implements it (pure, without a server)."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from model.resources import Address, Kind, KubernetesObject, Observed
from providers.kubernetes.compare import diff_manifests, left_alone, owned_manifest
from sandbox.kubernetes import ownership
from sandbox.kubernetes.defaults import fill_in
from sandbox.kubernetes.ownership import APPLY, UPDATE, Manager

MODEL = "V1Deployment"
ADDRESS = Address("aws-cn", "1", "r", Kind.KUBERNETES_OBJECT, "main/shop/Deployment/web")
words = st.sampled_from(["a", "b", "c"])
maps = st.dictionaries(words, words, max_size=3)


@st.composite
def deployments(draw: st.DrawFn) -> dict[str, Any]:
    containers = []
    for name in draw(st.lists(words, min_size=1, max_size=3, unique=True)):
        container: dict[str, Any] = {"name": name, "image": draw(words)}
        if draw(st.booleans()):
            names = draw(st.lists(words, max_size=3, unique=True))
            container["env"] = [{"name": n, "value": draw(words)} for n in names]
        if draw(st.booleans()):
            numbers = draw(st.lists(st.integers(80, 83), max_size=2, unique=True))
            container["ports"] = [{"containerPort": p, "protocol": "TCP"} for p in numbers]
        if draw(st.booleans()):
            cpu = draw(st.sampled_from(["500m", "1", "1500m"]))
            container["resources"] = {"requests": {"cpu": cpu}}
        if draw(st.booleans()):
            container["securityContext"] = {"capabilities": {"drop": draw(st.lists(words, min_size=1, max_size=2))}}
        containers.append(container)
    spec: dict[str, Any] = {"containers": containers}
    if draw(st.booleans()):
        spec["nodeSelector"] = draw(st.dictionaries(words, words, min_size=1, max_size=2))
    if draw(st.booleans()):
        spec["volumes"] = [{"name": "tmp", "emptyDir": {}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": draw(maps), "annotations": draw(maps)},
        "spec": {
            "replicas": draw(st.integers(1, 4)),
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
        },
    }


def manager(name: str, operation: str) -> Manager:
    return Manager(name, operation, "apps/v1", "", "2026-11-23T19:00:00Z", frozenset())


def apply(live: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    body = {**manifest, "metadata": {**manifest["metadata"]}}
    body["metadata"]["labels"] = {**(body["metadata"].get("labels") or {}), "duoyun.dev/fleet": "prod"}
    merged, managers = ownership.apply(live, copy.deepcopy(body), manager("duoyun", APPLY), MODEL, force=False)
    merged = copy.deepcopy(merged)
    fill_in("Deployment", merged)
    return ownership.with_managers(merged, managers)


def update(live: dict[str, Any], name: str, change: Any) -> dict[str, Any]:
    new = copy.deepcopy(live)
    change(new)
    return ownership.with_managers(new, ownership.record_update(live, new, manager(name, UPDATE), MODEL))


def observed(live: dict[str, Any]) -> Observed:
    resource = KubernetesObject(name=ADDRESS.name, manifest=owned_manifest(live))
    return Observed(address=ADDRESS, resource=resource, provider_id="u", raw={"object": live})


def wanted(manifest: dict[str, Any]) -> KubernetesObject:
    return KubernetesObject(name=ADDRESS.name, manifest=manifest)


def compared(manifest: dict[str, Any]) -> dict[str, Any]:
    """Two manifests mean the same where they differ in the order of keyed lists and in empty values only."""
    out = copy.deepcopy(manifest)
    pod = out["spec"]["template"]["spec"]
    for container in pod["containers"]:
        for key, by in (("env", "name"), ("ports", "containerPort")):
            container[key] = sorted(container.get(key) or [], key=lambda item: item[by])
    pod["containers"].sort(key=lambda c: c["name"])
    return out


@settings(max_examples=60, deadline=None)
@given(deployments(), deployments())
def test_what_is_applied_does_not_differ_and_anything_else_does(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = apply({}, first)
    assert diff_manifests(observed(live), wanted(first)) == ()
    found = diff_manifests(observed(live), wanted(second))
    assert bool(found) == (compared(first) != compared(second))
    assert not any(d.delegated for d in found)
    after = apply(live, left_alone(wanted(second), found))
    assert diff_manifests(observed(after), wanted(second)) == ()


def _edit(live: dict[str, Any], replicas: int, image: str, label: str, selector: bool) -> None:
    live["spec"]["replicas"] = replicas
    live["spec"]["template"]["spec"]["containers"][0]["image"] = image
    live["metadata"].setdefault("labels", {})["a"] = label
    if selector:
        live["spec"]["template"]["spec"]["nodeSelector"] = {"a": "edited", "b": "edited"}


@settings(max_examples=60, deadline=None)
@given(deployments(), deployments(), st.integers(1, 4), words, words, st.booleans())
def test_what_another_manager_holds_is_left_alone_without_conflict_and_all_the_rest_becomes_as_wanted(
    first: dict[str, Any], second: dict[str, Any], replicas: int, image: str, label: str, selector: bool
) -> None:
    live = update(apply({}, first), "editor", lambda obj: _edit(obj, replicas, image, label, selector))
    found = diff_manifests(observed(live), wanted(second))
    assert all(d.actor == "editor" for d in found if d.delegated)
    after = apply(live, left_alone(wanted(second), found))  # raises where there were a conflict
    rest = diff_manifests(observed(after), wanted(second))
    assert all(d.delegated and d.actor == "editor" for d in rest)
    assert after["spec"]["replicas"] in (replicas, second["spec"]["replicas"])
