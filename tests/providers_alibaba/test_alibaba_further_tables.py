"""The further kinds' translations alone, without a server: remarks, weights, listeners, policies, a signature."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from hypothesis import given
from hypothesis import strategies as st

from model.errors import (
    AlreadyExists,
    CapacityUnavailable,
    CloudError,
    Conflict,
    DependencyInUse,
    Forbidden,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    Transient,
    Unauthenticated,
)
from model.resources import Grant, HealthCheck, Listener
from providers.alibaba.dns_remarks import Remark, cloud_weights, read_remark, shown_weights, write_remark
from providers.alibaba.endpoints import host_of
from providers.alibaba.errors import map_error
from providers.alibaba.identities import read_policy
from providers.alibaba.keys import _days
from providers.alibaba.listeners import LAYER_4, check_listener, in_place, read_listener, same, write_listener
from providers.alibaba.oss import sign
from providers.alibaba.reader import cidrs_of


@pytest.mark.parametrize(
    ("operation", "code", "status", "expected"),
    [
        ("ecs:DeleteDisk", "IncorrectDiskStatus", 403, DependencyInUse),
        ("ecs:AttachDisk", "IncorrectDiskStatus", 403, Conflict),
        ("ecs:DeleteDisk", "IncorrectDiskStatus.Initializing", 400, Transient),
        ("ecs:AttachDisk", "ResourcesNotInSameZone", 403, InvalidRequest),
        ("slb:CreateLoadBalancerTCPListener", "ServiceIsConfiguring", 400, Transient),
        ("slb:AddBackendServers", "BackendServer.configuring", 409, Transient),
        ("slb:DeleteLoadBalancer", "OperationDenied.DeleteProtectionIsOn", 400, Conflict),
        ("slb:CreateLoadBalancer", "ORDER.QUOTA_EXCEEDED", 400, QuotaExceeded),
        ("slb:CreateLoadBalancer", "PRODUCT.INSUFFICIENT_STOCK", 400, CapacityUnavailable),
        ("slb:CreateLoadBalancer", "ORDER.ARREARAGE", 400, Forbidden),
        ("slb:CreateLoadBalancerTCPListener", "ListenerAlreadyExists", 400, AlreadyExists),
        ("ess:DeleteScalingGroup", "ScalingActivityInProgress", 400, Transient),
        ("ess:EnableScalingGroup", "IncorrectScalingGroupStatus", 400, Conflict),
        ("ess:CreateScalingGroup", "InvalidScalingGroupName.Duplicate", 400, AlreadyExists),
        ("alidns:AddDomainRecord", "DomainRecordDuplicate", 400, AlreadyExists),
        ("alidns:AddDomainRecord", "InvalidDomainName.NoExist", 404, NotFound),
        ("alidns:AddDomainRecord", "QuotaExceeded.Record", 400, QuotaExceeded),
        ("alidns:DeleteDomainRecord", "DomainRecordNotBelongToUser", 400, NotFound),
        ("alidns:UpdateDNSSLBWeight", "DisableDNSSLB", 400, Conflict),
        ("alidns:UpdateDomainRecord", "LastOperationNotFinished", 400, Transient),
        ("cr:GetRepository", "REPO_NOT_EXIST", 404, NotFound),
        ("cr:CreateRepository", "REPO_ALREADY_EXIST", 400, AlreadyExists),
        ("kms:DescribeKey", "Forbidden.KeyNotFound", 404, NotFound),
        ("kms:DescribeKey", "Forbidden.NoPermission", 403, Forbidden),
        ("ram:GetUserMFAInfo", "EntityNotExist.User.MFADevice", 404, NotFound),
        ("ram:GetRole", "EntityNotExist.Role", 404, NotFound),
        ("sts:AssumeRole", "EntityNotExist.Role", 404, Unauthenticated),
        ("oss:GetBucketInfo", "NoSuchBucket", 404, NotFound),
        ("oss:ListBuckets", "AccessDenied", 403, Forbidden),
        ("oss:ListBuckets", "RequestTimeTooSkewed", 403, Unauthenticated),
        ("actiontrail:DeleteTrail", "TrailNotFoundException", 404, NotFound),
    ],
)
def test_codes_of_the_further_services(operation: str, code: str, status: int, expected: type[CloudError]) -> None:
    exc = map_error(ServerException(code, "no", http_status=status, request_id="R"), operation)
    assert type(exc) is expected


# -- DNS ---------------------------------------------------------------------------------------------------------------

fleets = st.from_regex(r"[a-z]([-a-z0-9]{0,28}[a-z0-9])?", fullmatch=True)
labels = st.from_regex(r"[a-z0-9-]{0,6}", fullmatch=True)


@given(fleets, st.integers(0, 255), labels)
def test_a_remark_comes_back_as_it_was_written(fleet: str, weight: int, label: str) -> None:
    remark = Remark(fleet, weight, label)
    assert write_remark(remark, problem_only=True) == ""
    assert read_remark(write_remark(remark)) == remark
    assert len(write_remark(remark)) <= 50


@given(st.text(max_size=60))
def test_other_peoples_remarks_are_theirs(text: str) -> None:
    assert read_remark(text).fleet == "" or text.startswith("duoyun,")


@pytest.mark.parametrize("remark", [Remark("a" * 44), Remark("shop", 1, "a,b"), Remark("shop", 1, "naïve")])
def test_what_does_not_fit_into_a_remark_is_said(remark: Remark) -> None:
    assert "shorten" in write_remark(remark, problem_only=True)


weights = st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 255), min_size=2, max_size=6)


@given(weights)
def test_weights_keep_their_order_and_nothing_loses_its_share(wanted: dict[str, int]) -> None:
    sent = cloud_weights(wanted)
    assert all((sent[v] == 0) is (w == 0) and sent[v] <= 100 for v, w in wanted.items())
    ordered = sorted(wanted, key=lambda value: wanted[value])
    assert [sent[value] for value in ordered] == sorted(sent.values())
    if max(wanted.values()) <= 100:
        assert sent == wanted


@given(weights)
def test_wanted_weights_are_shown_while_the_cloud_has_them(wanted: dict[str, int]) -> None:
    sent = cloud_weights(wanted)
    records = [
        {"Value": v, "Remark": write_remark(Remark("shop", w)), "LbaStatus": True, "Weight": sent[v] or 7,
         "Status": "ENABLE" if sent[v] else "DISABLE"}
        for v, w in wanted.items()
    ]  # fmt: skip
    assert shown_weights(records) == list(wanted.values())
    moved = [{**records[0], "Status": "ENABLE", "Weight": sent[next(iter(wanted))] % 100 + 1}, *records[1:]]
    shown = shown_weights(moved)
    assert shown[0] == moved[0]["Weight"]  # somebody else's hand: what holds is shown
    assert [s is None for s in shown[1:]] == [r["Status"] == "DISABLE" for r in records[1:]]


# -- listeners ---------------------------------------------------------------------------------------------------------

checks = st.builds(
    HealthCheck,
    protocol=st.sampled_from(["tcp", "http"]),
    port=st.sampled_from([0, 8081]),
    path=st.just(""),
    interval_s=st.integers(1, 50),
    timeout_s=st.integers(1, 300),
    healthy_threshold=st.integers(2, 10),
    unhealthy_threshold=st.integers(2, 10),
)


@st.composite
def lines(draw: st.DrawFn) -> tuple[Listener, int]:
    layer = draw(st.sampled_from([4, 7]))
    protocol = draw(st.sampled_from(["tcp", "udp"] if layer == 4 else ["http", "https"]))
    check = draw(checks)
    kind = "http" if layer == 7 else "tcp" if protocol == "udp" else check.protocol
    check = replace(check, protocol=kind, path="/healthz" if kind == "http" else "")
    tls = {"certificate": "1_cert", "tls_policy": draw(st.sampled_from(["1.0", "1.1", "1.2"]))}
    port, target = draw(st.integers(1, 65535)), draw(st.integers(1, 65535))
    extra = tls if protocol == "https" else {}
    return Listener(protocol=protocol, port=port, target_port=target, health_check=check, **extra), layer


def shown(line: Listener, params: dict[str, Any]) -> dict[str, Any]:
    """As DescribeLoadBalancerListeners shows what was asked for."""
    config = {k: v for k, v in params.items() if v is not None}
    config["HealthCheckInterval"] = config.pop("healthCheckInterval", config.get("HealthCheckInterval"))
    row = {"ListenerProtocol": line.protocol, "ListenerPort": line.port, "BackendServerPort": line.target_port}
    return {**row, f"{line.protocol.upper()}ListenerConfig": config}


@given(lines())
def test_a_listener_comes_back_as_it_was_written(drawn: tuple[Listener, int]) -> None:
    line, layer = drawn
    check_listener(line, layer)
    for new in (True, False):
        assert same(read_listener(shown(line, write_listener(line, new=new))), line)


def test_a_redirect_is_a_listener_of_its_own() -> None:
    line = Listener(protocol="http", port=80, target_port=443, redirect_to_https=True)
    check_listener(line, 7)
    back = read_listener(shown(line, write_listener(line, new=True)))
    assert back == line
    assert not in_place(back, replace(line, redirect_to_https=False, target_port=8080))


@pytest.mark.parametrize(
    ("layer", "changes"),
    [
        (4, {"protocol": "tls"}),
        (4, {"protocol": "http"}),
        (7, {"protocol": "tcp"}),
        (4, {"health_check": HealthCheck(interval_s=51)}),
        (4, {"health_check": HealthCheck(healthy_threshold=1)}),
        (7, {"protocol": "http"}),  # its check is HTTP, and the model's default is not
        (4, {"protocol": "udp", "health_check": HealthCheck(protocol="http")}),
        (7, {"protocol": "https", "health_check": HealthCheck(protocol="http")}),
        (
            7,
            {
                "protocol": "https",
                "certificate": "c",
                "tls_policy": "1.3",
                "health_check": HealthCheck(protocol="http"),
            },
        ),
    ],
)
def test_listeners_that_a_clb_cannot_have(layer: int, changes: dict[str, Any]) -> None:
    line = replace(Listener(protocol=LAYER_4[0], port=80, target_port=8080), **changes)
    with pytest.raises(InvalidRequest) as caught:
        check_listener(line, layer)
    assert caught.value.mend


def test_a_tls_version_that_nobody_wants_is_no_difference() -> None:
    there = Listener(protocol="https", port=443, target_port=80, certificate="c", tls_policy="1.2")
    assert same(there, replace(there, tls_policy=""))
    assert not same(there, replace(there, tls_policy="1.1"))
    assert write_listener(replace(there, tls_policy=""), new=True)["TLSCipherPolicy"] == "tls_cipher_policy_1_2"


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_policies_are_read_statement_by_statement() -> None:
    document = """{"Version": "1", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"RAM": ["acs:ram::1:root"], "Service": "ecs.aliyuncs.com"}},
        {"Effect": "Deny", "NotAction": ["oss:*"], "Resource": ["*"], "Condition": {"Bool": {"acs:SecureTransport": "false"}}}
    ]}"""  # noqa: E501
    assert read_policy(document) == (
        Grant(actions=("sts:AssumeRole",), principals=("acs:ram::1:root", "ecs.aliyuncs.com")),
        Grant(effect="deny", not_actions=("oss:*",), resources=("*",), conditions=("acs:SecureTransport",)),
    )
    assert read_policy("") == read_policy("{") == ()


def test_white_lists_have_their_masks() -> None:
    assert cidrs_of("10.0.0.0/8, 192.0.2.7,,2001:db8::1") == ("10.0.0.0/8", "192.0.2.7/32", "2001:db8::1/128")


def test_rotation_intervals_are_days() -> None:
    assert [_days(t) for t in ("365d", "31536000s", "48h", "", "soon")] == [365, 365, 2, None, None]


@pytest.mark.parametrize(
    ("service", "region", "partition", "host"),
    [
        ("Ecs", "cn-hangzhou", "alibaba-cn", "ecs.cn-hangzhou.aliyuncs.com"),
        ("Slb", "cn-hangzhou", "alibaba-cn", "slb.aliyuncs.com"),
        ("Slb", "cn-chengdu", "alibaba-cn", "slb.cn-chengdu.aliyuncs.com"),
        ("Dds", "eu-central-1", "alibaba-intl", "mongodb.eu-central-1.aliyuncs.com"),
        ("cas", "cn-beijing", "alibaba-cn", "cas.aliyuncs.com"),
        ("ResourceCenter", "eu-central-1", "alibaba-intl", "resourcecenter-intl.aliyuncs.com"),
    ],
)
def test_each_service_has_its_host(service: str, region: str, partition: str, host: str) -> None:
    assert host_of(service, region, partition) == host


SIGNED_BY_OSS2 = "a2be9441291602d2166c7c48c368f0a35206c9e5a6e67268ebe793e4da6ef348"


def test_osss_signature_is_that_of_its_own_package() -> None:
    """Made with oss2 2.19.1's AuthV4 for the same request."""
    headers = {"x-oss-date": "20261127T030405Z", "x-oss-content-sha256": "UNSIGNED-PAYLOAD"}
    scope = "20261127/cn-hangzhou/oss/aliyun_v4_request"
    assert sign("GET", "/shop-logs/", {"bucketInfo": ""}, headers, scope, "secret") == SIGNED_BY_OSS2
