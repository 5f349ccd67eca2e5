"""The translations and tables alone, without a server."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest
from aliyunsdkcore.acs_exception.exceptions import ClientException, ServerException
from hypothesis import given
from hypothesis import strategies as st

from model.errors import (
    CapacityUnavailable,
    CloudError,
    Conflict,
    DependencyInUse,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    Throttled,
    Transient,
    Unauthenticated,
    UnknownCloudError,
    Unreachable,
)
from model.resources import Direction, FirewallRule, Verb
from providers.alibaba.cluster import free_block, version_key
from providers.alibaba.errors import TABLE, map_error
from providers.alibaba.firewall import read_rule, write_rule
from providers.alibaba.instances import image_role
from providers.alibaba.session import client_token, flatten
from providers.base import Call


def networks(version: int) -> st.SearchStrategy[str]:
    bits = 32 if version == 4 else 128
    make = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    return st.builds(
        lambda number, length: str(make((number >> (bits - length) << (bits - length), length))),
        st.integers(0, 2**bits - 1),
        st.integers(0, bits),
    )


@st.composite
def rules(draw: st.DrawFn) -> FirewallRule:
    protocol = draw(st.sampled_from(["tcp", "udp", "icmp", "any"]))
    low, high = 0, 65535
    if protocol in ("tcp", "udp"):
        low = draw(st.integers(1, 65535))
        high = draw(st.integers(low, 65535))
        if (low, high) == (1, 65535):
            low = 0
    return FirewallRule(
        direction=draw(st.sampled_from(list(Direction))),
        protocol=protocol,
        port_from=low,
        port_to=high,
        cidr=draw(st.one_of(networks(4), networks(6), st.just("sg-bp1abc"), st.just("pl-bp1abc"))),
        action=draw(st.sampled_from(list(Verb))),
        priority=draw(st.integers(1, 100)),
        description=draw(st.text(max_size=30)),
    )


@given(rules())
def test_a_rule_comes_back_as_it_was_written(rule: FirewallRule) -> None:
    wire = {**write_rule(rule), "Direction": str(rule.direction)}
    assert read_rule(wire) == rule


@given(rules())
def test_a_rule_is_read_as_the_api_spells_it(rule: FirewallRule) -> None:
    wire = write_rule(rule)
    shown = {
        **wire,
        "Direction": str(rule.direction),
        "IpProtocol": wire["IpProtocol"].upper(),
        "Policy": wire["Policy"].capitalize(),
    }
    assert read_rule(shown) == rule


def test_priority_zero_becomes_one_and_single_addresses_get_their_mask() -> None:
    rule = FirewallRule(direction=Direction.INGRESS, protocol="tcp", port_from=22, port_to=22, cidr="10.0.0.1/32")
    assert write_rule(rule)["Priority"] == "1"
    wire: dict[str, Any] = {**write_rule(rule), "SourceCidrIp": "10.0.0.1", "Direction": "ingress"}
    assert read_rule(wire).cidr == "10.0.0.1/32"


@pytest.mark.parametrize(
    "wrong",
    [{"cidr": "everywhere"}, {"priority": 101}, {"protocol": "icmp", "port_from": 8, "port_to": 8}],
)
def test_rules_that_cannot_be_written(wrong: dict[str, Any]) -> None:
    values = {"direction": Direction.INGRESS, "protocol": "tcp", "port_from": 1, "port_to": 2, "cidr": "10.0.0.0/8"}
    with pytest.raises(InvalidRequest) as caught:
        write_rule(FirewallRule(**{**values, **wrong}))
    assert caught.value.mend


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("Throttling.User", 400, Throttled),
        ("QuotaExceed.AfterpayInstance", 403, QuotaExceeded),
        ("QuotaExceeded.Vpc", 400, QuotaExceeded),
        ("AuthorizationLimitExceed", 403, QuotaExceeded),
        ("OperationDenied.NoStock", 403, CapacityUnavailable),
        ("InvalidSecurityGroupId.NotFound", 404, NotFound),
        ("InvalidVpcId.NotFound", 404, NotFound),
        ("InvalidImageId.NotFound", 404, InvalidRequest),
        ("InvalidInstanceType.ValueNotSupported", 403, InvalidRequest),
        ("InvalidAccessKeyId.NotFound", 404, Unauthenticated),
        ("InvalidAccessKeySecret", 400, Unauthenticated),
        ("DependencyViolation.VSwitch", 400, DependencyInUse),
        ("IncorrectInstanceStatus", 403, Conflict),
        ("IncorrectInstanceStatus.Initializing", 403, Transient),
        ("IncorrectVpcStatus", 400, Transient),
        ("IdempotentParameterMismatch", 400, Conflict),
        ("MissingParameter", 400, InvalidRequest),
        ("NobodyKnows", 400, UnknownCloudError),
        ("NobodyKnows", 502, Transient),
        ("NobodyKnows", 429, Throttled),
    ],
)
def test_codes_become_our_errors(code: str, status: int, expected: type[CloudError]) -> None:
    exc = map_error(ServerException(code, "no", http_status=status, request_id="R"), "ecs:X", account="a", region="r")
    assert type(exc) is expected
    assert (exc.call.cloud, exc.call.account, exc.call.region, exc.call.code) == ("alibaba", "a", "r", code)
    assert code in str(exc)


def test_lower_case_answers_are_unpacked() -> None:
    body = json.dumps({"code": "ErrorClusterNotFound", "message": "gone", "requestId": "R-1"})
    sdk = ServerException("SDK.UnknownServerError", f"ServerResponseBody: {body}", http_status=404)
    exc = map_error(sdk, "cs:DescribeClusterDetail")
    assert isinstance(exc, NotFound)
    assert (exc.call.request_id, exc.call.code) == ("R-1", "ErrorClusterNotFound")


@pytest.mark.parametrize("body", ["", "{", "<html>{}</html>", "[1]", '{"no": "code"}'])
def test_answers_that_are_no_errors_of_the_api(body: str) -> None:
    sdk = ServerException("SDK.UnknownServerError", f"ServerResponseBody: {body}", http_status=502)
    assert isinstance(map_error(sdk, "cs:X"), Transient)


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (ClientException("SDK.HttpError", "Read timed out"), Unreachable),
        (ConnectionResetError("reset"), Unreachable),
        (TimeoutError("slow"), Unreachable),
        (IndexError("the SDK's own parsing"), UnknownCloudError),
    ],
)
def test_no_answer_is_unreachable(exc: Exception, expected: type[CloudError]) -> None:
    assert type(map_error(exc, "ecs:X")) is expected


def test_the_string_to_sign_is_not_repeated() -> None:
    message = "Specified signature is not matched with our calculation. server string to sign is:POST&%2F&AccessKeyId"
    exc = map_error(ServerException("SignatureDoesNotMatch", message, http_status=400), "ecs:X")
    assert "AccessKeyId" not in str(exc)


def test_every_row_has_a_source() -> None:
    assert all(row.codes and row.source.startswith("[") for row in TABLE)


@given(st.text(max_size=200), st.text(max_size=50))
def test_client_tokens_are_short_ascii_and_stable(key: str, part: str) -> None:
    token = client_token(Call(key=key), part)
    assert token.isascii()
    assert 1 <= len(token) <= 64
    assert (token == client_token(Call(key=key), part)) is bool(key)


def test_parameters_are_flattened() -> None:
    assert flatten({"A": True, "B": None, "C": "", "D": ["x", "y"], "E": [{"Key": "k", "Value": ""}], "F": 0}) == {
        "A": "true",
        "D.1": "x",
        "D.2": "y",
        "E.1.Key": "k",
        "E.1.Value": "",
        "F": "0",
    }


@pytest.mark.parametrize(
    ("image_id", "role"),
    [
        ("debian_12_11_x64_20G_alibase_20260119.vhd", "debian-12"),
        ("ubuntu_22_04_uefi_x64_20G_alibase_20230515.vhd", "ubuntu-22.04"),
        ("aliyun_3_arm64_20G_alibase_20260119.vhd", "aliyun-3"),
        ("m-bp1hu74xiv2jok7936mg", "m-bp1hu74xiv2jok7936mg"),
    ],
)
def test_image_roles(image_id: str, role: str) -> None:
    assert image_role(image_id) == role


def test_blocks_and_versions() -> None:
    assert free_block("10.14.0.0/16", ("10.0.0.0/8", "172.20.0.0/16")) == "172.20.0.0/16"
    with pytest.raises(InvalidRequest, match="no block"):
        free_block("10.14.0.0/16", ("10.0.0.0/8",))
    assert version_key("1.35.10-aliyun.1") > version_key("1.35.9-aliyun.2") > version_key("1.9")
