"""Names, tags, zones, firewall rules and error codes between the model and Azure: laws, not examples."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import CloudError, Conflict, InvalidRequest, QuotaExceeded, Throttled, Transient, UnknownCloudError
from model.resources import Direction, FirewallRule, Kind, Verb
from providers.azure.errors import ROWS, classify, mapper, retry_after_s
from providers.azure.names import (
    arm_name,
    list_from_tags,
    list_to_tags,
    logical_name,
    merged_tags,
    parse_id,
    pool_name,
    state_of,
    zone_name,
    zone_number,
)
from providers.azure.provider import principal_of
from providers.azure.rules import expand, normalised, plan_rules
from providers.base import Account
from providers.remembered import user_data_digest

NAME = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])", fullmatch=True)
CIDR = st.sampled_from(["0.0.0.0/0", "::/0", "10.0.0.0/8", "192.0.2.0/24", "203.0.113.7/32", "2001:db8::/32"])


@st.composite
def rules(draw: st.DrawFn) -> FirewallRule:
    protocol = draw(st.sampled_from(["tcp", "udp", "icmp", "any"]))
    low = draw(st.integers(0, 65535))
    every = protocol in ("icmp", "any") or draw(st.booleans())
    return FirewallRule(
        direction=draw(st.sampled_from(Direction)),
        protocol=protocol,
        port_from=0 if every else low,
        port_to=65535 if every else draw(st.integers(low, 65535)),
        cidr=draw(CIDR),
        action=draw(st.sampled_from(Verb)),
        description=draw(st.text("abc ", max_size=8).map(str.strip)),
    )


RULE_SETS = st.lists(rules(), max_size=12, unique_by=lambda r: r.key).map(lambda rs: tuple(sorted(rs)))


def observed(azure_rules: list[Any]) -> tuple[FirewallRule, ...]:
    return normalised(r for rule in azure_rules for r in expand(rule))


@settings(deadline=None, max_examples=60)  # the first run imports the SDK
@given(RULE_SETS)
def test_rules_survive_the_journey(wanted: tuple[FirewallRule, ...]) -> None:
    assert observed(plan_rules((), wanted)) == wanted


@settings(deadline=None, max_examples=60)  # the first run imports the SDK
@given(RULE_SETS, RULE_SETS)
def test_an_update_converges_and_then_changes_nothing(
    old: tuple[FirewallRule, ...], new: tuple[FirewallRule, ...]
) -> None:
    before = plan_rules((), old)
    after = plan_rules(before, new)
    assert {r.key for r in observed(after)} == {r.key for r in new}
    places = [(r.direction, r.priority) for r in after]
    assert len(set(places)) == len(places)
    assert all(100 <= r.priority <= 4096 for r in after)
    assert plan_rules(after, new) == after
    kept = {r.name: r.priority for r in before}
    assert all(kept.get(r.name, r.priority) == r.priority for r in after)


def test_priorities_count_from_100_by_ten_per_direction() -> None:
    def one(direction: Direction, port: int, priority: int = 0) -> FirewallRule:
        return FirewallRule(
            direction=direction, protocol="tcp", port_from=port, port_to=port, cidr="0.0.0.0/0", priority=priority
        )

    made = plan_rules((), [one(Direction.INGRESS, p) for p in (80, 443)] + [one(Direction.EGRESS, 53)])
    assert [(r.direction, r.priority) for r in made] == [("Inbound", 100), ("Inbound", 110), ("Outbound", 100)]
    many = plan_rules((), [one(Direction.INGRESS, p) for p in range(1, 900)])
    assert len({r.priority for r in many}) == 899
    fixed = plan_rules((), [one(Direction.INGRESS, 80, 100), one(Direction.INGRESS, 443)])
    assert [r.priority for r in fixed] == [100, 110]
    assert [r.priority for r in observed(fixed)] == [100, 0]
    with pytest.raises(InvalidRequest):
        plan_rules((), [one(Direction.INGRESS, p) for p in range(1, 4100)])


def foreign(**kwargs: Any) -> Any:
    fields = {
        "name": "theirs", "direction": "Inbound", "access": "Allow", "protocol": "Tcp", "priority": 300,
        "description": None, "source_port_range": "*", "source_port_ranges": [], "destination_port_range": "22",
        "destination_port_ranges": [], "source_address_prefix": "*", "source_address_prefixes": [],
        "destination_address_prefix": "*", "destination_address_prefixes": [],
        "source_application_security_groups": None, "destination_application_security_groups": None,
    }  # fmt: skip
    return SimpleNamespace(**(fields | kwargs))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"source_address_prefix": "Internet"}, {("tcp", 22, 22, "0.0.0.0/0"), ("tcp", 22, 22, "::/0")}),
        ({"source_address_prefix": "0.0.0.0/0"}, {("tcp", 22, 22, "0.0.0.0/0")}),
        ({"source_address_prefix": "VirtualNetwork"}, {("tcp", 22, 22, "VirtualNetwork")}),
        ({"source_address_prefix": "10.0.0.4"}, {("tcp", 22, 22, "10.0.0.4/32")}),
        (
            {
                "source_address_prefix": None,
                "source_address_prefixes": ["10.0.0.0/8", "192.0.2.0/24"],
                "destination_port_range": None,
                "destination_port_ranges": ["22", "8000-8100"],
            },
            {
                ("tcp", 22, 22, "10.0.0.0/8"), ("tcp", 22, 22, "192.0.2.0/24"),
                ("tcp", 8000, 8100, "10.0.0.0/8"), ("tcp", 8000, 8100, "192.0.2.0/24"),
            },
        ),
        (
            {"protocol": "*", "destination_port_range": "*", "source_address_prefix": "10.0.0.0/8"},
            {("any", 0, 65535, "10.0.0.0/8")},
        ),
        (
            {
                "source_address_prefix": None,
                "source_application_security_groups": [SimpleNamespace(id="/subscriptions/s/x/web")],
            },
            {("tcp", 22, 22, "asg:web")},
        ),
    ],
)  # fmt: skip
def test_other_peoples_rules_are_read_whole(change: dict[str, Any], expected: set[Any]) -> None:
    found = expand(foreign(**change))
    assert {(r.protocol, r.port_from, r.port_to, r.cidr) for r in found} == expected
    assert {r.priority for r in found} == {300}


def test_what_the_model_cannot_say_is_said_in_words() -> None:
    found = expand(foreign(destination_address_prefix="10.0.0.4", source_port_range="53"))
    assert {r.description for r in found} == {"(only from source ports 53, only to 10.0.0.4/32)"}
    wanted = [r for r in found if r.cidr == "0.0.0.0/0"]
    assert [r.name[:7] for r in plan_rules([foreign(destination_address_prefix="10.0.0.4")], wanted)] == ["duoyun-"]


ACCOUNT = Account("a", "azure", "azure", "s")
SHARED = Account("a", "azure", "azure", "s", options={"resource_group": "rg"})


@given(NAME, st.sampled_from([Kind.NETWORK, Kind.SUBNET, Kind.FIREWALL_GROUP, Kind.CLUSTER]))
def test_names_are_reversible(name: str, kind: Kind) -> None:
    for account in (ACCOUNT, SHARED):
        arm = arm_name(account, kind, name, "chinanorth3")
        if kind is not Kind.SUBNET:
            assert logical_name(account, arm, "chinanorth3") == name
        assert logical_name(account, "x", "chinanorth3", {"duoyun-name": name}) == name


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_pool_names_fit_aks_and_differ(a: str, b: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]{0,11}", pool_name(a))
    assert (pool_name(a) == pool_name(b)) == (a == b)


def test_long_names_of_machines_are_cut_and_others_refused() -> None:
    long = "a" * 70
    assert len(arm_name(ACCOUNT, Kind.INSTANCE, long, "r")) == 58
    assert arm_name(ACCOUNT, Kind.INSTANCE, long, "r") != arm_name(ACCOUNT, Kind.INSTANCE, long + "b", "r")
    for kind, name in ((Kind.NETWORK, long), (Kind.NETWORK, "a"), (Kind.CLUSTER, "a/b")):
        with pytest.raises(InvalidRequest):
            arm_name(ACCOUNT, kind, name, "r")


@given(st.lists(NAME, max_size=30).map(tuple))
def test_lists_fit_into_tags(names: tuple[str, ...]) -> None:
    tags = list_to_tags("duoyun-subnets", names)
    assert list_from_tags("duoyun-subnets", tags) == names
    assert all(len(v) <= 256 for v in tags.values())


def test_zones_and_states() -> None:
    three = ("1", "2", "3")
    assert zone_number("chinanorth3-1", "chinanorth3", three) == "1"
    assert [zone_number(z, "westus", ()) for z in ("", "westus", "westus-0", "westus-1")] == [""] * 4
    assert (zone_name("westus", None, ()), zone_name("eastus", ["2"], three)) == ("westus-1", "eastus-2")
    assert zone_name("eastus", None, three) == "eastus-0"
    for bad in ("eastus-1", "westus-a", "westus2-1", "westus-2"):
        with pytest.raises(InvalidRequest):
            zone_number(bad, "westus", ())
    with pytest.raises(InvalidRequest) as caught:
        zone_number("eastus-4", "eastus", three)
    assert "eastus-1, eastus-2, eastus-3" in caught.value.mend
    assert state_of("SomethingNew") == "updating"
    assert state_of(None) == "ready"
    assert user_data_digest("") == ""
    assert merged_tags({"a": "1"}, {"b": "2"}, c="") == {"a": "1", "b": "2"}
    assert parse_id("/subscriptions/s/resourceGroups/g/providers/N/t/n/u/m").parent == "n"
    assert parse_id("x").name == ""


def test_no_code_is_mapped_twice() -> None:
    keys = [(r.code, r.api, r.status) for r in ROWS]
    assert len(set(keys)) == len(keys)
    assert all(issubclass(r.error, CloudError) and r.source for r in ROWS)


def test_the_api_tells_two_meanings_of_one_code_apart() -> None:
    assert classify("OperationNotAllowed", "compute.machines.put", 409) is QuotaExceeded
    assert classify("OperationNotAllowed", "aks.pools.put", 409) is Transient
    assert classify("OperationNotAllowed", "aks.clusters.put", 400) is InvalidRequest
    assert classify("TooManyRequests", "x", 429) is Throttled
    assert classify("", "x", 429) is Throttled
    assert classify("", "x", 502) is Transient
    assert classify("", "x", 412) is Conflict
    assert classify("", "x", 418) is UnknownCloudError
    assert classify("", "x", 404) is UnknownCloudError
    assert classify("Odd", "x", 500) is UnknownCloudError


def test_anything_becomes_an_error_of_ours() -> None:
    convert = mapper(ACCOUNT)
    for exc in (ValueError("x"), KeyError("y"), OSError("z"), RuntimeError()):
        assert isinstance(convert(exc, "op"), CloudError)


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after_s("7") == 7.0
    assert retry_after_s("") is None
    assert retry_after_s("soon") is None
    later = retry_after_s(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert later is not None
    assert 25 <= later <= 30


def test_the_principal_comes_from_the_claims() -> None:
    import base64
    import json

    payload = base64.urlsafe_b64encode(json.dumps({"appid": "app-1", "oid": "o"}).encode()).decode().rstrip("=")
    assert principal_of(f"h.{payload}.s") == "app-1"
    assert principal_of("opaque") == ""
