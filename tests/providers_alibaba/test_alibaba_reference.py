"""What we send and what the sandbox answers, against Alibaba Cloud's own descriptions and recordings."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
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
OURS = ("ecs", "vpc", "cs")
# In no description, but in every RPC request: the gateway's own.
GATEWAY = {"RegionId", "ClientToken"}

reference = pytest.mark.reference
needs_data = pytest.mark.skipif(not ALIBABA.is_dir(), reason="../shared/data/clouds/alibaba is not there")


# -- reading the descriptions ----------------------------------------------------------------------------------


def meta() -> dict[str, set[str]]:
    """`ecs.RunInstances` -> names of its parameters; those of nested ones as `Tag.Key`."""
    found = {}
    for path in sorted((ALIBABA / "openapi_meta").glob("*.json")):
        if path.name.split(".")[0] not in OURS:
            continue
        names = set()
        for p in json.loads(path.read_text())["parameters"]:
            names.add(p["name"])
            names |= {f"{p['name']}.{s['name']}" for s in p.get("sub_parameters") or ()}
        found[path.stem] = names
    return found


class Tea:
    """The models of one .tea file: a field is a type name, a list of one type, or a dict of fields."""

    def __init__(self, path: Path) -> None:
        text = re.sub(r"'(?:[^'\\]|\\.)*'", lambda m: m[0] if re.fullmatch(r"'\w+'", m[0]) else "''", path.read_text())
        self._tokens = re.findall(r"'\w*'|[A-Za-z_][\w.]*|[{}\[\]():?=,]|\S", text)
        self._at = 0
        self.models: dict[str, Any] = {}
        while self._at < len(self._tokens):
            self._take("model")
            name = self._next()
            if self._peek() == "=":
                self._next()
            self.models[name] = self._fields()

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, wanted: str) -> None:
        assert self._next() == wanted, f"{wanted} expected before {self._tokens[self._at : self._at + 5]}"

    def _fields(self) -> dict[str, Any]:
        self._take("{")
        fields: dict[str, Any] = {}
        while self._peek() != "}":
            if self._peek() == ",":
                self._next()
                continue
            self._next()
            if self._peek() == "?":
                self._next()
            self._take(":")
            kind = self._type()
            fields[self._wire_name()] = kind
        self._next()
        return fields

    def _type(self) -> Any:
        if self._peek() == "{":
            return self._fields()
        if self._peek() == "[":
            self._next()
            inner = self._type()
            if self._peek() == "(":
                self._skip_parentheses()
            self._take("]")
            return [inner]
        name = self._next()
        if name == "map":
            self._take("[")
            self._next()
            self._take("]")
            self._next()
        return name

    def _wire_name(self) -> str:
        start = self._at
        self._skip_parentheses()
        words = self._tokens[start : self._at]
        return words[words.index("name") + 2].strip("'")

    def _skip_parentheses(self) -> None:
        self._take("(")
        depth = 1
        while depth:
            depth += {"(": 1, ")": -1}.get(self._next(), 0)


def tea() -> dict[str, Tea]:
    return {path.stem: Tea(path) for path in sorted((ALIBABA / "tea").glob("*.tea"))}


_JSON = {
    "string": str,
    "boolean": bool,
    "int32": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
}


def problems(value: Any, kind: Any, where: str) -> list[str]:
    """What in an answer is not as described: unknown fields and wrong types."""
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        unknown = [f"{where}.{k} is not described" for k in value if k not in kind]
        return unknown + [p for k, v in value.items() if k in kind for p in problems(v, kind[k], f"{where}.{k}")]
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [p for item in value for p in problems(item, kind[0], f"{where}[]")]
    wanted: Any = _JSON.get(kind)
    if wanted is not None and (not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool)):
        return [f"{where} is {type(value).__name__}, described as {kind}"]
    return []


# -- recording what goes over the wire -------------------------------------------------------------------------


class Recorder:
    """Every executed request with its answer."""

    def __init__(self, server: Any) -> None:
        self.sent: list[tuple[str, Mapping[str, str], Mapping[str, Any], Any]] = []
        execute = server._execute

        def recording(raw: Any, action: Any, path: Any, caller: Any, request_id: str) -> Any:
            answer = execute(raw, action, path, caller, request_id)
            body = {} if raw.is_rpc else raw.json_body()
            self.sent.append((f"{action.service.lower()}.{action.name}", raw.params().values, body, answer))
            return answer

        server._execute = recording


_RECORDED: list[Recorder] = []  # one life is enough for all tests of this file


@pytest.fixture
def recorded(sandbox: Any, region: Any, rule: Any) -> Recorder:
    """A fleet's whole life, recorded."""
    if _RECORDED:
        return _RECORDED[0]
    recorder = Recorder(sandbox.server)
    region.make(region.network(), region.subnet(), region.group(rule(443)))
    region.make(region.instance(), region.cluster(firewall_group="web"), region.pool())
    call, p = region.call, region.provider
    group = p.get(region.at(Kind.FIREWALL_GROUP, "web"), call())
    p.update(group, region.group(), call("k"))
    cluster = p.get(region.at(Kind.CLUSTER, "main"), call())
    p.cluster_access(cluster, call())
    p.update(cluster, region.cluster(firewall_group="web", public_endpoint=False), call("k"))
    p.wait_ready(cluster.address, call())
    pool = p.get(region.at(Kind.NODE_POOL, "h-g7"), call())
    p.update(pool, region.pool(count=3, tags={"a": "b"}), call("k"))
    for kind, name in ((Kind.NODE_POOL, "h-g7"), (Kind.CLUSTER, "main"), (Kind.INSTANCE, "gate-0")):
        seen = p.get(region.at(kind, name), call())
        p.delete(seen, call("k"))
        p.wait_gone(seen.address, call())
    p.delete(group, call("k"))
    resource = {"DestinationResource": "InstanceType"}
    for action, params in (("DescribeRegions", {}), ("DescribeZones", {}), ("DescribeAvailableResource", resource)):
        p._session.rpc("Ecs", action, region.region, call(), params)
    _RECORDED.append(recorder)
    return recorder


def base_name(parameter: str) -> str:
    """`Tag.2.Key` -> `Tag.Key`, `InstanceId.1` -> `InstanceId`."""
    return re.sub(r"\.\d+(?=\.|$)", "", parameter)


@reference
@needs_data
def test_our_parameters_are_the_documented_ones(recorded: Recorder) -> None:
    described, models, checked, sent = meta(), tea(), set(), 0
    for action, params, body, _ in recorded.sent:
        if action not in described:
            continue
        checked.add(action)
        names = described[action]
        for parameter in map(base_name, params):
            sent += 1
            # Permissions is described as an array without its parts, and SystemDisk as a structure.
            open_ended = parameter.partition(".")[0] in ("Permissions", "SystemDisk") and names
            assert parameter in names or parameter in GATEWAY or open_ended, f"{action} has no {parameter}"
        request = models[action].models.get(f"{action.split('.')[1]}Request") if action in models else None
        if body and request is not None:
            assert problems(body, request, action) == []
    total = {a for a in described if not a.endswith(("Price", "LaunchTemplate", "StopInstances", "StartInstances"))}
    print(f"reference: requests of {len(checked)}/{len(described)} described actions, {sent} parameters checked")
    # Not used by the adapter: prices, launch templates, stock, regions and zones, and what starts and stops.
    assert len(checked) >= 20, sorted(total - checked)


@reference
@needs_data
def test_the_sandbox_answers_as_described(recorded: Recorder) -> None:
    models, checked, wrong = tea(), set(), []
    for action, _, _, answer in recorded.sent:
        described = models.get(action)
        if described is None:
            continue
        kind = described.models[f"{action.split('.')[1]}ResponseBody"]
        checked.add(action)
        body = {k: v for k, v in answer.items() if k not in ("RequestId", "request_id")}
        wrong += problems(body, kind, action)
    print(f"reference: answers of {len(checked)}/{len(models)} described actions")
    assert sorted(set(wrong)) == []
    assert len(checked) >= len(models) - 2, sorted(set(models) - checked)  # DescribePrice, ScaleClusterNodePool


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
def test_the_sandbox_shows_instances_like_the_recorded_ones(recorded: Recorder) -> None:
    rows = recorded_rows("DescribeInstances", "Instances", "Instance")
    known = {key: type(value) for row in rows for key, value in row.items()}
    ours = next(
        answer["Instances"]["Instance"][0]
        for action, _, _, answer in recorded.sent
        if action == "ecs.DescribeInstances" and answer["Instances"]["Instance"]
    )
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
