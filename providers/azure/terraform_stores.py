"""hashicorp/azurerm: storage, databases, caches, queues, keys. Facts as in terraform_network."""

from __future__ import annotations

from model.resource_base import Kind
from model.terraform import Join, Row, Type, managed, ref, row, typed

_PUBLIC = row("public", "public_network_access_enabled", "flag", True)
_IDENTITY = row("managed_identity", "identity", "raw_identity", False)
_ENDPOINT = row("private_endpoint", "", "raw_private_endpoint", False)
_TLS = row("tls_min", "minimum_tls_version|minimal_tls_version|min_tls_version", "raw_min_tls", "1.2")
_SSL = (
    row("tls_required", "ssl_enforcement_enabled", "flag", True),
    row("tls_min", "", "raw_ssl_minimum", "1.2", reads=("ssl_minimal_tls_version_enforced", "ssl_enforcement_enabled")),
)
_OLD_SERVER = (
    _PUBLIC,
    *_SSL,
    row("backup_days", "backup_retention_days", "number", 7),
    row("geo_backup", "geo_redundant_backup_enabled", "flag", False),
    row("double_encryption", "infrastructure_encryption_enabled", "flag", False),
    row("threat_detection", "threat_detection_policy.enabled", "flag", False),
    row("version", "version", "raw_text", None),
    row("password_in_document", "administrator_login_password", "raw_literal", False),
    _IDENTITY,
    _ENDPOINT,
)
_FLEXIBLE = (
    row("public", "", "raw_flexible_public", True, reads=("public_network_access_enabled", "delegated_subnet_id")),
    row("in_network", "delegated_subnet_id", "raw_present", False),
    row("backup_days", "backup_retention_days", "number", 7),
    row("geo_backup", "", "raw_geo_backup", False, reads=("geo_redundant_backup_enabled", "create_mode")),
    row("multi_zone", "high_availability.mode", "is_one", False, "ZoneRedundant"),
    ref("key", "customer_managed_key.key_vault_key_id"),
    row("version", "version", "raw_text", None),
    row("iam_auth", "authentication.active_directory_auth_enabled", "flag", False),
    row("local_auth", "authentication.password_auth_enabled", "flag", True),
    row("password_in_document", "administrator_password", "raw_literal", False),
    _ENDPOINT,
)


def _firewall(native: str, *parents: str) -> Type:
    by = "server_id|server_name|cluster_id|cosmosdb_account_id|redis_cache_name|synapse_workspace_id"
    rows = (
        row(
            "allowed_cidrs",
            "",
            "raw_range_cidrs",
            None,
            reads=("start_ip_address", "end_ip_address", "start_ip", "end_ip"),
        ),
        row("any_cloud_customer", "", "raw_range_is_cloud", None),
    )
    return typed(native, Kind.DATABASE, *rows, joins=(Join(parents, by, many=True),))


def _setting(native: str, parent: str, engine: str) -> Type:
    rows: tuple[Row, ...] = (
        row("log_connections", "", "raw_setting", None, "log_connections", reads=("name", "value")),
        row("log_checkpoints", "", "raw_setting", None, "log_checkpoints"),
        row("connection_throttling", "", "raw_setting", None, "connection_throttling", "connection_throttle.enable"),
        row("tls_required", "", "raw_setting", None, "require_secure_transport", "ssl_enforcement"),
        row("audit_logs", "", "raw_setting", None, "audit_log_enabled", "pgaudit.log"),
        row("tls_min", "", "raw_tls_setting", None),
    )
    return typed(
        native, Kind.DATABASE, *rows, joins=(Join((parent,), "server_name|server_id", many=True),), engine=engine
    )


_SQL = ("azurerm_mssql_server", "azurerm_sql_server")
_BY_SERVER = "server_name|server_id|resource_id|mssql_server_id|database_id"
_AUDIT = (
    row("audit_logs", "enabled|log_monitoring_enabled", "flag", True),
    row("log_retention_days", "retention_in_days", "raw_days", None),
)
_ALERTS = (
    row("threat_detection", "", "raw_alerts_on", None, reads=("state", "disabled_alerts")),
    row("contacts", "", "raw_alert_mails", None, reads=("email_addresses",)),
    row("notifies", "email_account_admins", "flag", False),
    row("all_alerts", "disabled_alerts", "raw_absent", True),
    row("log_retention_days", "retention_days", "raw_days", None),
)
_SCAN = (
    row("scan", "recurring_scans.enabled", "flag", False),
    row("scan_reports", "recurring_scans", "raw_scan_mails", False),
    row("notifies", "recurring_scans.email_subscription_admins", "flag", False),
)
_SQL_SERVER = (
    _PUBLIC,
    _TLS,
    row("local_auth", "azuread_administrator.azuread_authentication_only", "not_flag", True),
    row("iam_auth", "azuread_administrator", "raw_present", False),
    row("password_in_document", "administrator_login_password", "raw_literal", False),
    row("version", "version", "raw_text", None),
    _IDENTITY,
    _ENDPOINT,
    ref("key", "transparent_data_encryption_key_vault_key_id"),
    row("audit_logs", "extended_auditing_policy", "raw_present", False),
    row("threat_detection", "threat_detection_policy.state", "is_one", None, "Enabled"),
    row("scan", "", "raw_scanned", False),
)

_DATABASES = (
    *(typed(n, Kind.DATABASE, *_SQL_SERVER, engine="sqlserver", encrypted=True, allowed_cidrs=()) for n in _SQL),
    typed(
        "azurerm_mssql_database",
        Kind.DATABASE,
        row("encrypted", "transparent_data_encryption_enabled", "flag", True),
        ref("key", "transparent_data_encryption_key_vault_key_id"),
        row("multi_zone", "zone_redundant", "flag", False),
        row("audit_logs", "extended_auditing_policy", "raw_present", None),
        row("log_retention_days", "extended_auditing_policy.retention_in_days", "raw_days", None),
        row("threat_detection", "threat_detection_policy.state", "is_one", None, "Enabled"),
        row("geo_backup", "geo_backup_enabled", "flag", True),
        row("backup_days", "short_term_retention_policy.retention_days", "number", 7),
        ref("server", "server_id"),
        row("ledger", "ledger_enabled", "flag", False),
        engine="sqlserver",
    ),
    typed(
        "azurerm_sql_database",
        Kind.DATABASE,
        row("threat_detection", "threat_detection_policy.state", "is_one", None, "Enabled"),
        row("multi_zone", "zone_redundant", "flag", False),
        engine="sqlserver",
        encrypted=True,
    ),
    *(
        typed(
            n, Kind.DATABASE, *_AUDIT, joins=(Join((*_SQL, "azurerm_mssql_database"), _BY_SERVER),), engine="sqlserver"
        )
        for n in ("azurerm_mssql_server_extended_auditing_policy", "azurerm_mssql_database_extended_auditing_policy")
    ),
    managed(
        "azurerm_mssql_server_security_alert_policy",
        "threat_detection",
        *_ALERTS,
        row("enabled", "state", "is_one", True, "Enabled"),
        joins=(
            Join(
                _SQL,
                "server_name",
                rows=(row("threat_detection", "", "raw_alerts_on", None, reads=("state", "disabled_alerts")),),
                keep=True,
            ),
        ),
    ),
    managed(
        "azurerm_mssql_server_vulnerability_assessment",
        "vulnerability_scan",
        *_SCAN,
    ),
    managed("azurerm_mssql_database_vulnerability_assessment_rule_baseline", "vulnerability_scan"),
    typed(
        "azurerm_mssql_server_transparent_data_encryption",
        Kind.DATABASE,
        ref("key", "key_vault_key_id"),
        joins=(Join(_SQL, "server_id"),),
        engine="sqlserver",
    ),
    typed(
        "azurerm_mssql_managed_instance",
        Kind.DATABASE,
        row("public", "public_data_endpoint_enabled", "flag", False),
        row("tls_min", "minimum_tls_version", "raw_min_tls", "1.2"),
        engine="sqlserver",
        encrypted=True,
    ),
    *(
        typed(f"azurerm_{e}_server", Kind.DATABASE, *_OLD_SERVER, engine=e, encrypted=True, key="")
        for e in ("mysql", "postgresql", "mariadb")
    ),
    *(
        typed(f"azurerm_{e}_flexible_server", Kind.DATABASE, *_FLEXIBLE, engine=e, encrypted=True)
        for e in ("mysql", "postgresql")
    ),
    *(
        typed(
            f"azurerm_{e}_server_key",
            Kind.DATABASE,
            ref("key", "key_vault_key_id"),
            joins=(Join((f"azurerm_{e}_server",), "server_id"),),
            engine=e,
        )
        for e in ("mysql", "postgresql")
    ),
    *(
        _firewall(f"azurerm_{n}_firewall_rule", *p)
        for n, p in (
            ("mssql", _SQL),
            ("sql", _SQL),
            ("mysql", ("azurerm_mysql_server",)),
            ("postgresql", ("azurerm_postgresql_server",)),
            ("mariadb", ("azurerm_mariadb_server",)),
            ("mysql_flexible_server", ("azurerm_mysql_flexible_server",)),
            ("postgresql_flexible_server", ("azurerm_postgresql_flexible_server",)),
            ("synapse", ("azurerm_synapse_workspace",)),
        )
    ),
    *(
        _setting(f"azurerm_{n}_configuration", f"azurerm_{p}", e)
        for n, p, e in (
            ("postgresql", "postgresql_server", "postgresql"),
            ("mysql", "mysql_server", "mysql"),
            ("mariadb", "mariadb_server", "mariadb"),
        )
    ),
    *(
        _setting(f"azurerm_{n}_configuration", f"azurerm_{n}", e)
        for n, e in (("postgresql_flexible_server", "postgresql"), ("mysql_flexible_server", "mysql"))
    ),
    typed(
        "azurerm_cosmosdb_account",
        Kind.DATABASE,
        _PUBLIC,
        ref("key", "key_vault_key_id"),
        row("local_auth", "local_authentication_disabled", "not_flag", True),
        row("allowed_cidrs", "ip_range_filter", "raw_rule_ips", None),
        row("in_network", "is_virtual_network_filter_enabled", "flag", False),
        row("replica_regions", "geo_location", "raw_cosmos_regions", None),
        row("multi_zone", "geo_location.zone_redundant", "flag", False),
        row("keys_can_write_metadata", "access_key_metadata_writes_enabled", "flag", True),
        row("geo_backup", "backup.storage_redundancy", "is_one", True, "Geo"),
        row("point_in_time", "backup.type", "is_one", False, "Continuous"),
        row("tls_min", "minimal_tls_version", "raw_min_tls", "1.2"),
        _ENDPOINT,
        engine="cosmosdb",
        family="document",
        encrypted=True,
    ),
    typed(
        "azurerm_kusto_cluster",
        Kind.DATABASE,
        row("sla", "sku", "raw_sku_is_not", None, "Dev(No SLA)"),
        row("encrypted", "disk_encryption_enabled|enable_disk_encryption", "flag", False),
        row("double_encryption", "double_encryption_enabled|enable_double_encryption", "flag", False),
        _PUBLIC,
        _IDENTITY,
        row("multi_zone", "zones", "at_least_two", False),
        engine="kusto",
        family="warehouse",
    ),
    typed(
        "azurerm_kusto_cluster_customer_managed_key",
        Kind.DATABASE,
        row("key", "key_name|key_vault_id", "raw_reference", ""),
        joins=(Join(("azurerm_kusto_cluster",), "cluster_id"),),
        family="warehouse",
    ),
    typed(
        "azurerm_redis_cache",
        Kind.CACHE,
        _PUBLIC,
        row("tls_required", "enable_non_ssl_port|non_ssl_port_enabled", "not_flag", True),
        _TLS,
        row(
            "auth", "redis_configuration.enable_authentication|redis_configuration.authentication_enabled", "flag", True
        ),
        row("backup_days", "redis_configuration.rdb_backup_enabled", "raw_backup_flag", 0),
        row("multi_zone", "zones", "at_least_two", False),
        row("version", "redis_version", "raw_text", None),
        row("in_network", "subnet_id", "raw_present", False),
        engine="redis",
        encrypted=True,
    ),
)

_STORAGE = (
    typed(
        "azurerm_storage_account",
        Kind.BUCKET,
        row(
            "public_access_blocked",
            "",
            "raw_blobs_blocked",
            False,
            reads=("allow_nested_items_to_be_public", "allow_blob_public_access", "public_network_access_enabled"),
        ),
        row("tls_only", "https_traffic_only_enabled|enable_https_traffic_only", "flag", True),
        row("tls_min", "min_tls_version", "raw_min_tls", "1.2"),
        row(
            "network_default_deny",
            "",
            "raw_default_deny",
            False,
            reads=("network_rules", "public_network_access_enabled"),
        ),
        row("internet", "public_network_access_enabled", "flag", True),
        row("redundancy", "account_replication_type", "raw_replication_zones", None),
        row("versioning", "blob_properties.versioning_enabled", "flag", False),
        row("soft_delete_days", "", "raw_soft_delete", None, reads=("blob_properties",)),
        row("local_auth", "shared_access_key_enabled", "flag", True),
        row("tokens_expire", "sas_policy.expiration_period", "raw_present", False),
        row("double_encryption", "infrastructure_encryption_enabled", "flag", False),
        row("key", "customer_managed_key.key_vault_key_id", "raw_reference", ""),
        row("access_logs", "", "raw_queue_logging", None, reads=("queue_properties",)),
        _ENDPOINT,
        row("sse", "customer_managed_key", "raw_sse_word", "cloud"),
        row("allowed_cidrs", "network_rules.ip_rules", "raw_rule_ips", None),
        row("locked", "immutability_policy.state", "is_none_of", False, "Disabled"),
        row("cors_any_origin", "blob_properties.cors_rule.allowed_origins", "names_one", False, "*"),
    ),
    typed(
        "azurerm_storage_account_network_rules",
        Kind.BUCKET,
        row("network_default_deny", "default_action", "is_one", None, "Deny"),
        joins=(Join(("azurerm_storage_account",), "storage_account_id|storage_account_name"),),
    ),
    typed(
        "azurerm_storage_account_customer_managed_key",
        Kind.BUCKET,
        row("key", "key_vault_key_id|key_name|key_vault_id", "raw_reference", ""),
        joins=(Join(("azurerm_storage_account",), "storage_account_id", fixed={"sse": "key"}),),
    ),
    typed(
        "azurerm_storage_account_queue_properties",
        Kind.BUCKET,
        row("access_logs", "", "raw_queue_logging_alone", None, reads=("logging",)),
        joins=(Join(("azurerm_storage_account",), "storage_account_id"),),
    ),
    typed(
        "azurerm_storage_container",
        Kind.BUCKET,
        row("public", "container_access_type", "is_one", False, "blob", "container"),
        ref("account", "storage_account_name|storage_account_id"),
    ),
    managed("azurerm_storage_share", "file_system"),
    managed("azurerm_storage_queue", "other"),
    managed(
        "azurerm_storage_sync",
        "file_system",
        row("public", "incoming_traffic_policy", "is_one", True, "AllowAllTraffic"),
    ),
    managed("azurerm_netapp_volume", "file_system"),
    managed(
        "azurerm_recovery_services_vault",
        "backup_vault",
        row("soft_delete", "soft_delete_enabled", "flag", True),
        row("locked", "immutability", "is_none_of", False, "Disabled"),
        ref("key", "encryption.key_id"),
        _PUBLIC,
        row("geo_redundant", "storage_mode_type", "is_one", True, "GeoRedundant"),
    ),
    managed(
        "azurerm_data_protection_backup_vault",
        "backup_vault",
        row("geo_redundant", "redundancy", "is_one", None, "GeoRedundant"),
    ),
)

_NAMESPACE = (
    row("internet", "public_network_access_enabled", "flag", True),
    row("local_auth", "local_auth_enabled|local_authentication_enabled", "flag", True),
    row("tls_min", "minimum_tls_version", "raw_min_tls", "1.2"),
    row("multi_zone", "zone_redundant", "flag", False),
    _IDENTITY,
    ref("key", "customer_managed_key.key_vault_key_id"),
    row("double_encryption", "customer_managed_key.infrastructure_encryption_enabled", "flag", False),
    row("allowed_cidrs", "network_rule_set.ip_rules|network_rulesets.ip_rule", "raw_rule_ips", None),
)
_GRID = (
    row("internet", "public_network_access_enabled", "flag", True),
    row("local_auth", "local_auth_enabled", "flag", True),
    _IDENTITY,
    row("allowed_cidrs", "inbound_ip_rule", "raw_rule_ips", None),
)
_QUEUES = (
    typed("azurerm_servicebus_namespace", Kind.QUEUE, *_NAMESPACE, family="broker", encrypted=True, tls_required=True),
    typed("azurerm_eventhub_namespace", Kind.QUEUE, *_NAMESPACE, family="stream", encrypted=True, tls_required=True),
    typed(
        "azurerm_eventhub_namespace_customer_managed_key",
        Kind.QUEUE,
        row("key", "key_vault_key_ids", "raw_reference", ""),
        row("double_encryption", "infrastructure_encryption_enabled", "flag", None),
        joins=(Join(("azurerm_eventhub_namespace",), "eventhub_namespace_id"),),
        family="stream",
    ),
    typed("azurerm_eventgrid_topic", Kind.QUEUE, *_GRID, family="topic", encrypted=True),
    typed("azurerm_eventgrid_domain", Kind.QUEUE, *_GRID, family="topic", encrypted=True),
    managed(
        "azurerm_signalr_service",
        "realtime",
        row("sla", "sku", "raw_sku_is_not", None, "Free"),
        row("public", "public_network_access_enabled", "flag", True),
        row("local_auth", "local_auth_enabled", "flag", True),
    ),
    managed(
        "azurerm_web_pubsub",
        "realtime",
        row("sla", "sku", "raw_sku_is_not", None, "Free"),
        _IDENTITY,
        row("public", "public_network_access_enabled", "flag", True),
    ),
    managed("azurerm_iothub", "other", _PUBLIC),
)

_VAULT_DENY = row(
    "network_default_deny", "", "raw_default_deny", False, reads=("network_acls", "public_network_access_enabled")
)
_KEYS = (
    typed(
        "azurerm_key_vault",
        Kind.KEY,
        row("deletion_days", "soft_delete_retention_days", "number", 90),
        row("purge_protection", "purge_protection_enabled", "flag", False),
        _PUBLIC,
        _VAULT_DENY,
        row("rbac", "enable_rbac_authorization|rbac_authorization_enabled", "flag", False),
        _ENDPOINT,
        family="vault",
    ),
    typed(
        "azurerm_key_vault_key",
        Kind.KEY,
        row("expires", "expiration_date", "raw_present", False),
        row("hsm", "key_type", "is_one", None, "RSA-HSM", "EC-HSM", "oct-HSM"),
        row("rotates", "rotation_policy.automatic", "raw_present", False),
        row("rotatable", "key_type", "raw_present", True),
        family="key",
    ),
    typed(
        "azurerm_key_vault_secret",
        Kind.KEY,
        row("expires", "expiration_date", "raw_present", False),
        row("content_type", "content_type", "raw_text", None),
        family="secret",
    ),
    typed(
        "azurerm_key_vault_certificate",
        Kind.CERTIFICATE,
        row("algorithm", "certificate_policy.key_properties.key_type", "raw_text", ""),
        row("renews", "certificate_policy.lifetime_action.action.action_type", "is_one", None, "AutoRenew"),
    ),
    typed(
        "azurerm_key_vault_managed_hardware_security_module",
        Kind.KEY,
        row("purge_protection", "purge_protection_enabled", "flag", False),
        _PUBLIC,
        family="vault",
        hsm=True,
    ),
    typed("azurerm_key_vault_access_policy", Kind.IDENTITY, ref("vault", "key_vault_id"), family="policy"),
)

TYPES = (*_DATABASES, *_STORAGE, *_QUEUES, *_KEYS)
