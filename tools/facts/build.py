"""Makes model/facts/tables/{instance_types,prices,rtt}.csv from the published tables named in model/facts/README.md.

Run by hand: `.venv/bin/python tools/facts/build.py ../shared/data/scheduler`. Its output is committed; nothing imports
this. regions.csv, egress.csv and spot.csv are written by hand. Disks and zones of EC2 come from what moto ships.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parents[2] / "model" / "facts" / "tables"
HERE = Path(__file__).resolve().parent
CNY_PER_USD = 7.12
PODS = 110  # per node, where the network plugin sets no lower limit

AWS_TYPES = [
    *(f"t3.{s}" for s in ("medium", "large", "xlarge", "2xlarge")),
    *(f"t3a.{s}" for s in ("medium", "large", "xlarge", "2xlarge")),
    *(f"t4g.{s}" for s in ("medium", "large", "xlarge", "2xlarge")),
    *(f"{f}.{s}" for f in ("m6i", "c6i", "r6i") for s in ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge")),
    *(f"{f}.{s}" for f in ("m5", "m6g", "c6g") for s in ("large", "xlarge", "2xlarge", "4xlarge")),
    *(f"{f}.{s}" for f in ("r6g", "m7g", "c7g", "m7i", "c7i") for s in ("large", "xlarge", "2xlarge", "4xlarge")),
    *(f"{f}.{s}" for f in ("m5d", "c5d", "m6gd", "c6gd", "r6gd") for s in ("large", "xlarge", "2xlarge", "4xlarge")),
    *(f"{f}.{s}" for f in ("i3en", "i4i") for s in ("large", "xlarge", "2xlarge")),
    *(f"g4dn.{s}" for s in ("xlarge", "2xlarge")),
]
AZURE_TYPES = [
    *(f"Standard_{n}" for n in ("B2s", "B2ms", "B4ms", "B8ms", "B2als_v2", "B4als_v2", "B2as_v2", "B4as_v2")),
    *(f"Standard_D{n}{f}" for f in ("s_v5", "ls_v5") for n in (2, 4, 8, 16, 32)),
    *(f"Standard_E{n}s_v5" for n in (2, 4, 8, 16, 32)),
    *(f"Standard_D{n}{f}" for f in ("ps_v5", "pls_v5") for n in (2, 4, 8, 16)),
    *(f"Standard_D{n}ds_v5" for n in (2, 4, 8, 16)),
    *(f"Standard_E{n}ds_v5" for n in (2, 4, 8)),
]
AZURE_GLOBAL_TYPES = [  # nothing public tells whether 21Vianet sells them
    *(f"Standard_D{n}{f}" for f in ("pds_v5", "s_v6") for n in (2, 4, 8, 16)),
    *(f"Standard_L{n}s_v3" for n in (8, 16)),
    "Standard_NC4as_T4_v3",
]
AZURE_DISKS = {  # GiB; NVMe disks of 1.92 TB, the small temporary disk beside them not counted
    **{f"Standard_{f}{n}{v}": 75 * n // 2 for f, v in (("D", "ds_v5"), ("E", "ds_v5"), ("D", "pds_v5"))
       for n in (2, 4, 8, 16)},
    **{f"Standard_L{n}s_v3": n // 8 * 1788 for n in (8, 16)},
    "Standard_B2s": 8, "Standard_B2ms": 16, "Standard_B4ms": 32, "Standard_B8ms": 64, "Standard_NC4as_T4_v3": 180,
}  # fmt: skip
ALIBABA_TYPES = [
    *(f"ecs.{f}.{s}" for f in ("c7", "g7", "r7") for s in ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge")),
    *(f"ecs.u1-c1m{m}.{s}" for m in (1, 2, 4, 8) for s in ("large", "xlarge", "2xlarge", "4xlarge")),
    *(f"ecs.{f}.{s}" for f in ("c8y", "g8y", "c8i", "g8i") for s in ("large", "xlarge", "2xlarge", "4xlarge")),
    *(f"ecs.i2.{s}" for s in ("xlarge", "2xlarge", "4xlarge")),
    *(f"ecs.i2g.{s}" for s in ("2xlarge", "4xlarge")),
    *("ecs.gn6i-c4g1.xlarge", "ecs.gn6i-c8g1.2xlarge"),
]
ALIBABA_DISKS = {
    "ecs.i2.xlarge": 894, "ecs.i2.2xlarge": 1788, "ecs.i2.4xlarge": 3576, "ecs.i2g.2xlarge": 894,
    "ecs.i2g.4xlarge": 1788,
}  # fmt: skip
ALIBABA_ARM = ("ecs.c8y.", "ecs.g8y.")  # Yitian 710; the source's column says amd64 for all
BURSTABLE = ("t3.", "t3a.", "t4g.", "Standard_B")

# ids of model/facts/tables/sources.csv
MOTO, AZURE_SIZES, ALIBABA_FAMILIES = "moto-types", "azure-sizes", "alibaba-families"
KARPENTER, AKS, ACK = "karpenter-types", "aks-reserved", "ack-reserved"
EC2_SHOP, KARPENTER_CN, KARPENTER_US = "ec2-shop", "karpenter-cn-prices", "karpenter-prices"
AZURE_PRICES, ALIBABA_PRICES, SKYPLANE_RTT = "azure-karpenter-prices", "priceserver", "skyplane-rtt"


def rows(path: Path) -> Iterator[dict[str, str]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    yield from csv.DictReader(data.decode().splitlines())


def regional_cpu(vcpu: int) -> int:
    """Millicores reserved: 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest."""
    return round(60 + (10 if vcpu > 1 else 0) + 5 * min(2, max(0, vcpu - 2)) + 2.5 * max(0, vcpu - 4))


def aks_cpu(vcpu: int) -> int:
    return {1: 60, 2: 100, 4: 140, 8: 180, 16: 260, 32: 420}[vcpu]


@cache
def moto(name: str) -> Any:
    return json.loads(gzip.decompress(files("moto.ec2").joinpath("resources", f"{name}.json.gz").read_bytes()))


def ec2_disk_gib(name: str) -> int:
    """moto repeats DescribeInstanceTypes, which counts GB."""
    return moto("instance_types")[name].get("InstanceStorageInfo", {}).get("TotalSizeInGB", 0) * 10**9 // 2**30


def ec2_zones(region: str, name: str) -> str:
    """`all` where every zone sells the type. Zone letters are each account's own: that some sell it tells nothing."""
    rows = moto(f"instance_type_offerings/availability-zone-id/{region}")
    zones = {r["Location"] for r in rows}
    return "all" if {r["Location"] for r in rows if r["InstanceType"] == name} == zones else ""


def type_row(
    cloud: str,
    row: dict[str, str],
    arch: str,
    allocatable: tuple[int, int],
    pods: int,
    disk: tuple[int, str],
    origin: tuple[str, str],
) -> dict[str, Any]:
    vcpu, memory = size_of(row)
    return {
        "cloud": cloud, "instance_type": row["instance"], "vcpu": vcpu, "memory_mib": memory, "gpu": row["gpu"],
        "arch": arch, "burstable": int(row["instance"].startswith(BURSTABLE)),
        "allocatable_cpu_millicores": allocatable[0], "allocatable_memory_mib": allocatable[1], "max_pods": pods,
        "local_disk_gib": disk[0], "disk_source": disk[1], "source": origin[0], "date": origin[1],
    }  # fmt: skip


def types(data: Path) -> Iterator[dict[str, Any]]:
    karpenter = {r["instance"]: r for r in rows(data / "aws_prices_usd_us-east-1_2026-07.csv")}
    for name in AWS_TYPES:
        r = karpenter[name]
        left = int(r["alloc_cpu"].rstrip("m")), int(r["alloc_mem"].removesuffix("Mi"))
        disk = ec2_disk_gib(name), MOTO
        yield type_row("aws", r, r["arch"], left, int(r["alloc_pods"]), disk, (KARPENTER, "2026-07-01"))
    azure = {r["instance"]: r for r in rows(data / "catalog_aws_azure_alicloud.csv.gz") if r["vendor"] == "azure"}
    for name in AZURE_TYPES + AZURE_GLOBAL_TYPES:
        vcpu, memory = size_of(azure[name])
        left = vcpu * 1000 - aks_cpu(vcpu), memory - min(20 * PODS + 50, memory // 4) - 100
        arch = {"X86_64": "amd64", "ARM64": "arm64"}[azure[name]["arch"]]
        disk = AZURE_DISKS.get(name, 0), AZURE_SIZES
        yield type_row("azure", azure[name], arch, left, PODS, disk, (AKS, "2026-06-18"))
    alibaba = {r["instance"]: r for r in rows(data / "alicloud_prices_CNY_2024-10.csv")}
    for name in ALIBABA_TYPES:
        vcpu, memory = size_of(alibaba[name])
        left = vcpu * 1000 - regional_cpu(vcpu), memory - min(255 + 11 * PODS, memory // 4) - 100
        arch = "arm64" if name.startswith(ALIBABA_ARM) else alibaba[name]["arch"]
        disk = ALIBABA_DISKS.get(name, 0), ALIBABA_FAMILIES
        yield type_row("alibaba", alibaba[name], arch, left, PODS, disk, (ACK, "2024-10-01"))


def size_of(row: dict[str, str]) -> tuple[int, int]:
    return int(row["vcpu"]), round(float(row["memory_gib"]) * 1024)


def price(
    partition: str, region: str, name: str, value: float, currency: str, source: str, date: str, formula: str = ""
) -> dict[str, Any]:
    zones = ec2_zones(region, name) if partition == "aws" else ""
    return {
        "partition": partition, "region": region, "instance_type": name, "price_per_hour": f"{value:.6g}",
        "currency": currency, "assumed": int(bool(formula)), "formula": formula, "source": source, "date": date,
        "zones": zones, "zones_source": zones and MOTO,
    }  # fmt: skip


def prices(data: Path) -> Iterator[dict[str, Any]]:
    merged = {
        (r["vendor"], r["region"], r["instance"]): float(r["usd_h"])
        for r in rows(data / "catalog_aws_azure_alicloud.csv.gz")
    }
    yield from aws_prices(data, merged)
    yield from azure_prices(merged)
    yield from alibaba_prices(data)


def aws_prices(data: Path, merged: dict[tuple[str, str, str], float]) -> Iterator[dict[str, Any]]:
    for region in ("ap-southeast-1", "ap-northeast-1", "eu-central-1"):
        for name in AWS_TYPES:
            if (value := merged.get(("aws", region, name))) is not None:
                yield price("aws", region, name, value, "USD", EC2_SHOP, "2025-04-01")
    for r in rows(data / "aws_prices_usd_us-east-1_2026-07.csv"):
        if r["instance"] in AWS_TYPES:
            yield price(
                "aws", "us-east-1", r["instance"], float(r["ondemand_usd_h"]), "USD", KARPENTER_US, "2026-07-01"
            )
    for r in rows(HERE / "prices_cn_north_1.csv"):
        value, name = float(r["price_per_hour_cny"]), r["instance_type"]
        yield price("aws-cn", "cn-north-1", name, value, "CNY", KARPENTER_CN, "2023-09-18")
        yield price(
            "aws-cn", "cn-northwest-1", name, value, "CNY", KARPENTER_CN, "2023-09-18", "the price of cn-north-1"
        )


def azure_prices(merged: dict[tuple[str, str, str], float]) -> Iterator[dict[str, Any]]:
    for region in ("southeastasia", "eastasia", "japaneast", "westeurope"):
        for name in AZURE_TYPES + AZURE_GLOBAL_TYPES:
            if (value := merged.get(("azure", region, name))) is not None:
                yield price("azure", region, name, value, "USD", AZURE_PRICES, "2026-06-18")
    formula = f"USD price of azure/southeastasia x {CNY_PER_USD} CNY per USD"
    for region in ("chinanorth3", "chinaeast2", "chinaeast3", "chinanorth2"):
        for name in AZURE_TYPES:
            value = merged["azure", "southeastasia", name] * CNY_PER_USD
            yield price("azure-cn", region, name, value, "CNY", AZURE_PRICES, "2026-06-18", formula)


def alibaba_prices(data: Path) -> Iterator[dict[str, Any]]:
    mainland = ("cn-hangzhou", "cn-shanghai", "cn-beijing", "cn-shenzhen", "cn-chengdu", "cn-guangzhou")
    abroad = ("ap-southeast-1", "ap-northeast-1", "cn-hongkong")
    for r in rows(data / "alicloud_prices_CNY_2024-10.csv"):
        name, region, value = r["instance"], r["region"], float(r["ondemand_per_h_CNY?"])
        if name in ALIBABA_TYPES and region in mainland:
            yield price("alibaba-cn", region, name, value, "CNY", ALIBABA_PRICES, "2024-10-01")
        elif name in ALIBABA_TYPES and region in abroad:
            formula = f"the mainland site's CNY list price / {CNY_PER_USD} CNY per USD"
            usd = value / CNY_PER_USD
            yield price("alibaba-intl", region, name, usd, "USD", ALIBABA_PRICES, "2024-10-01", formula)


def round_trips(data: Path) -> Iterator[dict[str, Any]]:
    """Pairs of our AWS and Azure regions outside China; the mean of both directions."""
    wanted = {
        f"{r['partition']}/{r['region']}" for r in rows(OUT / "regions.csv") if r["partition"] in ("aws", "azure")
    }
    seen: dict[tuple[str, str], list[float]] = {}
    for r in rows(data / "skyplane_rtt_ms.csv"):
        a, b = (r[k].replace(":", "/") for k in ("src_region", "dst_region"))
        if a in wanted and b in wanted and a != b:
            seen.setdefault((min(a, b), max(a, b)), []).append(float(r["avg_rtt"]))
    for (a, b), values in sorted(seen.items()):
        yield {
            "a": a, "b": b, "rtt_ms": f"{sum(values) / len(values):.4g}",
            "source": SKYPLANE_RTT, "date": "2022-04-01",
        }  # fmt: skip


def write(name: str, found: list[dict[str, Any]]) -> None:
    with (OUT / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, found[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    print(f"{name}: {len(found)} rows")  # noqa: T201


def main() -> None:
    data = Path(sys.argv[1])
    write("instance_types.csv", list(types(data)))
    write("prices.csv", sorted(prices(data), key=lambda r: (r["partition"], r["region"], r["instance_type"])))
    write("rtt.csv", list(round_trips(data)))


if __name__ == "__main__":
    main()
