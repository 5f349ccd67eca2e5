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
    **{
        (f"V1{kind}Status", "conditions"): ("type",)
        for kind in ("Deployment", "ReplicaSet", "Pod", "Node", "Namespace", "Service", "PodDisruptionBudget")
    },
}
SETS: Final = frozenset({("V1ObjectMeta", "finalizers")})
# Models that are one value: owned and replaced as a whole.
ATOMIC_MODELS: Final = frozenset(
    {
        "V1LabelSelector", "V1NodeSelector", "V1NodeSelectorTerm", "V1ConfigMapKeySelector", "V1SecretKeySelector",
        "V1ObjectFieldSelector", "V1ResourceFieldSelector", "V1LocalObjectReference", "V1ObjectReference",
        "V1SecretReference", "V1TypedLocalObjectReference", "V1OwnerReference", "V1ScopeSelector",
        "DiscoveryV1EndpointPort", "V1EndpointAddress", "CoreV1EndpointPort", "V1RoleRef",
    }
)  # fmt: skip
ATOMIC_MAPS: Final = frozenset(
    {("V1PodSpec", "nodeSelector"), ("V1ServiceSpec", "selector"), ("V1ReplicationControllerSpec", "selector")}
)
# Merge keys of strategic merge patch, where they differ from the first list-map key.
PATCH_MERGE_KEY: Final[Mapping[tuple[str, str], str]] = {("V1ServiceSpec", "ports"): "port"}
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
    if model in _SCALARS or model.startswith(("list[", "dict[", "dict(")):
        return None
    path = _models_folder() / _file_name(model)
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    types = _literal(text, "openapi_types")
    names = _literal(text, "attribute_map")
    return {names[attribute]: kind for attribute, kind in types.items()}


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
