"""Azure's typed SDKs as descriptions: what of a JSON value their models do not know.

Callers: azure.py. Two generations: models that are mappings with type hints, and models with a map of attributes, whose
keys may run through several members (`properties.TTL`).
"""

from __future__ import annotations

import importlib
import re
import typing
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

_COMPUTE, _NETWORK = "azure.mgmt.compute.models", "azure.mgmt.network.models"
_AKS, _RESOURCES = "azure.mgmt.containerservice.models", "azure.mgmt.resource.resources.models"
_MODELS = {
    "PATCH Microsoft.Compute/virtualMachines": (_COMPUTE, "VirtualMachineUpdate", ""),
    "PATCH Microsoft.Compute/virtualMachineScaleSets": (_COMPUTE, "VirtualMachineScaleSetUpdate", ""),
    "GET Microsoft.Compute/virtualMachines/instanceView": (_COMPUTE, "", "VirtualMachineInstanceView"),
    "GET Microsoft.Compute/virtualMachineScaleSets/virtualMachines": (_COMPUTE, "", "VirtualMachineScaleSetVM"),
    "POST Microsoft.Compute/virtualMachines/attachDetachDataDisks": (
        _COMPUTE, "AttachDetachDataDisksRequest", "StorageProfile",
    ),
    "GET Microsoft.Compute/disks": (_COMPUTE, "", "Disk"),
    "PUT Microsoft.Compute/disks": (_COMPUTE, "Disk", "Disk"),
    "PATCH Microsoft.Compute/disks": (_COMPUTE, "DiskUpdate", "Disk"),
    "GET Microsoft.Compute/locations/usages": (_COMPUTE, "", "Usage"),
    "PATCH Microsoft.Network/virtualNetworks": (_NETWORK, "TagsObject", ""),
    "PATCH Microsoft.Network/networkSecurityGroups": (_NETWORK, "TagsObject", ""),
    "PATCH Microsoft.Network/networkInterfaces": (_NETWORK, "TagsObject", ""),
    "PATCH Microsoft.Network/publicIPAddresses": (_NETWORK, "TagsObject", ""),
    "PATCH Microsoft.Network/loadBalancers": (_NETWORK, "TagsObject", ""),
    "PATCH Microsoft.Network/natGateways": (_NETWORK, "TagsObject", ""),
    "PATCH Microsoft.ContainerService/managedClusters": (_AKS, "TagsObject", ""),
    "POST Microsoft.ContainerService/managedClusters/listClusterUserCredential": (_AKS, "", "CredentialResults"),
    "POST Microsoft.ContainerService/managedClusters/listClusterAdminCredential": (_AKS, "", "CredentialResults"),
    "POST Microsoft.ContainerService/managedClusters/listClusterMonitoringUserCredential": (
        _AKS, "", "CredentialResults",
    ),
    "GET Microsoft.ContainerService/locations/kubernetesVersions": (_AKS, "", "KubernetesVersionListResult"),
    "PUT Microsoft.Resources/resourceGroups": (_RESOURCES, "ResourceGroup", "ResourceGroup"),
    "PATCH Microsoft.Resources/resourceGroups": (_RESOURCES, "ResourceGroupPatchable", "ResourceGroup"),
    "GET Microsoft.Resources/resourceGroups": (_RESOURCES, "", "ResourceGroup"),
    "GET Microsoft.Resources/resourceGroups/resources": (_RESOURCES, "", "GenericResourceExpanded"),
    "GET Microsoft.Resources/resources": (_RESOURCES, "", "GenericResourceExpanded"),
    "GET Microsoft.Resources/providers": (_RESOURCES, "", "Provider"),
}  # fmt: skip
"""Operation -> (module, model of the request, model of the answer), where there is neither schema nor bicep type."""

_DNS, _TRAFFIC = "azure.mgmt.dns.models", "azure.mgmt.trafficmanager.models"
_ACR, _MONITOR = "azure.mgmt.containerregistry.models", "azure.mgmt.monitor.models"
_RIGHTS = "azure.mgmt.authorization.v2022_04_01.models"
_ZONES = "Microsoft.Network/dnsZones"
_RECORD_SETS = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT", "recordsets", "all")
DEVELOPMENT: Mapping[str, tuple[str, str, str]] = {
    **{f"{verb} {_ZONES}": (_DNS, "Zone", "Zone") for verb in ("GET", "PUT")},
    **{
        f"{verb} {_ZONES}/{t}": (_DNS, "RecordSet", "RecordSet")
        for verb in ("GET", "PUT", "PATCH")
        for t in _RECORD_SETS
    },
    **{f"{verb} Microsoft.Network/trafficManagerProfiles": (_TRAFFIC, "Profile", "Profile") for verb in ("GET", "PUT")},
    **{f"{verb} Microsoft.ContainerRegistry/registries": (_ACR, "Registry", "Registry") for verb in ("GET", "PUT")},
    "PATCH Microsoft.ContainerRegistry/registries": (_ACR, "RegistryUpdateParameters", "Registry"),
    **{
        f"{verb} Microsoft.Insights/autoscaleSettings": (
            _MONITOR, "AutoscaleSettingResource", "AutoscaleSettingResource",
        )
        for verb in ("GET", "PUT")
    },
    f"PATCH {_ZONES}": (_DNS, "ZoneUpdate", "Zone"),
    "PATCH Microsoft.Network/trafficManagerProfiles": (_TRAFFIC, "Profile", "Profile"),
    "PATCH Microsoft.Insights/autoscaleSettings": (
        _MONITOR, "AutoscaleSettingResourcePatch", "AutoscaleSettingResource",
    ),
    "GET Microsoft.Authorization/roleAssignments": (_RIGHTS, "", "RoleAssignment"),
    "PUT Microsoft.Authorization/roleAssignments": (_RIGHTS, "RoleAssignmentCreateParameters", "RoleAssignment"),
    "GET Microsoft.Authorization/roleDefinitions": (_RIGHTS, "", "RoleDefinition"),
    "PUT Microsoft.Authorization/roleDefinitions": (_RIGHTS, "RoleDefinition", "RoleDefinition"),
}  # fmt: skip
"""The same, of SDKs that are installed for development only: duoyun speaks these types as ARM's own JSON."""


@dataclass(frozen=True, slots=True)
class Part:
    """A member that a map of attributes runs through: its own members, by name."""

    members: Mapping[str, Any]
    title: str


@dataclass(frozen=True, slots=True)
class Word:
    """A type as a map of attributes writes it: `[ARecord]`, `{str}`, `int`. package: where its models lie."""

    text: str
    package: str


def model_problems(value: Any, hint: Any, path: str = "") -> Iterator[str]:
    """What of a JSON value a model of the SDK (a class, or a type hint of one of its members) does not know."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if value is None or hint is Any:
        return
    if isinstance(hint, Word | Part) or hasattr(hint, "_attribute_map"):
        yield from _older(value, hint, path)
        return
    if origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
        told = [list(model_problems(value, option, path)) for option in inner if option is not type(None)]
        yield from min(told, key=len, default=[])
    elif origin in (list, typing.Sequence):
        if not isinstance(value, list):
            yield f"{path}: {type(value).__name__} where a list is described"
            return
        for entry in value:
            yield from model_problems(entry, inner[0], path)
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{path}: {type(value).__name__} where an object is described"
    elif isinstance(hint, type) and issubclass(hint, MutableMapping):
        yield from _of_model(value, hint, path)
    elif isinstance(hint, type) and issubclass(hint, Enum):
        if value not in [e.value for e in hint]:
            yield f"{path}: {value!r} is none of {hint.__name__}"
    else:
        wanted = {float: (int, float), datetime: str, bytes: str, bytearray: str}.get(hint, hint)
        if isinstance(wanted, type | tuple) and not isinstance(value, wanted):
            yield f"{path}: {type(value).__name__} where {hint} is described"


def _of_model(value: Any, model: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {type(value).__name__} where an object is described"
        return
    known = _members(model)
    for key, inner in value.items():
        if key in known:
            yield from model_problems(inner, known[key], f"{path}/{key}")
        else:
            yield f"{path}/{key}: {model.__name__} has no such member"


@cache
def _members(model: Any) -> dict[str, Any]:
    """Wire name -> type hint."""
    model({})  # the first instance sets the class up
    package = importlib.import_module(model.__module__.rpartition(".")[0])
    hints = typing.get_type_hints(model, localns={"_models": package})
    return {field._rest_name: hints.get(name, Any) for name, field in model._attr_to_rest_field.items()}


# -- the older generation ----------------------------------------------------------------------------------------------

_PLAIN_WORDS: Mapping[str, Any] = {
    "str": str, "int": int, "bool": bool, "float": (int, float), "long": int, "decimal": (int, float),
    "iso-8601": str, "rfc-1123": str, "duration": str, "date": str, "time": str, "bytearray": str, "base64": str,
}  # fmt: skip


def _older(value: Any, hint: Any, path: str) -> Iterator[str]:
    if isinstance(hint, Word):
        yield from _by_word(value, hint, path)
        return
    part = hint if isinstance(hint, Part) else Part(_tree(hint), hint.__name__)
    if not isinstance(value, dict):
        yield f"{path}: {type(value).__name__} where an object is described"
        return
    for key, inner in value.items():
        if key in part.members:
            yield from model_problems(inner, part.members[key], f"{path}/{key}")
        else:
            yield f"{path}/{key}: {part.title} has no such member"


def _by_word(value: Any, hint: Word, path: str) -> Iterator[str]:
    text = hint.text
    if text == "object":
        return
    if text[0] in "[{":
        kind = list if text[0] == "[" else dict
        if not isinstance(value, kind):
            yield f"{path}: {type(value).__name__} where a {kind.__name__} is described"
            return
        for entry in value if isinstance(value, list) else value.values():
            yield from model_problems(entry, Word(text[1:-1], hint.package), path)
    elif text in _PLAIN_WORDS:
        if not isinstance(value, _PLAIN_WORDS[text]):
            yield f"{path}: {type(value).__name__} where {text} is described"
    else:
        yield from model_problems(value, getattr(importlib.import_module(hint.package), text), path)


@cache
def _tree(model: Any) -> dict[str, Any]:
    """Wire name -> type of an older model; what lies deeper as parts. A dot in a name itself is escaped."""
    package, found = model.__module__.rpartition(".")[0], dict[str, Any]()
    for entry in model._attribute_map.values():
        *above, last = (name.replace("\\.", ".") for name in re.split(r"(?<!\\)\.", entry["key"]))
        here = found
        for name in above:
            here = here.setdefault(name, Part({}, f"{model.__name__}.{name}")).members
        here[last] = Word(entry["type"], package)
    return found


def sdk_models(operation: str) -> tuple[Any, Any]:
    """Models of request and answer; None where there is none. ModuleNotFoundError where their SDK is not installed."""
    module, request, answer = {**_MODELS, **DEVELOPMENT}.get(operation, ("", "", ""))
    if not module:
        return None, None
    found = importlib.import_module(module)
    return (getattr(found, request) if request else None), (getattr(found, answer) if answer else None)
