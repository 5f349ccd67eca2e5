"""`duoyun survey` on a sandbox that scripts filled which know nothing of duoyun, with each cloud's and Kubernetes' SDK.

One fill and one survey serve all the tests; a state is written as `terraform show -json` writes it.
"""

from __future__ import annotations

import importlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from model.errors import InvalidInput
from model.exit_codes import ExitCode
from model.resources import Address, Cluster, Kind, Network, Observed
from orchestrator.terraform_state import read_states

VPCS = {"aws": "aws_vpc", "azure": "azurerm_virtual_network", "alibaba": "alicloud_vpc"}
EIPS = {"aws": "aws_eip", "azure": "azurerm_public_ip", "alibaba": "alicloud_eip_address"}
COUNTRY = "CN"


def state_of(*rows: tuple[str, str, dict[str, Any]]) -> str:
    """(type, name, values) as a state with a module, as terraform 1.9 writes it."""
    resources = [
        {"address": f"module.base.{type_}.{name}", "mode": "managed", "type": type_, "name": name, "values": values}
        for type_, name, values in rows
    ]
    module = {"address": "module.base", "resources": resources}
    values = {"root_module": {"resources": [], "child_modules": [module]}}
    return json.dumps({"format_version": "1.0", "terraform_version": "1.9.8", "values": values})


def listed(site: Any, kind: Kind) -> dict[str, Observed]:
    """By the cloud's id."""
    return {o.provider_id: o for o in site.provider.list(kind, site.cloud.region, site.call())}


@pytest.fixture(scope="module")
def filled(sites: Any, theirs: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a fleet, the endpoints, and each cloud's state."""
    folder = tmp_path_factory.mktemp("survey")
    for cloud, site in sites.items():
        site.base(Kind.NETWORK)
        site.cloud.stranger.network(site.account, site.cloud.region, "in-state")
        site.cloud.stranger.network(site.account, site.cloud.region, "in-nothing")
        more = importlib.import_module(f"tools.conformance.strangers.{cloud}").MORE
        known = listed(site, Kind.PUBLIC_IP)
        more.strangers[Kind.PUBLIC_IP](site.account, site.cloud.region, "surveyed1")
        address = next(iter(listed(site, Kind.PUBLIC_IP).keys() - known.keys()))
        network = next(o for o in listed(site, Kind.NETWORK).values() if o.address.name == "in-state")
        gone = {"azure": network.provider_id.replace("in-state", "long-gone")}.get(cloud, "vpc-0long9gone")
        rows = (
            (VPCS[cloud], "main", {"id": network.provider_id, "name": "in-state"}),
            (EIPS[cloud], "egress", {"id": address, "tags": {}}),
            (VPCS[cloud], "gone", {"id": gone, "secret": "never-print-this-91ab"}),
        )
        (folder / f"{cloud}.json").write_text(state_of(*rows), encoding="utf-8")
    accounts, regions = [], []
    for site in sites.values():
        account = {"name": site.account.name, "partition": site.cloud.partition}
        accounts.append({**account, "account_id": site.account.account_id, "endpoint": "sandbox"})
        zones = [{"zone": site.cloud.zones[0], "subnet_cidr": "10.0.0.0/20"}]
        network = {"name": "main", "cidr": "10.0.0.0/16"}
        place = {"account": site.account.name, "region": site.cloud.region, "country": COUNTRY}
        regions.append({**place, "zones": zones, "network": network})
    spec = {"accounts": accounts, "regions": regions}
    whole = {"apiVersion": "duoyun.dev/v1", "kind": "Fleet", "metadata": {"name": "contract"}, "spec": spec}
    (folder / "fleet.yaml").write_text(json.dumps(whole), encoding="utf-8")
    endpoints = json.dumps(next(iter(sites.values())).running.endpoints)
    (folder / "endpoints.json").write_text(endpoints, encoding="utf-8")
    return folder


@pytest.fixture
def at(filled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("DUOYUN_SANDBOX", str(filled / "endpoints.json"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")  # no name is cut
    yield filled


def states(folder: Path) -> list[str]:
    return [word for cloud in VPCS for word in ("--terraform-state", str(folder / f"{cloud}.json"))]


def asked(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
    code = run(["-o", "json", "survey", *args])
    return code, json.loads(capsys.readouterr().out)


def test_everything_is_listed_once_with_who_manages_it(
    at: Path, sites: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {cloud: site.inventory() for cloud, site in sites.items()}
    code, data = asked(capsys, "--fleet", str(at), *states(at))
    assert code == ExitCode.OK, data["unknown"]
    rows = data["resources"]
    assert [a for a, n in Counter(row["address"] for row in rows).items() if n > 1] == []
    who = {(r["partition"], r["kind"], r["name"]): [(m["by"], m["what"]) for m in r["managed_by"]] for r in rows}
    for cloud, site in sites.items():
        part = site.cloud.partition
        assert who[part, "network", "in-state"] == [("terraform", f"module.base.{VPCS[cloud]}.main")]
        egress = ("terraform", f"module.base.{EIPS[cloud]}.egress")
        assert [k for (p, k, _n), by in who.items() if p == part and egress in by] == ["public_ip"]
        assert who[part, "network", "in-nothing"] == [("nobody", "")]
        assert who[part, "network", site.base(Kind.NETWORK)] == [("duoyun", "contract")]
        gone = [m for m in data["unmatched"] if m["file"].endswith(f"/{cloud}.json")]
        assert [m["address"] for m in gone] == [f"module.base.{VPCS[cloud]}.gone"]
    cluster = sites["aws"].base(Kind.CLUSTER)
    inside = {n.rsplit("/", 1)[-1]: by for (p, k, n), by in who.items() if n.startswith(f"{cluster}/theirs/")}
    assert inside == {
        "by-helm": [("helm", "theirs/shop")],
        "by-old-helm": [("helm", "theirs/old")],
        "by-argo": [("argocd", "")],
        "by-hand": [("nobody", "")],
    }
    assert not [n for _p, kind, n in who if kind == "kubernetes_object" and "/kube-" in n]
    assert sum(data["counts"].values()) == len(rows)
    assert "never-print-this-91ab" not in json.dumps(data)
    assert {cloud: site.inventory() for cloud, site in sites.items()} == before
    assert not list(Path(os.environ["XDG_STATE_HOME"]).glob("**/state.db"))


def test_the_table_can_be_narrowed_and_says_what_the_states_hold_besides(
    at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["survey", "--fleet", str(at), *states(at), "--by", "terraform"]) == 0
    out = capsys.readouterr().out
    assert "terraform module.base.aws_vpc.main" in out
    assert "in-nothing" not in out
    assert "in a state, not seen here: module.base.alicloud_vpc.gone" in out
    assert "nobody" in out  # in the counts


def test_what_cannot_be_listed_is_unknown_and_exits_75(
    at: Path, sites: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    site = sites["alibaba"]
    site.fault("vpc:DescribeVpcs", error="forbidden", count=-1)
    try:
        code, data = asked(capsys, "--fleet", str(at))
    finally:
        site.running.sandbox.faults.clear()
    assert code == ExitCode.TEMPORARY
    unknown = [(row["where"], row["kind"]) for row in data["unknown"]]
    assert (f"alibaba-cn/{site.account.account_id}/cn-hangzhou", "network") in unknown
    assert any(r["partition"] == "aws-cn" and r["kind"] == "network" for r in data["resources"])


def test_another_fleets_cluster_is_looked_into(
    at: Path, sites: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fleet = json.loads((at / "fleet.yaml").read_text(encoding="utf-8"))
    fleet["metadata"]["name"] = "another"
    for keep in ("accounts", "regions"):
        fleet["spec"][keep] = fleet["spec"][keep][:1]
    (tmp_path / "fleet.yaml").write_text(json.dumps(fleet), encoding="utf-8")
    code, data = asked(capsys, "--fleet", str(tmp_path))
    assert code == ExitCode.OK, data["unknown"]
    cluster = sites["aws"].base(Kind.CLUSTER)
    who = {r["name"]: [m["what"] for m in r["managed_by"]] for r in data["resources"]}
    assert who[cluster] == ["contract"]
    assert f"{cluster}/theirs/ConfigMap/by-hand" in who


def test_a_wrong_secret_leaves_the_other_accounts_listed(
    at: Path, sites: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fleet = json.loads((at / "fleet.yaml").read_text(encoding="utf-8"))
    fleet["spec"]["accounts"][1]["credential"] = {"env_prefix": "WRONG"}
    monkeypatch.setenv("WRONG_SECRET_ACCESS_KEY", "not-the-secret")
    for keep in ("accounts", "regions"):
        fleet["spec"][keep] = fleet["spec"][keep][1:]
    path = tmp_path / "fleet.yaml"
    path.write_text(json.dumps(fleet), encoding="utf-8")
    code, data = asked(capsys, "--fleet", str(path))
    assert code == ExitCode.TEMPORARY
    assert {row["where"].split("/")[0] for row in data["unknown"]} == {"azure-cn"}
    assert {r["partition"] for r in data["resources"]} == {"alibaba-cn"}


# -- states, with values ---------------------------------------------------------------------------------------------


def seen(kind: Kind, name: str, identity: str, region: str = "cn-north-1") -> Observed:
    made = {Kind.NETWORK: Network(name=name, cidr="10.0.0.0/16")}
    resource = made.get(kind) or Cluster(name=name, version="1.35", network="n", subnets=())
    at = Address("aws-cn", "222222222222", region, kind, name)
    return Observed(address=at, resource=resource, provider_id=identity)


def test_a_plain_name_counts_only_with_its_kind_its_cloud_and_its_region(tmp_path: Path) -> None:
    arn = "arn:aws-cn:eks:cn-north-1:222222222222:cluster/main"
    path = tmp_path / "s.json"
    path.write_text(state_of(("aws_eks_cluster", "this", {"id": "main", "name": "main", "arn": arn})), encoding="utf-8")
    found = read_states([path])
    assert found.manager_of(seen(Kind.CLUSTER, "main", arn), "aws_") is not None
    assert found.manager_of(seen(Kind.CLUSTER, "main", "main"), "aws_") is not None
    assert found.manager_of(seen(Kind.CLUSTER, "main", "main", "cn-northwest-1"), "aws_") is None
    assert found.manager_of(seen(Kind.NETWORK, "main", "vpc-1a2b"), "aws_") is None
    assert found.manager_of(seen(Kind.CLUSTER, "main", "c-77"), "alicloud_") is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "no JSON"),
        ("[]", "no state"),
        ('{"version": 4, "lineage": "x", "resources": []}', "raw state"),
        ('{"format_version": "9.1", "values": {}}', "format_version"),
        (None, "No such file"),
    ],
)
def test_what_is_no_state_is_told_with_the_way_to_write_one(tmp_path: Path, text: str | None, word: str) -> None:
    path = tmp_path / "state.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput) as told:
        read_states([path])
    assert word in told.value.detail
    assert "show -json" in told.value.detail


def test_a_state_that_manages_nothing_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "empty.json"
    path.write_text('{"format_version": "1.0", "terraform_version": "1.9.8"}', encoding="utf-8")
    assert read_states([path]).resources == ()
