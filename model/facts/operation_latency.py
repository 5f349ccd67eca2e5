"""How long creating things takes in real clouds, in seconds: facts with their source, for the sandbox's timing.

Callers: sandbox.timing (profile `realistic`). The rows lie in tables/operation_latency.csv, which
tools/facts/operation_latency.py makes from the collected public logs. Non-goal: a forecast; several rows rest on one or
two logs. samples_s are single durations as they were logged; empty where only a figure was published. Rows with
`assumed=True` have no public figure: they are documented defaults, derived as their source says.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from statistics import median, stdev

DEFAULT_SIGMA = 0.35
"""Spread of ln(duration) where fewer than three samples exist; EKS, AKS and EC2 samples lie between 0.1 and 0.9."""
TABLE = "operation_latency.csv"


@dataclass(frozen=True)
class OperationLatency:
    """One operation of the sandbox's timing table. median_s is the published or computed median."""

    operation: str
    median_s: float
    samples_s: tuple[float, ...]
    source: str
    assumed: bool = False

    @cached_property
    def mu(self) -> float:
        """Location of the log-normal: the logarithm of its median (robust: one failed run does not move it)."""
        return math.log(median(self.samples_s) if self.samples_s else self.median_s)

    @cached_property
    def sigma(self) -> float:
        """Scale of the log-normal: sample standard deviation of ln(samples), or DEFAULT_SIGMA."""
        if len(self.samples_s) < 3:
            return DEFAULT_SIGMA
        return stdev(math.log(s) for s in self.samples_s)


def _read() -> tuple[OperationLatency, ...]:
    text = files("model.facts").joinpath("tables", TABLE).read_text(encoding="utf-8")
    return tuple(
        OperationLatency(
            row["operation"],
            float(row["median_s"]),
            tuple(float(s) for s in row["samples_s"].split(";") if s),
            row["source"],
            row["assumed"] == "1",
        )
        for row in csv.DictReader(text.splitlines())
    )


ROWS = _read()
BY_OPERATION = {row.operation: row for row in ROWS}
DEFAULT = OperationLatency("*", 2.0, (), "no public figure: small objects (networks, rules) within seconds", True)


def latency_of(operation: str) -> OperationLatency:
    """The row of an operation, else DEFAULT."""
    return BY_OPERATION.get(operation, DEFAULT)
