"""hashicorp/azurerm: applications, APIs, analytics, watching, rights. Facts as in terraform_network."""

from __future__ import annotations

from model.resource_base import Kind
from model.terraform import Join, managed, ref, row, typed

_PUBLIC = row("public", "public_network_access_enabled", "flag", True)
_IDENTITY = row("managed_identity", "identity", "raw_identity", False)
_SITE = ("site_config", "app_settings", "auth_settings", "auth_settings_v2")
_APP = (
    row("https_only", "", "raw_app_https", False, reads=("https_only", "auth_settings_v2")),
    row("tls_min", "site_config.minimum_tls_version|site_config.min_tls_version", "raw_min_tls", "1.2"),
    row("ftp_plain", "", "raw_ftp_plain", None, reads=_SITE),
    row("mtls", "client_certificate_enabled|client_cert_enabled|client_cert_mode", "raw_client_certificate", False),
    _IDENTITY,
    row("auth", "", "raw_app_auth", False, reads=_SITE),
    row("http2", "site_config.http2_enabled", "flag", False),
    row("health_check", "site_config.health_check_path", "raw_present", False),
    row("remote_debugging", "site_config.remote_debugging_enabled", "flag", False),
    row("cors_any_origin", "site_config.cors.allowed_origins", "names_one", False, "*"),
    row("public", "public_network_access_enabled", "flag", True),
    row("runtime", "", "raw_runtime", None, reads=_SITE),
    row("logs", "logs.http_logs", "raw_present", False),
    row("execution_logs", "logs.failed_request_tracing_enabled|logs.failed_request_tracing", "flag", False),
    row("in_network", "virtual_network_subnet_id", "raw_present", False),
    row("environment", "app_settings", "data", None),
)
_FUNCTION = tuple(r for r in _APP if r.field not in ("logs", "execution_logs"))
_WEB = (
    "app_service",
    "app_service_slot",
    "linux_web_app",
    "windows_web_app",
    "linux_web_app_slot",
    "windows_web_app_slot",
)
_FUNCTIONS = (
    *("function_app", "function_app_slot", "linux_function_app", "windows_function_app"),
    *("linux_function_app_slot", "windows_function_app_slot"),
)
_SYNAPSE = ("azurerm_synapse_workspace",)
_APPLICATIONS = (
    *(managed(f"azurerm_{n}", "app_service", *_APP) for n in _WEB),
    *(managed(f"azurerm_{n}", "function", *_FUNCTION) for n in _FUNCTIONS),
    managed(
        "azurerm_service_plan",
        "app_plan",
        row("replicas", "worker_count", "number", 1),
        row("multi_zone", "zone_balancing_enabled", "flag", False),
    ),
    managed("azurerm_app_service_plan", "app_plan", row("replicas", "sku.capacity", "number", 1)),
    managed("azurerm_static_site", "app_service", _IDENTITY, public=True),
    managed("azurerm_logic_app_standard", "workflow", row("https_only", "https_only", "flag", False), _IDENTITY),
    managed("azurerm_logic_app_workflow", "workflow", _IDENTITY),
    managed(
        "azurerm_spring_cloud_service",
        "app_platform",
        row("in_network", "", "raw_spring_network", False, reads=("network", "sku_name")),
    ),
    managed(
        "azurerm_spring_cloud_api_portal",
        "app_platform",
        row("public", "public_network_access_enabled", "flag", False),
        row("https_only", "https_only_enabled", "flag", False),
    ),
    managed(
        "azurerm_spring_cloud_app",
        "app_platform",
        row("https_only", "https_only", "flag", False),
        row("public", "is_public", "flag", False),
        _IDENTITY,
    ),
    managed(
        "azurerm_api_management",
        "api_gateway",
        row("mtls", "client_certificate_enabled", "flag", False),
        row("public", "public_network_access_enabled", "flag", True),
        row("in_network", "virtual_network_type", "is_none_of", False, "None"),
        row("tls_min", "", "raw_api_tls", "1.2", reads=("security",)),
        _IDENTITY,
        row("sla", "sku_name", "raw_sku_is_not", None, "Developer"),
    ),
    managed("azurerm_api_management_backend", "api_backend", row("protocol", "url", "raw_scheme", None)),
    managed("azurerm_api_management_api", "api_method", row("https_only", "protocols", "raw_only_https", True)),
    managed(
        "azurerm_app_configuration",
        "app_configuration",
        row("public", "public_network_access", "raw_access", None),
        row("local_auth", "local_auth_enabled", "flag", True),
        ref("key", "encryption.key_vault_key_identifier"),
        row("purge_protection", "purge_protection_enabled", "flag", False),
        row("soft_delete_days", "soft_delete_retention_days", "number", 7),
        row("sla", "sku", "raw_sku_is_not", False, "free"),
        _IDENTITY,
        encrypted=True,
    ),
    managed(
        "azurerm_search_service",
        "search",
        _PUBLIC,
        row("replicas", "replica_count", "number", 1),
        _IDENTITY,
        row("local_auth", "local_authentication_enabled", "flag", True),
        row("allowed_cidrs", "allowed_ips", "raw_rule_ips", None),
        encrypted=True,
    ),
    managed(
        "azurerm_cognitive_account",
        "ai_service",
        _PUBLIC,
        row("local_auth", "local_auth_enabled", "flag", True),
        ref("key", "customer_managed_key.key_vault_key_id"),
        _IDENTITY,
        row(
            "network_default_deny",
            "",
            "raw_default_deny",
            False,
            reads=("network_acls", "public_network_access_enabled"),
        ),
        encrypted=True,
    ),
    managed(
        "azurerm_cognitive_account_customer_managed_key",
        "ai_service",
        ref("key", "key_vault_key_id"),
        joins=(Join(("azurerm_cognitive_account",), "cognitive_account_id"),),
    ),
    managed(
        "azurerm_machine_learning_workspace",
        "ml_workspace",
        row("public", "public_network_access_enabled|public_access_behind_virtual_network_enabled", "flag", True),
        ref("key", "encryption.key_id"),
        _IDENTITY,
        encrypted=True,
    ),
    managed(
        "azurerm_machine_learning_compute_cluster",
        "ml_workspace",
        row("local_auth", "local_auth_enabled", "flag", True),
        row("replicas", "scale_settings.min_node_count", "number", None),
        row("public", "ssh_public_access_enabled|node_public_ip_enabled", "flag", None),
        row("in_network", "subnet_resource_id", "raw_present", False),
        _IDENTITY,
    ),
    managed(
        "azurerm_machine_learning_compute_instance",
        "ml_workspace",
        row("local_auth", "local_auth_enabled", "flag", True),
    ),
    managed(
        "azurerm_databricks_workspace",
        "analytics_workspace",
        _PUBLIC,
        row("double_encryption", "infrastructure_encryption_enabled", "flag", False),
        row("key", "customer_managed_key_enabled", "raw_flag_as_key", ""),
    ),
    managed(
        "azurerm_data_factory",
        "workflow",
        row("public", "public_network_enabled", "flag", True),
        ref("key", "customer_managed_key_id"),
        row("code_kept", "github_configuration|vsts_configuration", "raw_present", False),
        _IDENTITY,
        encrypted=True,
        secrets_in_vault=False,
    ),
    managed(
        "azurerm_data_factory_linked_service_key_vault",
        "workflow",
        ref("vault", "key_vault_id"),
        joins=(
            Join(
                ("azurerm_data_factory",),
                "data_factory_id|data_factory_name",
                rows=(),
                fixed={"secrets_in_vault": True},
            ),
        ),
    ),
    managed("azurerm_data_lake_store", "file_system", row("encrypted", "encryption_state", "is_one", True, "Enabled")),
    managed(
        "azurerm_batch_account",
        "batch_cluster",
        _PUBLIC,
        ref("key", "key_vault_reference.id|encryption.key_vault_key_id"),
        _IDENTITY,
    ),
    managed(
        "azurerm_service_fabric_cluster",
        "container_cluster",
        row("auth", "azure_active_directory", "raw_present", False),
    ),
    managed("azurerm_purview_account", "analytics_workspace", row("public", "public_network_enabled", "flag", True)),
    managed(
        "azurerm_synapse_workspace",
        "analytics_workspace",
        row("in_network", "managed_virtual_network_enabled", "flag", False),
        row("exfiltration_guard", "data_exfiltration_protection_enabled", "flag", False),
        row("public", "public_network_access_enabled", "flag", True),
        row("password_in_document", "sql_administrator_login_password", "raw_literal", False),
        ref("key", "customer_managed_key.key_versionless_id"),
        _IDENTITY,
        row("local_auth", "azuread_authentication_only", "not_flag", True),
        row("audit_logs", "", "raw_has_part", False, "azurerm_synapse_workspace_extended_auditing_policy"),
        encrypted=True,
        scan=False,
    ),
    managed(
        "azurerm_synapse_workspace_extended_auditing_policy",
        "monitoring",
        row("enabled", "log_monitoring_enabled", "flag", True),
    ),
    managed(
        "azurerm_synapse_workspace_security_alert_policy",
        "threat_detection",
        row("enabled", "policy_state", "is_one", True, "Enabled"),
        ref("workspace", "synapse_workspace_id"),
        joins=(
            Join(
                _SYNAPSE,
                "synapse_workspace_id",
                rows=(row("threat_detection", "policy_state", "is_one", None, "Enabled"),),
                keep=True,
            ),
        ),
    ),
    managed(
        "azurerm_synapse_workspace_vulnerability_assessment",
        "vulnerability_scan",
        row("scan", "recurring_scans.enabled", "flag", False),
        row("scan_reports", "recurring_scans", "raw_scan_mails", False),
        joins=(Join(_SYNAPSE, "workspace_security_alert_policy_id", rows=(), fixed={"scan": True}, keep=True),),
    ),
    managed(
        "azurerm_synapse_spark_pool",
        "batch_cluster",
        row("isolated", "compute_isolation_enabled", "flag", False),
        row("replicas", "node_count", "number", None),
        row("version", "spark_version", "raw_text", None),
    ),
    managed(
        "azurerm_synapse_sql_pool",
        "analytics_workspace",
        row("encrypted", "data_encrypted", "flag", False),
        row("geo_redundant", "geo_backup_policy_enabled", "flag", True),
    ),
    managed("azurerm_stream_analytics_job", "etl_job", _IDENTITY),
    managed(
        "azurerm_hdinsight_hadoop_cluster", "batch_cluster", row("tls_min", "tls_min_version", "raw_min_tls", None)
    ),
    managed(
        "azurerm_automation_account",
        "automation",
        _PUBLIC,
        row("local_auth", "local_authentication_enabled", "flag", True),
        _IDENTITY,
        ref("key", "encryption.key_vault_key_id"),
    ),
    *(
        managed(f"azurerm_automation_variable_{n}", "automation", row("encrypted", "encrypted", "flag", False))
        for n in ("bool", "string", "int", "datetime")
    ),
)

_WATCHING = (
    managed(
        "azurerm_monitor_log_profile",
        "monitoring",
        row("log_retention_days", "retention_policy.days", "raw_days", None),
        row("all_regions", "locations", "count", None),
        row("enabled", "retention_policy.enabled", "flag", None),
    ),
    managed(
        "azurerm_monitor_diagnostic_setting",
        "monitoring",
        ref("target", "target_resource_id"),
        row("logs", "enabled_log|log", "raw_present", False),
    ),
    managed(
        "azurerm_monitor_activity_log_alert",
        "monitoring",
        row("enabled", "enabled", "flag", True),
        row("notifies", "action", "raw_present", False),
    ),
    managed(
        "azurerm_monitor_action_group",
        "monitoring",
        row("contacts", "email_receiver", "raw_receivers", None),
        row("enabled", "enabled", "flag", True),
    ),
    managed(
        "azurerm_log_analytics_workspace",
        "log_group",
        row("log_retention_days", "retention_in_days", "number", 30),
        row("public", "internet_ingestion_enabled", "flag", True),
        encrypted=True,
    ),
    managed(
        "azurerm_application_insights",
        "log_group",
        row("log_retention_days", "retention_in_days", "number", 90),
        row("public", "internet_ingestion_enabled", "flag", True),
    ),
    managed(
        "azurerm_security_center_contact",
        "security_contact",
        row("contacts", "", "raw_alert_mails", None, reads=("email",)),
        row("phone", "phone", "raw_text", ""),
        row("notifies", "alert_notifications", "flag", None),
        row("notifies_admins", "alerts_to_admins", "flag", None),
    ),
    managed(
        "azurerm_security_center_subscription_pricing",
        "threat_detection",
        row("enabled", "tier", "is_one", None, "Standard"),
        row("covers", "resource_type", "raw_text", "VirtualMachines"),
        name="resource_type",
    ),
    managed(
        "azurerm_security_center_auto_provisioning",
        "monitoring",
        row("enabled", "auto_provision", "is_one", None, "On"),
        name="auto_provision",
    ),
    managed("azurerm_sentinel_alert_rule_scheduled", "monitoring", row("enabled", "enabled", "flag", True)),
    managed("azurerm_management_lock", "other", ref("scope", "scope")),
    managed("azurerm_policy_assignment", "other", ref("scope", "scope")),
    managed("azurerm_resource_group", "other"),
)

_RIGHTS = (
    typed(
        "azurerm_role_definition",
        Kind.IDENTITY,
        row("grants", "permissions", "raw_permissions", None),
        ref("scope", "scope"),
        family="role",
    ),
    typed(
        "azurerm_role_assignment",
        Kind.IDENTITY,
        row("grants", "role_definition_name", "raw_builtin_role", None),
        ref("holder", "principal_id"),
        ref("scope", "scope"),
        family="attachment",
    ),
    typed("azurerm_user_assigned_identity", Kind.IDENTITY, family="managed_identity"),
    typed(
        "azurerm_federated_identity_credential",
        Kind.IDENTITY,
        ref("holder", "parent_id"),
        row("subject", "subject", "raw_text", None),
        family="federation",
    ),
)

TYPES = (*_APPLICATIONS, *_WATCHING, *_RIGHTS)
