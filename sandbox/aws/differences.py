"""What the sandbox's AWS does otherwise than plain moto, and why: the list that docs/sandbox-aws.md shows.

Callers: tools/docs/aws_differences.py; tests/conformance/test_aws_beside_plain_moto.py, which leads a life of our
adapter on both and asks both the same questions: a row that no longer holds fails, as does a difference without one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """steps: of the adapter's life (tools.conformance.lives) that end otherwise because of it."""

    what: str
    plain: str
    here: str
    why: str
    steps: tuple[str, ...] = ()


ROWS: tuple[Row, ...] = (
    Row(
        "signature",
        "not checked",
        "Signature Version 4 against the account's secret, headers and presigned URLs, 15 minutes of clock skew; "
        "errors in each service's own form",
        "wrong credentials must fail as they fail in AWS",
    ),
    Row(
        "account",
        "one, or guessed from the key",
        "the key's own; partition and region must fit (`aws-cn`: cn-north-1, cn-northwest-1)",
        "credential planes are apart",
    ),
    Row(
        "reader keys",
        "none: every key may write",
        "reads only; a write answers 403 (UnauthorizedOperation, AccessDenied, AccessDeniedException)",
        "read-only credentials can be tried",
    ),
    Row(
        "assumed roles",
        "any secret",
        "the secret that STS gave out, until it expires; the role's policies are not evaluated",
        "`role_arn` can be tried",
    ),
    Row(
        "dry runs",
        "some operations heed DryRun, others are done all the same",
        "every EC2 request with DryRun answers DryRunOperation, or UnauthorizedOperation, and changes nothing",
        "what credentials may do can be asked without doing it",
    ),
    Row(
        "policy simulation",
        "no SimulatePrincipalPolicy",
        "SimulatePrincipalPolicy answers as the sandbox decides: a reader may what does not write, all others may all",
        "`duoyun providers check` asks it",
    ),
    Row(
        "client tokens",
        "ignored",
        "same token and parameters: the first answer; other parameters: IdempotentParameterMismatch; instance "
        "terminated since: IdempotentInstanceTerminated; EKS tokens are free again once the cluster is gone",
        "a lost answer must not double anything",
    ),
    Row(
        "images and types",
        "anything goes",
        "InvalidAMIID.NotFound, InvalidParameterValue, Unsupported where the region does not offer the type",
        "typing errors show",
    ),
    Row(
        "Debian images",
        "none",
        "Debian 12 and 13, amd64 and arm64, in every region, by owner and by `/aws/service/debian/release/...`",
        "VM services need one; that the parameter exists in China is assumed",
    ),
    Row(
        "instances",
        "running at once, terminated at once",
        "pending, running, shutting-down, terminated, with the profile's durations",
        "clients must wait",
        ("create instance gate-0",),
    ),
    Row(
        "states",
        "any instance can be stopped and started",
        "IncorrectInstanceState from the wrong state",
        "as in AWS",
    ),
    Row(
        "what runs on them",
        "nothing",
        "the container that the user data starts (`podman run ... IMAGE`), on a loopback address which is the private "
        "(and public) address; a missing image leaves the instance running and nothing listening",
        "calls to a VM service are real",
    ),
    Row(
        "console output",
        "the same text for every instance",
        "GetConsoleOutput says what was started, or why nothing was",
        "a service that does not come up can be looked into",
    ),
    Row(
        "instances' groups",
        "the default group where groups are named in a network interface",
        "those of the network interface",
        "else every instance looks as if it had the wrong firewall",
        ("create instance gate-0", "list instance gate-0"),
    ),
    Row(
        "EKS clusters",
        "ACTIVE at once, version 1.19 unless one is named, any version",
        "CREATING, then ACTIVE; versions 1.30 to 1.36; DescribeCluster names network, cluster security group and CA",
        "clients must wait, and see the cluster as it was made",
        ("create cluster life", "list cluster life"),
    ),
    Row(
        "EKS endpoints, tokens and nodes",
        "an endpoint that does not exist, no tokens, node groups without nodes",
        "a real Kubernetes API on loopback that takes presigned GetCallerIdentity tokens, as aws-iam-authenticator "
        "checks them (reader keys may only read); node groups' nodes join it with zone, labels and allocatable of "
        "their type. No Auto Scaling group and no EC2 instances stand behind them; changed labels reach new nodes only",
        "kubectl and duoyun reach it, and pods have somewhere to run",
        ("reach cluster life",),
    ),
    Row(
        "EKS updates",
        "no UpdateClusterVersion, DescribeUpdate, ListAddons",
        "updates take time, one at a time, and can be described; no add-ons are installed",
        "a cluster is upgraded in place",
        ("update cluster life",),
    ),
    Row(
        "node groups' states",
        "ACTIVE at once",
        "CREATING until its nodes are Ready; CREATE_FAILED with the reason where they do not come",
        "clients must wait",
        ("create node_pool pool",),
    ),
    Row(
        "node groups' tags",
        "TagResource knows clusters only",
        "clusters and node groups",
        "tags are changed in place",
        ("update node_pool pool",),
    ),
    Row(
        "deletes",
        "groups and subnets go although something uses them",
        "DependencyViolation for subnets and groups that instances or clusters use",
        "order matters in life",
    ),
    Row(
        "VPC deletes",
        "groups and gateways go along",
        "DependencyViolation while a VPC has groups or gateways",
        "the same",
    ),
    Row(
        "volumes",
        "available, attached, detached and changed at once; any size, any zone; an attached one can be attached "
        "again; whether one goes with its instance is not told",
        "creating, attaching, detaching and modifying take time; IncorrectState, VolumeInUse, "
        "InvalidVolume.ZoneMismatch, a smaller size is InvalidParameterValue",
        "clients must wait, and a disk and its instance share a zone",
        ("create disk life-disk",),
    ),
    Row(
        "load balancers",
        "active as soon as they are looked at; two may have one name; protected ones can be deleted; a target group "
        "that a listener is changed to is not its balancer's",
        "provisioning first; the same name with the same settings is the same balancer, with others "
        "DuplicateLoadBalancerName; OperationNotPermitted under deletion protection; their subnets are in use. No "
        "traffic flows through them",
        "as documented by AWS; what looks before it creates must find one",
    ),
    Row(
        "scaling groups",
        "members are in service at once, in the default security group; the group is gone at once",
        "members boot and leave with the profile's durations, in their template's group, and run what its user data "
        "says; a group that goes says so until its members are gone. All are in the first subnet, as in moto",
        "clients must wait",
        ("create instance_group life-instance-group",),
    ),
    Row(
        "DNS changes",
        "INSYNC at once; every change has the same id",
        "PENDING, then INSYNC; an id for each. Nobody resolves the names",
        "a record is not everywhere as soon as it is written",
    ),
    Row(
        "AWS's own keys",
        "every key is a customer's",
        "those behind `alias/aws/...` are AWS's (DescribeKey, KeyManager)",
        "whether a user chose a key must show",
        ("create disk life-disk", "list disk life-disk", "update disk life-disk"),
    ),
    Row(
        "pages",
        "MaxResults and its like are ignored by most lists",
        "honoured wherever botocore describes a list with one token; later pages show what was there at the first",
        "clients must read on",
    ),
    Row(
        "rule descriptions",
        "cannot be removed",
        "leaving one out removes it",
        "as documented by AWS",
    ),
    Row(
        "answer to DeleteSecurityGroup",
        "`return` only",
        "the group's id too",
        "as AWS answers since 2024",
    ),
    Row(
        "CloudTrail",
        "no LookupEvents",
        "every write with principal, time, parameters and resources, at once (AWS: within about 15 minutes); user "
        "data, passwords and tokens are left out",
        "drift can name who changed it",
        ("changes network main",),
    ),
    Row(
        "managed policies",
        "none unless all are loaded",
        "each when it is first named",
        "the EKS roles attach four",
    ),
    Row(
        "instance type offerings",
        "none in China",
        "every known type in every zone there",
        "the same client code works",
    ),
    Row(
        "request ids",
        "the same one for every request to EC2",
        "one for each request",
        "an error names the request that failed",
    ),
    Row(
        "unknown actions",
        "HTML with status 500",
        "InternalFailure or InvalidAction in the service's protocol",
        "clients parse it",
    ),
)
