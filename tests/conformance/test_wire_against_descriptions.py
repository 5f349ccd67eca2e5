"""What goes over the wire, both ways, against what the clouds' makers published; and that the page says so."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tools.conformance import alibaba, aws, azure
from tools.conformance.lives import FURTHER_WALKS, IN_ONE_LIFE
from tools.conformance.more import MADE
from tools.conformance.page import Judged, exchanges, judge, text
from tools.conformance.tea import PACKAGES, Sdk
from tools.conformance.wire import Exchange

PAGE = Path(__file__).parents[2] / "docs" / "sandbox-conformance.md"
needs_data = pytest.mark.reference


@pytest.fixture(scope="session")
def typed_sdks() -> None:
    """The development-only packages that hold Alibaba Cloud's models."""
    for package in PACKAGES.values():
        try:
            Sdk(package)
        except ModuleNotFoundError:
            pytest.skip(f"{package.replace('_', '-')} is not installed (a development dependency)")


@pytest.fixture(scope="session")
def judged(lives: Any, clouds_data: Path, typed_sdks: None) -> dict[str, Judged]:
    found = judge(lives, clouds_data)
    for cloud in found:
        print(f"reference: {cloud.title}: {', '.join(f'{w} {a}/{b}' for w, (a, b) in cloud.counts.items())}")
    return {cloud.title: cloud for cloud in found}


@needs_data
@pytest.mark.parametrize("title", ["AWS", "Azure", "Alibaba Cloud"])
def test_nothing_on_the_wire_is_wrong(judged: dict[str, Judged], title: str) -> None:
    assert sorted(set(judged[title].wrong)) == []
    assert len(judged[title].rows) > 40


@needs_data
def test_what_is_not_covered_has_a_reason(judged: dict[str, Judged]) -> None:
    for cloud in judged.values():
        assert all(cloud.missing.values()), {name for name, why in cloud.missing.items() if not why}
        for name, (request, answer) in cloud.rows.items():
            assert (request and answer) or name in cloud.missing, name


@needs_data
def test_the_page_is_current(judged: dict[str, Judged]) -> None:
    assert PAGE.read_text(encoding="utf-8") == text(list(judged.values())), "run `python -m tools.conformance --write`"


def test_every_life_ends_well(outcomes: Any) -> None:
    for cloud in ("aws", "azure", "alibaba"):
        bad = {s: o for s, o in outcomes(cloud).items() if ", but" in o or o.split()[0].endswith(("Error", "Request"))}
        assert bad == {}
        further = MADE if cloud in IN_ONE_LIFE else ()
        assert [o for s, o in outcomes(cloud).items() if s.startswith("delete")] == ["gone"] * (8 + len(further))


def test_every_further_life_ends_well(lives: Any) -> None:
    """Those kinds of which a cloud's judge looks at a life; each outcome is one of these words."""
    for cloud in FURTHER_WALKS:
        outcomes = lives.further(cloud)[1]
        assert len(outcomes) > 40
        assert {s: o for s, o in outcomes.items() if o not in ("ready", "told", "seen", "gone")} == {}


# -- the judges see what is wrong --------------------------------------------------------------------------------------


def one(lives: Any, cloud: str, wanted: Any) -> Exchange:
    return next(e for e in exchanges(lives, cloud) if wanted(e))


def spoilt(exchange: Exchange, *, request: Any = None, answer: Any = None) -> Exchange:
    """The exchange with its JSON changed by a function."""
    changed = exchange
    if request is not None:
        body = copy.deepcopy(exchange.json)
        request(body)
        changed = replace(changed, body=json.dumps(body).encode())
    if answer is not None:
        body = copy.deepcopy(exchange.answer_json)
        answer(body)
        changed = replace(changed, answer=json.dumps(body).encode())
    return changed


def told(checker: Any, exchange: Exchange) -> list[str]:
    checker.check([exchange])
    return list(checker.wrong)


MACHINE = "PUT Microsoft.Compute/virtualMachines"
AZURE_SLIPS: list[tuple[str, str, Any]] = [
    ("unknown member", "request", lambda b: b["properties"].update(hardwareprofil={})),
    ("snake case", "request", lambda b: b["properties"]["hardwareProfile"].update(vm_size="x")),
    ("wrong type", "request", lambda b: b["properties"]["storageProfile"]["osDisk"].update(diskSizeGB="40")),
    ("unknown member", "answer", lambda b: b["properties"].update(color="red")),
    ("wrong type", "answer", lambda b: b["properties"]["storageProfile"]["osDisk"].update(diskSizeGB="40")),
    ("no object", "answer", lambda b: b.update(properties=[])),
]


@needs_data
@pytest.mark.parametrize(("slip", "side", "change"), AZURE_SLIPS)
def test_azures_judge_sees(lives: Any, clouds_data: Path, slip: str, side: str, change: Any) -> None:
    good = one(lives, "azure", lambda e: str(azure.operation_of(e)) == MACHINE)
    assert told(azure.Checker(clouds_data / "azure"), good) == []
    assert told(azure.Checker(clouds_data / "azure"), spoilt(good, **{side: change})), slip


@needs_data
def test_azures_judge_sees_by_the_typed_models(lives: Any, clouds_data: Path) -> None:
    good = one(lives, "azure", lambda e: str(azure.operation_of(e)) == "PATCH Microsoft.Compute/virtualMachines")
    slip = spoilt(good, request=lambda b: b.update(hardware_profile={}))
    assert told(azure.Checker(clouds_data / "azure"), slip)


ALIBABA_SLIPS: list[tuple[str, Any]] = [
    ("a parameter that is not there", lambda e: replace(e, target=f"{e.target}&VSwitchID=x")),
    ("a part that is not there", lambda e: replace(e, target=f"{e.target}&Tag.1.Name=x")),
    ("a text where a number is wanted", lambda e: replace(e, target=f"{e.target}&Amount=two")),
    ("a member of an answer", lambda e: spoilt(e, answer=lambda b: b.update(Instances={}))),
    ("a type in an answer", lambda e: spoilt(e, answer=lambda b: b.update(InstanceIdSets="i-1"))),
]


@needs_data
@pytest.mark.parametrize(("slip", "change"), ALIBABA_SLIPS)
def test_alibabas_judge_sees(lives: Any, clouds_data: Path, typed_sdks: None, slip: str, change: Any) -> None:
    good = one(lives, "alibaba", lambda e: alibaba.action_of(e) == "Ecs.RunInstances" and e.status == 200)
    checker = alibaba.Checker(clouds_data / "alibaba")
    assert told(checker, good) == []
    assert told(checker, change(good)), slip


@needs_data
def test_alibabas_judge_reads_the_typed_sdk_where_nothing_else_is(
    lives: Any, clouds_data: Path, typed_sdks: None
) -> None:
    """CreateVSwitch is in openapi_meta, DescribeVSwitches in neither."""
    good = one(lives, "alibaba", lambda e: alibaba.action_of(e) == "Vpc.DescribeVSwitches" and e.status == 200)
    checker = alibaba.Checker(clouds_data / "alibaba")
    assert told(checker, good) == []
    assert checker.requests["Vpc.DescribeVSwitches"] == alibaba.TYPED_SDK
    assert told(checker, replace(good, target=f"{good.target}&SwitchName=x"))
    rows = spoilt(good, answer=lambda b: b["VSwitches"].update(VSwitch=[{"VSwitchID": "x"}]))
    assert told(checker, rows)


@needs_data
@pytest.mark.parametrize(
    ("action", "slip"),
    [
        ("Ess.CreateScalingGroup", "&Tagz.1.Key=x"),  # openapi_meta calls it Tag
        ("Ess.CreateScalingGroup", "&MinSize=few"),
        ("Slb.CreateLoadBalancer", "&Tag.1.Name=x"),
        ("Alidns.AddDomainRecord", "&Remark=x"),
        ("Kms.CreateKey", "&KeyName=x"),
        ("ResourceCenter.SearchResources", "&Filter.1.Values.1=x"),
    ],
)
def test_alibabas_judge_sees_in_the_further_services(
    lives: Any, clouds_data: Path, typed_sdks: None, action: str, slip: str
) -> None:
    good = one(lives, "alibaba", lambda e: alibaba.action_of(e) == action and e.status == 200)
    checker = alibaba.Checker(clouds_data / "alibaba")
    assert told(checker, good) == []
    assert told(checker, replace(good, target=f"{good.target}{slip}"))


def test_awss_judge_sees(lives: Any) -> None:
    cluster = one(lives, "aws", lambda e: e.path.startswith("/clusters/") and e.method == "GET" and e.status == 200)
    assert told(aws.Checker(), cluster) == []
    for change in (
        lambda b: b["cluster"].update(state="ACTIVE"),
        lambda b: b["cluster"].update(status="RUNNING"),
        lambda b: b["cluster"].update(tags=[]) or b["cluster"].update(version=1.35),
    ):
        assert told(aws.Checker(), spoilt(cluster, answer=change))
    vpcs = one(lives, "aws", lambda e: b"Action=DescribeVpcs" in e.body and b"<vpcId>" in e.answer)
    assert told(aws.Checker(), vpcs) == []
    assert told(aws.Checker(), replace(vpcs, answer=vpcs.answer.replace(b"vpcId>", b"vpcID>")))
