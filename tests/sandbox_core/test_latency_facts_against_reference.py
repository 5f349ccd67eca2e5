"""The table of facts carries the figures of the collected logs over unchanged."""

import csv
import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

from model.facts.operation_latency import BY_OPERATION

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def collected() -> Path:
    root = Path(os.environ.get("DUOYUN_REFERENCE_DATA") or REPOSITORY / ".." / "shared" / "data")
    path = root / "clouds" / "operation_latency.csv"
    if not path.exists():
        pytest.skip("operation_latency.csv of the reference data is not here")
    return path


@pytest.fixture
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("latency_tool", REPOSITORY / "tools/facts/operation_latency.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.reference
def test_the_table_is_what_the_tool_makes_of_the_collected_one(collected: Path, tool: ModuleType) -> None:
    assert tool.OUT.read_text(encoding="utf-8") == tool.build(collected)


@pytest.mark.reference
def test_samples_equal_the_collected_ones(collected: Path, tool: ModuleType) -> None:
    with collected.open(encoding="utf-8") as file:
        found = {row["step"]: row for row in csv.DictReader(file)}
    for operation, (steps, _source) in tool.STEPS.items():
        fact = BY_OPERATION[operation]
        assert not fact.assumed
        if len(steps) == 1 and ";" in found[steps[0]]["samples_s"]:
            step = found[steps[0]]
            assert fact.samples_s == tuple(float(s) for s in step["samples_s"].split(";")), operation
            if step["median_s"]:
                assert fact.median_s == pytest.approx(float(step["median_s"]), rel=0.01), operation
