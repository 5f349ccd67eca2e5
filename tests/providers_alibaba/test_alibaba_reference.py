"""The adapter and the sandbox against what others recorded of Alibaba Cloud, and against our own facts.

Requests and answers against the cloud's descriptions: tests/conformance.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from model.facts import catalogue as facts
from model.resources import Instance, Kind, State
from providers.alibaba.common import References
from providers.alibaba.instances import Instances, image_role
from providers.alibaba.session import Session
from sandbox.alibaba import catalogue
from sandbox.alibaba.pools import allocatable
from sandbox.alibaba.wire import ApiError

ROOT = Path(os.environ.get("DUOYUN_REFERENCE_DATA") or Path(__file__).parents[3] / "shared" / "data")
ALIBABA = ROOT / "clouds" / "alibaba"
reference = pytest.mark.reference
needs_data = pytest.mark.skipif(not ALIBABA.is_dir(), reason="../shared/data/clouds/alibaba is not there")


# -- recordings ------------------------------------------------------------------------------------------------


def recording(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((ALIBABA / "recorded_ecs_dashboard" / f"{name}.json").read_text())
    return data


def recorded_rows(name: str, plural: str, single: str) -> list[dict[str, Any]]:
    """Over all recorded answers that have such rows."""
    return [row for part in recording(name).values() if plural in part for row in part[plural][single]]


class Verbatim(References):
    """Ids stand for themselves."""

    def name(self, kind: Kind, region: str, provider_id: str, call: Any) -> str:
        return provider_id


@reference
@needs_data
def test_recorded_instances_can_be_read(sandbox: Any, region: Any) -> None:
    adapter = Instances(Session(sandbox.account()), Verbatim())
    rows = recorded_rows("DescribeInstances", "Instances", "Instance")
    disks = {
        disk["InstanceId"]: disk for disk in recorded_rows("DescribeDisks", "Disks", "Disk") if disk["Type"] == "system"
    }
    states = set()
    for row in rows:
        seen = adapter.observe(row["RegionId"], {**row, "disk": disks.get(row["InstanceId"], {})}, region.call())
        assert isinstance(seen.resource, Instance)
        assert (seen.provider_id, seen.resource.zone) == (row["InstanceId"], row["ZoneId"])
        assert seen.resource.instance_type.startswith("ecs.")
        assert seen.resource.disk_gib == disks.get(row["InstanceId"], {}).get("Size", 0)
        states.add(seen.state)
    print(f"reference: {len(rows)}/{len(rows)} recorded instances read")
    assert len(rows) == 43
    assert State.READY in states


@reference
@needs_data
def test_the_sandbox_shows_instances_like_the_recorded_ones(region: Any) -> None:
    rows = recorded_rows("DescribeInstances", "Instances", "Instance")
    known = {key: type(value) for row in rows for key, value in row.items()}
    region.base()
    region.make(region.instance())
    answer = region.provider._session.rpc("Ecs", "DescribeInstances", region.region, region.call())
    (ours,) = answer["Instances"]["Instance"]
    missing = {k for k, v in ours.items() if known.get(k) is not type(v)}
    print(f"reference: {len(ours) - len(missing)}/{len(ours)} fields as recorded; {len(known)} were recorded")
    assert missing == set()


@reference
@needs_data
def test_regions_and_images_are_the_recorded_ones() -> None:
    regions = recording("DescribeRegions")["REGIONS"]["Regions"]["Region"]
    recorded_ids = {r["RegionId"] for r in regions}
    known = {r for r in recorded_ids if r in catalogue._REGIONS}
    print(f"reference: {len(known)}/{len(recorded_ids)} recorded regions known")
    assert recorded_ids - known == {"ap-southeast-2", "ap-south-1"}  # Sydney and Mumbai were closed since
    system = {
        i["ImageId"] for i in recorded_rows("DescribeImages", "Images", "Image") if i["ImageOwnerAlias"] == "system"
    }
    for image_id in system:
        assert re.fullmatch(r"[a-z]+-[\d.]+", image_role(image_id)) or ".vhd" not in image_id


@reference
@needs_data
def test_instance_types_are_the_listed_ones() -> None:
    """Sizes by name, for the families that the sandbox knows."""
    import csv

    right, wrong, unknown = 0, [], 0
    with (ROOT / "scheduler" / "alicloud_prices_CNY_2024-10.csv").open(encoding="utf-8") as file:
        rows = {r["instance"]: r for r in csv.DictReader(file)}
    for name, row in rows.items():
        try:
            kind = catalogue.instance_type(name)
        except ApiError:
            unknown += 1
            continue
        as_listed = (float(row["vcpu"]), float(row["memory_gib"]) * 1024) == (kind.vcpus, kind.memory_mib)
        right += as_listed
        if not as_listed:
            wrong.append(name)
    print(f"reference: {right}/{len(rows)} listed instance types, {unknown} of families that the sandbox has not")
    # Sizes of 13, 26 and 52 times xlarge have 4 GiB per 8 less than their family's rule.
    assert all(re.search(r"\.(1[03]|14|18|2[06]|52|1[0-9])xlarge", name) for name in wrong), wrong


def test_the_sandbox_agrees_with_the_facts_that_placement_uses() -> None:
    """Otherwise a placement that fits on paper would not fit on the sandbox's nodes."""
    types = 0
    for partition in (catalogue.CHINA, catalogue.ABROAD):
        for region in facts.regions(partition):
            assert set(region.zones) <= set(catalogue.zones(region.region))
            for fact in facts.instance_types(partition, region.region):
                kind = catalogue.instance_type(fact.name)
                assert (kind.vcpus, kind.memory_mib, kind.pods) == (fact.vcpu, fact.memory_mib, fact.max_pods)
                assert allocatable(kind) == (fact.allocatable_cpu_millicores, fact.allocatable_memory_mib)
                assert (kind.architecture == "ARM") == (fact.arch == "arm64")
                types += 1
    assert types > 100
