"""The openb trace (alibaba/clusterdata, cluster-trace-gpu-v2023) as a Problem: its pods on real machine types.

Each distinct request is a service with as many replicas as the trace has such pods. A pod that asks for a part of a
GPU gets a whole one, since the Problem knows whole GPUs only; that makes the problem harder than the trace. Callers:
benchmarks.scheduler. Reads the reference data (DUOYUN_REFERENCE_DATA, else ../shared/data beside the project).
"""

from __future__ import annotations

import csv
import gzip
import os
from collections import Counter
from pathlib import Path

from scheduler.problem import InstanceOffer, Problem, ServiceDemand, SiteOffer

REGIONS = ("aws/us-east-1", "azure/eastus", "alicloud/cn-hangzhou", "alicloud/cn-beijing")
KUBELET_SHARE = 0.06  # of a machine's memory and cpu is not allocatable, about
LARGEST_VCPU = 192


def reference_data() -> Path:
    return Path(os.environ.get("DUOYUN_REFERENCE_DATA", Path(__file__).parents[3] / "shared" / "data")) / "scheduler"


def openb_problem() -> Problem:
    """FileNotFoundError where the reference data are absent."""
    folder = reference_data()
    with (folder / "openb_pod_list_default.csv").open(encoding="utf-8") as file:
        pods = Counter((int(r["cpu_milli"]), int(r["memory_mib"]), int(r["num_gpu"])) for r in csv.DictReader(file))
    services = tuple(
        ServiceDemand(name=f"pods-{i:03d}", replicas=n, cpu_millicores=cpu, memory_mib=memory, gpu=gpu)
        for i, ((cpu, memory, gpu), n) in enumerate(sorted(pods.items()))
    )
    return Problem(services=services, sites=_sites(folder), rollout_headroom=False, currency="USD", routes=())


def _sites(folder: Path) -> tuple[SiteOffer, ...]:
    sold: dict[str, dict[str, InstanceOffer]] = {r: {} for r in REGIONS}
    with gzip.open(folder / "catalog_aws_azure_alicloud.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            region = f"{row['vendor']}/{row['region']}"
            vcpu, price = float(row["vcpu"]), float(row["usd_h"])
            if region in sold and row["arch"] == "X86_64" and 0 < vcpu <= LARGEST_VCPU and price > 0:
                sold[region][row["instance"]] = InstanceOffer(
                    name=row["instance"],
                    vcpu=vcpu,
                    cpu_millicores=int(vcpu * 1000 * (1 - KUBELET_SHARE)),
                    memory_mib=int(float(row["memory_gib"]) * 1024 * (1 - KUBELET_SHARE)),
                    gpu=int(float(row["gpu"] or 0)),
                    price_per_hour=price,
                )
    return tuple(
        SiteOffer(
            id=f"{region}-a",
            region=region,
            cloud=region.partition("/")[0],
            partition=region.partition("/")[0],
            country="CN" if "/cn-" in region else "US",
            types=tuple(sorted(types.values())),
        )
        for region, types in sorted(sold.items())
        if types
    )
