"""AWS: what the contract of the further kinds has to know of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from model.resources import Grant, Kind
from providers.base import Account
from sandbox.threaded import Running
from tools.conformance.more import More


def client(account: Account, region: str, service: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        service, region_name=region, endpoint_url=account.endpoint,
        aws_access_key_id=account.secrets["key_id"], aws_secret_access_key=account.secrets["secret"],
        config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 1}),
    )  # fmt: skip


def _dns_zone(account: Account, region: str, name: str) -> None:
    route53 = client(account, region, "route53")
    if all(zone["Name"] != f"{name}." for zone in route53.list_hosted_zones()["HostedZones"]):
        route53.create_hosted_zone(Name=name, CallerReference=name)


def _page_size(running: Running, rows: int) -> int:
    cloud: Any = running.sandbox.servers["aws"].cloud
    usual, cloud.page_size = cloud.page_size, rows
    return int(usual)


def _bucket(account: Account, region: str, name: str) -> Mapping[str, Any]:
    s3 = client(account, region, "s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    deny = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws-cn:s3:::{name}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }  # fmt: skip
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "team", "Value": "data"}]})
    return {
        "versioning": True, "sse": "cloud", "tls_only": True, "public": False, "public_access_blocked": False,
        "access_logs": False, "tags": {"team": "data"},
    }  # fmt: skip


def _key(account: Account, region: str, name: str) -> Mapping[str, Any]:
    kms = client(account, region, "kms")
    key = kms.create_key(Tags=[{"TagKey": "team", "TagValue": "data"}])["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=key)
    kms.enable_key_rotation(KeyId=key)
    return {
        "family": "key", "enabled": True, "rotates": True, "rotation_days": 365, "any_principal": False,
        "tags": {"team": "data"},
    }  # fmt: skip


def _certificate(account: Account, region: str, name: str) -> Mapping[str, Any]:
    tags = [{"Key": "Name", "Value": name}]
    client(account, region, "acm").request_certificate(
        DomainName="shop.example", ValidationMethod="DNS", SubjectAlternativeNames=["www.shop.example"], Tags=tags
    )
    return {"domains": ("shop.example", "www.shop.example"), "algorithm": "RSA_2048"}


def _subnet(ec2: Any, cidr: str) -> str:
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    return str(ec2.create_subnet(VpcId=vpc, CidrBlock=cidr)["Subnet"]["SubnetId"])


def _nat_gateway(account: Account, region: str, name: str) -> Mapping[str, Any]:
    ec2 = client(account, region, "ec2")
    address = ec2.allocate_address(Domain="vpc")
    subnet, tags = _subnet(ec2, "10.91.0.0/24"), [{"Key": "Name", "Value": name}]
    ec2.create_nat_gateway(
        SubnetId=subnet, AllocationId=address["AllocationId"],
        TagSpecifications=[{"ResourceType": "natgateway", "Tags": tags}],
    )  # fmt: skip
    return {"subnet": subnet, "public_ips": (address["PublicIp"],)}


def _public_ip(account: Account, region: str, name: str) -> Mapping[str, Any]:
    tags = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "Name", "Value": name}]}]
    made = client(account, region, "ec2").allocate_address(Domain="vpc", TagSpecifications=tags)
    return {"address": made["PublicIp"], "attached_to": ""}


def _database(account: Account, region: str, name: str) -> Mapping[str, Any]:
    client(account, region, "rds").create_db_instance(
        DBInstanceIdentifier=name, Engine="postgres", DBInstanceClass="db.m6g.large", AllocatedStorage=20,
        MasterUsername="root", MasterUserPassword="not-a-secret-1", StorageEncrypted=True, BackupRetentionPeriod=7,
        PubliclyAccessible=False, DeletionProtection=True, MultiAZ=True,
    )  # fmt: skip
    return {
        "family": "relational", "engine": "postgres", "public": False, "encrypted": True, "backup_days": 7,
        "deletion_protection": True, "multi_zone": True, "point_in_time": True,
    }  # fmt: skip


def _cache(account: Account, region: str, name: str) -> Mapping[str, Any]:
    client(account, region, "elasticache").create_replication_group(
        ReplicationGroupId=name, ReplicationGroupDescription="theirs", Engine="redis", CacheNodeType="cache.t3.small",
        NumCacheClusters=2, AtRestEncryptionEnabled=True, TransitEncryptionEnabled=True, SnapshotRetentionLimit=3,
    )  # fmt: skip
    return {"engine": "redis", "encrypted": True, "tls_required": True, "backup_days": 3, "auth": False}


def _queue(account: Account, region: str, name: str) -> Mapping[str, Any]:
    attributes = {"SqsManagedSseEnabled": "true"}
    client(account, region, "sqs").create_queue(QueueName=name, Attributes=attributes, tags={"team": "data"})
    return {"family": "queue", "encrypted": True, "public": False, "tags": {"team": "data"}}


def _audit_trail(account: Account, region: str, name: str) -> Mapping[str, Any]:
    s3, trail = client(account, region, "s3"), client(account, region, "cloudtrail")
    s3.create_bucket(Bucket=f"{name}-logs", CreateBucketConfiguration={"LocationConstraint": region})
    trail.create_trail(Name=name, S3BucketName=f"{name}-logs", IsMultiRegionTrail=True, EnableLogFileValidation=True)
    trail.start_logging(Name=name)
    return {
        "enabled": True, "all_regions": True, "validated": True, "all_events": True, "destination": f"{name}-logs",
    }  # fmt: skip


def _identity(account: Account, region: str, name: str) -> Mapping[str, Any]:
    iam = client(account, region, "iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com.cn"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    iam.put_role_policy(
        RoleName=name, PolicyName="read", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    )
    return {
        "family": "role",
        "grants": (Grant(actions=("s3:GetObject",), resources=("*",)),),
        "trust": (Grant(actions=("sts:AssumeRole",), principals=("ec2.amazonaws.com.cn",)),),
    }


def _managed_service(account: Account, region: str, name: str) -> Mapping[str, Any]:
    client(account, region, "efs").create_file_system(CreationToken=name, Tags=[{"Key": "Name", "Value": name}])
    return {"service": "file_system", "native_type": "elasticfilesystem:file-system"}


STRANGERS = {
    Kind.BUCKET: _bucket, Kind.KEY: _key, Kind.CERTIFICATE: _certificate, Kind.NAT_GATEWAY: _nat_gateway,
    Kind.PUBLIC_IP: _public_ip, Kind.DATABASE: _database, Kind.CACHE: _cache, Kind.QUEUE: _queue,
    Kind.AUDIT_TRAIL: _audit_trail, Kind.IDENTITY: _identity, Kind.MANAGED_SERVICE: _managed_service,
}  # fmt: skip
MORE = More(
    creates={
        Kind.INSTANCE_GROUP: "autoscaling:CreateAutoScalingGroup",
        Kind.DISK: "ec2:CreateVolume",
        Kind.LOAD_BALANCER: "elasticloadbalancing:CreateLoadBalancer",
        Kind.DNS_RECORD: "route53:ChangeResourceRecordSets",
        Kind.REGISTRY: "ecr:CreateRepository",
    },
    lacking=frozenset(),
    strangers=STRANGERS,
    page_size=_page_size,
    dns_zone=_dns_zone,
)
