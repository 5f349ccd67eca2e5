"""Regions, zones, instance types and images that the sandbox's Alibaba Cloud offers, and the actions that list them.

Callers: the other action modules; server.py. Instance types are read from their names (`ecs.g7.xlarge`: family and
size give vCPU and memory), as "Instance families" of the ECS documentation defines them; the table of families is a
part of the real one. Not here: which zones sell them, spot prices and quotas (offers.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sandbox.alibaba.state import Ctx, page
from sandbox.alibaba.wire import ApiError
from sandbox.prices import priced

CHINA = "alibaba-cn"
ABROAD = "alibaba-intl"
# region -> (partition, local name, zone letters); DescribeRegions and DescribeZones, read 2024-04 to 2026-01.
_REGIONS: dict[str, tuple[str, str, str]] = {
    "cn-qingdao": (CHINA, "华北1（青岛）", "bc"),
    "cn-beijing": (CHINA, "华北2（北京）", "abcdefghijkl"),
    "cn-zhangjiakou": (CHINA, "华北3（张家口）", "abc"),
    "cn-huhehaote": (CHINA, "华北5（呼和浩特）", "ab"),
    "cn-wulanchabu": (CHINA, "华北6（乌兰察布）", "abcd"),
    "cn-hangzhou": (CHINA, "华东1（杭州）", "befghijk"),
    "cn-shanghai": (CHINA, "华东2（上海）", "abcdefgklmno"),
    "cn-nanjing": (CHINA, "华东5（南京-本地地域）", "a"),
    "cn-fuzhou": (CHINA, "华东6（福州-本地地域）", "a"),
    "cn-wuhan-lr": (CHINA, "华中1（武汉-本地地域）", "a"),
    "cn-shenzhen": (CHINA, "华南1（深圳）", "abcdef"),
    "cn-heyuan": (CHINA, "华南2（河源）", "ab"),
    "cn-guangzhou": (CHINA, "华南3（广州）", "ab"),
    "cn-chengdu": (CHINA, "西南1（成都）", "ab"),
    "cn-hongkong": (ABROAD, "中国香港", "bcd"),
    "ap-northeast-1": (ABROAD, "日本（东京）", "abce"),
    "ap-northeast-2": (ABROAD, "韩国（首尔）", "ab"),
    "ap-southeast-1": (ABROAD, "新加坡", "abcd"),
    "ap-southeast-3": (ABROAD, "马来西亚（吉隆坡）", "abc"),
    "ap-southeast-5": (ABROAD, "印度尼西亚（雅加达）", "abc"),
    "ap-southeast-6": (ABROAD, "菲律宾（马尼拉）", "ab"),
    "ap-southeast-7": (ABROAD, "泰国（曼谷）", "ab"),
    "us-east-1": (ABROAD, "美国（弗吉尼亚）", "ab"),
    "us-west-1": (ABROAD, "美国（硅谷）", "ab"),
    "na-south-1": (ABROAD, "墨西哥", "a"),
    "eu-west-1": (ABROAD, "英国（伦敦）", "ab"),
    "me-east-1": (ABROAD, "阿联酋（迪拜）", "ab"),
    "me-central-1": (ABROAD, "沙特（利雅得）", "ab"),
    "eu-central-1": (ABROAD, "德国（法兰克福）", "abc"),
}


def zones(region: str) -> tuple[str, ...]:
    """Zone ids: `cn-hangzhou-h` in mainland China and Hong Kong, `ap-southeast-1a` elsewhere."""
    dash = "-" if region.startswith("cn-") else ""
    return tuple(f"{region}{dash}{letter}" for letter in _REGIONS[region][2])


def check_region(region: str, partition: str) -> None:
    """Raises InvalidRegionId.NotFound where there is none, Forbidden where it belongs to the other partition."""
    if region not in _REGIONS:
        raise ApiError(404, "InvalidRegionId.NotFound", "The specified RegionId does not exist.")
    if _REGIONS[region][0] != partition:
        raise ApiError(
            403,
            "InvalidRegion.NotAuthorized",
            f"The account of this site is not authorized to use region {region}.",
        )


# -- instance types --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InstanceType:
    """memory_mib and vcpus are nominal. architecture: X86 or ARM."""

    id: str
    family: str
    vcpus: int
    memory_mib: int
    architecture: str

    @property
    def pods(self) -> int:
        """Pods per node by network interfaces: ACK's Terway gives larger types more; 110 is the flannel default."""
        return 110


_SIZES = {"nano": 1, "small": 1, "medium": 1, "large": 2, "xlarge": 4}
_FAMILY = re.compile(r"(hf)?([cgr])(5|5ne|6|6a|6e|6r|6t|7|7a|7ne|7nex|7se|7t|8a|8ae|8i|8y|9i|9a|9ae)")
_GIB_PER_VCPU = {"c": 2, "g": 4, "r": 8}
_RATIO = re.compile(r"(?:t5|t6|u1|e)-l?c(\d+)m(\d+)")  # ecs.t6-c1m2.large: memory = vCPU * 2 / 1
_NAMED = {
    "i2": 8,
    "i2g": 4,
    "gn6i-c4g1": 3.75,
    "gn6i-c8g1": 3.875,
    "sn1ne": 2,
    "sn2ne": 4,
    "se1ne": 8,
    "n4": 2,
    "mn4": 4,
    "e4": 8,
}


def instance_type(type_id: str) -> InstanceType:
    """Raises InvalidInstanceType.ValueNotSupported where there is no such type."""
    parts = type_id.split(".")
    size = re.fullmatch(r"(\d{0,2})(nano|small|medium|large|xlarge)", parts[2]) if len(parts) == 3 else None
    per_vcpu = _gib_per_vcpu(parts[1]) if size and parts[0] == "ecs" else None
    if size is None or per_vcpu is None or (size[1] and (size[2] != "xlarge" or not 2 <= int(size[1]) <= 64)):
        raise ApiError(
            403,
            "InvalidInstanceType.ValueNotSupported",
            f"The specified InstanceType {type_id} does not exist or is not supported here.",
        )
    vcpus = _SIZES[size[2]] * int(size[1] or 1)
    arm = parts[1].endswith(("y", "6r"))
    family = f"ecs.{parts[1].partition('-')[0]}"
    return InstanceType(type_id, family, vcpus, int(vcpus * per_vcpu * 1024), "ARM" if arm else "X86")


def _gib_per_vcpu(family: str) -> float | None:
    if ratio := _RATIO.fullmatch(family):
        return int(ratio[2]) / int(ratio[1])
    if usual := _FAMILY.fullmatch(family):
        return _GIB_PER_VCPU[usual[2]]
    return _NAMED.get(family)


_DISK_GIB_HOUR = 0.0021  # an ESSD of the sandbox
_TRADE = 0.9  # what an account of the sandbox pays of the list price
LISTED = (
    *(
        f"ecs.{family}.{size}"
        for family in ("c6", "g6", "r6", "c7", "g7", "r7", "c8i", "g8i", "r8i", "g8y", "c8y", "u1-c1m2", "u1-c1m4")
        for size in ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge")
    ),
    *("ecs.t6-c1m1.large", "ecs.t6-c1m2.large", "ecs.t6-c1m4.large", "ecs.e-c1m2.large"),
)


# -- images ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Image:
    id: str
    name: str
    os: str
    architecture: str
    created: str


def _image(os_id: str, os: str, arch: str, size: int, date: str) -> Image:
    name = f"{os_id}_{arch}_{size}G_alibase_{date}.vhd"
    created = f"{date[:4]}-{date[4:6]}-{date[6:]}T06:10:40Z"
    return Image(name, name, os, "x86_64" if arch == "x64" else "arm64", created)


IMAGES: tuple[Image, ...] = tuple(
    _image(os_id, os, arch, size, date)
    for os_id, os, size, dates in (
        ("debian_11_11", "Debian  11.11 64位", 20, ("20240918", "20250117")),
        ("debian_12_9", "Debian  12.9 64位", 20, ("20250117",)),
        ("debian_12_11", "Debian  12.11 64位", 20, ("20250806", "20260119")),
        ("debian_13_1", "Debian  13.1 64位", 20, ("20260119",)),
        ("ubuntu_22_04", "Ubuntu  22.04 64位", 20, ("20250722", "20260119")),
        ("ubuntu_24_04", "Ubuntu  24.04 64位", 20, ("20250722", "20260119")),
        ("aliyun_3", "Alibaba Cloud Linux  3.2104 LTS 64位", 20, ("20250629", "20260119")),
    )
    for date in dates
    for arch in ("x64", "arm64")
)
_BY_ID = {image.id: image for image in IMAGES}


def image(image_id: str) -> Image:
    """Raises InvalidImageId.NotFound."""
    found = _BY_ID.get(image_id)
    if found is None:
        raise ApiError(404, "InvalidImageId.NotFound", "The specified ImageId does not exist.")
    return found


# -- actions ---------------------------------------------------------------------------------------------------


def describe_price(ctx: Ctx) -> dict[str, Any]:
    """Pay-as-you-go, of instances: the machine and its disk, each in a row. TradePrice is what a discount leaves."""
    if ctx.params.get("ResourceType") != "instance" or ctx.params.get("PriceUnit") not in ("", "Hour"):
        raise ApiError(400, "InvalidParameter", "The sandbox knows the hourly prices of instances only.")
    kind = instance_type(ctx.params.require("InstanceType"))
    sold = {fact.name: (price, fact.currency) for fact, price in priced(ctx.caller.account.partition, ctx.region)}
    if kind.id not in sold:
        message = "The specified InstanceType is not authorized or sold out in this region."
        raise ApiError(403, "InvalidInstanceType.ValueUnauthorized", message)
    price, currency = sold[kind.id]
    disk = round(_DISK_GIB_HOUR * ctx.params.integer("SystemDisk.Size", 40), 6)
    rows = [("instanceType", price), ("systemDisk", disk), ("bandwidth", 0.0), ("image", 0.0)]
    details = [{"Resource": resource, **_amounts(amount)} for resource, amount in rows]
    whole = _amounts(sum(amount for _, amount in rows))
    told = {**whole, "Currency": currency, "DetailInfos": {"DetailInfo": details}}
    return {"PriceInfo": {"Price": told, "Rules": {"Rule": []}}}


def _amounts(price: float) -> dict[str, float]:
    trade = round(price * _TRADE, 6)
    return {"OriginalPrice": round(price, 6), "TradePrice": trade, "DiscountPrice": round(price - trade, 6)}


def describe_regions(ctx: Ctx) -> dict[str, Any]:
    rows = [
        {"RegionId": region, "RegionEndpoint": f"ecs.{region}.aliyuncs.com", "LocalName": name, "Status": "available"}
        for region, (partition, name, _) in _REGIONS.items()
        if partition == ctx.caller.account.partition
    ]
    return {"Regions": {"Region": rows}}


def describe_vpc_regions(ctx: Ctx) -> dict[str, Any]:
    """VPC's own answer says less than ECS's."""
    rows = [{k: v for k, v in row.items() if k != "Status"} for row in describe_regions(ctx)["Regions"]["Region"]]
    return {"Regions": {"Region": [{**row, "RegionEndpoint": f"vpc.{row['RegionId']}.aliyuncs.com"} for row in rows]}}


def describe_vpc_zones(ctx: Ctx) -> dict[str, Any]:
    told = ("ZoneId", "LocalName", "ZoneType")
    rows = describe_zones(ctx)["Zones"]["Zone"]
    return {"Zones": {"Zone": [{name: row[name] for name in told} for row in rows]}}


def describe_zones(ctx: Ctx) -> dict[str, Any]:
    rows = [
        {
            "ZoneId": zone,
            "LocalName": f"{_REGIONS[ctx.region][1]} 可用区{zone[-1].upper()}",
            "ZoneType": "AvailabilityZone",
            "AvailableResourceCreation": {"ResourceTypes": ["VSwitch", "IoOptimized", "Instance", "Disk"]},
            "AvailableDiskCategories": {"DiskCategories": ["cloud_essd", "cloud_ssd", "cloud_efficiency"]},
            "AvailableInstanceTypes": {"InstanceTypes": list(LISTED)},
        }
        for zone in zones(ctx.region)
    ]
    return {"Zones": {"Zone": rows}}


def describe_instance_types(ctx: Ctx) -> dict[str, Any]:
    asked = ctx.params.repeated("InstanceTypes")
    family = ctx.params.get("InstanceTypeFamily")
    found = []
    for type_id in asked or LISTED:
        try:
            found.append(instance_type(type_id))
        except ApiError:
            continue  # as in life: a type that does not exist is not in the answer
    rows = [
        {
            "InstanceTypeId": t.id,
            "InstanceTypeFamily": t.family,
            "CpuCoreCount": t.vcpus,
            "MemorySize": t.memory_mib / 1024,
            "CpuArchitecture": t.architecture,
            "GPUAmount": int(t.family.startswith("ecs.gn")),
            "GPUSpec": "",
            "EniQuantity": 3,
        }
        for t in found
        if not family or t.family == family
    ]
    return {"InstanceTypes": {"InstanceType": rows}, "NextToken": ""}


def describe_images(ctx: Ctx) -> dict[str, Any]:
    p = ctx.params
    ids = [part for part in p.get("ImageId").split(",") if part]
    owner, name, arch = p.get("ImageOwnerAlias"), p.get("ImageName"), p.get("Architecture")
    rows = [
        i
        for i in IMAGES
        if (not ids or i.id in ids)
        and owner in ("", "system")
        and (not name or name.strip("*") in i.name)
        and (not arch or i.architecture == arch)
        and p.get("OSType", "linux") == "linux"
    ]
    part, fields = page(ctx, rows)
    return {"Images": {"Image": [_image_row(i) for i in part]}, "RegionId": ctx.region, **fields}


def _image_row(i: Image) -> dict[str, Any]:
    return {
        "ImageId": i.id,
        "ImageName": i.name,
        "OSName": i.os,
        "OSNameEn": i.os.replace("位", " bit"),
        "OSType": "linux",
        "Architecture": i.architecture,
        "ImageOwnerAlias": "system",
        "Status": "Available",
        "Size": 20,
        "CreationTime": i.created,
        "IsSupportCloudinit": True,
        "IsSupportIoOptimized": True,
        "IsPublic": True,
        "Progress": "100%",
        "Usage": "none",
        "Tags": {"Tag": []},
    }


# Kubernetes versions that ACK creates ("Kubernetes versions supported by ACK"; the newest three minors and patches).
KUBERNETES_VERSIONS = (
    "1.37.1-aliyun.1",
    "1.36.2-aliyun.1",
    "1.36.1-aliyun.1",
    "1.35.2-aliyun.1",
    "1.35.1-aliyun.1",
    "1.34.3-aliyun.1",
    "1.33.3-aliyun.1",
)


def describe_kubernetes_versions(ctx: Ctx) -> list[dict[str, Any]]:
    wanted = ctx.params.get("KubernetesVersion")
    return [
        {"version": v, "creatable": True, "images": [], "runtimes": [], "capabilities": {}}
        for v in KUBERNETES_VERSIONS
        if not wanted or v == wanted
    ]
