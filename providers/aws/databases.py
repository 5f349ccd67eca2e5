"""Databases and caches, read: RDS and Aurora, DynamoDB, Redshift; ElastiCache.

Callers: provider.py. Aurora's instances are parts of their cluster, as a cache cluster is of its replication group: the
whole is shown. DocumentDB and Neptune answer through RDS's API with their own engines. What no call tells is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from model.resources import Cache, Database, Kind, Observed, State
from providers.aws.keys import chosen_key
from providers.aws.listed import Listed, if_told, tags_of_pairs
from providers.aws.tags import logical_name, user_tags
from providers.base import Call

_FAMILIES = {"docdb": "document", "neptune": "graph"}
_STATES = {
    "available": State.READY,
    "ACTIVE": State.READY,
    "creating": State.PENDING,
    "CREATING": State.PENDING,
    "deleting": State.DELETING,
    "DELETING": State.DELETING,
    "failed": State.FAILED,
}


def state_of(status: str) -> State:
    return _STATES.get(status, State.UPDATING if status else State.READY)


class Databases(Listed):
    kind = Kind.DATABASE

    def rows(self, region: str, call: Call) -> Iterator[Observed]:
        for row in self.session.pages("rds", region, "describe_db_clusters", "DBClusters", call):
            yield self._relational(region, row, "DBCluster", call)
        for row in self.session.pages("rds", region, "describe_db_instances", "DBInstances", call):
            if not row.get("DBClusterIdentifier"):
                yield self._relational(region, row, "DBInstance", call)
        yield from self._tables(region, call)
        for row in self.session.pages("redshift", region, "describe_clusters", "Clusters", call):
            yield self._warehouse(region, row, call)

    def _relational(self, region: str, row: Mapping[str, Any], what: str, call: Call) -> Observed:
        tags, engine = tags_of_pairs(row.get("TagList")), str(row.get("Engine", ""))
        days = row.get("BackupRetentionPeriod")
        logs = row.get("EnabledCloudwatchLogsExports") or ()
        return self.observed(
            region,
            Database(
                name=logical_name(tags, row[f"{what}Identifier"]),
                tags=user_tags(tags),
                family=_FAMILIES.get(engine, "relational"),
                engine=engine,
                version=row.get("EngineVersion", ""),
                public=row.get("PubliclyAccessible"),
                encrypted=row.get("StorageEncrypted"),
                key=chosen_key(self.session, region, row.get("KmsKeyId", ""), call),
                backup_days=days,
                point_in_time=bool(days) if days is not None else None,
                multi_zone=row.get("MultiAZ"),
                deletion_protection=row.get("DeletionProtection"),
                audit_logs="audit" in logs,
                auto_minor_upgrades=row.get("AutoMinorVersionUpgrade"),
                iam_auth=row.get("IAMDatabaseAuthenticationEnabled"),
                local_auth=True,  # RDS User Guide: a master password always works
            ),
            row[f"{what}Arn"],
            state=state_of(str(row.get(f"{what}Status") or row.get("Status") or "")),
            raw={"tags": tags},
        )

    def _tables(self, region: str, call: Call) -> Iterator[Observed]:
        start: dict[str, str] = {}
        while True:
            page = self.read("dynamodb", region, "ListTables", call, **start)
            for name in page["TableNames"]:
                yield self._table(region, name, call)
            if not page.get("LastEvaluatedTableName"):
                return
            start = {"ExclusiveStartTableName": page["LastEvaluatedTableName"]}

    def _table(self, region: str, name: str, call: Call) -> Observed:
        row = self.read("dynamodb", region, "DescribeTable", call, TableName=name)["Table"]
        told = if_told(
            lambda: self.read("dynamodb", region, "ListTagsOfResource", call, ResourceArn=row["TableArn"]), call, {}
        )
        backups = if_told(
            lambda: self.read("dynamodb", region, "DescribeContinuousBackups", call, TableName=name), call, {}
        )
        recovery = ((backups or {}).get("ContinuousBackupsDescription") or {}).get("PointInTimeRecoveryDescription")
        tags = tags_of_pairs((told or {}).get("Tags"))
        kept = (recovery or {}).get("PointInTimeRecoveryStatus") == "ENABLED"
        return self.observed(
            region,
            Database(
                name=logical_name(tags, name),
                tags=user_tags(tags),
                family="document",
                engine="dynamodb",
                public=False,  # reached by signed requests only
                encrypted=True,  # DynamoDB Developer Guide, "Encryption at rest": always
                key=chosen_key(
                    self.session, region, (row.get("SSEDescription") or {}).get("KMSMasterKeyArn", ""), call
                ),
                tls_required=True,
                point_in_time=None if backups is None else kept,
                multi_zone=True,
                deletion_protection=row.get("DeletionProtectionEnabled"),
                iam_auth=True,
                local_auth=False,
            ),
            row["TableArn"],
            state=state_of(row.get("TableStatus", "")),
            raw={"tags": tags},
        )

    def _warehouse(self, region: str, row: Mapping[str, Any], call: Call) -> Observed:
        tags, name = tags_of_pairs(row.get("Tags")), row["ClusterIdentifier"]
        logs = if_told(
            lambda: self.read("redshift", region, "DescribeLoggingStatus", call, ClusterIdentifier=name), call, {}
        )
        partition, account = self.session.account.partition, self.session.account.account_id
        return self.observed(
            region,
            Database(
                name=logical_name(tags, name),
                tags=user_tags(tags),
                family="warehouse",
                engine="redshift",
                version=row.get("ClusterVersion", ""),
                public=row.get("PubliclyAccessible"),
                encrypted=row.get("Encrypted"),
                key=chosen_key(self.session, region, row.get("KmsKeyId", ""), call),
                backup_days=row.get("AutomatedSnapshotRetentionPeriod"),
                geo_backup=bool(row.get("ClusterSnapshotCopyStatus")),
                audit_logs=None if logs is None else bool(logs.get("LoggingEnabled")),
                auto_minor_upgrades=row.get("AllowVersionUpgrade"),
            ),
            f"arn:{partition}:redshift:{region}:{account}:cluster:{name}",
            state=state_of(row.get("ClusterStatus", "")),
            raw={"tags": tags},
        )


class Caches(Listed):
    kind = Kind.CACHE

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        groups = self.session.pages("elasticache", region, "describe_replication_groups", "ReplicationGroups", call)
        clusters = self.session.pages("elasticache", region, "describe_cache_clusters", "CacheClusters", call)
        members = {row["CacheClusterId"]: row for row in clusters}
        for row in groups:
            first = next((members[m] for m in row.get("MemberClusters") or () if m in members), {})
            yield self._observed(region, row["ReplicationGroupId"], {**first, **row}, call)
        for row in clusters:
            if not row.get("ReplicationGroupId"):
                yield self._observed(region, row["CacheClusterId"], row, call)

    def _observed(self, region: str, name: str, row: Mapping[str, Any], call: Call) -> Observed:
        arn = row.get("ARN", "")
        told = if_told(
            lambda: self.read("elasticache", region, "ListTagsForResource", call, ResourceName=arn), call, {}
        )
        tags = tags_of_pairs((told or {}).get("TagList"))
        encrypted = row.get("AtRestEncryptionEnabled")
        return self.observed(
            region,
            Cache(
                name=logical_name(tags, name),
                tags=user_tags(tags),
                engine=row.get("Engine") or "redis",
                version=row.get("EngineVersion", ""),
                public=False,  # ElastiCache User Guide: reached from its VPC only
                encrypted=encrypted,
                key=chosen_key(self.session, region, row.get("KmsKeyId", ""), call),
                tls_required=bool(row.get("TransitEncryptionEnabled"))
                and row.get("TransitEncryptionMode", "required") == "required",
                auth=bool(row.get("AuthTokenEnabled") or row.get("UserGroupIds")),
                backup_days=row.get("SnapshotRetentionLimit"),
                multi_zone=row["MultiAZ"] == "enabled" if "MultiAZ" in row else None,
                auto_minor_upgrades=row.get("AutoMinorVersionUpgrade"),
            ),
            arn,
            state=state_of(str(row.get("Status") or row.get("CacheClusterStatus") or "")),
            raw={"tags": tags},
        )
