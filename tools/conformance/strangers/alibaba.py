"""Alibaba Cloud: what the contract of the further kinds has to know of it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from model.resources import Kind
from providers.base import Account
from sandbox.threaded import Running
from tools.conformance.more import More


def send(account: Account, region: str, product: str, version: str, action: str, **params: str) -> dict[str, Any]:
    """One RPC action with the bare SDK. A dot in a name is written as two underscores."""
    from aliyunsdkcore.client import AcsClient
    from aliyunsdkcore.request import CommonRequest

    request = CommonRequest(product=product, version=version, action_name=action)
    request.set_domain(account.endpoint.removeprefix("http://"))
    request.set_method("POST")
    for name, value in {"RegionId": region, **params}.items():
        request.add_query_param(name.replace("__", "."), value)
    client = AcsClient(account.secrets["key_id"], account.secrets["secret"], region)
    found: dict[str, Any] = json.loads(client.do_action_with_exception(request))
    return found


def dns_zone(account: Account, region: str, name: str) -> None:
    from aliyunsdkcore.acs_exception.exceptions import ServerException

    try:
        send(account, region, "Alidns", "2015-01-09", "AddDomain", DomainName=name)
    except ServerException as exc:
        if exc.error_code != "InvalidDomainName.Duplicate":
            raise


def page_size(_running: Running, rows: int) -> int:
    """The adapter asks for pages of that size, as the cloud gives what is asked for."""
    from providers.alibaba import session

    before, session.PAGE_SIZE = session.PAGE_SIZE, rows
    return before


VERSIONS = {
    "Vpc": "2016-04-28", "Kms": "2016-01-20", "cas": "2020-04-07", "Rds": "2014-08-15", "Dds": "2015-12-01",
    "polardb": "2017-08-01", "R-kvstore": "2015-01-01", "Mns-open": "2022-01-19", "alikafka": "2019-09-16",
    "Ram": "2015-05-01", "Actiontrail": "2020-07-06", "Nas": "2017-06-26",
}  # fmt: skip


def rpc(account: Account, region: str, service: str, action: str, **params: str) -> dict[str, Any]:
    return send(account, region, service, VERSIONS[service], action, **params)


def tags(**pairs: str) -> dict[str, str]:
    """As most services take them: Tag.N.Key, Tag.N.Value."""
    return {f"Tag__{n}__{k}": v for n, pair in enumerate(pairs.items(), 1) for k, v in zip(("Key", "Value"), pair)}  # noqa: B905


def _until(account: Account, region: str, action: str, params: Mapping[str, str], path: tuple[str, str]) -> None:
    deadline = time.monotonic() + 20
    while True:
        (row,) = rpc(account, region, "Vpc", action, **params)[path[0]][path[1]]
        if row["Status"] == "Available":
            return
        assert time.monotonic() < deadline, action
        time.sleep(0.02)


@cache
def _network(endpoint: str, key_id: str, secret: str, region: str) -> tuple[str, str]:
    """A VPC and a vSwitch of theirs, made once."""
    account = Account("theirs", "alibaba", "", "", endpoint, secrets={"key_id": key_id, "secret": secret})
    vpc = rpc(account, region, "Vpc", "CreateVpc", VpcName="theirs-network", CidrBlock="10.78.0.0/16")["VpcId"]
    _until(account, region, "DescribeVpcs", {"VpcId": vpc}, ("Vpcs", "Vpc"))
    switch = rpc(
        account, region, "Vpc", "CreateVSwitch", VpcId=vpc, VSwitchName="theirs-subnet", CidrBlock="10.78.1.0/24",
        ZoneId="cn-hangzhou-h",
    )["VSwitchId"]  # fmt: skip
    _until(account, region, "DescribeVSwitches", {"VSwitchId": switch}, ("VSwitches", "VSwitch"))
    return vpc, switch


def network(account: Account, region: str) -> tuple[str, str]:
    return _network(account.endpoint, account.secrets["key_id"], account.secrets["secret"], region)


# -- theirs: each makes one of that name, and says what of it must be seen ---------------------------------------------


def oss(account: Account, region: str, method: str, bucket: str, sub: str = "", body: str = "", **headers: str) -> None:
    import httpx

    from providers.alibaba.oss import sign

    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/{region}/oss/aliyun_v4_request"
    given = {f"x-oss-{k}": v for k, v in headers.items()}
    sent = {"x-oss-date": now, "x-oss-content-sha256": "UNSIGNED-PAYLOAD", **given}
    query = {sub: ""} if sub else {}
    signature = sign(method, f"/{bucket}/", query, sent, scope, account.secrets["secret"])
    key = account.secrets["key_id"]
    sent["authorization"] = f"OSS4-HMAC-SHA256 Credential={key}/{scope},Signature={signature}"
    url = f"{account.endpoint}/{bucket}/{'?' + sub if sub else ''}"
    httpx.request(method, url, headers=sent, content=body.encode(), trust_env=False).raise_for_status()


def bucket(account: Account, region: str, name: str) -> Mapping[str, Any]:
    named = f"{name}-{account.account_id[-4:]}-{time.time_ns() % 10**9}"
    oss(account, region, "PUT", named, acl="public-read")
    rule = (
        "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"
    )
    encryption = f"<ServerSideEncryptionRule>{rule}</ServerSideEncryptionRule>"
    oss(account, region, "PUT", named, "encryption", encryption)
    oss(account, region, "PUT", named, "versioning", "<V><Status>Enabled</Status></V>")
    oss(
        account,
        region,
        "PUT",
        named,
        "logging",
        "<BucketLoggingStatus><TargetBucket>logs</TargetBucket></BucketLoggingStatus>",
    )
    oss(
        account, region, "PUT", named, "tagging", "<T><TagSet><Tag><Key>team</Key><Value>ops</Value></Tag></TagSet></T>"
    )
    told = {"public": True, "public_access_blocked": False, "sse": "cloud", "versioning": True, "access_logs": True}
    return {**told, "name": named, "redundancy": "LRS", "tags": {"team": "ops"}}


def key(account: Account, region: str, name: str) -> Mapping[str, Any]:
    made = rpc(
        account, region, "Kms", "CreateKey", Description="theirs", EnableAutomaticRotation="true",
        RotationInterval="365d", Tags=json.dumps([{"TagKey": "team", "TagValue": "ops"}]),
    )["KeyMetadata"]  # fmt: skip
    rpc(account, region, "Kms", "CreateAlias", KeyId=made["KeyId"], AliasName=f"alias/{name}")
    secret = {"SecretName": f"{name}-secret", "SecretData": "x", "VersionId": "v1"}
    rpc(account, region, "Kms", "CreateSecret", **secret)
    return {"enabled": True, "rotates": True, "rotation_days": 365, "hsm": False, "tags": {"team": "ops"}}


def pem(name: str) -> tuple[str, str, float]:
    """A certificate of their own making: (PEM, key's PEM, its end)."""
    from datetime import timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    since = datetime.now(UTC).replace(microsecond=0)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(7)
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(private, hashes.SHA256())
    )
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    end_s = (since + timedelta(days=30)).timestamp()
    return made.public_bytes(serialization.Encoding.PEM).decode(), text.decode(), end_s


def certificate(account: Account, region: str, name: str) -> Mapping[str, Any]:
    cert, private, until_s = pem("shop.example")
    rpc(account, region, "cas", "UploadUserCertificate", Name=name, Cert=cert, Key=private)
    return {"domains": ("shop.example",), "expires_s": until_s, "algorithm": "EC", "renews": False}


def nat_gateway(account: Account, region: str, name: str) -> Mapping[str, Any]:
    vpc, switch = network(account, region)
    made = rpc(
        account, region, "Vpc", "CreateNatGateway", VpcId=vpc, VSwitchId=switch, Name=name, NatType="Enhanced",
        **tags(team="ops"),
    )["NatGatewayId"]  # fmt: skip
    eip = rpc(account, region, "Vpc", "AllocateEipAddress", Name=f"{name}-eip", Bandwidth="5")
    rpc(
        account, region, "Vpc", "AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=made,
        InstanceType="Nat",
    )  # fmt: skip
    where = {"network": "theirs-network", "subnet": "theirs-subnet"}
    _until(account, region, "DescribeNatGateways", {"NatGatewayId": made}, ("NatGateways", "NatGateway"))
    return {**where, "public_ips": (eip["EipAddress"],), "tags": {"team": "ops"}}


def public_ip(account: Account, region: str, name: str) -> Mapping[str, Any]:
    made = rpc(
        account, region, "Vpc", "AllocateEipAddress", Name=name, Bandwidth="5",
        SecurityProtectionTypes__1="AntiDDoS_Enhanced", **tags(team="ops"),
    )  # fmt: skip
    return {"address": made["EipAddress"], "attached_to": "", "ddos_protection": True, "tags": {"team": "ops"}}


def database(account: Account, region: str, name: str) -> Mapping[str, Any]:
    """One of each service; the relational one is looked at."""
    vpc, switch = network(account, region)
    where = {"VPCId": vpc, "VSwitchId": switch, "ZoneId": "cn-hangzhou-h"}
    made = rpc(
        account, region, "Rds", "CreateDBInstance", Engine="MySQL", EngineVersion="8.0",
        DBInstanceClass="mysql.n2.small", DBInstanceStorage="20",
        DBInstanceNetType="Intranet", PayType="Postpaid", DBInstanceDescription=name,
        SecurityIPList="10.0.0.0/8,192.0.2.7", ZoneIdSlave1="cn-hangzhou-i", DeletionProtection="true",
        **where, **tags(team="ops"),
    )["DBInstanceId"]  # fmt: skip
    rpc(
        account,
        region,
        "Rds",
        "ModifyDBInstanceSSL",
        DBInstanceId=made,
        SSLEnabled="1",
        ConnectionString=f"{made}.mysql",
    )
    rpc(
        account, region, "Dds", "CreateDBInstance", EngineVersion="7.0", DBInstanceClass="mdb.shard.2x.large.d",
        DBInstanceStorage="20", DBInstanceDescription=f"{name}-mongo", SecurityIPList="10.0.0.0/8", Encrypted="true",
        VpcId=vpc, VSwitchId=switch, ZoneId="cn-hangzhou-h",
    )  # fmt: skip
    rpc(
        account, region, "polardb", "CreateDBCluster", DBType="MySQL", DBVersion="8.0", DBNodeClass="polar.mysql.g2",
        PayType="Postpaid", DBClusterDescription=f"{name}-polar", **where,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    which = {"DBInstanceId": made}

    def status() -> str:
        answer = rpc(account, region, "Rds", "DescribeDBInstanceAttribute", **which)
        return str(answer["Items"]["DBInstanceAttribute"][0]["DBInstanceStatus"])

    while status() != "Running":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return {
        "family": "relational", "engine": "MySQL", "version": "8.0", "public": False, "encrypted": False,
        "allowed_cidrs": ("10.0.0.0/8", "192.0.2.7/32"), "multi_zone": True, "deletion_protection": True,
        "tls_min": "1.2", "backup_days": 7, "tags": {"team": "ops"},
    }  # fmt: skip


def cached(account: Account, region: str, name: str) -> Mapping[str, Any]:
    vpc, switch = network(account, region)
    rpc(
        account, region, "R-kvstore", "CreateInstance", InstanceClass="tair.1g", InstanceName=name, EngineVersion="7.0",
        VpcId=vpc, VSwitchId=switch, ZoneId="cn-hangzhou-h", SecondaryZoneId="cn-hangzhou-i", **tags(team="ops"),
    )  # fmt: skip
    time.sleep(0.05)  # it is made in a moment; its state is compared between list and get
    told = {"engine": "Redis", "version": "7.0", "public": False, "auth": True, "multi_zone": True}
    return {**told, "allowed_cidrs": ("127.0.0.1/32",), "tags": {"team": "ops"}}


def queue(account: Account, region: str, name: str) -> Mapping[str, Any]:
    """One of each service; the MNS queue is looked at."""
    rpc(
        account,
        region,
        "Mns-open",
        "CreateQueue",
        QueueName=name,
        EnableSSE="true",
        EnableLogging="true",
        **tags(team="ops"),
    )
    rpc(account, region, "Mns-open", "CreateTopic", TopicName=f"{name}-topic")
    kafka = rpc(account, region, "alikafka", "CreatePostPayInstance", DeployType="5", PaidType="1", DiskSize="500")
    instance = kafka["Data"]["InstanceId"]
    rpc(
        account,
        region,
        "alikafka",
        "StartInstance",
        InstanceId=instance,
        Name=f"{name}-kafka",
        VpcId="vpc-1",
        ZoneId="h",
    )
    body = {
        "serviceCode": "rmq", "seriesCode": "standard", "subSeriesCode": "single_node", "paymentType": "PayAsYouGo",
        "instanceName": f"{name}-rocket",
    }  # fmt: skip
    rest(account, region, "RocketMQ", "2022-08-01", "POST", "/instances", body)
    return {"family": "queue", "encrypted": True, "audit_logs": True, "public": None, "tags": {"team": "ops"}}


def rest(account: Account, region: str, product: str, version: str, method: str, path: str, body: Any) -> Any:
    """One REST action with the bare SDK."""
    from aliyunsdkcore.client import AcsClient
    from aliyunsdkcore.request import CommonRequest

    request = CommonRequest(product=product, version=version, uri_pattern=path)
    request.set_domain(account.endpoint.removeprefix("http://"))
    request.set_method(method)
    if body is not None:
        request.set_content(json.dumps(body).encode())
        request.set_content_type("application/json")
    client = AcsClient(account.secrets["key_id"], account.secrets["secret"], region)
    return json.loads(client.do_action_with_exception(request))


def audit_trail(account: Account, region: str, name: str) -> Mapping[str, Any]:
    rpc(
        account,
        region,
        "Actiontrail",
        "CreateTrail",
        Name=name,
        OssBucketName="trails",
        EventRW="All",
        TrailRegion="All",
    )
    rpc(account, region, "Actiontrail", "StartLogging", Name=name)
    return {"enabled": True, "all_regions": True, "all_events": True, "destination": "oss://trails"}


def identity(account: Account, region: str, name: str) -> Mapping[str, Any]:
    """A user with a key, a role and a policy; the role is looked at."""
    from model.resources import Grant

    def document(statement: Mapping[str, Any]) -> str:
        return json.dumps({"Version": "1", "Statement": [statement]})

    allow = {"Effect": "Allow", "Action": ["oss:GetObject"], "Resource": "acs:oss:*:*:shop/*"}
    rpc(account, region, "Ram", "CreatePolicy", PolicyName=name, PolicyDocument=document(allow))
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": ["ecs.aliyuncs.com"]}}
    taken_by = {"AssumeRolePolicyDocument": document(trust)}
    rpc(account, region, "Ram", "CreateRole", RoleName=name, **taken_by, **tags(team="ops"))
    rpc(account, region, "Ram", "CreateUser", UserName=name)
    rpc(account, region, "Ram", "CreateAccessKey", UserName=name)
    codes = {"AuthenticationCode1": "123456", "AuthenticationCode2": "654321"}
    rpc(account, region, "Ram", "BindMFADevice", UserName=name, SerialNumber=f"acs:ram::1:mfa/{name}", **codes)
    rpc(account, region, "Ram", "AttachPolicyToRole", RoleName=name, PolicyName=name, PolicyType="Custom")
    rpc(account, region, "Ram", "AttachPolicyToUser", UserName=name, PolicyName="ReadOnlyAccess", PolicyType="System")
    return {
        "name": f"role/{name}", "family": "role", "tags": {"team": "ops"},
        "grants": (Grant(actions=("oss:GetObject",), resources=("acs:oss:*:*:shop/*",)),),
        "trust": (Grant(actions=("sts:AssumeRole",), principals=("ecs.aliyuncs.com",)),),
    }  # fmt: skip


def managed_service(account: Account, region: str, name: str) -> Mapping[str, Any]:
    rpc(
        account, region, "Nas", "CreateFileSystem", ProtocolType="NFS", StorageType="Performance", Description=name,
        **tags(team="ops"),
    )  # fmt: skip
    return {"service": "file_system", "native_type": "ACS::NAS::FileSystem", "tags": {"team": "ops"}}


MORE = More(
    creates={
        Kind.INSTANCE_GROUP: "ess:CreateScalingGroup",
        Kind.DISK: "ecs:CreateDisk",
        Kind.LOAD_BALANCER: "slb:CreateLoadBalancer",
        Kind.DNS_RECORD: "alidns:AddDomainRecord",
        Kind.REGISTRY: "cr:CreateRepository",
    },
    strangers={
        Kind.BUCKET: bucket,
        Kind.KEY: key,
        Kind.CERTIFICATE: certificate,
        Kind.NAT_GATEWAY: nat_gateway,
        Kind.PUBLIC_IP: public_ip,
        Kind.DATABASE: database,
        Kind.CACHE: cached,
        Kind.QUEUE: queue,
        Kind.AUDIT_TRAIL: audit_trail,
        Kind.IDENTITY: identity,
        Kind.MANAGED_SERVICE: managed_service,
    },
    dns_zone=dns_zone,
    page_size=page_size,
)
