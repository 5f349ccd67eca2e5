"""A row of the error table, and the rows of load balancing, scaling groups, registries, DNS and what is only read.

Callers: errors.py, which asks these before its own: they are narrower.
Sources, all of them the services' API references and their botocore models: [ELB] Elastic Load Balancing v2; [ASG] Auto
Scaling, "Errors" of the actions; [ECR]; [R53] Route 53; [S3] "Error responses"; [RDS]; [CACHE] ElastiCache; [SQS];
[SNS]; [ACM]; [TRAIL] CloudTrail; [TAG] Resource Groups Tagging; [EBS] EC2, "Error codes", volumes;
[SQ] Service Quotas.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    Throttled,
    Transient,
)

QUOTA = "ask for more under Service Quotas, place fewer or smaller machines, or use another region"
_ZONE = "make the zone first, or correct its name"
_WAIT = "another change of it is under way; wait for its end"


@dataclass(frozen=True, slots=True)
class Row:
    """code and operation are globs; the first row that matches both wins."""

    code: str
    error: type[CloudError]
    source: str
    operation: str = "*"
    mend: str = ""


MORE_ROWS: tuple[Row, ...] = (
    # throttling
    Row("Throttled", Throttled, "SNS"),
    Row("KMSThrottling", Throttled, "SNS"),
    Row("KmsThrottled", Throttled, "SQS"),
    Row("PriorRequestNotComplete", Throttled, "R53, ELB"),
    # quotas
    Row("TooManyLoadBalancers", QuotaExceeded, "ELB", mend=QUOTA),
    Row("TooManyTargetGroups", QuotaExceeded, "ELB", mend=QUOTA),
    Row("TooManyListeners", QuotaExceeded, "ELB", mend=QUOTA),
    Row("TooManyTargets", QuotaExceeded, "ELB", mend=QUOTA),
    Row("TooManyCertificates", QuotaExceeded, "ELB", mend=QUOTA),
    Row("TooManyUniqueTargetGroupsPerLoadBalancer", QuotaExceeded, "ELB", mend=QUOTA),
    Row("TooManyRegistrationsForTargetId", QuotaExceeded, "ELB", mend=QUOTA),
    Row("TargetGroupAssociationLimit", QuotaExceeded, "ELB", mend=QUOTA),
    Row("TooManyTags", QuotaExceeded, "ELB", mend="a resource has at most 50 tags"),
    Row("TooManyTagsException", QuotaExceeded, "ECR", mend="a resource has at most 50 tags"),
    Row("LimitsExceeded", QuotaExceeded, "R53", mend=QUOTA),
    Row("TooManyHostedZones", QuotaExceeded, "R53", mend=QUOTA),
    Row("MaximumVolumeStorageQuotaExceeded", QuotaExceeded, "EBS", mend=QUOTA),
    Row("OverLimit", QuotaExceeded, "SQS", mend=QUOTA),
    # stock
    Row("AvailabilityZoneNotSupported", CapacityUnavailable, "ELB", mend="give subnets in other zones"),
    # not there
    Row("LoadBalancerNotFound", NotFound, "ELB"),
    Row("TargetGroupNotFound", NotFound, "ELB"),
    Row("ListenerNotFound", NotFound, "ELB"),
    Row("RuleNotFound", NotFound, "ELB"),
    Row("SubnetNotFound", InvalidRequest, "ELB", mend="create the subnet first"),
    Row("CertificateNotFound", InvalidRequest, "ELB", "*Listener*", "the certificate must be in the same region"),
    Row("SSLPolicyNotFound", InvalidRequest, "ELB"),
    Row("ValidationError", NotFound, "ASG", "DeleteAutoScalingGroup"),  # its only wrong parameter is an unknown name
    Row("RepositoryNotFoundException", NotFound, "ECR"),
    Row("RepositoryPolicyNotFoundException", NotFound, "ECR"),
    Row("ImageNotFoundException", NotFound, "ECR"),
    Row("NoSuchHostedZone", NotFound, "R53", mend=_ZONE),
    Row("HostedZoneNotFound", NotFound, "R53", mend=_ZONE),
    Row("NoSuchChange", NotFound, "R53"),
    Row("NoSuch*", NotFound, "S3, IAM, SQ"),
    Row("DependencyAccessDeniedException", Forbidden, "SQ"),
    Row("ServerSideEncryptionConfigurationNotFoundError", NotFound, "S3"),
    Row("ReplicationConfigurationNotFoundError", NotFound, "S3"),
    Row("DB*NotFound*", NotFound, "RDS"),
    Row("CacheClusterNotFound", NotFound, "CACHE"),
    Row("ReplicationGroupNotFoundFault", NotFound, "CACHE"),
    Row("QueueDoesNotExist", NotFound, "SQS"),
    Row("AWS.SimpleQueueService.NonExistentQueue", NotFound, "SQS"),
    Row("NotFound", NotFound, "SNS"),
    Row("TrailNotFoundException", NotFound, "TRAIL"),
    # there already, or changed meanwhile
    Row("DuplicateLoadBalancerName", AlreadyExists, "ELB"),
    Row("DuplicateTargetGroupName", AlreadyExists, "ELB"),
    Row("DuplicateListener", AlreadyExists, "ELB"),
    Row("AlreadyExists", AlreadyExists, "ASG"),
    Row("InvalidLaunchTemplateName.AlreadyExistsException", AlreadyExists, "EBS"),
    Row("InvalidLaunchTemplate*.NotFoundException", NotFound, "EBS"),
    Row("RepositoryAlreadyExistsException", AlreadyExists, "ECR"),
    Row("InvalidChangeBatch", Conflict, "R53", mend="the record changed meanwhile, or is there already; look again"),
    Row("IncorrectModificationState", Conflict, "EBS", mend="a volume can be changed again after six hours"),
    Row("VolumeModificationRateExceeded", Conflict, "EBS", mend="a volume can be changed again after six hours"),
    Row("ResourceContention", Conflict, "ASG", mend=_WAIT),
    Row("ScalingActivityInProgress", Conflict, "ASG", mend=_WAIT),
    # in use, or protected
    Row("ResourceInUse", DependencyInUse, "ELB, ASG"),
    Row("RepositoryNotEmptyException", DependencyInUse, "ECR", mend="delete its images first; duoyun never does"),
    Row(
        "OperationNotPermitted",
        Forbidden,
        "ELB, EC2",
        mend="deletion or termination protection, or a similar guard, is on",
    ),
    # what we asked is wrong
    Row("InvalidConfigurationRequest", InvalidRequest, "ELB"),
    Row("InvalidSubnet", InvalidRequest, "ELB"),
    Row("InvalidScheme", InvalidRequest, "ELB"),
    Row("InvalidTarget", InvalidRequest, "ELB"),
    Row("InvalidSecurityGroup", InvalidRequest, "ELB"),
    Row("IncompatibleProtocols", InvalidRequest, "ELB"),
    Row("UnsupportedProtocol", InvalidRequest, "ELB"),
    Row("InvalidInput", InvalidRequest, "R53"),
    Row("InvalidDomainName", InvalidRequest, "R53"),
    Row("InvalidZone.NotFound", InvalidRequest, "EBS", mend="name a zone of this region"),
    Row("InvalidVolume.ZoneMismatch", InvalidRequest, "EBS", mend="a disk and its instance share a zone"),
    # it stumbled
    Row("ServiceLinkedRoleFailure", Transient, "ASG"),
    Row("HealthUnavailable", Transient, "ELB"),
    Row("SlowDown*", Throttled, "S3"),
)
