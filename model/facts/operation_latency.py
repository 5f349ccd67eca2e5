"""How long creating things takes in real clouds, in seconds: facts with their source, for the sandbox's timing.

Callers: sandbox.timing (profile `realistic`). Non-goal: a forecast; several rows rest on one or two public logs.
samples_s are single durations as they were logged; an empty tuple means that only a figure was published.
Rows with `assumed=True` have no public figure: they are documented defaults, derived as their source says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median, stdev

DEFAULT_SIGMA = 0.35
"""Spread of ln(duration) where fewer than three samples exist; EKS, AKS and EC2 samples lie between 0.1 and 0.9."""


@dataclass(frozen=True, slots=True)
class OperationLatency:
    """One operation of the sandbox's timing table. median_s is the published or computed median."""

    operation: str
    median_s: float
    samples_s: tuple[float, ...]
    source: str
    assumed: bool = False

    @property
    def mu(self) -> float:
        """Location of the log-normal: the logarithm of its median."""
        return math.log(median(self.samples_s) if self.samples_s else self.median_s)

    @property
    def sigma(self) -> float:
        """Scale of the log-normal: sample standard deviation of ln(samples), or DEFAULT_SIGMA."""
        if len(self.samples_s) < 3:
            return DEFAULT_SIGMA
        return stdev(math.log(s) for s in self.samples_s)


def _row(operation: str, median_s: float, samples_s: tuple[float, ...], source: str) -> OperationLatency:
    return OperationLatency(operation, median_s, samples_s, source)


def _assumed(operation: str, median_s: float, source: str) -> OperationLatency:
    return OperationLatency(operation, median_s, (), source, assumed=True)


ROWS: tuple[OperationLatency, ...] = (
    _row(
        "aws.cluster.create", 612, (503, 652, 546, 663, 623, 622, 564, 612, 683, 535, 513),
        "EKS control plane: ten public Terraform logs (`aws_eks_cluster.this[0]: Creation complete after`) and "
        "DevopsArtFactory/terraform-provisioning#46",
    ),
    _row(
        "aws.nodepool.create", 124.5, (108, 119, 201, 89, 130, 1979, 179, 88),
        "EKS managed node group: public Terraform logs (`aws_eks_node_group.this[0]: Creation complete`); "
        "one is a failure-like tail of 33 minutes",
    ),
    _row("node.join", 55, (45, 65), "EKS node ready, tuned and untuned: kube.fm, faster EKS node and pod startup"),
    _row(
        "azure.cluster.create", 367.5, (219, 229, 450, 923, 258, 285, 504, 900),
        "AKS: public Terraform logs (`azurerm_kubernetes_cluster.aks: Creation complete`)",
    ),
    _row("azure.nodepool.create", 160, (), "AKS extra node pool: agones-dev/agones#2165, log cut off at 160 s"),
    _row(
        "alibaba.cluster.create", 506, (512, 506, 348),
        "ACK managed: Alibaba Cloud's documented Terraform examples (`managed_kubernetes.default`)",
    ),
    _row(
        "aws.vm.create", 20.5, (25, 12, 32, 32, 16, 30, 42, 16, 10, 12),
        "EC2: public Terraform logs (`aws_instance.web: Creation complete after`), some of them illustrative",
    ),
    _row(
        "azure.vm.create", 49, (48, 27, 60, 49, 53, 113, 47),
        "Azure Linux VM: public Terraform logs (`azurerm_linux_virtual_machine.vm: Creation complete`)",
    ),
    _row("alibaba.vm.create", 15, (15,), "ECS: documented Terraform example (`alicloud_instance.instance`)"),
    _row(
        "aws.loadbalancer.create", 157, (172, 142, 139, 174),
        "ALB and NLB: public Terraform logs (`aws_lb.this[0]: Creation complete after`), DataBiosphere/azul#5780",
    ),
    _row(
        "aws.loadbalancer.register", 240, (180, 300),
        "NLB target to usable: kubernetes-sigs/aws-load-balancer-controller#1786 (4 to 5 min), blog.wayne.wiki (180 s)",
    ),
    _row("azure.loadbalancer.create", 900, (600, 1200), "Azure LB on a new AKS, a bad case: Azure/AKS#1521"),
    _row("aws.dns.create", 35, (35,), "Route 53 record until INSYNC: public Terraform log"),
    _row("image.pull", 5.9, (0.93, 10.8), "77 MB in 0.93 s and 55 MB in 10.8 s: public kubelet events (docker.io)"),
    _row(
        "image.pull.cn", 11.8, (6.6, 11.0, 34.1, 127, 12.6, 0.28),
        "public kubelet events (registry.cn-hangzhou)",
    ),
    _assumed("alibaba.nodepool.create", 124.5, "no public figure: as the EKS managed node group"),
    _assumed("aws.cluster.delete", 200, "no public figure: a third of creating it"),
    _assumed("azure.cluster.delete", 120, "no public figure: a third of creating it"),
    _assumed("alibaba.cluster.delete", 170, "no public figure: a third of creating it"),
    _assumed("aws.nodepool.delete", 125, "no public figure: as long as creating it"),
    _assumed("azure.nodepool.delete", 160, "no public figure: as long as creating it"),
    _assumed("alibaba.nodepool.delete", 125, "no public figure: as long as creating it"),
    _assumed("aws.nodepool.update", 60, "no public figure: about one node join"),
    _assumed("azure.nodepool.update", 60, "no public figure: about one node join"),
    _assumed("alibaba.nodepool.update", 60, "no public figure: about one node join"),
    _assumed("aws.cluster.update", 300, "no public figure: half of creating it"),
    _assumed("azure.cluster.update", 180, "no public figure: half of creating it"),
    _assumed("alibaba.cluster.update", 250, "no public figure: half of creating it"),
    _assumed("aws.vm.delete", 30, "no public figure: about as long as creating it"),
    _assumed("azure.vm.delete", 45, "no public figure: about as long as creating it"),
    _assumed("alibaba.vm.delete", 15, "no public figure: about as long as creating it"),
    _assumed("alibaba.vm.start", 15, "no public figure: as long as creating it"),
    _assumed("alibaba.vm.stop", 15, "no public figure: as long as creating it"),
    _assumed("azure.vm.update", 30, "no public figure: half of creating it"),
    _assumed("kubernetes.loadbalancer.create", 157, "no public figure for a Service: as AWS's ALB and NLB"),
    _assumed("container.start", 0.5, "no public figure: starting a container whose image is there"),
)  # fmt: skip

BY_OPERATION = {row.operation: row for row in ROWS}
DEFAULT = OperationLatency("*", 2.0, (), "no public figure: small objects (networks, rules) within seconds", True)


def latency_of(operation: str) -> OperationLatency:
    """The row of an operation, else DEFAULT."""
    return BY_OPERATION.get(operation, DEFAULT)
