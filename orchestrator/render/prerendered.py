"""Pre-rendered manifests (`manifests:` of a service): Helm's or Kustomize's output, brought under our labels.

Callers: the planner, with the files' texts. Not here: templating, defaults, hardening; what the user rendered stays
as it is, apart from the namespace and our labels on each object (never on pods or selectors, which would break them).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from model.errors import Diagnostic, InvalidInput
from model.resources import LABEL_MANAGED, KubernetesObject
from model.spec.app import Application, Service
from orchestrator.render.names import MANAGED_BY, as_object, object_labels, object_name

MAX_BYTES: Final = 4 * 2**20
MAX_OBJECTS: Final = 1000
MAX_DEPTH: Final = 64
MAX_ALIASES: Final = 100
MAX_NODES: Final = 200_000
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_RBAC_NAME = re.compile(r"[A-Za-z0-9._:-]{1,253}")  # roles may hold colons
CLUSTER_SCOPED: Final = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterIssuer",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterTrustBundle",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "GatewayClass",
        "IPAddress",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "RuntimeClass",
        "ServiceCIDR",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
    }
)


class _Loader(yaml.SafeLoader):
    """Safe YAML without duplicate keys, endless depth, or many aliases."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._aliases = 0
        self._depth = 0

    def _mark(self) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        return event.start_mark if event else None

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > MAX_ALIASES:
                raise yaml.MarkedYAMLError(problem="too many aliases", problem_mark=self._mark())
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=self._mark())
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"{key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


# 2026-01-01 stays the text that it is for Kubernetes.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _expanded_nodes(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes a document has once its aliases are written out; refuses too many, and endless ones."""
    if id(node) in known:
        if known[id(node)] == 0:
            raise yaml.MarkedYAMLError(problem="an alias contains itself", problem_mark=node.start_mark)
        return known[id(node)]
    known[id(node)] = 0
    count = 1
    if isinstance(node, yaml.SequenceNode):
        count += sum(_expanded_nodes(child, known) for child in node.value)
    elif isinstance(node, yaml.MappingNode):
        count += sum(_expanded_nodes(key, known) + _expanded_nodes(value, known) for key, value in node.value)
    if count > MAX_NODES:
        raise yaml.MarkedYAMLError(problem=f"more than {MAX_NODES} values", problem_mark=node.start_mark)
    known[id(node)] = count
    return count


def load_manifests(
    texts: Mapping[str, str], app: Application, service: Service, cluster: str = "main"
) -> tuple[KubernetesObject, ...]:
    """file name -> text, to objects in the files' order. Raises InvalidInput with every mistake, `file:line:column`.

    Refused: cluster-scoped kinds (a Namespace is accepted where it is the application's own and says nothing that
    ours does not), other namespaces, Secrets (duoyun only refers to them), objects given twice. spec.replicas of what
    a HorizontalPodAutoscaler in the same files scales is left to it.
    """
    mistakes: list[Diagnostic] = []
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for file, text in texts.items():
        for position, document in _documents(file, text, mistakes):
            manifest = _own(document, app, service, position, mistakes)
            if manifest is None:
                continue
            name = object_name(cluster, manifest)
            if name in found:
                mistakes.append(Diagnostic(position, f"{name} is given twice", f"it is also at {found[name][1]}"))
            found[name] = (manifest, position)
    if len(found) > MAX_OBJECTS:
        mistakes.append(Diagnostic("", f"service {service.name}: more than {MAX_OBJECTS} objects in its manifests"))
    if mistakes:
        raise InvalidInput(mistakes)
    scaled = _scaled_targets(m for m, _ in found.values())
    return tuple(
        as_object(cluster, m, ("spec.replicas",) if (m["kind"], m["metadata"]["name"]) in scaled else ())
        for m, _ in found.values()
    )


def _documents(file: str, text: str, mistakes: list[Diagnostic]) -> Iterator[tuple[str, dict[str, Any]]]:
    if len(text.encode()) > MAX_BYTES:
        mistakes.append(Diagnostic(file, f"more than {MAX_BYTES // 2**20} MiB of manifests", "split the file"))
        return
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                continue
            line = node.start_mark.line + 1
            _expanded_nodes(node, {})
            document = loader.construct_document(node)
            position = f"{file}:{line}:{node.start_mark.column + 1}"
            if document is None:
                continue
            if isinstance(document, dict) and document.get("kind") == "List":
                items = document.get("items")
                yield from ((position, i) for i in items or () if isinstance(i, dict))
            elif isinstance(document, dict):
                yield position, document
            else:
                mistakes.append(Diagnostic(position, "this document is no object", "a manifest is a mapping"))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        at = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        mistakes.append(Diagnostic(at, str(exc.problem or exc.context or "this is no YAML")))
    except (yaml.YAMLError, ValueError, TypeError) as exc:
        mistakes.append(Diagnostic(file, f"this is no YAML: {exc}"))
    finally:
        loader.dispose()


def _own(
    document: dict[str, Any], app: Application, service: Service, position: str, mistakes: list[Diagnostic]
) -> dict[str, Any] | None:
    """The document with our labels and namespace; None (and a mistake, as a rule) where it cannot be ours."""
    said = len(mistakes)
    kind, version, metadata = document.get("kind"), document.get("apiVersion"), document.get("metadata")
    if not isinstance(kind, str) or not isinstance(version, str) or not isinstance(metadata, dict):
        mistakes.append(Diagnostic(position, "apiVersion, kind or metadata is missing", "every manifest has all three"))
        return None
    name = metadata.get("name")
    pattern = _RBAC_NAME if version.startswith("rbac.authorization.k8s.io/") else _NAME
    if not isinstance(name, str) or not pattern.fullmatch(name):
        mistakes.append(Diagnostic(position, f"{kind}: {name!r} is no name", "metadata.generateName is not supported"))
    if kind == "Namespace":
        _check_namespace(document, app, position, mistakes)
        return None
    if kind in CLUSTER_SCOPED:
        mistakes.append(
            Diagnostic(position, f"{kind} {name} belongs to the whole cluster", "install it apart from the application")
        )
    if kind == "Secret" and version == "v1":
        mistakes.append(
            Diagnostic(
                position,
                f"Secret {name}: duoyun keeps no secrets",
                "create it in the cluster, for example by an ExternalSecret, and refer to it",
            )
        )
    if metadata.get("namespace", app.namespace) != app.namespace:
        mistakes.append(
            Diagnostic(
                position, f"{kind} {name} is meant for namespace {metadata['namespace']}", f"use {app.namespace}"
            )
        )
    labels = metadata.get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(v, str) for v in labels.values()):
        mistakes.append(Diagnostic(position, f"{kind} {name}: labels must be strings", "put them in quotes"))
    mistakes += [Diagnostic(position, f"{kind} {name}: {what}") for what in _not_json(document)]
    if len(mistakes) > said:
        return None
    ours = {**labels, **object_labels(app, service.name)}
    kept = {k: v for k, v in document.items() if k != "status"}
    return {
        **kept,
        "metadata": {**_desired_metadata(metadata), "namespace": app.namespace, "labels": dict(sorted(ours.items()))},
    }


def _not_json(value: Any) -> Iterator[str]:
    """What YAML can say and a Kubernetes API cannot hear."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield f"the key {key!r} is no string; put it in quotes"
            yield from _not_json(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _not_json(inner)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{value} is no number that JSON knows"
    elif value is not None and not isinstance(value, str | int | float | bool):
        yield f"a value of type {type(value).__name__}; write it as text"


def _desired_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only a server writes, so that the output of `kubectl get -o yaml` can be used as it is."""
    server = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
    return {k: v for k, v in metadata.items() if k not in server and v is not None}


def _check_namespace(document: dict[str, Any], app: Application, position: str, mistakes: list[Diagnostic]) -> None:
    metadata = document["metadata"]
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != LABEL_MANAGED or v != MANAGED_BY}
    labels.pop("kubernetes.io/metadata.name", None)
    if metadata.get("name") != app.namespace:
        mistakes.append(
            Diagnostic(
                position,
                f"Namespace {metadata.get('name')} is not the application's namespace {app.namespace}",
                "take it out, or set spec.namespace",
            )
        )
    elif labels or metadata.get("annotations"):
        mistakes.append(
            Diagnostic(
                position,
                f"Namespace {app.namespace} carries labels or annotations, and duoyun writes that namespace itself",
                "put the labels into metadata.labels of the application, or set them on the namespace by hand",
            )
        )


def _scaled_targets(manifests: Iterator[dict[str, Any]]) -> set[tuple[str, str]]:
    """(kind, name) of what autoscalers among these manifests scale."""
    found = set()
    for manifest in manifests:
        if manifest["kind"] in ("HorizontalPodAutoscaler", "ScaledObject"):
            spec = manifest.get("spec")
            target = spec.get("scaleTargetRef") if isinstance(spec, dict) else None
            if isinstance(target, dict):
                found.add((str(target.get("kind", "Deployment")), str(target.get("name"))))
    return found
