"""What fields an object may have, read from the official client's models, and how lists and maps merge.

The model files are parsed, not imported: importing the client costs two seconds and every model. What the models do
not say (list-map keys, atomic types, patch merge keys) is the table below, after `x-kubernetes-*` in the published
OpenAPI documents; a test compares both. Callers: apply, patches, validation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

ANY: Final = "object"
_SCALARS: Final = frozenset({"str", "int", "bool", "float", "datetime", "object", "file"})

# (model, field) -> keys that make two list items the same, for server-side apply.
LIST_KEYS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("V1PodSpec", "containers"): ("name",),
    ("V1PodSpec", "initContainers"): ("name",),
    ("V1PodSpec", "ephemeralContainers"): ("name",),
    ("V1PodSpec", "volumes"): ("name",),
    ("V1PodSpec", "imagePullSecrets"): ("name",),
    ("V1PodSpec", "hostAliases"): ("ip",),
    ("V1PodSpec", "resourceClaims"): ("name",),
    ("V1PodSpec", "schedulingGates"): ("name",),
    ("V1PodSpec", "topologySpreadConstraints"): ("topologyKey", "whenUnsatisfiable"),
    **{
        (model, name): keys
        for model in ("V1Container", "V1EphemeralContainer")
        for name, keys in {
            "env": ("name",),
            "ports": ("containerPort", "protocol"),
            "volumeMounts": ("mountPath",),
            "volumeDevices": ("devicePath",),
        }.items()
    },
    ("V1ResourceRequirements", "claims"): ("name",),
    ("V1ServiceSpec", "ports"): ("port", "protocol"),
    ("V1ServiceAccount", "secrets"): ("name",),
    ("V1ObjectMeta", "ownerReferences"): ("uid",),
    ("V1NodeStatus", "addresses"): ("type",),
    ("V1PodStatus", "podIPs"): ("ip",),
    ("V1PodStatus", "resourceClaimStatuses"): ("name",),
    ("V1ContainerStatus", "allocatedResourcesStatus"): ("name",),
    ("V1ContainerStatus", "volumeMounts"): ("mountPath",),
    ("V1ResourceStatus", "resources"): ("resourceID",),
    ("V2HorizontalPodAutoscalerStatus", "conditions"): ("type",),
    **{
        (f"V1{kind}Status", "conditions"): ("type",)
        for kind in (
            "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Pod", "Node", "Namespace", "Service",
            "PodDisruptionBudget", "PersistentVolumeClaim",
        )
    },
}  # fmt: skip
SETS: Final = frozenset(
    {
        ("V1ObjectMeta", "finalizers"), ("V1NodeSpec", "podCIDRs"), ("V1Endpoint", "addresses"),
        ("V1ContainerRestartRuleOnExitCodes", "values"), ("V1PodFailurePolicyOnExitCodesRequirement", "values"),
        ("V1UncountedTerminatedPods", "failed"), ("V1UncountedTerminatedPods", "succeeded"),
        ("V1NodeAllocatableResourceClaimStatus", "containers"),
    }
)  # fmt: skip
# Models that are one value: owned and replaced as a whole.
ATOMIC_MODELS: Final = frozenset(
    {
        "V1LabelSelector", "V1NodeSelector", "V1NodeSelectorTerm", "V1ConfigMapKeySelector", "V1SecretKeySelector",
        "V1ObjectFieldSelector", "V1ResourceFieldSelector", "V1LocalObjectReference", "V1ObjectReference",
        "V1SecretReference", "V1TypedLocalObjectReference", "V1OwnerReference", "V1ScopeSelector",
        "RbacV1Subject", "V1FileKeySelector", "V1ServiceBackendPort", "V1TopologySelectorTerm",
        "DiscoveryV1EndpointPort", "V1EndpointAddress", "CoreV1EndpointPort", "V1RoleRef",
    }
)  # fmt: skip
ATOMIC_MAPS: Final = frozenset(
    {("V1PodSpec", "nodeSelector"), ("V1ServiceSpec", "selector"), ("V1ReplicationControllerSpec", "selector")}
)
# Merge keys of strategic merge patch, where they differ from the first list-map key.
PATCH_MERGE_KEY: Final[Mapping[tuple[str, str], str]] = {
    ("V1ServiceSpec", "ports"): "port",
    ("V1JobStatus", "conditions"): "type",
    ("V1PodStatus", "hostIPs"): "ip",
    ("V1ResourceRequirements", "claims"): "",
    ("V1ResourceStatus", "resources"): "",
}
# Whose patch names the fields that stay: kubectl sends $retainKeys for them.
PATCH_RETAIN_KEYS: Final = frozenset(
    {
        ("V1DeploymentSpec", "strategy"), ("V1PodSpec", "volumes"), ("V1PodSpec", "resourceClaims"),
        ("V1PodStatus", "resourceClaimStatuses"),
    }
)  # fmt: skip
KEY_DEFAULTS: Final[Mapping[str, str]] = {"protocol": "TCP"}


@cache
def _models_folder() -> Path:
    spec = find_spec("kubernetes")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the sandbox's clusters need the package kubernetes; install duoyun[kubernetes]")
    return Path(next(iter(spec.submodule_search_locations))) / "client" / "models"


def _file_name(model: str) -> str:
    # V1PodDNSConfig -> v1_pod_dns_config, CoreV1Event -> core_v1_event
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", model)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower() + ".py"


@cache
def fields(model: str) -> Mapping[str, str] | None:
    """JSON field -> type (`str`, `int`, `V1Container`, `list[V1Container]`, `dict[str, str]`, ...).

    None where the model is free-form or unknown: then anything goes.
    """
    text = _source(model)
    if not text:
        return None
    types = _literal(text, "openapi_types")
    names = _literal(text, "attribute_map")
    return {names[attribute]: kind for attribute, kind in types.items()}


def _source(model: str) -> str:
    """The text of a model's file; empty where there is none."""
    if model in _SCALARS or model.startswith(("list[", "dict[", "dict(")):
        return ""
    path = _models_folder() / _file_name(model)
    return path.read_text(encoding="utf-8") if path.is_file() else ""


_MEANING: Final = r'"""Gets the (\w+) of this \w+\.  # noqa: E501\n\n(?!\s*:return:)(.*?)\n\n        :return:'


def meanings(model: str) -> Mapping[str, str]:
    """JSON field -> what the official client's model says of it; fields without a word are left out."""
    text = _source(model)
    names = _literal(text, "attribute_map")
    rows = re.finditer(_MEANING, text, re.DOTALL)
    found = {names.get(m[1], ""): re.sub(r"\s*# noqa: E501", "", m[2]).strip() for m in rows}
    return {name: said for name, said in found.items() if name and said}


def required(model: str) -> frozenset[str]:
    """JSON fields that the official client's model refuses to be without."""
    text = _source(model)
    names = _literal(text, "attribute_map")
    return frozenset(names[n] for n in re.findall(r"client_side_validation and (\w+) is None:", text) if n in names)


def _literal(text: str, name: str) -> dict[str, str]:
    match = re.search(rf"^    {name} = (\{{.*?\}})$", text, re.MULTILINE | re.DOTALL)
    parsed = ast.literal_eval(match[1]) if match else {}
    return {str(k): str(v) for k, v in parsed.items()}


def field_type(model: str, name: str) -> str:
    """Type of one field of a model or map; ANY where nothing is known of it."""
    if model.startswith("dict"):
        return value_type(model)
    known = fields(model)
    return known.get(name, ANY) if known else ANY


@cache
def value_type(kind: str) -> str:
    """Element type of a list or map."""
    if kind.startswith("list["):
        return kind[5:-1]
    if kind.startswith("dict"):
        return kind[5:-1].partition(",")[2].strip()
    return ANY


def is_list(kind: str) -> bool:
    return kind.startswith("list[")


def is_map(kind: str) -> bool:
    return kind.startswith("dict")


@cache
def list_keys(model: str, name: str) -> tuple[str, ...]:
    """Keys of an associative list; empty for an atomic list or a set."""
    return LIST_KEYS.get((model, name), ())


def is_atomic(model: str, name: str, kind: str) -> bool:
    """Whether a map-like field is one value for ownership."""
    return kind in ATOMIC_MODELS or (model, name) in ATOMIC_MAPS


def merge_key(model: str, name: str) -> str:
    """Merge key of strategic merge patch; empty where a list is replaced."""
    keys = list_keys(model, name)
    return PATCH_MERGE_KEY.get((model, name), keys[0] if keys else "")
