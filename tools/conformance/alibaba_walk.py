"""Alibaba Cloud's further services by the bare SDK: what the adapter has no use for, and taking away what was made.

Callers: lives.py, after FurtherLife. Not judged here: each exchange is judged by alibaba.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from providers.alibaba import open as open_account
from providers.base import Account, Call
from tools.conformance.strangers import alibaba as theirs

REGION = "cn-hangzhou"
SERVICES = {**theirs.VERSIONS, "Slb": "2014-05-15", "Ess": "2022-02-22", "Alidns": "2015-01-09", "cr": "2018-12-01",
            "Ecs": "2014-05-26"}  # fmt: skip


class FurtherWalk:
    """What is made, is taken away again."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def _rpc(self, service: str, action: str, **params: str) -> dict[str, Any]:
        return theirs.send(self._account, REGION, service, SERVICES[service], action, **params)

    def walk(self) -> None:
        for part in (
            self._disk, self._balancer, self._layer7, self._group, self._domain, self._repository, self._egress,
            self._databases, self._queues, self._rights, self._rest, self._prices,
        ):  # fmt: skip
            part()

    def _prices(self) -> None:
        """As the adapter asks."""
        ours, types = open_account(self._account), ["ecs.g7.large"]
        assert [price.instance_type for price in ours.prices(REGION, types, Call())] == types
        assert [price.instance_type for price in ours.spot_prices(REGION, types, Call())] == types
        assert list(ours.zones_selling(REGION, types, Call())) == types
        assert ours.quotas(REGION, Call())

    def _until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _disk(self) -> None:
        disk = self._rpc("Ecs", "CreateDisk", ZoneId="cn-hangzhou-h", Size="20", DiskName="walk")["DiskId"]
        self._until(lambda: self._one("DescribeDisks", ("Disks", "Disk"), DiskIds=json.dumps([disk])) == "Available")
        self._rpc("Ecs", "ModifyDiskAttribute", DiskId=disk, Description="changed")
        self._rpc("Ecs", "TagResources", ResourceType="disk", ResourceId__1=disk, Tag__1__Key="a", Tag__1__Value="b")
        self._rpc("Ecs", "DeleteDisk", DiskId=disk)

    def _one(self, action: str, path: tuple[str, str], **params: str) -> str:
        rows = self._rpc("Ecs", action, **params)[path[0]][path[1]]
        return str(rows[0]["Status"]) if rows else ""

    def _balancer(self) -> None:
        made = self._rpc("Slb", "CreateLoadBalancer", LoadBalancerName="walk", AddressType="internet")["LoadBalancerId"]
        which = {"LoadBalancerId": made}
        self._rpc("Slb", "SetLoadBalancerName", LoadBalancerName="walked", **which)
        tagged = {"ResourceType": "instance", "ResourceId__1": made}
        self._rpc("Slb", "TagResources", Tag__1__Key="a", Tag__1__Value="b", **tagged)
        self._rpc("Slb", "UntagResources", TagKey__1="a", **tagged)
        self._rpc("Slb", "DeleteLoadBalancer", **which)

    def _layer7(self) -> None:
        made = self._rpc("Slb", "CreateLoadBalancer", LoadBalancerName="walk7", AddressType="internet")
        which = {"LoadBalancerId": made["LoadBalancerId"]}
        check = {"HealthCheck": "on", "HealthCheckURI": "/", "StickySession": "off"}
        line = {"BackendServerPort": "8080", "Bandwidth": "-1", **check, **which}
        self._rpc("Slb", "CreateLoadBalancerHTTPListener", ListenerPort="80", **line)
        forward = {"ListenerForward": "on", "ForwardPort": "443", "HealthCheck": "off", "StickySession": "off"}
        self._rpc("Slb", "CreateLoadBalancerHTTPListener", ListenerPort="81", **forward, **which)
        self._rpc("Slb", "SetLoadBalancerHTTPListenerAttribute", ListenerPort="80", **check, **which)
        tls = {"ServerCertificateId": "1_cert", "TLSCipherPolicy": "tls_cipher_policy_1_2"}
        self._rpc("Slb", "CreateLoadBalancerHTTPSListener", ListenerPort="443", **tls, **line)
        self._rpc("Slb", "SetLoadBalancerHTTPSListenerAttribute", ListenerPort="443", **tls, **check, **which)
        self._rpc("Slb", "StartLoadBalancerListener", ListenerPort="80", ListenerProtocol="http", **which)
        self._rpc("Slb", "StopLoadBalancerListener", ListenerPort="80", ListenerProtocol="http", **which)
        self._rpc("Slb", "DescribeLoadBalancerListeners", LoadBalancerId__1=which["LoadBalancerId"])
        self._rpc("Slb", "DeleteLoadBalancer", **which)

    def _group(self) -> None:
        _, switch = theirs.network(self._account, REGION)
        sizes = {"MinSize": "0", "MaxSize": "1", "DesiredCapacity": "0"}
        made = self._rpc("Ess", "CreateScalingGroup", ScalingGroupName="walk", VSwitchIds__1=switch, **sizes)
        which = {"ScalingGroupId": made["ScalingGroupId"]}
        self._rpc("Ess", "DisableScalingGroup", **which)
        self._rpc("Ess", "DeleteScalingGroup", ForceDelete="true", **which)

    def _domain(self) -> None:
        self._rpc("Alidns", "AddDomain", DomainName="walk.example")
        record = {"RR": "www", "Type": "A", "TTL": "600"}
        made = self._rpc("Alidns", "AddDomainRecord", DomainName="walk.example", Value="192.0.2.9", **record)
        self._rpc("Alidns", "UpdateDomainRecord", RecordId=made["RecordId"], Value="192.0.2.10", **record)
        self._rpc("Alidns", "DeleteDomain", DomainName="walk.example")

    def _repository(self) -> None:
        instance = {"InstanceId": self._rpc("cr", "ListInstance")["Instances"][0]["InstanceId"]}
        self._rpc("cr", "CreateNamespace", NamespaceName="walk", **instance)
        where = {**instance, "RepoNamespaceName": "walk", "RepoName": "app"}
        self._rpc("cr", "CreateRepository", RepoType="PRIVATE", Summary="theirs", **where)
        found = self._rpc("cr", "GetRepository", **where)
        self._rpc("cr", "ListRepoTag", RepoId=found["RepoId"], **instance)
        self._rpc("cr", "DeleteRepository", **where)
        self._rpc("cr", "DeleteNamespace", NamespaceName="walk", **instance)

    def _egress(self) -> None:
        for row in self._rpc("Vpc", "DescribeEipAddresses")["EipAddresses"]["EipAddress"]:
            which = {"AllocationId": row["AllocationId"]}
            if row["InstanceId"]:
                self._rpc("Vpc", "UnassociateEipAddress", InstanceId=row["InstanceId"], InstanceType="Nat", **which)
            self._rpc("Vpc", "ReleaseEipAddress", **which)
        for row in self._rpc("Vpc", "DescribeNatGateways")["NatGateways"]["NatGateway"]:
            self._rpc("Vpc", "DeleteNatGateway", NatGatewayId=row["NatGatewayId"])

    def _databases(self) -> None:
        for row in self._rpc("Dds", "DescribeDBInstances")["DBInstances"]["DBInstance"]:
            self._rpc("Dds", "DeleteDBInstance", DBInstanceId=row["DBInstanceId"])
        for row in self._rpc("polardb", "DescribeDBClusters")["Items"]["DBCluster"]:
            self._rpc("polardb", "DeleteDBCluster", DBClusterId=row["DBClusterId"])
        for row in self._rpc("R-kvstore", "DescribeInstances")["Instances"]["KVStoreInstance"]:
            self._rpc("R-kvstore", "DeleteInstance", InstanceId=row["InstanceId"])
        _, switch = theirs.network(self._account, REGION)
        made = self._rpc(
            "Rds", "CreateDBInstance", Engine="MySQL", EngineVersion="8.0", DBInstanceClass="mysql.n2.small",
            DBInstanceStorage="20", DBInstanceNetType="Intranet", PayType="Postpaid", VSwitchId=switch,
            SecurityIPList="127.0.0.1",
        )  # fmt: skip
        self._rpc("Rds", "DeleteDBInstance", DBInstanceId=made["DBInstanceId"])

    def _queues(self) -> None:
        for row in self._rpc("Mns-open", "ListQueue")["Data"]["PageData"]:
            self._rpc("Mns-open", "DeleteQueue", QueueName=row["QueueName"])
        for row in self._rpc("Mns-open", "ListTopic")["Data"]["PageData"]:
            self._rpc("Mns-open", "DeleteTopic", TopicName=row["TopicName"])
        for row in self._rpc("alikafka", "GetInstanceList")["InstanceList"]["InstanceVO"]:
            self._rpc("alikafka", "DeleteInstance", InstanceId=row["InstanceId"])
        rocket = {"account": self._account, "region": REGION, "product": "RocketMQ", "version": "2022-08-01"}
        for row in theirs.rest(**rocket, method="GET", path="/instances", body=None)["data"]["list"]:
            theirs.rest(**rocket, method="DELETE", path=f"/instances/{row['instanceId']}", body=None)

    def _rights(self) -> None:
        for user in self._rpc("Ram", "ListUsers")["Users"]["User"]:
            who = {"UserName": user["UserName"]}
            self._rpc("Ram", "UnbindMFADevice", **who)
            self._rpc("Ram", "ListGroupsForUser", **who)
            for policy in self._rpc("Ram", "ListPoliciesForUser", **who)["Policies"]["Policy"]:
                named = {k: policy[k] for k in ("PolicyName", "PolicyType")}
                self._rpc("Ram", "DetachPolicyFromUser", **named, **who)
        for role in self._rpc("Ram", "ListRoles")["Roles"]["Role"]:
            which = {"RoleName": role["RoleName"]}
            for policy in self._rpc("Ram", "ListPoliciesForRole", **which)["Policies"]["Policy"]:
                named = {k: policy[k] for k in ("PolicyName", "PolicyType")}
                self._rpc("Ram", "DetachPolicyFromRole", **named, **which)
            self._rpc("Ram", "DeleteRole", **which)
        for policy in self._rpc("Ram", "ListPolicies", PolicyType="Custom")["Policies"]["Policy"]:
            self._rpc("Ram", "DeletePolicy", PolicyName=policy["PolicyName"])
        self._rpc("Ram", "CreateUser", UserName="walk")
        self._rpc("Ram", "DeleteUser", UserName="walk")

    def _rest(self) -> None:
        for row in self._rpc("cas", "ListUserCertificateOrder", OrderType="UPLOAD")["CertificateOrderList"]:
            self._rpc("cas", "DeleteUserCertificate", CertId=str(row["CertificateId"]))
        for row in self._rpc("Actiontrail", "DescribeTrails")["TrailList"]:
            self._rpc("Actiontrail", "StopLogging", Name=row["Name"])
            self._rpc("Actiontrail", "DeleteTrail", Name=row["Name"])
        for row in self._rpc("Nas", "DescribeFileSystems")["FileSystems"]["FileSystem"]:
            self._rpc("Nas", "DeleteFileSystem", FileSystemId=row["FileSystemId"])
        for row in self._rpc("Kms", "ListKeys")["Keys"]["Key"]:
            if self._rpc("Kms", "DescribeKey", KeyId=row["KeyId"])["KeyMetadata"]["Creator"].isdigit():
                self._rpc("Kms", "ScheduleKeyDeletion", KeyId=row["KeyId"], PendingWindowInDays="7")
