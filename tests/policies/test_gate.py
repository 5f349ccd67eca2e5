"""The verdict: stages, parameters, waivers, unknown values, users' rules; and that it fails closed, always."""

from __future__ import annotations

import datetime
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import InvalidInput
from model.plan import Severity
from policies.gate import STAGES, judge
from policies.rules import Bundle
from policies.waivers import Waiver, waivers_from_data

TODAY = datetime.date(2026, 11, 23)


def group(*rules: dict[str, Any], name: str = "web") -> dict[str, Any]:
    return {
        "kind": "firewall_group",
        "address": f"aws/1/r/firewall_group/{name}",
        "name": name,
        "ownership": "own",
        "tags": {"owner": "me"},
        "rules": list(rules),
    }


def rule(port: int, cidr: Any, **more: Any) -> dict[str, Any]:
    plain = {"direction": "ingress", "protocol": "tcp", "action": "allow", "priority": 0}
    return {**plain, "port_from": port, "port_to": port, "cidr": cidr, **more}


UNKNOWN = {"$unknown": True}
OPEN_SSH = group(rule(22, "0.0.0.0/0"))


def waiver(**more: Any) -> Waiver:
    fields: dict[str, Any] = {
        "id": "W-1",
        "rule": "DY-NET-001",
        "address": "aws/1/*/firewall_group/web",
        "reason": "jump host until the VPN is there",
        "owner": "network team",
        "expires": datetime.date(2026, 11, 23),
    }
    return Waiver(**{**fields, **more})


def test_nothing_to_find_passes_every_stage() -> None:
    report = judge([group(rule(443, "0.0.0.0/0"))], today=TODAY)
    assert report.passed
    assert tuple(report.stages) == STAGES
    assert report.documents_checked == 1
    assert report.rules_checked >= 20


def test_open_ssh_is_denied_in_the_network_stage_with_address_and_mend() -> None:
    report = judge([{**OPEN_SSH, "position": "main.tf:12:3"}], today=TODAY)
    assert dict(report.stages) == {"syntax": True, "network": False, "policies": True, "approval": True}
    (finding,) = report.findings
    assert (finding.rule_id, finding.severity) == ("DY-NET-001", Severity.CRITICAL)
    assert finding.address == OPEN_SSH["address"]
    assert finding.position == "main.tf:12:3"
    assert "tcp/22" in finding.message and "0.0.0.0/0" in finding.message
    assert finding.mend


def test_findings_below_the_threshold_are_shown_and_do_not_deny() -> None:
    document = {**group(), "tags": {}}
    report = judge([document], today=TODAY)
    assert [f.rule_id for f in report.findings] == ["DY-TAG-001"]
    assert report.passed
    assert not judge([document], today=TODAY, min_severity_to_deny=Severity.LOW).passed


# -- parameters ------------------------------------------------------------------------------------------------


def test_parameters_replace_defaults() -> None:
    document = group(rule(2222, "0.0.0.0/0"))
    assert judge([document], today=TODAY).passed
    assert not judge([document], {"DY-NET-001": {"ports": [2222]}}, today=TODAY).passed


@pytest.mark.parametrize(
    "parameters",
    [
        {"DY-NET-999": {"ports": [1]}},
        {"DY-NET-001": {"prots": [1]}},
        {"DY-NET-001": {"ports": "22"}},
        {"DY-NET-005": {"most_ports": True}},
    ],
)
def test_parameters_that_mean_nothing_deny(parameters: dict[str, dict[str, Any]]) -> None:
    report = judge([], parameters, today=TODAY)
    assert not report.stages["syntax"]
    assert report.findings[0].address.startswith("parameters/")


# -- waivers ---------------------------------------------------------------------------------------------------


def test_a_waived_finding_is_kept_and_marked_and_does_not_deny() -> None:
    report = judge([OPEN_SSH], waivers=[waiver()], today=TODAY)
    assert report.passed
    assert [f.waived_by for f in report.findings] == ["W-1"]


def test_a_waiver_covers_its_rule_and_addresses_only() -> None:
    assert not judge([OPEN_SSH], waivers=[waiver(address="aws/1/*/firewall_group/db")], today=TODAY).passed
    assert not judge([OPEN_SSH], waivers=[waiver(rule="DY-NET-002")], today=TODAY).passed


def test_an_expired_waiver_denies_loudly() -> None:
    report = judge([OPEN_SSH], waivers=[waiver()], today=TODAY + datetime.timedelta(days=1))
    assert not report.stages["syntax"] and not report.stages["network"]
    loud = next(f for f in report.findings if f.address == "waivers/W-1")
    assert "network team" in loud.message and "expired" in loud.message
    harmless = judge([], waivers=[waiver()], today=TODAY + datetime.timedelta(days=1))
    assert not harmless.passed


def test_a_waiver_for_a_rule_that_does_not_exist_denies() -> None:
    assert not judge([], waivers=[waiver(rule="DY-NET-01")], today=TODAY).stages["syntax"]


def test_waivers_are_read_from_plain_data() -> None:
    row = {"id": "a", "rule": "R", "address": "*", "reason": "r", "owner": "o", "expires": "2027-01-31"}
    (read,) = waivers_from_data({"waivers": [row]})
    assert read.expires == datetime.date(2027, 1, 31)
    (same,) = waivers_from_data({"waivers": [{**row, "expires": datetime.date(2027, 1, 31)}]})
    assert same == read


def test_every_mistake_of_a_waiver_file_is_named() -> None:
    rows = [{"id": "a", "rule": "R", "address": "*", "reason": " ", "expires": "soon", "until": 1}, 7]
    with pytest.raises(InvalidInput) as caught:
        waivers_from_data({"waivers": rows})
    text = str(caught.value.detail)
    for part in ("until", "reason", "owner", "'soon'", "waivers[1]"):
        assert part in text
    for broken in (None, [], {"waivers": "none"}, {}):
        with pytest.raises(InvalidInput):
            waivers_from_data(broken)


# -- what is not known, and what cannot be judged --------------------------------------------------------------


def test_unknown_values_neither_pass_nor_fail() -> None:
    report = judge([group(rule(22, UNKNOWN))], today=TODAY)
    assert report.passed
    assert {f.rule_id for f in report.findings if f.unknown} >= {"DY-NET-000", "DY-NET-001"}
    assert all(f.unknown for f in report.findings)


@pytest.mark.parametrize("document", [{**group(), "rules": UNKNOWN}, group(rule(22, "0.0.0.0/0", port_from=UNKNOWN))])
def test_unknown_lists_and_numbers_are_unknown_too(document: dict[str, Any]) -> None:
    report = judge([document], today=TODAY)
    assert report.passed
    assert any(f.unknown and f.rule_id == "DY-NET-001" for f in report.findings)


def test_what_is_certain_beside_something_unknown_is_found() -> None:
    report = judge([group(rule(22, UNKNOWN), rule(22, "0.0.0.0/0"))], today=TODAY)
    assert [f.unknown for f in report.findings if f.rule_id == "DY-NET-001"] == [False]
    assert not report.passed


def test_an_unknown_that_no_rule_reads_is_not_reported() -> None:
    document = {**group(rule(443, "10.0.0.0/8")), "network": UNKNOWN}
    assert judge([document], today=TODAY).findings == ()


def test_a_rule_may_count_the_unknown_as_broken() -> None:
    placed = {
        "kind": "service_placement",
        "address": "application/a/service/s",
        "data_class": "pii",
        "zones": ["CN"],
        "public": False,
        "replicas": 1,
        "sites": [{"site": "x/y", "country": UNKNOWN, "replicas": 1}],
    }
    assert not judge([placed], today=TODAY).stages["policies"]


@pytest.mark.parametrize(
    "cidr", ["0.0.0.0/zero", "0.0.0.0/", "/0", "not a block", "0.0.0.0/0 ", "", "::/129", "1.2.3.4/33"]
)
def test_a_malformed_block_never_passes(cidr: str) -> None:
    for port in (22, 443):
        report = judge([group(rule(port, cidr))], today=TODAY)
        assert not report.stages["network"], report.findings


def test_a_malformed_block_hides_no_other_finding() -> None:
    report = judge([group(rule(22, "0.0.0.0/zero"), name="a"), {**OPEN_SSH, "address": "aws/1/r/x/b"}], today=TODAY)
    assert any(f.rule_id == "DY-NET-001" and f.address == "aws/1/r/x/b" for f in report.findings)


@given(st.text(max_size=12))
@settings(max_examples=150, deadline=None)
def test_no_text_in_place_of_a_block_is_a_silent_pass(cidr: str) -> None:
    from ipaddress import ip_network

    try:
        ip_network(cidr, strict=False)
    except ValueError:
        assert not judge([group(rule(443, cidr))], today=TODAY).passed


@pytest.mark.parametrize(
    "documents",
    [
        [{"kind": "firewall_group"}],
        [{"address": "a/b/c"}],
        [{"kind": 3, "address": "a"}],
        [OPEN_SSH, OPEN_SSH],
    ],
)
def test_documents_that_are_none_are_named(documents: list[dict[str, Any]]) -> None:
    assert not judge(documents, today=TODAY).stages["syntax"]


# -- users' own rules ------------------------------------------------------------------------------------------

HEADER = """# METADATA
# title: Our own rule
# custom:
#   id: ACME-001
#   severity: low
#   mend: ask us
#   kinds: ["*"]
package acme.own

import rego.v1

"""


def own(body: str) -> dict[str, str]:
    return {"own/rule.rego": HEADER + body}


def test_a_users_bundle_is_judged_beside_ours(bundle: Bundle) -> None:
    body = 'violations contains {"address": d.address, "message": "ours"} if some d in input.documents\n'
    report = judge([group()], today=TODAY, bundle=bundle.extended(own(body)))
    assert [f.rule_id for f in report.findings] == ["ACME-001"]
    assert report.passed


def test_an_error_in_a_rule_denies_whatever_its_severity(bundle: Bundle) -> None:
    body = (
        'violations contains {"address": "a", "message": "m"} if {some d in input.documents; to_number(d.name) > 1}\n'
    )
    report = judge([group()], today=TODAY, bundle=bundle.extended(own(body)))
    assert not report.stages["policies"]
    (finding,) = report.findings
    assert "could not be judged" in finding.message and "own/rule.rego" in finding.message


@pytest.mark.parametrize(
    "body",
    [
        'violations contains "just text" if some d in input.documents\n',
        'violations contains {"message": "no address"} if some d in input.documents\n',
        "violations := 7\n",
        "other := 7\n",
    ],
)
def test_a_rule_that_answers_nonsense_denies(bundle: Bundle, body: str) -> None:
    assert not judge([group()], today=TODAY, bundle=bundle.extended(own(body))).stages["policies"]


def test_a_rule_may_ask_for_an_approval_which_denies_nothing(bundle: Bundle) -> None:
    body = (
        'violations contains {"address": d.address, "message": "big", "approval": true} if some d in input.documents\n'
    )
    report = judge([group()], today=TODAY, bundle=bundle.extended(own(body)))
    assert dict(report.stages) == {"syntax": True, "network": True, "policies": True, "approval": False}
    assert report.passed and report.asks_approval
    assert report.findings[0].approval


def test_judging_from_other_threads_gives_the_same_report() -> None:
    reports: list[Any] = []
    threads = [threading.Thread(target=lambda: reports.append(judge([OPEN_SSH], today=TODAY))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 4
    assert all(r == judge([OPEN_SSH], today=TODAY) for r in reports)
