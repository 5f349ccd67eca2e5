"""aliyun/alicloud: buckets, databases, caches, queues, files. Facts as in terraform_network."""

from __future__ import annotations

from model.resource_base import Kind
from model.terraform import Join, Row, Type, managed, ref, row, typed

_DELETE = row("deletion_protection", "deletion_protection|deletion_lock|instance_release_protection", "flag", False)
_IPS = row("allowed_cidrs", "security_ips|security_ip_list|ip_white_list|security_ip_list", "raw_ips", None)
_OPEN = row("public", "security_ips|security_ip_list|ip_white_list", "raw_ips_public", None)
_NETWORK = row(
    "in_network",
    "",
    "raw_in_network",
    False,
    reads=("vswitch_id", "vpc_id", "network_type", "instance_network_type", "vswitch_ids"),
)
_TDE = row("encrypted", "tde_status|encryption_key|cloud_disk_encryption_key|encrypted", "raw_tde", False)
_KEY = ref("key", "encryption_key|cloud_disk_encryption_key|kms_key_id|role_arn")
_DATABASE = (
    row("engine", "engine|db_type", "raw_text", None),
    row("version", "engine_version|db_version", "raw_text", None),
    _IPS,
    _OPEN,
    _NETWORK,
    _TDE,
    ref("key", "encryption_key|cloud_disk_encryption_key"),
    row("tls_required", "ssl_action|ssl_enabled", "is_one", False, "Open", "Enable", "Update"),
    row("multi_zone", "", "raw_slave_zone", False, reads=("zone_id_slave_a", "secondary_zone_id", "standby_az")),
    _DELETE,
    row("backup_days", "", "raw_backup_days", None, reads=("backup_retention_period", "backup_period")),
    row("audit_logs", "sql_collector_status|collector_status", "is_one", False, "Enabled", "Enable"),
    row("auto_minor_upgrades", "auto_upgrade_minor_version|upgrade_db_minor_version", "is_one", None, "Auto"),
    row("password_in_document", "account_password|password", "raw_literal", False),
)
_BUCKETS = ("alicloud_oss_bucket",)
_SSE = {"AES256": "cloud", "KMS": "key", "SM4": "cloud"}
_POLICY = (
    row("any_principal", "policy", "raw_says", None, "any_principal"),
    row("any_action", "policy", "raw_says", None, "any_action"),
    row("public", "policy", "raw_says_yes", None, "any_principal"),
    row("public_write", "policy", "raw_says_yes", None, "public_write"),
    row("tls_only", "policy", "raw_says", None, "tls_only"),
    row("grants", "policy", "raw_policy"),
)


def _of_bucket(native: str, *rows: Row) -> Type:
    return typed(native, Kind.BUCKET, *rows, joins=(Join(_BUCKETS, "bucket"),), name="bucket")


_BUCKET_TYPES = (
    typed(
        "alicloud_oss_bucket",
        Kind.BUCKET,
        row("public", "acl", "is_one", False, "public-read", "public-read-write"),
        row("public_write", "acl", "is_one", False, "public-read-write"),
        row("sse", "server_side_encryption_rule.sse_algorithm", "lookup", "none", _SSE),
        ref("key", "server_side_encryption_rule.kms_master_key_id"),
        row("versioning", "versioning.status", "is_one", False, "Enabled"),
        row("access_logs", "logging.target_bucket|logging", "raw_present", False),
        row("cleans_up", "lifecycle_rule", "raw_present", False),
        row("redundancy", "redundancy_type", "lookup", "zone", {"LRS": "zone", "ZRS": "zones"}),
        row("cors_any_origin", "cors_rule.allowed_origins", "names_one", False, "*"),
        row("website", "website", "raw_present", False),
        *(r for r in _POLICY if r.field != "tls_only"),
        row("tls_only", "policy", "raw_says", False, "tls_only"),
        public_access_blocked=False,
        name="bucket",
    ),
    _of_bucket(
        "alicloud_oss_bucket_acl",
        row("public", "acl", "is_one", None, "public-read", "public-read-write"),
        row("public_write", "acl", "is_one", None, "public-read-write"),
    ),
    _of_bucket("alicloud_oss_bucket_policy", *_POLICY),
    _of_bucket(
        "alicloud_oss_bucket_public_access_block", row("public_access_blocked", "block_public_access", "flag", False)
    ),
    _of_bucket("alicloud_oss_bucket_versioning", row("versioning", "status", "is_one", None, "Enabled")),
    _of_bucket("alicloud_oss_bucket_logging", row("access_logs", "target_bucket", "raw_present", None)),
    _of_bucket(
        "alicloud_oss_bucket_server_side_encryption",
        row("sse", "sse_algorithm", "lookup", None, _SSE),
        row("key", "kms_master_key_id", "raw_reference", None),
    ),
    _of_bucket(
        "alicloud_oss_bucket_https_config",
        row("tls_min", "tls_versions", "version", None),
        row("tls_policy_on", "enable", "flag", None),
    ),
    _of_bucket("alicloud_oss_bucket_lifecycle", row("cleans_up", "rule", "raw_present", None)),
    _of_bucket("alicloud_oss_bucket_replication", row("replicas", "destination.location", "raw_texts")),
    _of_bucket("alicloud_oss_bucket_worm", row("locked", "status", "is_one", None, "Locked", "InProgress")),
    managed(
        "alicloud_oss_account_public_access_block",
        "account_setting",
        row("public_access_blocked", "block_public_access", "flag", False),
    ),
)

_DATABASE_TYPES = (
    typed(
        "alicloud_db_instance",
        Kind.DATABASE,
        *_DATABASE,
        row("log_connections", "", "raw_logs_connections", None, reads=("parameters",)),
        row("log_checkpoints", "", "raw_parameter", None, "log_checkpoints"),
        row("log_disconnections", "", "raw_parameter", None, "log_disconnections"),
        row("log_duration", "", "raw_parameter", None, "log_duration"),
        row("monitoring", "monitoring_period", "raw_present", None),
        row("public_connection", "", "raw_public_end", False),
        name="instance_name",
    ),
    typed(
        "alicloud_db_backup_policy",
        Kind.DATABASE,
        row("backup_days", "backup_retention_period|retention_period", "number", 7),
        row("point_in_time", "enable_backup_log|log_backup", "flag", None),
        joins=(Join(("alicloud_db_instance",), "instance_id"),),
    ),
    typed("alicloud_db_readonly_instance", Kind.DATABASE, *_DATABASE, name="instance_name"),
    *(
        typed(
            n,
            Kind.DATABASE,
            joins=(
                Join(
                    ("alicloud_db_instance", "alicloud_gpdb_instance", "alicloud_adb_db_cluster"),
                    "instance_id|db_cluster_id",
                    rows=(),
                    fixed={"public_connection": True},
                ),
            ),
            public_connection=True,
        )
        for n in ("alicloud_db_connection", "alicloud_gpdb_connection", "alicloud_adb_connection")
    ),
    typed(
        "alicloud_rds_account",
        Kind.IDENTITY,
        row("password_in_document", "account_password|password", "raw_literal", False),
        family="database_account",
        name="account_name|name",
    ),
    typed("alicloud_polardb_cluster", Kind.DATABASE, *_DATABASE, name="description"),
    typed(
        "alicloud_polardb_backup_policy",
        Kind.DATABASE,
        row("backup_days", "", "raw_backup_days", None),
        joins=(Join(("alicloud_polardb_cluster",), "db_cluster_id"),),
    ),
    *(
        typed(n, Kind.DATABASE, *(r for r in _DATABASE if r.field != "engine"), engine="mongodb", family="document")
        for n in ("alicloud_mongodb_instance", "alicloud_mongodb_sharding_instance")
    ),
    typed("alicloud_gpdb_instance", Kind.DATABASE, *_DATABASE, family="warehouse"),
    *(
        typed(n, Kind.DATABASE, *(r for r in _DATABASE if r.field != "engine"), engine="analyticdb", family="warehouse")
        for n in ("alicloud_adb_db_cluster", "alicloud_adb_cluster")
    ),
    *(
        typed(
            n,
            Kind.DATABASE,
            _DELETE,
            _NETWORK,
            row("allowed_cidrs", "ip_white", "raw_ips", None),
            row("engine", "engine", "raw_text", None),
            family="wide-column",
        )
        for n in ("alicloud_hbase_instance", "alicloud_lindorm_instance")
    ),
    typed(
        "alicloud_ots_instance",
        Kind.DATABASE,
        row("public", "accessed_by", "is_one", True, "Any"),
        engine="tablestore",
        family="wide-column",
        encrypted=None,
    ),
    typed(
        "alicloud_ots_table",
        Kind.DATABASE,
        row("encrypted", "enable_sse", "flag", False),
        engine="tablestore",
        family="wide-column",
        name="table_name",
    ),
    typed(
        "alicloud_kvstore_instance",
        Kind.CACHE,
        row("engine", "instance_type", "lower", "redis"),
        row("version", "engine_version", "raw_text", None),
        row("allowed_cidrs", "security_ips", "raw_ips", None),
        row("public", "security_ips", "raw_ips_public", None),
        _NETWORK,
        row("encrypted", "tde_status", "is_one", False, "Enabled"),
        ref("key", "encryption_key"),
        row("tls_required", "ssl_enable", "is_one", False, "Enable", "Update"),
        row("auth", "vpc_auth_mode", "is_none_of", True, "Close"),
        row("multi_zone", "", "raw_slave_zone", False, reads=("secondary_zone_id",)),
        _DELETE,
        row("backup_days", "", "raw_backup_days", None, reads=("backup_period",)),
        name="db_instance_name|instance_name",
    ),
    typed(
        "alicloud_kvstore_connection",
        Kind.CACHE,
        joins=(Join(("alicloud_kvstore_instance",), "instance_id", rows=(), fixed={"public_connection": True}),),
        public_connection=True,
    ),
    managed(
        "alicloud_elasticsearch_instance",
        "search",
        row("https_only", "protocol", "is_one", False, "HTTPS"),
        row("public", "enable_public|enable_kibana_public_network", "flag", False),
        row("allowed_cidrs", "public_whitelist|private_whitelist", "raw_ips", None),
        row("encrypted", "data_node_disk_encrypted", "flag", False),
        row("in_network", "vswitch_id", "raw_present", False),
        row("multi_zone", "zone_count", "at_least", False, 2),
        row("version", "version", "raw_text", None),
        name="description",
    ),
    typed(
        "alicloud_alikafka_instance",
        Kind.QUEUE,
        row("encrypted", "kms_key_id", "raw_present", None),
        ref("key", "kms_key_id"),
        row("internet", "deploy_type", "is_one", False, "4"),
        _NETWORK,
        family="stream",
    ),
    *(
        typed(
            n,
            Kind.QUEUE,
            row("logs", "logging_enabled", "flag", False),
            row("encrypted", "sse_enabled|enable_sse", "flag", None),
            name="queue_name|name",
        )
        for n in ("alicloud_mns_queue", "alicloud_message_service_queue")
    ),
    *(
        typed(n, Kind.QUEUE, row("logs", "logging_enabled", "flag", False), family="topic", name="topic_name|name")
        for n in ("alicloud_mns_topic", "alicloud_message_service_topic")
    ),
    *(
        typed(n, Kind.QUEUE, family="broker", name="instance_name|service_name")
        for n in ("alicloud_ons_instance", "alicloud_rocketmq_instance", "alicloud_amqp_instance")
    ),
    managed(
        "alicloud_nas_file_system",
        "file_system",
        row("encrypted", "encrypt_type", "is_none_of", False, "0"),
        ref("key", "kms_key_id"),
    ),
    managed(
        "alicloud_nas_access_rule",
        "file_system",
        row("allowed_cidrs", "source_cidr_ip", "raw_ips", None),
        row("user_identity", "user_access_type", "is_none_of", False, "no_squash"),
    ),
    managed(
        "alicloud_hbr_vault",
        "backup_vault",
        ref("key", "kms_key_id"),
        row("geo_redundant", "redundancy_type", "is_one", None, "ZRS"),
        encrypted=True,
        name="vault_name",
    ),
    managed(
        "alicloud_hbr_ecs_backup_plan",
        "backup_plan",
        row("backup_days", "retention", "number"),
        name="ecs_backup_plan_name",
    ),
)

TYPES = (*_BUCKET_TYPES, *_DATABASE_TYPES)
