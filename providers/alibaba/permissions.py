"""Which actions this adapter calls, and how RAM's policies name them: the one table of Alibaba Cloud's permissions.

Callers: checking.py. Tests hold the table against what the adapter really sends to the sandbox. Source: the services'
"RAM authorization" pages, which name each operation's action and the service's code. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

OPERATIONS: Mapping[str, str] = {
    "actiontrail": "DescribeTrails LookupEvents",
    "alidns": "AddDomainRecord DeleteDomainRecord DescribeDomainRecords DescribeDomains SetDNSSLBStatus "
    "SetDomainRecordStatus UpdateDNSSLBWeight UpdateDomainRecord UpdateDomainRecordRemark",
    "alikafka": "GetInstanceList",
    "cas": "ListUserCertificateOrder",
    "cr": "CreateNamespace CreateRepository DeleteRepository GetRepository ListInstance ListInstanceEndpoint "
    "ListNamespace ListRepoTag ListRepository UpdateRepository",
    "cs": "CreateCluster CreateClusterNodePool DeleteCluster DeleteClusterNodepool DescribeClusterDetail "
    "DescribeClusterNodePoolDetail DescribeClusterNodePools DescribeClusterUserKubeconfig DescribeClustersV1 "
    "DescribeKubernetesVersionMetadata GetClusterAuditProject ModifyCluster ModifyClusterNodePool TagResources "
    "UpdateClusterAuditLogConfig UpgradeCluster",
    "dds": "DescribeBackupPolicy DescribeDBInstanceAttribute DescribeDBInstances DescribeSecurityIps",
    "ecs": "AttachDisk AuthorizeSecurityGroup AuthorizeSecurityGroupEgress CreateDisk CreateSecurityGroup DeleteDisk "
    "DeleteInstances DeleteSecurityGroup DescribeAccountAttributes DescribeAvailableResource DescribeDisks "
    "DescribeImages DescribeInstanceTypes DescribeInstances DescribePrice DescribeSecurityGroupAttribute "
    "DescribeSecurityGroups DescribeSpotPriceHistory DetachDisk ModifyInstanceAttribute "
    "ModifySecurityGroupAttribute ModifySecurityGroupEgressRule ModifySecurityGroupRule ResizeDisk "
    "RevokeSecurityGroup RevokeSecurityGroupEgress RunInstances StartInstances TagResources",
    "ess": "AttachLoadBalancers CreateScalingConfiguration CreateScalingGroup DeleteScalingGroup "
    "DescribeScalingActivities DescribeScalingConfigurations DescribeScalingGroups DescribeScalingInstances "
    "DetachLoadBalancers EnableScalingGroup ModifyScalingGroup TagResources",
    "kms": "DescribeKey DescribeSecret ListAliases ListKeys ListResourceTags ListSecrets",
    "mns-open": "ListQueue ListTopic",
    "oss": "GetBucketInfo GetBucketPolicyStatus GetBucketTagging ListBuckets",
    "polardb": "DescribeDBClusterAccessWhitelist DescribeDBClusterEndpoints DescribeDBClusterTDE DescribeDBClusters",
    "r-kvstore": "DescribeBackupPolicy DescribeDBInstanceNetInfo DescribeInstanceAttribute DescribeInstanceSSL "
    "DescribeInstances",
    "ram": "GetPolicy GetRole GetUserMFAInfo ListAccessKeys ListEntitiesForPolicy ListGroupsForUser ListPolicies "
    "ListPoliciesForGroup ListPoliciesForRole ListPoliciesForUser ListRoles ListUsers",
    "rds": "DescribeBackupPolicy DescribeDBInstanceAttribute DescribeDBInstanceEncryptionKey DescribeDBInstanceNetInfo "
    "DescribeDBInstanceSSL DescribeDBInstances ListTagResources",
    "resourcecenter": "SearchResources",
    "rocketmq": "ListInstances",
    "slb": "AddBackendServers CreateLoadBalancer CreateLoadBalancerHTTPListener CreateLoadBalancerHTTPSListener "
    "CreateLoadBalancerTCPListener CreateLoadBalancerUDPListener DeleteLoadBalancer DeleteLoadBalancerListener "
    "DescribeAccessLogsDownloadAttribute DescribeLoadBalancerAttribute DescribeLoadBalancerListeners "
    "DescribeLoadBalancers RemoveBackendServers SetLoadBalancerDeleteProtection SetLoadBalancerHTTPListenerAttribute "
    "SetLoadBalancerHTTPSListenerAttribute SetLoadBalancerTCPListenerAttribute SetLoadBalancerUDPListenerAttribute "
    "StartLoadBalancerListener TagResources",
    "sts": "AssumeRole GetCallerIdentity",
    "vpc": "CreateVSwitch CreateVpc DeleteVSwitch DeleteVpc DescribeEipAddresses DescribeNatGateways "
    "DescribeVSwitches DescribeVpcs TagResources",
}
"""Service, in lower case as its endpoint names it -> its operations."""

_CODES: Mapping[str, str] = {"cas": "yundun-cert", "mns-open": "mns", "r-kvstore": "kvstore"}
"""Where RAM's code of a service is another than its API's name."""
_NAMED: Mapping[str, tuple[str, ...]] = {
    "sts:AssumeRole": (),  # asked with the key that the role's trust names, not with the role's own rights
    "sts:GetCallerIdentity": (),  # STS reference: no permission is needed
    "oss:GetBucketPolicyStatus": ("oss:GetBucketPolicy",),
    "cs:DescribeClustersV1": ("cs:DescribeClustersV1", "cs:GetClusters"),
}
_BESIDES: Mapping[str, tuple[str, ...]] = {
    "ess:CreateScalingGroup": ("ram:CreateServiceLinkedRole",),
}
"""What RAM asks for besides: a service's role, made at its first use."""


def wanted(operation: str) -> tuple[str, ...]:
    """RAM actions that an operation (`ecs:RunInstances`) wants. KeyError where the table has no such operation."""
    service, _, name = operation.partition(":")
    if name not in OPERATIONS[service].split():
        raise KeyError(operation)
    own = (f"{_CODES.get(service, service)}:{name}",)
    return (*_NAMED.get(operation, own), *_BESIDES.get(operation, ()))


def operations() -> tuple[str, ...]:
    """All of the table, like `ecs:RunInstances`."""
    return tuple(f"{service}:{name}" for service, names in OPERATIONS.items() for name in names.split())


ACTIONS: tuple[str, ...] = tuple(sorted({action for operation in operations() for action in wanted(operation)}))


def policy(actions: Iterable[str]) -> dict[str, Any]:
    """A custom policy of RAM. Source: RAM reference, "Policy elements"; Version is its language's."""
    return {"Version": "1", "Statement": [{"Effect": "Allow", "Action": sorted(set(actions)), "Resource": "*"}]}
