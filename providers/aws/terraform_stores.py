"""hashicorp/aws: buckets, databases, caches, queues, search, files, backups. Facts as in terraform_network."""

from __future__ import annotations

from model.resource_base import Kind
from model.terraform import Join, has, managed, ref, row, typed

_KEY = ref("key", "kms_key_id")
_BUCKETS = ("aws_s3_bucket",)
_OPEN_ACLS = ("public-read", "public-read-write", "authenticated-read")
_VERSIONING = "versioning_configuration.status"
_SSE = "server_side_encryption_configuration.rule.apply_server_side_encryption_by_default"
_RULE = "rule.apply_server_side_encryption_by_default"
_SSE_WORDS = {"AES256": "cloud", "aws:kms": "key", "aws:kms:dsse": "key"}
_POLICY = (
    row("any_principal", "policy", "raw_says", None, "any_principal"),
    row("any_action", "policy", "raw_says", None, "any_action"),
    row("grants", "policy", "raw_policy"),
)
_BUCKET_POLICY = (
    *_POLICY,
    row("public", "policy", "raw_says_yes", None, "any_principal"),
    row("public_write", "policy", "raw_says_yes", None, "public_write"),
    row("tls_only", "policy", "raw_says", None, "tls_only"),
)
_QUEUE_POLICY = (
    *_POLICY,
    row("public", "policy", "raw_says", None, "any_principal"),
    row("foreign_principals", "policy", "raw_says", None, "foreign_principals"),
)


def _of_bucket(native: str, *rows: object, by: str = "bucket"):  # type: ignore[no-untyped-def]
    return typed(native, Kind.BUCKET, *rows, joins=(Join(_BUCKETS, by),), name="bucket")  # type: ignore[arg-type]


_BLOCKS = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")

_BUCKET_TYPES = (
    typed(
        "aws_s3_bucket",
        Kind.BUCKET,
        row("public", "acl", "is_one", False, *_OPEN_ACLS),
        row("public_write", "acl", "is_one", False, "public-read-write"),
        row("sse", f"{_SSE}.sse_algorithm", "lookup", "cloud", _SSE_WORDS),
        ref("key", f"{_SSE}.kms_master_key_id"),
        row("versioning", "versioning.enabled", "flag", False),
        row("mfa_delete", "versioning.mfa_delete", "flag", False),
        has("access_logs", "logging"),
        row("locked", "object_lock_configuration.object_lock_enabled|object_lock_enabled", "flag", False),
        row("cleans_up", "lifecycle_rule", "raw_present", False),
        row("replicas", "replication_configuration.rules.destination.bucket", "raw_references"),
        row("cors_any_origin", "cors_rule.allowed_origins", "names_one", False, "*"),
        has("website", "website"),
        *(r for r in _BUCKET_POLICY if r.field not in ("tls_only", "any_principal")),
        row("any_principal", "policy", "raw_says", False, "any_principal"),
        row("tls_only", "policy", "raw_says", False, "tls_only"),
        public_access_blocked=False,
        name="bucket",
    ),
    _of_bucket(
        "aws_s3_bucket_acl",
        row("public", "", "raw_acl_public", None, *_OPEN_ACLS, reads=("acl", "access_control_policy")),
        row("public_write", "acl", "is_one", None, "public-read-write"),
    ),
    _of_bucket(
        "aws_s3_bucket_public_access_block",
        row("public_access_blocked", "", "raw_all_true", None, *_BLOCKS, reads=_BLOCKS),
        *(row(name, name, "flag", False) for name in _BLOCKS),
    ),
    _of_bucket("aws_s3_bucket_policy", *_BUCKET_POLICY),
    _of_bucket(
        "aws_s3_bucket_versioning",
        row("versioning", _VERSIONING, "is_one", False, "Enabled"),
        row("mfa_delete", "versioning_configuration.mfa_delete", "is_one", None, "Enabled"),
    ),
    _of_bucket(
        "aws_s3_bucket_server_side_encryption_configuration",
        row("sse", f"{_RULE}.sse_algorithm", "lookup", None, _SSE_WORDS),
        ref("key", f"{_RULE}.kms_master_key_id", None),
    ),
    _of_bucket("aws_s3_bucket_logging", has("access_logs", "target_bucket")),
    _of_bucket(
        "aws_s3_bucket_lifecycle_configuration",
        has("cleans_up", "rule"),
        row("aborts_uploads", "", "raw_aborts_uploads", False, reads=("rule",)),
    ),
    _of_bucket("aws_s3_bucket_object_lock_configuration", row("locked", "object_lock_enabled", "flag", True)),
    _of_bucket("aws_s3_bucket_replication_configuration", row("replicas", "rule.destination.bucket", "raw_references")),
    _of_bucket(
        "aws_s3_bucket_cors_configuration", row("cors_any_origin", "cors_rule.allowed_origins", "names_one", False, "*")
    ),
    _of_bucket("aws_s3_bucket_website_configuration", row("website", "", "raw_present", True)),
    _of_bucket(
        "aws_s3_bucket_ownership_controls",
        row("acls_off", "rule.object_ownership", "is_one", False, "BucketOwnerEnforced"),
    ),
    managed(
        "aws_s3_account_public_access_block",
        "account_setting",
        row("public_access_blocked", "", "raw_all_true", None, *_BLOCKS, reads=_BLOCKS),
    ),
    managed(
        "aws_s3_access_point",
        "bucket_access_point",
        row(
            "public_access_blocked", "", "raw_access_point_blocked", True, reads=("public_access_block_configuration",)
        ),
        row("in_network", "vpc_configuration", "raw_present", False),
    ),
    managed(
        "aws_s3_object_copy",
        "object_copy",
        _KEY,
        row("encrypted", "server_side_encryption", "raw_present", True),
        name="key",
    ),
    managed("aws_s3_object", "other", _KEY, name="key", encrypted=True),
    managed("aws_s3_bucket_object", "other", _KEY, name="key", encrypted=True),
)

_CLUSTERED = (
    row("encrypted", "storage_encrypted", "flag", False),
    _KEY,
    row("deletion_protection", "deletion_protection", "flag", False),
    row("backup_days", "backup_retention_period", "number", 1),
    row("final_snapshot", "skip_final_snapshot", "not_flag", True),
    row("version", "engine_version", "raw_text", None),
)
_IAM = row("iam_auth", "iam_database_authentication_enabled", "flag", False)
_MYSQL_LOGS = ("error", "slowquery")

_DATABASE_TYPES = (
    typed(
        "aws_db_instance",
        Kind.DATABASE,
        *_CLUSTERED[:3],
        row("backup_days", "backup_retention_period", "number", 0),
        row("final_snapshot", "skip_final_snapshot", "not_flag", True),
        row("version", "engine_version", "raw_text", None),
        _IAM,
        row("engine", "engine", "raw_text", None),
        row("public", "publicly_accessible", "flag", False),
        row("multi_zone", "multi_az", "flag", False),
        row("auto_minor_upgrades", "auto_minor_version_upgrade", "flag", True),
        row("monitoring", "monitoring_interval", "above", False, 0),
        row("performance_insights", "performance_insights_enabled", "flag", False),
        ref("performance_insights_key", "performance_insights_kms_key_id"),
        row("query_logs", "enabled_cloudwatch_logs_exports", "raw_present", False),
        row("audit_logs", "enabled_cloudwatch_logs_exports", "names_one", False, "audit", "postgresql"),
        row("copy_tags", "copy_tags_to_snapshot", "flag", False),
        row("certificate_current", "ca_cert_identifier", "is_none_of", True, "rds-ca-2015", "rds-ca-2019"),
        row("password_in_document", "password", "raw_literal", False),
        row("tls_required", "", "raw_parameters_tls", None, reads=("parameter_group_name",)),
        row("in_network", "db_subnet_group_name", "raw_present", False),
        row("point_in_time", "backup_retention_period", "above", False, 0),
        row("geo_backup", "replicate_source_db", "raw_present", None),
        name="identifier",
    ),
    typed(
        "aws_db_instance_automated_backups_replication",
        Kind.DATABASE,
        joins=(Join(("aws_db_instance",), "source_db_instance_arn", rows=(), fixed={"geo_backup": True}),),
    ),
    typed(
        "aws_rds_cluster",
        Kind.DATABASE,
        *_CLUSTERED,
        _IAM,
        row("engine", "engine", "raw_text", None),
        row("query_logs", "enabled_cloudwatch_logs_exports", "raw_present", False),
        row("audit_logs", "enabled_cloudwatch_logs_exports", "names_one", False, "audit", "postgresql"),
        row("copy_tags", "copy_tags_to_snapshot", "flag", False),
        row("multi_zone", "", "raw_cluster_zones", None, reads=("availability_zones", "engine_mode")),
        row("replica_regions", "global_cluster_identifier", "raw_references", None),
        row("password_in_document", "master_password", "raw_literal", False),
        row("point_in_time", "backup_retention_period", "above", True, 0),
        name="cluster_identifier",
    ),
    typed(
        "aws_rds_cluster_instance",
        Kind.DATABASE,
        row("public", "publicly_accessible", "flag", False),
        row("auto_minor_upgrades", "auto_minor_version_upgrade", "flag", True),
        row("monitoring", "monitoring_interval", "above", False, 0),
        row("performance_insights", "performance_insights_enabled", "flag", False),
        row("certificate_current", "ca_cert_identifier", "is_none_of", True, "rds-ca-2015", "rds-ca-2019"),
        row("engine", "engine", "raw_text", None),
        ref("cluster", "cluster_identifier"),
        name="identifier",
    ),
    typed(
        "aws_rds_global_cluster",
        Kind.DATABASE,
        row("encrypted", "storage_encrypted", "flag", False),
        row("deletion_protection", "deletion_protection", "flag", False),
        row("engine", "engine", "raw_text", None),
        name="global_cluster_identifier",
    ),
    managed("aws_db_snapshot", "snapshot", ref("source", "db_instance_identifier")),
    managed(
        "aws_db_snapshot_copy", "snapshot", _KEY, row("shared_publicly", "shared_accounts", "names_one", False, "all")
    ),
    managed("aws_db_parameter_group", "other", row("parameters", "parameter", "data", None)),
    typed(
        "aws_docdb_cluster",
        Kind.DATABASE,
        *_CLUSTERED,
        row("query_logs", "enabled_cloudwatch_logs_exports", "covers", False, "profiler"),
        row("audit_logs", "enabled_cloudwatch_logs_exports", "covers", False, "audit"),
        row("logs", "enabled_cloudwatch_logs_exports", "names_one", False, "audit", "profiler"),
        row("tls_required", "", "raw_parameters_tls", None, reads=("db_cluster_parameter_group_name",)),
        family="document",
        engine="docdb",
        name="cluster_identifier",
    ),
    typed(
        "aws_docdb_cluster_instance",
        Kind.DATABASE,
        row("auto_minor_upgrades", "auto_minor_version_upgrade", "flag", True),
        ref("cluster", "cluster_identifier"),
        family="document",
        engine="docdb",
        name="identifier",
    ),
    typed(
        "aws_docdb_global_cluster",
        Kind.DATABASE,
        row("encrypted", "storage_encrypted", "flag", False),
        row("deletion_protection", "deletion_protection", "flag", False),
        family="document",
        engine="docdb",
        name="global_cluster_identifier",
    ),
    typed(
        "aws_neptune_cluster",
        Kind.DATABASE,
        *(r for r in _CLUSTERED if r.field != "key"),
        ref("key", "kms_key_arn"),
        _IAM,
        row("audit_logs", "enable_cloudwatch_logs_exports", "covers", False, "audit"),
        row("query_logs", "enable_cloudwatch_logs_exports", "raw_present", False),
        row("logs", "enable_cloudwatch_logs_exports", "raw_present", False),
        row("copy_tags", "copy_tags_to_snapshot", "flag", False),
        family="graph",
        engine="neptune",
        name="cluster_identifier",
    ),
    typed(
        "aws_neptune_cluster_instance",
        Kind.DATABASE,
        row("public", "publicly_accessible", "flag", False),
        row("auto_minor_upgrades", "auto_minor_version_upgrade", "flag", True),
        family="graph",
        engine="neptune",
        name="identifier",
    ),
    typed(
        "aws_redshift_cluster",
        Kind.DATABASE,
        row("encrypted", "encrypted", "flag", False),
        _KEY,
        row("public", "publicly_accessible", "flag", True),
        row("in_network", "cluster_subnet_group_name", "raw_present", False),
        row("audit_logs", "logging.enable", "flag", False),
        row("backup_days", "automated_snapshot_retention_period", "number", 1),
        row("auto_minor_upgrades", "allow_version_upgrade", "flag", True),
        row("tls_required", "", "raw_parameters_tls", None, reads=("cluster_parameter_group_name",)),
        row("multi_zone", "multi_az|availability_zone_relocation_enabled", "flag", False),
        row("enhanced_routing", "enhanced_vpc_routing", "flag", False),
        row("password_in_document", "master_password", "raw_literal", False),
        row("default_admin_name", "master_username", "is_one", False, "awsuser"),
        family="warehouse",
        engine="redshift",
        name="cluster_identifier",
    ),
    typed(
        "aws_redshift_logging",
        Kind.DATABASE,
        joins=(Join(("aws_redshift_cluster",), "cluster_identifier", rows=(), fixed={"audit_logs": True}),),
        family="warehouse",
    ),
    typed(
        "aws_redshiftserverless_namespace",
        Kind.DATABASE,
        _KEY,
        row("audit_logs", "log_exports", "raw_present", False),
        family="warehouse",
        encrypted=True,
        name="namespace_name",
    ),
    typed(
        "aws_dynamodb_table",
        Kind.DATABASE,
        row("key", "", "raw_dynamo_key", "", reads=("server_side_encryption",)),
        row("point_in_time", "point_in_time_recovery.enabled", "flag", False),
        row("deletion_protection", "deletion_protection_enabled", "flag", False),
        row("autoscaling", "", "raw_dynamo_scaling", False, reads=("billing_mode",)),
        row("replica_regions", "replica.region_name", "raw_texts", None),
        row("in_backup_plan", "", "raw_in_backup_plan", None, reads=("tags",)),
        family="wide-column",
        engine="dynamodb",
        encrypted=True,
        public=False,
    ),
    typed(
        "aws_dax_cluster",
        Kind.CACHE,
        row("encrypted", "server_side_encryption.enabled", "flag", False),
        row("tls_required", "cluster_endpoint_encryption_type", "is_one", False, "TLS"),
        engine="dax",
        name="cluster_name",
    ),
    typed(
        "aws_keyspaces_table",
        Kind.DATABASE,
        row("key", "", "raw_keyspaces_key", "", reads=("encryption_specification",)),
        row("point_in_time", "point_in_time_recovery.status", "is_one", False, "ENABLED"),
        family="wide-column",
        engine="keyspaces",
        encrypted=True,
        name="table_name",
    ),
    managed("aws_timestreamwrite_database", "time_series", _KEY, encrypted=True, name="database_name"),
    managed(
        "aws_qldb_ledger",
        "other",
        row("deletion_protection", "deletion_protection", "flag", True),
        ref("key", "kms_key"),
        encrypted=True,
    ),
    managed(
        "aws_dms_replication_instance",
        "migration",
        ref("key", "kms_key_arn"),
        row("public", "publicly_accessible", "flag", False),
        row("auto_upgrades", "auto_minor_version_upgrade", "flag", False),
        row("multi_zone", "multi_az", "flag", False),
        encrypted=True,
        name="replication_instance_id",
    ),
    managed(
        "aws_dms_endpoint",
        "migration",
        ref("key", "kms_key_arn"),
        row("tls_required", "ssl_mode", "is_none_of", False, "none"),
        name="endpoint_id",
    ),
    managed(
        "aws_dms_s3_endpoint",
        "migration",
        ref("key", "kms_key_arn"),
        row("tls_required", "ssl_mode", "is_none_of", False, "none"),
        name="endpoint_id",
    ),
    # -- caches --
    typed(
        "aws_elasticache_replication_group",
        Kind.CACHE,
        row("encrypted", "at_rest_encryption_enabled", "flag", False),
        row("tls_required", "transit_encryption_enabled", "flag", False),
        row("auth", "auth_token|user_group_ids", "raw_present", False),
        _KEY,
        row("multi_zone", "multi_az_enabled|automatic_failover_enabled", "flag", False),
        row("backup_days", "snapshot_retention_limit", "number", 0),
        row("auto_minor_upgrades", "auto_minor_version_upgrade", "flag", True),
        row("version", "engine_version", "raw_text", None),
        row("in_network", "subnet_group_name", "raw_present", False),
        engine="redis",
        name="replication_group_id",
    ),
    typed(
        "aws_elasticache_cluster",
        Kind.CACHE,
        row("engine", "engine", "raw_text", None),
        row("version", "engine_version", "raw_text", None),
        row("backup_days", "", "raw_cache_backup", None, reads=("snapshot_retention_limit", "engine")),
        row("auto_minor_upgrades", "auto_minor_version_upgrade", "flag", True),
        row("tls_required", "transit_encryption_enabled", "flag", None),
        row("in_network", "subnet_group_name", "raw_present", False),
        row("multi_zone", "az_mode", "is_one", None, "cross-az"),
        name="cluster_id",
    ),
    typed(
        "aws_memorydb_cluster",
        Kind.CACHE,
        row("tls_required", "tls_enabled", "flag", True),
        ref("key", "kms_key_arn"),
        row("backup_days", "snapshot_retention_limit", "number", 0),
        row("auto_minor_upgrades", "auto_minor_version_upgrade", "flag", True),
        engine="memorydb",
        encrypted=True,
    ),
    managed("aws_memorydb_snapshot", "snapshot", ref("key", "kms_key_arn"), encrypted=True),
)

_NODE_TLS = "encryption_info.encryption_in_transit"
_SEARCH = (
    row("encrypted", "encrypt_at_rest.enabled", "flag", False),
    ref("key", "encrypt_at_rest.kms_key_id"),
    row("https_only", "domain_endpoint_options.enforce_https", "flag", False),
    row("tls_min", "", "raw_search_tls", "1.0", reads=("domain_endpoint_options",)),
    row("tls_required", "node_to_node_encryption.enabled", "flag", False),
    row("audit_logs", "", "raw_search_logs", False, "AUDIT_LOGS", reads=("log_publishing_options",)),
    row("logs", "", "raw_search_logs", False, "", reads=("log_publishing_options",)),
    row("in_network", "vpc_options", "raw_present", False),
    row("public", "vpc_options", "raw_absent", True),
    row("control_nodes", "", "raw_search_masters", 0, reads=("cluster_config",)),
    row("multi_zone", "cluster_config.zone_awareness_enabled", "flag", False),
    row("auth", "advanced_security_options.enabled", "flag", False),
    row("any_principal", "access_policies", "raw_says", None, "any_principal"),
    row("version", "engine_version|elasticsearch_version", "raw_text", None),
)


def _search(native: str):  # type: ignore[no-untyped-def]
    parts = (Join(("aws_opensearch_domain", "aws_elasticsearch_domain"), "domain_name"),)
    policy = row("any_principal", "access_policies", "raw_says", None, "any_principal")
    return (
        managed(f"aws_{native}_domain", "search", *_SEARCH, name="domain_name"),
        managed(f"aws_{native}_domain_policy", "search", policy, joins=parts, name="domain_name"),
    )


_QUEUE_TYPES = (
    typed(
        "aws_sqs_queue",
        Kind.QUEUE,
        row("encrypted", "", "raw_sqs_encrypted", True, reads=("sqs_managed_sse_enabled", "kms_master_key_id")),
        ref("key", "kms_master_key_id"),
        *_QUEUE_POLICY,
        row("dead_letters", "redrive_policy", "raw_present", False),
    ),
    typed("aws_sqs_queue_policy", Kind.QUEUE, *_QUEUE_POLICY, joins=(Join(("aws_sqs_queue",), "queue_url"),)),
    typed(
        "aws_sns_topic",
        Kind.QUEUE,
        row("encrypted", "kms_master_key_id", "raw_present", False),
        ref("key", "kms_master_key_id"),
        *_QUEUE_POLICY,
        family="topic",
    ),
    typed("aws_sns_topic_policy", Kind.QUEUE, *_QUEUE_POLICY, joins=(Join(("aws_sns_topic",), "arn"),), family="topic"),
    typed(
        "aws_sns_topic_subscription",
        Kind.QUEUE,
        row("tls_required", "protocol", "is_none_of", None, "http"),
        family="topic",
    ),
    typed(
        "aws_kinesis_stream",
        Kind.QUEUE,
        row("encrypted", "encryption_type", "is_one", False, "KMS"),
        _KEY,
        family="stream",
    ),
    typed(
        "aws_kinesis_firehose_delivery_stream",
        Kind.QUEUE,
        row(
            "encrypted",
            "",
            "raw_firehose_encrypted",
            False,
            reads=("server_side_encryption", "kinesis_source_configuration"),
        ),
        ref("key", "server_side_encryption.key_arn"),
        family="stream",
    ),
    managed("aws_kinesis_video_stream", "other", _KEY, encrypted=True),
    typed(
        "aws_msk_cluster",
        Kind.QUEUE,
        ref("key", "encryption_info.encryption_at_rest_kms_key_arn"),
        row("tls_required", "", "raw_msk_tls", True, reads=("encryption_info",)),
        row("audit_logs", "", "raw_msk_logs", False, reads=("logging_info",)),
        row("logs", "", "raw_msk_logs", False, reads=("logging_info",)),
        row("internet", "broker_node_group_info.connectivity_info.public_access.type", "is_none_of", False, "DISABLED"),
        row("local_auth", "client_authentication.unauthenticated", "flag", None),
        family="broker",
        encrypted=True,
        name="cluster_name",
    ),
    typed(
        "aws_mq_broker",
        Kind.QUEUE,
        row("internet", "publicly_accessible", "flag", False),
        row("audit_logs", "logs.audit|logs.general", "flag", False),
        row("auto_minor_upgrades", "auto_minor_version_upgrade", "flag", False),
        row("multi_zone", "deployment_mode", "is_none_of", False, "SINGLE_INSTANCE"),
        ref("key", "encryption_options.kms_key_id"),
        row("version", "engine_version", "raw_text", None),
        family="broker",
        encrypted=True,
        name="broker_name",
    ),
)

_FILE_TYPES = (
    managed(
        "aws_efs_file_system",
        "file_system",
        row("encrypted", "encrypted", "flag", False),
        _KEY,
        row("in_backup_plan", "", "raw_in_backup_plan", None, reads=("tags",)),
        name="creation_token",
    ),
    managed(
        "aws_efs_backup_policy",
        "file_system",
        joins=(
            Join(
                ("aws_efs_file_system",),
                "file_system_id",
                rows=(row("in_backup_plan", "backup_policy.status", "is_one", None, "ENABLED"),),
            ),
        ),
    ),
    managed(
        "aws_efs_access_point",
        "file_system",
        row("user_identity", "", "raw_access_point_identity", False, reads=("posix_user", "root_directory")),
    ),
    managed(
        "aws_efs_file_system_policy",
        "file_system",
        *_POLICY,
        row("tls_required", "policy", "raw_says", None, "tls_only"),
        joins=(Join(("aws_efs_file_system",), "file_system_id"),),
    ),
    *(
        managed(
            f"aws_fsx_{n}_file_system",
            "file_system",
            _KEY,
            row("backup_days", "automatic_backup_retention_days", "number", 0),
            encrypted=True,
        )
        for n in ("lustre", "windows", "ontap", "openzfs")
    ),
    managed("aws_backup_vault", "backup_vault", ref("key", "kms_key_arn"), encrypted=True),
    managed(
        "aws_backup_vault_policy", "backup_vault", *_POLICY, joins=(Join(("aws_backup_vault",), "backup_vault_name"),)
    ),
    managed(
        "aws_backup_vault_lock_configuration",
        "backup_vault",
        joins=(Join(("aws_backup_vault",), "backup_vault_name", rows=(), fixed={"locked": True}),),
    ),
    managed(
        "aws_backup_plan",
        "backup_plan",
        row("backup_days", "rule.lifecycle.delete_after", "number"),
        row("geo_redundant", "rule.copy_action", "raw_present", False),
    ),
    managed("aws_backup_selection", "backup_plan", row("covered", "resources", "raw_references", None)),
)

TYPES = (
    *_BUCKET_TYPES,
    *_DATABASE_TYPES,
    *_search("opensearch"),
    *_search("elasticsearch"),
    *_QUEUE_TYPES,
    *_FILE_TYPES,
)
