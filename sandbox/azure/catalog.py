"""Facts the Azure sandbox answers with: regions with their zones, VM sizes, images, Kubernetes versions.

Callers: sandbox.azure. Sources: learn.microsoft.com (regions and availability zones; size families; "Node resource
reservations in AKS"; supported Kubernetes versions). Sizes follow from their names (family, vCPUs, features, version),
as "Virtual machine size naming conventions" defines them. Non-goal: prices, and which region sells which size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

_ZONED = (
    "australiaeast austriaeast belgiumcentral brazilsouth canadacentral centralindia centralus chilecentral eastasia "
    "eastus eastus2 francecentral germanywestcentral indonesiacentral israelcentral italynorth japaneast japanwest "
    "koreacentral malaysiawest mexicocentral newzealandnorth northeurope norwayeast polandcentral qatarcentral "
    "southafricanorth southcentralus southeastasia spaincentral swedencentral switzerlandnorth uaenorth uksouth "
    "westeurope westus2 westus3"
)
_UNZONED = (
    "australiacentral australiasoutheast canadaeast francesouth germanynorth koreasouth northcentralus norwaywest "
    "southafricawest southindia switzerlandwest uaecentral ukwest westcentralus westindia westus"
)
ZONES = ("1", "2", "3")
REGIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "azure": dict.fromkeys(_ZONED.split(), ZONES) | dict.fromkeys(_UNZONED.split(), ()),
    "azure-cn": {"chinanorth3": ZONES, "chinaeast2": (), "chinaeast3": (), "chinanorth2": ()},
}
"""Partition -> region -> its availability zones. In 21Vianet only China North 3 has zones."""

KUBERNETES_VERSIONS = {
    "1.32": "1.32.12",
    "1.33": "1.33.9",
    "1.34": "1.34.6",
    "1.35": "1.35.3",
    "1.36": "1.36.1",
}
"""Minor version -> the patch that an alias such as `1.35` resolves to."""

IMAGES: dict[tuple[str, str, str], int] = {
    ("debian", "debian-11", "11-gen2"): 30,
    ("debian", "debian-12", "12"): 30,
    ("debian", "debian-12", "12-gen2"): 30,
    ("debian", "debian-13", "13-gen2"): 30,
    ("canonical", "ubuntu-24_04-lts", "server"): 30,
    ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2"): 30,
    ("redhat", "rhel", "9-lvm-gen2"): 64,
}
"""(publisher, offer, sku) in lower case -> size of the OS disk in GiB."""


@dataclass(frozen=True, slots=True)
class Size:
    """A VM size. memory_mib is nominal; pods is what AKS puts on a node by default here (`maxPods` 110)."""

    name: str
    vcpu: int
    memory_mib: int
    gpu: int = 0


_EXPLICIT: dict[str, tuple[int, float, int]] = {
    "Standard_B1ls": (1, 0.5, 0), "Standard_B1s": (1, 1, 0), "Standard_B1ms": (1, 2, 0), "Standard_B2s": (2, 4, 0),
    "Standard_B2ms": (2, 8, 0), "Standard_B4ms": (4, 16, 0), "Standard_B8ms": (8, 32, 0), "Standard_B12ms": (12, 48, 0),
    "Standard_B16ms": (16, 64, 0), "Standard_B20ms": (20, 80, 0),
    "Standard_A1_v2": (1, 2, 0), "Standard_A2_v2": (2, 4, 0), "Standard_A4_v2": (4, 8, 0), "Standard_A8_v2": (8, 16, 0),
    "Standard_A2m_v2": (2, 16, 0), "Standard_A4m_v2": (4, 32, 0), "Standard_A8m_v2": (8, 64, 0),
    "Standard_NC6s_v3": (6, 112, 1), "Standard_NC12s_v3": (12, 224, 2), "Standard_NC24s_v3": (24, 448, 4),
    "Standard_NC4as_T4_v3": (4, 28, 1), "Standard_NC8as_T4_v3": (8, 56, 1), "Standard_NC16as_T4_v3": (16, 110, 1),
    "Standard_NC64as_T4_v3": (64, 440, 4), "Standard_NC24ads_A100_v4": (24, 220, 1),
    "Standard_NC48ads_A100_v4": (48, 440, 2), "Standard_NC96ads_A100_v4": (96, 880, 4),
    "Standard_NV6ads_A10_v5": (6, 55, 1), "Standard_NV12ads_A10_v5": (12, 110, 1),
    "Standard_NV18ads_A10_v5": (18, 220, 1), "Standard_NV36ads_A10_v5": (36, 440, 1),
    "Standard_NV72ads_A10_v5": (72, 880, 2),
} | {
    f"Standard_{s}{n}_v2": (vcpu, gib, 0)
    for s in ("D", "DS")
    for n, vcpu, gib in ((1, 1, 3.5), (2, 2, 7), (3, 4, 14), (4, 8, 28), (5, 16, 56), (11, 2, 14), (12, 4, 28),
                         (13, 8, 56), (14, 16, 112))
}  # fmt: skip
_BY_LOWER = {name.lower(): name for name in _EXPLICIT}
_VCPUS = frozenset(
    (1, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128, 144, 160)
)
_VCPUS = _VCPUS | {176, 192}
_NAME = re.compile(r"standard_(b|d|dc|e|ec|f|l)(\d+)(?:-(\d+))?([abdeilmpst]*)_v([2-7])", re.IGNORECASE)
_GIB_PER_VCPU = {"b": 4.0, "d": 4.0, "dc": 4.0, "e": 8.0, "ec": 8.0, "f": 2.0, "l": 8.0}


@lru_cache(maxsize=2048)
def size_of(name: str) -> Size | None:
    """The size of that name (case does not matter), or None where Azure has none of that name."""
    explicit = _BY_LOWER.get(name.lower())
    if explicit:
        vcpu, gib, gpu = _EXPLICIT[explicit]
        return Size(explicit, vcpu, int(gib * 1024), gpu)
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    family, total, constrained, features = match[1].lower(), int(match[2]), match[3], match[4].lower()
    version = int(match[5])
    if total not in _VCPUS or (family in ("d", "e") and version < 3) or (family == "f" and version in (3, 4, 5)):
        return None
    ratio = _GIB_PER_VCPU[family]
    if "l" in features:
        ratio /= 2 if family != "f" else 1
    elif family == "f" and version >= 6:
        ratio = 8.0 if "m" in features else 4.0
    if "t" in features:
        ratio /= 8
    return Size(name, int(constrained or total), int(total * ratio * 1024))


def aks_allocatable(size: Size, max_pods: int) -> tuple[int, int]:
    """(millicores, MiB) left for pods on an AKS node from Kubernetes 1.29 on.

    Source: learn.microsoft.com/azure/aks/node-resource-reservations: CPU by the table, kube-reserved memory the
    lesser of 20 MB x maxPods + 50 MB and 25 %, and an eviction threshold of 100 MiB.
    """
    points = ((1, 60), (2, 100), (4, 140), (8, 180), (16, 260), (32, 420), (64, 740))
    reserved = points[-1][1] + max(0, size.vcpu - 64) * 10
    for (low, at_low), (high, at_high) in pairwise(points):
        if low <= size.vcpu <= high:
            reserved = at_low + (at_high - at_low) * (size.vcpu - low) // (high - low)
            break
    memory = min(20 * max_pods + 50, size.memory_mib // 4) + 100
    return size.vcpu * 1000 - reserved, max(0, size.memory_mib - memory)


def display_name(region: str) -> str:
    """`chinanorth3` -> `China North 3`, as ARM's location list says it."""
    words = (
        "germany|switzerland|australia|southeast|northeast|southwest|northwest|southafrica|newzealand|central|china|"
        "japan|korea|canada|brazil|france|norway|sweden|poland|qatar|israel|italy|spain|mexico|austria|belgium|chile|"
        "indonesia|malaysia|india|asia|europe|north|south|east|west|uae|uk|us"
    )
    parts = re.findall(rf"{words}|\d+", region)
    named = {"uae": "UAE", "uk": "UK", "us": "US", "southafrica": "South Africa", "newzealand": "New Zealand"}
    return " ".join(named.get(p, p.capitalize()) for p in parts)
