"""The IAM roles and the KMS key that EKS needs, found or made; shared by every cluster of the account.

Callers: cluster.py. They are never deleted: other clusters may use them, and they cost nothing (the key: 1 USD a month
while it exists). Source: EKS User Guide, "Amazon EKS cluster IAM role", "Amazon EKS node IAM role".
"""

from __future__ import annotations

import json
from typing import Any

from model.errors import AlreadyExists, NotFound
from providers.aws.session import DNS_SUFFIX, Session
from providers.aws.tags import pairs
from providers.base import Call

CLUSTER_ROLE = "duoyun-eks-cluster"
NODE_ROLE = "duoyun-eks-node"
KEY_ALIAS = "alias/duoyun-eks"
_CLUSTER_POLICIES = ("AmazonEKSClusterPolicy",)
_NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonEKS_CNI_Policy")
_SETTLE_S = 10.0  # IAM is eventually consistent (IAM User Guide, troubleshooting); EKS refuses a role it cannot assume
_MANAGED = {"managed-by": "duoyun"}


def cluster_role(session: Session, call: Call) -> str:
    """ARN of the control plane's role: the account option `cluster_role_arn`, else ours."""
    given = session.account.options.get("cluster_role_arn")
    return str(given) if given else _role(session, CLUSTER_ROLE, "eks.amazonaws.com", _CLUSTER_POLICIES, call)


def node_role(session: Session, call: Call) -> str:
    """ARN of the nodes' role: the account option `node_role_arn`, else ours. In China EC2 has another principal."""
    given = session.account.options.get("node_role_arn")
    principal = f"ec2.{DNS_SUFFIX[session.account.partition]}"
    return str(given) if given else _role(session, NODE_ROLE, principal, _NODE_POLICIES, call)


def _role(session: Session, name: str, principal: str, policies: tuple[str, ...], call: Call) -> str:
    try:
        arn = _arn(session, name, call)
    except NotFound:
        _create_role(session, name, principal, call)
        arn = _arn(session, name, call)
        fresh = True
    else:
        fresh = False
    attached = session.run(
        "iam",
        "",
        "ListAttachedRolePolicies",
        lambda iam: iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"],
        call,
    )
    have = {row["PolicyName"] for row in attached}
    for policy in policies:
        if policy not in have:
            policy_arn = f"arn:{session.account.partition}:iam::aws:policy/{policy}"
            _attach(session, name, policy_arn, call)
    if fresh:
        session.settle(_SETTLE_S, call)
    return arn


def _attach(session: Session, name: str, policy_arn: str, call: Call) -> None:
    session.run(
        "iam",
        "",
        "AttachRolePolicy",
        lambda iam: iam.attach_role_policy(RoleName=name, PolicyArn=policy_arn),
        call,
        write=True,
    )


def _arn(session: Session, name: str, call: Call) -> str:
    role = session.run("iam", "", "GetRole", lambda iam: iam.get_role(RoleName=name)["Role"], call)
    return str(role["Arn"])


def _create_role(session: Session, name: str, principal: str, call: Call) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}],
    }
    try:
        session.run(
            "iam",
            "",
            "CreateRole",
            lambda iam: iam.create_role(
                RoleName=name,
                AssumeRolePolicyDocument=json.dumps(trust),
                Description="made by duoyun for its EKS clusters",
                Tags=pairs(_MANAGED),
            ),
            call,
            write=True,
        )
    except AlreadyExists:
        call.progress(f"role {name} is there already")


def secrets_key(session: Session, region: str, call: Call) -> str:
    """ARN of the KMS key that encrypts the cluster's Secrets: the option `kms_key_arn`, else ours in that region."""
    given = session.account.options.get("kms_key_arn")
    if given:
        return str(given)
    try:
        return _key_arn(session, region, call)
    except NotFound:
        return _create_key(session, region, call)


def _key_arn(session: Session, region: str, call: Call) -> str:
    def describe(kms: Any) -> str:
        return str(kms.describe_key(KeyId=KEY_ALIAS)["KeyMetadata"]["Arn"])

    return session.run("kms", region, "DescribeKey", describe, call)


def _create_key(session: Session, region: str, call: Call) -> str:
    """The alias decides who was first: a key that lost the race is scheduled for deletion again."""

    def create(kms: Any) -> str:
        answer = kms.create_key(
            Description="made by duoyun: Secrets of its EKS clusters",
            Tags=[{"TagKey": k, "TagValue": v} for k, v in _MANAGED.items()],
        )
        return str(answer["KeyMetadata"]["KeyId"])

    key_id = session.run("kms", region, "CreateKey", create, call, write=True)
    try:
        session.run(
            "kms",
            region,
            "CreateAlias",
            lambda kms: kms.create_alias(AliasName=KEY_ALIAS, TargetKeyId=key_id),
            call,
            write=True,
        )
    except AlreadyExists:
        session.run(
            "kms",
            region,
            "ScheduleKeyDeletion",
            lambda kms: kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7),
            call,
            write=True,
        )
    return _key_arn(session, region, call)
