"""Signatures, regions, client tokens and the shape of errors, with requests signed here by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
import uuid
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, urlencode

import pytest


def utc(offset_s: float = 0.0) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset_s))


def send(method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(url, method=method, headers=headers or {}, data=body)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, json.loads(exc.read())


def rpc(cloud: Any, secret: str | None = None, **changes: str) -> tuple[int, Any]:
    """A DescribeRegions, signed as the documentation says; a value of "-" leaves the parameter out."""
    account = cloud.account()
    values = {
        "Action": "DescribeRegions",
        "Version": "2014-05-26",
        "Format": "JSON",
        "AccessKeyId": account.key_id,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": str(uuid.uuid4()),
        "Timestamp": utc(),
        "Note": "a b*c~d/é",
        **changes,
    }
    values = {k: v for k, v in values.items() if v != "-"}

    def enc(text: str) -> str:
        return quote(text, safe="-_.~")

    canonical = "&".join(f"{enc(k)}={enc(v)}" for k, v in sorted(values.items()))
    key = f"{account.secret if secret is None else secret}&".encode()
    mac = hmac.new(key, f"GET&%2F&{enc(canonical)}".encode(), hashlib.sha1).digest()
    return send("GET", f"{cloud.server.url}/?{urlencode({**values, 'Signature': base64.b64encode(mac).decode()})}")


def roa(cloud: Any, path: str, secret: str | None = None, date: str = "", query: str = "") -> tuple[int, Any]:
    account = cloud.account()
    headers = {
        "Accept": "application/json",
        "Date": date or formatdate(usegmt=True),
        "x-acs-region-id": "cn-hangzhou",
        "x-acs-version": "2015-12-15",
        "x-acs-signature-method": "HMAC-SHA1",
        "x-acs-signature-version": "1.0",
        "x-acs-signature-nonce": str(uuid.uuid4()),
    }
    signed = "".join(f"{k}:{v}\n" for k, v in sorted(headers.items()) if k.startswith("x-acs-"))
    text = f"GET\n{headers['Accept']}\n\n\n{headers['Date']}\n{signed}{path}{query}"
    mac = hmac.new((account.secret if secret is None else secret).encode(), text.encode(), hashlib.sha1).digest()
    headers["Authorization"] = f"acs {account.key_id}:{base64.b64encode(mac).decode()}"
    return send("GET", f"{cloud.server.url}{path}{query}", headers)


def acs3(cloud: Any, action: str, version: str, secret: str | None = None, **query: str) -> tuple[int, Any]:
    account = cloud.account()
    hashed = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": cloud.server.url.removeprefix("http://"),
        "x-acs-action": action,
        "x-acs-content-sha256": hashed,
        "x-acs-date": utc(),
        "x-acs-signature-nonce": str(uuid.uuid4()),
        "x-acs-version": version,
    }
    names = ";".join(sorted(headers))
    canonical_query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(query.items()))
    lines = "".join(f"{k}:{v}\n" for k, v in sorted(headers.items()))
    canonical = f"POST\n/\n{canonical_query}\n{lines}\n{names}\n{hashed}"
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    used = account.secret if secret is None else secret
    signature = hmac.new(used.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={account.key_id},SignedHeaders={names},Signature={signature}"
    )
    return send("POST", f"{cloud.server.url}/?{canonical_query}", headers, b"")


def test_a_signed_request_is_answered(cloud: Any) -> None:
    status, body = rpc(cloud)
    assert status == 200
    assert "cn-hangzhou" in {r["RegionId"] for r in body["Regions"]["Region"]}
    assert len(body["RequestId"]) == 36


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"AccessKeyId": "LTAInobody"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"AccessKeyId": "-"}, 400, "MissingAccessKeyId"),
        ({"SignatureNonce": "-"}, 400, "MissingSignatureNonce"),
        ({"Timestamp": utc(-3600)}, 400, "InvalidTimeStamp.Expired"),
        ({"Timestamp": utc(3600)}, 400, "InvalidTimeStamp.Expired"),
        ({"Timestamp": "yesterday"}, 400, "InvalidTimeStamp.Format"),
        ({"Action": "DescribeNothing"}, 404, "InvalidAction.NotFound"),
        ({"Version": "1999-01-01"}, 400, "InvalidVersion"),
        ({"Action": "DescribeVpcs", "Version": "2016-04-28"}, 404, "InvalidRegionId.NotFound"),
    ],
)
def test_what_the_gateway_refuses(cloud: Any, changes: dict[str, str], status: int, code: str) -> None:
    got, body = rpc(cloud, **changes)
    assert (got, body["Code"]) == (status, code)
    assert {"Message", "RequestId", "HostId"} <= set(body)


def test_a_wrong_secret_is_told_with_the_string_to_sign(cloud: Any) -> None:
    status, body = rpc(cloud, secret="wrong")
    assert (status, body["Code"]) == (400, "SignatureDoesNotMatch")
    assert "server string to sign is:GET&%2F&" in body["Message"]
    assert cloud.account().secret not in json.dumps(body)


def test_a_nonce_is_good_once(cloud: Any) -> None:
    nonce = str(uuid.uuid4())
    assert rpc(cloud, SignatureNonce=nonce)[0] == 200
    status, body = rpc(cloud, SignatureNonce=nonce)
    assert (status, body["Code"]) == (400, "SignatureNonceUsed")


def test_a_tampered_parameter_breaks_the_signature(cloud: Any) -> None:
    client = cloud.client()
    request = urllib.request.Request(
        f"{cloud.server.url}/?Action=DescribeRegions&AccessKeyId={client.get_access_key()}"
    )
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(request, timeout=5):
        pass
    assert caught.value.code == 400
    caught.value.close()


def test_roa_signatures(cloud: Any) -> None:
    assert roa(cloud, "/api/v1/clusters", query="?page_size=5")[0] == 200
    status, body = roa(cloud, "/api/v1/clusters", secret="wrong")
    assert (status, body["code"]) == (400, "SignatureDoesNotMatch")
    status, body = roa(cloud, "/api/v1/clusters", date=formatdate(time.time() - 3600, usegmt=True))
    assert (status, body["code"]) == (400, "InvalidTimeStamp.Expired")


def test_ack_errors_are_lower_case(cloud: Any) -> None:
    status, body = roa(cloud, "/clusters/c0")
    assert (status, body["code"]) == (404, "ErrorClusterNotFound")
    assert {"message", "requestId", "status"} <= set(body)
    assert "Code" not in body


def test_acs3_signatures(cloud: Any) -> None:
    status, body = acs3(cloud, "DescribeZones", "2014-05-26", RegionId="cn-hangzhou")
    assert status == 200
    assert body["Zones"]["Zone"]
    status, body = acs3(cloud, "DescribeZones", "2014-05-26", secret="wrong", RegionId="cn-hangzhou")
    assert (status, body["Code"]) == (400, "SignatureDoesNotMatch")


def test_regions_belong_to_a_partition(cloud: Any, refused: Any) -> None:
    china, abroad = cloud.client("cn-hangzhou"), cloud.client("ap-southeast-1", partition="alibaba-intl")
    listed = {r["RegionId"] for r in cloud.rpc("Ecs", "DescribeRegions", china)["Regions"]["Region"]}
    assert "cn-shanghai" in listed
    assert not listed & {"ap-southeast-1", "cn-hongkong"}
    assert cloud.rpc("Vpc", "DescribeVpcs", abroad)["TotalCount"] == 0
    wrong = refused(cloud.rpc, "Vpc", "DescribeVpcs", cloud.client("ap-southeast-1"))
    assert (wrong.http_status, wrong.error_code) == (403, "InvalidRegion.NotAuthorized")
    nowhere = refused(cloud.rpc, "Vpc", "DescribeVpcs", cloud.client("cn-atlantis"))
    assert (nowhere.http_status, nowhere.error_code) == (404, "InvalidRegionId.NotFound")


def test_accounts_do_not_see_each_other(cloud: Any) -> None:
    cloud.rpc("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8")
    abroad = cloud.client("ap-southeast-1", partition="alibaba-intl")
    assert cloud.rpc("Vpc", "DescribeVpcs", abroad)["TotalCount"] == 0
    assert cloud.rpc("Vpc", "DescribeVpcs", cloud.client("cn-shanghai"))["TotalCount"] == 0


def test_a_client_token_answers_again(cloud: Any, refused: Any) -> None:
    first = cloud.rpc("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8", ClientToken="t-1")
    again = cloud.rpc("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8", ClientToken="t-1")
    assert first["VpcId"] == again["VpcId"]
    assert first["RequestId"] != again["RequestId"]
    assert cloud.rpc("Vpc", "DescribeVpcs")["TotalCount"] == 1
    other = refused(cloud.rpc, "Vpc", "CreateVpc", CidrBlock="192.168.0.0/16", ClientToken="t-1")
    assert other.error_code == "IdempotentParameterMismatch"
    malformed = refused(cloud.rpc, "Vpc", "CreateVpc", CidrBlock="10.0.0.0/8", ClientToken="x" * 65)
    assert malformed.error_code == "InvalidClientToken.Malformed"
    elsewhere = cloud.rpc("Vpc", "CreateVpc", cloud.client("cn-shanghai"), CidrBlock="10.0.0.0/8", ClientToken="t-1")
    assert elsewhere["VpcId"] != first["VpcId"]


def test_a_refused_request_leaves_its_token_unused(cloud: Any, refused: Any) -> None:
    refused(cloud.rpc, "Vpc", "CreateVpc", CidrBlock="8.8.8.0/24", ClientToken="t-2")
    assert cloud.rpc("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8", ClientToken="t-2")["VpcId"]


def test_readers_read_only(cloud: Any, refused: Any) -> None:
    reader = cloud.client(reader=True)
    assert cloud.rpc("Vpc", "DescribeVpcs", reader)["TotalCount"] == 0
    assert cloud.rpc("Sts", "GetCallerIdentity", reader)["IdentityType"] == "RAMUser"
    denied = refused(cloud.rpc, "Vpc", "CreateVpc", reader, CidrBlock="10.0.0.0/8")
    assert (denied.http_status, denied.error_code) == (403, "Forbidden.RAM")
    in_ack = refused(cloud.roa, "DELETE", "/clusters/c0", None, reader)
    assert in_ack.http_status == 403
    assert "Forbidden.RAM" in in_ack.message


def test_faults_answer_wait_and_drop(cloud: Any, refused: Any) -> None:
    cloud.faults.add({"service": "alibaba", "operation": "vpc:Create*", "status": 400, "code": "Throttling.User"})
    assert refused(cloud.rpc, "Vpc", "CreateVpc", CidrBlock="10.0.0.0/8").error_code == "Throttling.User"
    cloud.faults.add({"operation": "vpc:CreateVpc", "delay_s": 0.3, "match": "VpcName=slow"})
    began = time.monotonic()
    cloud.rpc("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8", VpcName="quick")
    assert time.monotonic() - began < 0.3
    cloud.rpc("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8", VpcName="slow")
    assert time.monotonic() - began >= 0.3
    cloud.faults.add({"operation": "vpc:CreateVpc", "drop_answer": True})
    with pytest.raises(Exception, match=r"SDK\.HttpError"):
        cloud.rpc("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8", VpcName="lost")
    names = {v["VpcName"] for v in cloud.rpc("Vpc", "DescribeVpcs")["Vpcs"]["Vpc"]}
    assert names == {"quick", "slow", "lost"}


def test_the_audit_log_tells_who_did_what(cloud: Any, refused: Any) -> None:
    vpc = cloud.rpc("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8")["VpcId"]
    cloud.rpc("Vpc", "DescribeVpcs")
    attribute = {"LookupAttribute__1__Key": "ResourceName", "LookupAttribute__1__Value": vpc}
    (event,) = cloud.rpc("Actiontrail", "LookupEvents", **attribute)["Events"]
    assert (event["eventName"], event["eventRW"], event["serviceName"]) == ("CreateVpc", "Write", "Vpc")
    assert event["userIdentity"]["accessKeyId"] == cloud.account().key_id
    assert event["referencedResources"] == {"ACS::VPC::VPC": [vpc]}
    other = {"LookupAttribute__1__Key": "EventName", "LookupAttribute__1__Value": "DeleteVpc"}
    assert cloud.rpc("Actiontrail", "LookupEvents", **other)["Events"] == []
    for _ in range(4):
        cloud.rpc("Vpc", "CreateVpc", CidrBlock="10.0.0.0/8")
    first = cloud.rpc("Actiontrail", "LookupEvents", MaxResults=3)
    rest = cloud.rpc("Actiontrail", "LookupEvents", MaxResults=3, NextToken=first["NextToken"])
    assert [len(first["Events"]), len(rest["Events"]), rest["NextToken"]] == [3, 2, ""]
    wrong = {"LookupAttribute__1__Key": "Colour", "LookupAttribute__1__Value": "red"}
    assert refused(cloud.rpc, "Actiontrail", "LookupEvents", **wrong).error_code == "InvalidLookupAttribute"
