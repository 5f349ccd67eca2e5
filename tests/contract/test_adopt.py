"""`duoyun adopt` on every cloud: ownership is recorded, nothing is touched; plan, drift and destroy go by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from model.exit_codes import ExitCode
from model.plan import Op
from model.resources import Address, Kind, Ownership
from orchestrator.drift import DriftKind, scan
from orchestrator.planning import make_plan, plan_destroy
from orchestrator.store import RecordState
from tests.contract.conftest import ADOPTEE, Opened

TYPES = {"aws": "aws_vpc", "azure": "azurerm_virtual_network", "alibaba": "alicloud_vpc"}


@pytest.fixture(scope="module")
def networks(sites: Any) -> dict[str, Address]:
    """Made by somebody else in each cloud: the fleet's own network's name, and another beside it."""
    found = {}
    for cloud, site in sites.items():
        for name in (ADOPTEE, "somebody"):
            site.cloud.stranger.network(site.account, site.cloud.region, name)
        found[cloud] = at(site, ADOPTEE)
    return found


def at(site: Any, name: str, kind: Kind = Kind.NETWORK) -> Address:
    return Address(site.cloud.partition, site.account.account_id, site.cloud.region, kind, name)


def adopt(files: Path, *args: Any) -> int:
    return run(["-o", "json", "adopt", *map(str, args), "--app", str(files)])


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_adopting_records_and_touches_nothing(
    files: Path, context: Opened, sites: Any, networks: dict[str, Address], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {cloud: site.inventory() for cloud, site in sites.items()}
    wanted = sorted(networks.values())
    assert adopt(files, *wanted) == 0
    told = said(capsys)["adopted"]
    assert [(row["address"], row["outcome"]) for row in told] == [(str(a), "adopted") for a in wanted]
    assert {cloud: site.inventory() for cloud, site in sites.items()} == before
    with context() as now:
        for address in wanted:
            record = now.store.inventory.get(now.scope, address)
            assert record is not None
            assert (record.ownership, record.state) == (Ownership.ADOPT, RecordState.LIVE)
            assert record.provider_id
        assert now.store.audit.verify(str(now.scope)) is None
        assert now.store.leases.current(now.scope) is None
    assert adopt(files, *wanted) == 0  # once more says so, and changes nothing
    assert {row["outcome"] for row in said(capsys)["adopted"]} == {"known"}


def test_plans_drift_and_destroy_treat_it_as_adopted(
    files: Path, context: Opened, sites: Any, networks: dict[str, Address], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted, aside = sorted(networks.values()), at(sites["alibaba"], "somebody")
    named = networks["aws"]
    with context() as now:
        made = {a.address: a.op for a in make_plan(now).plan.actions}
        assert made[named] is Op.CREATE  # the fleet says `own`, and nobody has adopted it
    assert adopt(files, *wanted, aside) == 0
    capsys.readouterr()
    with context() as now:
        plan = make_plan(now).plan
        ops = {a.address: a.op for a in plan.actions}
        assert not {ops.get(address) for address in (*wanted, aside)} & {Op.CREATE, Op.DELETE, Op.REPLACE}
        assert [i.ownership for i in plan.items if i.address == named] == [Ownership.ADOPT]
        report = scan(now)
        assert report.checked == len(wanted) + 1
        assert not report.drifted
        doomed = {a.address for a in plan_destroy(now).plan.actions}
        assert not doomed & {*wanted, aside}


def test_what_others_change_is_drift_of_something_adopted(
    files: Path, context: Opened, sites: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from tools.conformance.strangers import aws

    site = sites["aws"]
    site.cloud.stranger.network(site.account, site.cloud.region, "drifting")
    address, ec2 = at(site, "drifting"), aws.client(site.account, site.cloud.region, "ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["drifting"]}])["Vpcs"]
    ec2.create_tags(Resources=[vpc["VpcId"]], Tags=[{"Key": "team", "Value": "shop"}])
    assert adopt(files, address) == 0
    capsys.readouterr()
    with context() as now:
        record = now.store.inventory.get(now.scope, address)
        assert record is not None
        ec2.create_tags(Resources=[record.provider_id], Tags=[{"Key": "team", "Value": "others"}])
        (row,) = scan(now).drifted
        assert (row.kind, row.address, row.ownership) == (DriftKind.CHANGED, address, "adopt")
        ec2.delete_vpc(VpcId=record.provider_id)
        (row,) = scan(now).drifted
        assert row.kind is DriftKind.MISSING


def test_what_a_state_or_another_fleet_has_is_refused_and_then_none_is_adopted(
    files: Path, context: Opened, sites: Any, networks: dict[str, Address], capsys: pytest.CaptureFixture[str]
) -> None:
    site = sites["azure"]
    provider_id = site.provider.get(networks["azure"], site.call()).provider_id
    row = {"address": f"{TYPES['azure']}.main", "mode": "managed", "type": TYPES["azure"], "name": "main"}
    values = {"root_module": {"resources": [{**row, "values": {"id": provider_id, "name": ADOPTEE}}]}}
    state = files / "state.json"
    state.write_text(json.dumps({"format_version": "1.0", "values": values}), encoding="utf-8")
    contracts = at(sites["alibaba"], sites["alibaba"].base(Kind.NETWORK))  # carries another fleet's tag
    missing, nowhere = at(site, "never-was"), Address("aws", "999999999999", "us-east-1", Kind.NETWORK, "x")
    asked = (networks["azure"], contracts, missing, nowhere, networks["aws"])
    assert adopt(files, *asked, "--terraform-state", state) == ExitCode.INVALID_INPUT
    told = {d["what"].split()[0].rstrip(":"): d for d in said(capsys)["diagnostics"]}
    assert f"{TYPES['azure']}.main" in told[str(networks["azure"])]["what"]
    assert "fleet contract" in told[str(contracts)]["what"]
    assert "not there" in told[str(missing)]["what"]
    assert "no such account" in told[str(nowhere)]["what"]
    assert len(told) == 4
    assert all(d["mend"] for d in told.values())
    with context() as now:
        assert not now.store.inventory.list(now.scope)


def test_an_account_that_does_not_answer_is_unknown_not_absent(
    files: Path, context: Opened, sites: Any, networks: dict[str, Address], capsys: pytest.CaptureFixture[str]
) -> None:
    sites["alibaba"].fault("vpc:DescribeVpcs", error="forbidden", count=-1)
    assert adopt(files, networks["alibaba"]) == ExitCode.CREDENTIALS
    assert said(capsys)["reason"] == "forbidden"
    with context() as now:
        assert not now.store.inventory.list(now.scope)


def test_undo_forgets_what_was_adopted_and_nothing_else(
    files: Path, context: Opened, sites: Any, networks: dict[str, Address], capsys: pytest.CaptureFixture[str]
) -> None:
    address, before = networks["alibaba"], sites["alibaba"].inventory()
    assert adopt(files, address) == 0
    assert adopt(files, networks["aws"], address, "--undo") == ExitCode.INVALID_INPUT  # one was never adopted
    assert adopt(files, address, "--undo") == 0
    capsys.readouterr()
    assert sites["alibaba"].inventory() == before
    with context() as now:
        assert now.store.inventory.get(now.scope, address) is None
        kinds = [entry.kind for entry in now.store.audit.entries(str(now.scope))]
        assert kinds.count("resource_removed") == 1


@pytest.mark.parametrize("text", ["vpc-1234", "a/b/c/no_such_kind/d", ""])
def test_what_is_no_address_is_wrong_usage(files: Path, text: str) -> None:
    assert adopt(files, text) == ExitCode.USAGE
