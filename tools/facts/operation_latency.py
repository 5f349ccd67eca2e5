"""Makes model/facts/tables/operation_latency.csv: how long creating things takes in real clouds.

Run by hand: `python tools/facts/operation_latency.py ../shared/data/clouds/operation_latency.csv`. The samples are
those of the collected table, unchanged; the operation's name and the source's wording are given here. Operations for
which nothing was collected come from operation_defaults.csv beside this file, by hand, each with its reason.
Its output is committed; nothing imports this but the test that compares both.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
OUT = HERE.parents[1] / "model" / "facts" / "tables" / "operation_latency.csv"
DEFAULTS = HERE / "operation_defaults.csv"
COLUMNS = ("operation", "median_s", "samples_s", "assumed", "source")

STEPS: dict[str, tuple[tuple[str, ...], str]] = {
    "aws.cluster.create": (
        ("EKS control plane create",),
        "EKS control plane: ten public Terraform logs (`aws_eks_cluster.this[0]: Creation complete after`) and "
        "DevopsArtFactory/terraform-provisioning#46",
    ),
    "aws.nodepool.create": (
        ("EKS managed node group",),
        "EKS managed node group: public Terraform logs (`aws_eks_node_group.this[0]: Creation complete`); one is a "
        "failure-like tail of 33 minutes",
    ),
    "node.join": (
        ("EKS node ready (tuned/untuned)",),
        "EKS node ready, tuned and untuned: kube.fm, faster EKS node and pod startup",
    ),
    "azure.cluster.create": (
        ("AKS cluster create",),
        "AKS: public Terraform logs (`azurerm_kubernetes_cluster.aks: Creation complete`)",
    ),
    "azure.nodepool.create": (
        ("AKS extra node pool",),
        "AKS extra node pool: agones-dev/agones#2165, log cut off at 160 s",
    ),
    "alibaba.cluster.create": (
        ("ACK managed cluster create",),
        "ACK managed: Alibaba Cloud's documented Terraform examples (`managed_kubernetes.default`)",
    ),
    "aws.vm.create": (
        ("EC2 instance create",),
        "EC2: public Terraform logs (`aws_instance.web: Creation complete after`), some of them illustrative",
    ),
    "azure.vm.create": (
        ("Azure Linux VM create",),
        "Azure Linux VM: public Terraform logs (`azurerm_linux_virtual_machine.vm: Creation complete`)",
    ),
    "alibaba.vm.create": (
        ("Alibaba ECS create",),
        "ECS: documented Terraform example (`alicloud_instance.instance`)",
    ),
    "aws.loadbalancer.create": (
        ("AWS ALB/NLB create",),
        "ALB and NLB: public Terraform logs (`aws_lb.this[0]: Creation complete after`), DataBiosphere/azul#5780",
    ),
    "aws.loadbalancer.register": (
        ("NLB target registration to usable",),
        "NLB target to usable: kubernetes-sigs/aws-load-balancer-controller#1786 (4 to 5 min), blog.wayne.wiki (180 s)",
    ),
    "azure.loadbalancer.create": (
        ("Azure LB on new AKS (bad case)",),
        "Azure LB on a new AKS, a bad case: Azure/AKS#1521",
    ),
    "aws.dns.create": (
        ("Route 53 record (terraform waits INSYNC)",),
        "Route 53 record until INSYNC: public Terraform log",
    ),
    "image.pull": (
        ("Image pull 77 MB", "Image pull 55 MB"),
        "77 MB in 0.93 s and 55 MB in 10.8 s: public kubelet events (docker.io)",
    ),
    "image.pull.cn": (
        ("Image pull CN registry",),
        "public kubelet events (registry.cn-hangzhou)",
    ),
}
"""Operation of the sandbox -> steps of the collected table, and our words for where they come from."""


def samples(text: str) -> tuple[float, ...]:
    """`503;652`, `180-300` and `10.8` are samples; of `>160` only the bound is known, so there is none."""
    return () if text.startswith(">") else tuple(float(n) for n in re.findall(r"\d+(?:\.\d+)?", text))


def collected(rows: dict[str, dict[str, str]]) -> list[tuple[str, ...]]:
    """The rows that rest on the collected table. KeyError where it has no such step."""
    made = []
    for operation, (steps, source) in STEPS.items():
        found = tuple(s for step in steps for s in samples(rows[step]["samples_s"]))
        middle = median(found) if found else float(rows[steps[0]]["min_s"])
        made.append((operation, f"{middle:g}", ";".join(f"{s:g}" for s in found), "0", source))
    return made


def build(path: Path) -> str:
    """The table as text."""
    with path.open(encoding="utf-8") as file:
        rows = {row["step"]: row for row in csv.DictReader(file)}
    with DEFAULTS.open(encoding="utf-8") as file:
        assumed = [(r["operation"], r["median_s"], "", "1", r["source"]) for r in csv.DictReader(file)]
    lines = [",".join(COLUMNS)]
    for row in [*collected(rows), *assumed]:
        lines.append(",".join(f'"{cell}"' if "," in cell else cell for cell in row))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    OUT.write_text(build(Path(sys.argv[1])), encoding="utf-8")
