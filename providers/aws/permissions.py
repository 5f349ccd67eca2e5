"""Which requests this adapter sends, and the IAM actions that each of them wants: the one table of AWS's permissions.

Callers: checking.py. Tests hold the table against what the adapter really sends to the sandbox. Source: Service
Authorization Reference, "Actions, resources, and condition keys", per service. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

OPERATIONS: Mapping[str, str] = {
    "acm": "DescribeCertificate ListCertificates ListTagsForCertificate",
    "autoscaling": "AttachLoadBalancerTargetGroups CreateAutoScalingGroup CreateOrUpdateTags DeleteAutoScalingGroup "
    "DescribeAutoScalingGroups DetachLoadBalancerTargetGroups UpdateAutoScalingGroup",
    "cloudtrail": "DescribeTrails GetEventSelectors GetTrailStatus ListTags LookupEvents",
    "dynamodb": "DescribeContinuousBackups DescribeTable ListTables ListTagsOfResource",
    "ec2": "AttachInternetGateway AttachVolume AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress "
    "CreateInternetGateway CreateLaunchTemplate CreateLaunchTemplateVersion CreateRoute CreateSecurityGroup "
    "CreateSubnet CreateTags CreateVolume CreateVpc DeleteInternetGateway DeleteLaunchTemplate DeleteSecurityGroup "
    "DeleteSubnet DeleteVolume DeleteVpc DescribeAddresses DescribeImages DescribeInstanceTypeOfferings "
    "DescribeInstanceTypes DescribeInstances DescribeInternetGateways DescribeLaunchTemplateVersions "
    "DescribeLaunchTemplates DescribeNatGateways DescribeRouteTables DescribeSecurityGroups DescribeSpotPriceHistory "
    "DescribeSubnets DescribeVolumes DescribeVolumesModifications DescribeVpcs DetachInternetGateway DetachVolume "
    "ModifyInstanceAttribute ModifySubnetAttribute ModifyVolume ModifyVpcAttribute RevokeSecurityGroupEgress "
    "RevokeSecurityGroupIngress RunInstances TerminateInstances "
    "UpdateSecurityGroupRuleDescriptionsEgress UpdateSecurityGroupRuleDescriptionsIngress",
    "ecr": "BatchGetImage CreateRepository DeleteRepository DescribeRepositories GetRepositoryPolicy "
    "ListTagsForResource PutImageScanningConfiguration PutImageTagMutability TagResource",
    "eks": "AssociateEncryptionConfig CreateCluster CreateNodegroup DeleteCluster DeleteNodegroup DescribeCluster "
    "DescribeNodegroup ListClusters ListNodegroups TagResource UpdateClusterConfig UpdateClusterVersion "
    "UpdateNodegroupConfig",
    "elasticache": "DescribeCacheClusters DescribeReplicationGroups ListTagsForResource",
    "elasticloadbalancing": "AddTags CreateListener CreateLoadBalancer CreateTargetGroup DeleteListener "
    "DeleteLoadBalancer DeleteTargetGroup DeregisterTargets DescribeListeners DescribeLoadBalancerAttributes "
    "DescribeLoadBalancers DescribeTags DescribeTargetGroups DescribeTargetHealth ModifyListener "
    "ModifyLoadBalancerAttributes ModifyTargetGroup RegisterTargets SetSubnets",
    "iam": "AttachRolePolicy CreateRole GetAccountAuthorizationDetails GetRole ListAccessKeys "
    "ListAttachedRolePolicies ListMFADevices SimulatePrincipalPolicy",
    "kinesis": "DescribeStreamSummary ListStreams ListTagsForStream",
    "kms": "CreateAlias CreateKey DescribeKey GetKeyPolicy GetKeyRotationStatus ListAliases ListKeys "
    "ListResourceTags ScheduleKeyDeletion",
    "pricing": "GetProducts",
    "rds": "DescribeDBClusters DescribeDBInstances",
    "redshift": "DescribeClusters DescribeLoggingStatus",
    "route53": "ChangeResourceRecordSets GetChange ListHostedZones ListResourceRecordSets",
    "s3": "GetBucketAcl GetBucketEncryption GetBucketLocation GetBucketLogging GetBucketPolicy GetBucketReplication "
    "GetBucketTagging GetBucketVersioning GetPublicAccessBlock ListBuckets",
    "secretsmanager": "GetResourcePolicy ListSecrets",
    "servicequotas": "GetAWSDefaultServiceQuota GetServiceQuota",
    "sns": "GetTopicAttributes ListTagsForResource ListTopics",
    "sqs": "GetQueueAttributes ListQueueTags ListQueues",
    "ssm": "GetParameter",
    "sts": "GetCallerIdentity",
    "tagging": "GetResources",
}  # fmt: skip
"""Signing name of a service -> its operations, as the API names them."""

_NAMED: Mapping[str, tuple[str, ...]] = {
    "sts:GetCallerIdentity": (),  # STS API Reference: no permission is needed, none can take it away
    "tagging:GetResources": ("tag:GetResources",),
    "s3:ListBuckets": ("s3:ListAllMyBuckets",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetBucketReplication": ("s3:GetReplicationConfiguration",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
}
"""Where IAM's name is another than the operation's."""
_BESIDES: Mapping[str, tuple[str, ...]] = {
    "ec2:RunInstances": ("ec2:CreateTags",),
    "ec2:CreateVpc": ("ec2:CreateTags",),
    "autoscaling:CreateAutoScalingGroup": ("ec2:RunInstances", "iam:CreateServiceLinkedRole"),
    "ecr:CreateRepository": ("ecr:TagResource",),
    "eks:CreateCluster": ("iam:PassRole", "iam:CreateServiceLinkedRole", "eks:TagResource"),
    "eks:CreateNodegroup": ("iam:PassRole", "ec2:DescribeSubnets"),
    "elasticloadbalancing:CreateLoadBalancer": ("elasticloadbalancing:AddTags", "iam:CreateServiceLinkedRole"),
    "iam:CreateRole": ("iam:TagRole",),
    "kms:CreateKey": ("kms:TagResource", "kms:PutKeyPolicy"),
}
"""What IAM asks for besides the operation's own action: roles handed on, tags written along, first-use roles."""


def wanted(operation: str) -> tuple[str, ...]:
    """IAM actions that an operation (`ec2:CreateVpc`) wants. KeyError where the table has no such operation."""
    service, _, name = operation.partition(":")
    if name not in OPERATIONS[service].split():
        raise KeyError(operation)
    return (*_NAMED.get(operation, (operation,)), *_BESIDES.get(operation, ()))


def operations() -> tuple[str, ...]:
    """All of the table, like `ec2:CreateVpc`."""
    return tuple(f"{service}:{name}" for service, names in OPERATIONS.items() for name in names.split())


ACTIONS: tuple[str, ...] = tuple(sorted({action for operation in operations() for action in wanted(operation)}))


def policy(actions: Iterable[str]) -> dict[str, Any]:
    """An identity-based policy document. Source: IAM User Guide, "Policies and permissions"; Version is its language's.

    iam:PassRole stands by itself, for the two services that roles are handed to.
    """
    wanted_now = sorted(set(actions))
    statements: list[dict[str, Any]] = []
    plain = [action for action in wanted_now if action != "iam:PassRole"]
    if plain:
        statements.append({"Sid": "Duoyun", "Effect": "Allow", "Action": plain, "Resource": "*"})
    if "iam:PassRole" in wanted_now:
        to = ["eks.amazonaws.com", "ec2.amazonaws.com", "ec2.amazonaws.com.cn"]
        statements.append(
            {
                "Sid": "DuoyunRoles",
                "Effect": "Allow",
                "Action": ["iam:PassRole"],
                "Resource": "*",
                "Condition": {"StringEquals": {"iam:PassedToService": to}},
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}
