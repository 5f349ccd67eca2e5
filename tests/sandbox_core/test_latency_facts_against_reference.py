"""The table of facts carries the figures of the collected logs over unchanged."""

import csv
import os
from pathlib import Path
from statistics import median

import pytest

from model.facts.operation_latency import BY_OPERATION

ROWS = {
    "EKS control plane create": "aws.cluster.create",
    "EKS managed node group": "aws.nodepool.create",
    "EKS node ready (tuned/untuned)": "node.join",
    "AKS cluster create": "azure.cluster.create",
    "ACK managed cluster create": "alibaba.cluster.create",
    "EC2 instance create": "aws.vm.create",
    "Azure Linux VM create": "azure.vm.create",
    "Alibaba ECS create": "alibaba.vm.create",
    "AWS ALB/NLB create": "aws.loadbalancer.create",
    "Image pull CN registry": "image.pull.cn",
}


@pytest.mark.reference
def test_samples_equal_the_collected_ones() -> None:
    root = Path(os.environ.get("DUOYUN_REFERENCE_DATA") or Path(__file__).resolve().parents[2] / ".." / "shared/data")
    path = root / "clouds" / "operation_latency.csv"
    if not path.exists():
        pytest.skip("operation_latency.csv of the reference data is not here")
    with path.open(encoding="utf-8") as file:
        found = {row["step"]: row for row in csv.DictReader(file)}
    for step, operation in ROWS.items():
        collected = found[step]["samples_s"]
        samples = tuple(float(s) for s in collected.split(";") if s)
        fact = BY_OPERATION[operation]
        assert fact.samples_s == samples, step
        given = found[step]["median_s"]
        assert fact.median_s == pytest.approx(float(given) if given else median(samples), rel=0.01), step
