"""Plan and deploy beside a Terraform state: what it manages is neither made nor changed, on every cloud."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from model.errors import InvalidInput
from model.exit_codes import ExitCode
from model.plan import Op
from model.ports import Event
from model.resources import Address, Kind
from orchestrator.planning import make_plan
from orchestrator.registry import terraform_prefix
from orchestrator.release import release, resume
from orchestrator.run import running
from orchestrator.terraform_state import read_states
from tests.contract.conftest import ADOPTEE, Opened

TYPES = {"aws": "aws_vpc", "azure": "azurerm_virtual_network", "alibaba": "alicloud_vpc"}
NAMES: dict[str, Callable[[str], dict[str, Any]]] = {
    "aws": lambda name: {"tags": {"Name": name}},
    "azure": lambda name: {"name": name},
    "alibaba": lambda name: {"vpc_name": name},
}


class Silent:
    def emit(self, event: Event) -> None:
        """Nobody watches."""


def at(site: Any, name: str) -> Address:
    return Address(site.cloud.partition, site.account.account_id, site.cloud.region, Kind.NETWORK, name)


def written(path: Path, cloud: str, name: str, **values: Any) -> Path:
    """A state that holds one network, as `terraform show -json` writes it."""
    row = {"address": f"{TYPES[cloud]}.main", "mode": "managed", "type": TYPES[cloud], "name": "main"}
    module = {"resources": [{**row, "values": {**NAMES[cloud](name), **values}}]}
    path.write_text(json.dumps({"format_version": "1.0", "values": {"root_module": module}}), encoding="utf-8")
    return path


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


@pytest.fixture
def mine(files: Path, sites: Any) -> str:
    """A name of this test's own for every network of the small application, so that nobody has made it yet."""
    name = f"beside-{next(sites['aws'].numbers)}"
    text = (files / "fleet.yaml").read_text(encoding="utf-8")
    for taken in (ADOPTEE, "main"):
        text = text.replace(f"name: {taken}, cidr", f"name: {name}, cidr")
    (files / "fleet.yaml").write_text(text, encoding="utf-8")
    return name


@pytest.mark.parametrize("cloud", sorted(TYPES))
def test_what_a_state_made_under_our_name_is_not_made_beside_it(
    files: Path, mine: str, sites: Any, capsys: pytest.CaptureFixture[str], cloud: str
) -> None:
    site = sites[cloud]
    site.cloud.stranger.network(site.account, site.cloud.region, mine)
    provider_id = site.provider.get(at(site, mine), site.call()).provider_id
    state = written(files / "state.json", cloud, mine, id=provider_id)
    before = {name: s.inventory() for name, s in sites.items()}
    for command in (["plan"], ["deploy", "--yes"]):
        code = run(["-o", "json", command[0], str(files), *command[1:], "--terraform-state", str(state)])
        told = said(capsys)
        assert code == told["exit_code"] == ExitCode.INVALID_INPUT
        (row,) = told["diagnostics"]
        assert f"{at(site, mine)} would be created" in row["what"]
        assert f"{TYPES[cloud]}.main in {state}" in row["what"]
        assert "terraform state rm" in row["mend"]
        assert "duoyun adopt" in row["mend"]
    assert {name: s.inventory() for name, s in sites.items()} == before


def test_the_fleet_names_states_too_and_a_network_of_another_id_is_another(
    files: Path, mine: str, sites: Any, context: Opened
) -> None:
    written(files / "state.json", "alibaba", mine, id="vpc-0elsewhere1")
    text = (files / "fleet.yaml").read_text(encoding="utf-8")
    (files / "fleet.yaml").write_text(f"{text}  terraform_states: [state.json]\n", encoding="utf-8")
    with context() as now:  # nothing of that id is there, and the state does not say which region is meant
        plan = make_plan(now).plan
        assert {a.op for a in plan.actions if a.address == at(sites["alibaba"], mine)} == {Op.CREATE}
        assert now.states().resources


def test_a_state_that_is_written_after_the_plan_stops_the_deploy_and_its_resumption(
    files: Path, mine: str, sites: Any, context: Opened
) -> None:
    """What Terraform says that it will make there is not made by us, also where it is not there yet."""
    site, state = sites["aws"], files / "state.json"
    state.write_text('{"format_version": "1.0"}', encoding="utf-8")
    text = (files / "fleet.yaml").read_text(encoding="utf-8")
    (files / "fleet.yaml").write_text(f"{text}  terraform_states: [state.json]\n", encoding="utf-8")
    with context() as now, running(now, Silent()) as runner:
        planned = make_plan(now)
        arn = f"arn:aws-cn:ec2:{site.cloud.region}:{site.account.account_id}:vpc/vpc-0gone77"
        written(state, "aws", mine, id="vpc-0gone77", arn=arn)
        before = site.inventory()
        with pytest.raises(InvalidInput) as refused:
            release(runner, planned)
        assert str(at(site, mine)) in refused.value.detail
        assert now.store.revisions.latest(now.scope) is None
        kept = now.store.plans.save(planned.plan)
        now.store.revisions.start(
            now.scope, runner.keeper.token, plan_sha256=kept, actor="somebody", message="", images={}
        )
        with pytest.raises(InvalidInput) as refused:
            resume(runner)
        assert str(at(site, mine)) in refused.value.detail
        assert site.inventory() == before


def test_a_state_that_cannot_be_read_stops_the_plan(files: Path, mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-o", "json", "plan", str(files), "--terraform-state", str(files / "none.json")]) == 3
    assert "none.json" in said(capsys)["detail"]


def test_names_are_read_as_each_cloud_writes_them(tmp_path: Path, sites: Any) -> None:
    for cloud, site in sites.items():
        states = read_states([written(tmp_path / f"{cloud}.json", cloud, "n", id="x-1")])
        assert states.called(at(site, "n"), terraform_prefix(cloud))
        assert not states.called(at(site, "m"), terraform_prefix(cloud))
