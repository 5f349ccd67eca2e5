"""aliyun/alicloud: keys, rights, audit, watching, functions, APIs. Facts as in terraform_network."""

from __future__ import annotations

from model.resource_base import Kind
from model.terraform import Join, managed, ref, row, typed

_ROTATION = row("rotation_days", "rotation_interval", "raw_seconds_as_days", None)
_SECURITY_TYPES = (
    typed(
        "alicloud_kms_key",
        Kind.KEY,
        row("enabled", "status|key_state|is_enabled", "is_none_of", True, "Disabled", "false"),
        row("rotates", "automatic_rotation", "is_one", False, "Enabled"),
        _ROTATION,
        row("deletion_days", "pending_window_in_days|deletion_window_in_days", "number", None),
        row("hsm", "protection_level", "is_one", False, "HSM"),
        row("rotatable", "key_spec", "is_one", True, "Aliyun_AES_256", "Aliyun_SM4"),
        row("purge_protection", "deletion_protection", "is_one", None, "Enabled"),
        row("any_principal", "policy", "raw_says", None, "any_principal"),
        name="description",
    ),
    typed(
        "alicloud_kms_secret",
        Kind.KEY,
        row("rotates", "enable_automatic_rotation", "flag", False),
        _ROTATION,
        ref("key", "encryption_key_id"),
        row("deletion_days", "recovery_window_in_days", "number", 30),
        row("password_in_document", "secret_data", "raw_literal", None),
        family="secret",
        name="secret_name",
    ),
    typed("alicloud_ram_user", Kind.IDENTITY, family="user"),
    typed("alicloud_ram_group", Kind.IDENTITY, family="group", members=0, name="group_name|name"),
    typed(
        "alicloud_ram_group_membership",
        Kind.IDENTITY,
        row("members", "user_names", "count", 0),
        joins=(Join(("alicloud_ram_group",), "group_name", keep=True),),
        family="membership",
    ),
    typed(
        "alicloud_ram_role",
        Kind.IDENTITY,
        row("trust", "assume_role_policy_document|document", "raw_policy"),
        family="role",
        name="role_name|name",
    ),
    typed(
        "alicloud_ram_policy",
        Kind.IDENTITY,
        row("grants", "policy_document|document", "raw_policy"),
        family="policy",
        attached_to_users=False,
        name="policy_name|name",
    ),
    *(
        typed(
            f"alicloud_ram_{n}_policy_attachment",
            Kind.IDENTITY,
            ref("holder", f"{n}_name"),
            row("grants", "policy_name", "raw_attached"),
            family="attachment",
            attached_to_users=n == "user",
            name="policy_name",
        )
        for n in ("user", "role", "group")
    ),
    typed(
        "alicloud_ram_access_key",
        Kind.IDENTITY,
        ref("holder", "user_name"),
        joins=(Join(("alicloud_ram_user",), "user_name", rows=(), fixed={"long_lived_keys": True}, keep=True),),
        family="access_key",
        long_lived_keys=True,
        name="user_name",
    ),
    typed(
        "alicloud_ram_login_profile",
        Kind.IDENTITY,
        row("mfa", "mfa_bind_required", "flag", False),
        row("password_in_document", "password", "raw_literal", False),
        ref("holder", "user_name"),
        joins=(
            Join(
                ("alicloud_ram_user",), "user_name", rows=(row("mfa", "mfa_bind_required", "flag", False),), keep=True
            ),
        ),
        family="login",
        name="user_name",
    ),
    managed(
        "alicloud_ram_account_password_policy",
        "password_policy",
        row("min_length", "minimum_password_length", "number", 12),
        row("needs_upper", "require_uppercase_characters", "flag", True),
        row("needs_lower", "require_lowercase_characters", "flag", True),
        row("needs_number", "require_numbers", "flag", True),
        row("needs_symbol", "require_symbols", "flag", True),
        row("max_age_days", "max_password_age", "number", 0),
        row("reuse_prevention", "password_reuse_prevention", "number", 0),
        row("lockout_attempts", "max_login_attempts", "number", 5),
    ),
    managed("alicloud_ram_security_preference", "account_setting", row("mfa", "enforce_mfa_for_login", "flag", False)),
    typed(
        "alicloud_actiontrail_trail",
        Kind.AUDIT_TRAIL,
        row("enabled", "status", "is_none_of", True, "Disable"),
        row("all_regions", "trail_region", "is_one", True, "All"),
        row("all_events", "event_rw", "is_one", False, "All"),
        ref("destination", "oss_bucket_name|sls_project_arn"),
        row("watched", "sls_project_arn", "raw_present", False),
        name="trail_name",
    ),
    typed(
        "alicloud_actiontrail",
        Kind.AUDIT_TRAIL,
        row("all_events", "event_rw", "is_one", False, "All"),
        ref("destination", "oss_bucket_name"),
    ),
    managed("alicloud_config_configuration_recorder", "config_recorder"),
    managed("alicloud_log_project", "log_group", name="project_name|name"),
    managed(
        "alicloud_log_store",
        "log_group",
        row("log_retention_days", "retention_period", "raw_log_days", 30),
        row("encrypted", "encrypt_conf.enable", "flag", False),
        ref("key", "encrypt_conf.user_cmk_info.cmk_key_id"),
        name="logstore_name|name",
    ),
    managed("alicloud_log_audit", "monitoring", name="display_name"),
    managed(
        "alicloud_cms_alarm",
        "monitoring",
        row("notifies", "contact_groups", "raw_present", False),
        row("enabled", "enabled", "flag", True),
    ),
    managed("alicloud_security_center_group", "threat_detection", name="group_name"),
    managed("alicloud_threat_detection_instance", "threat_detection", enabled=True),
    *(
        typed(n, Kind.CERTIFICATE, renews=False, name="certificate_name|name")
        for n in ("alicloud_ssl_certificates_service_certificate", "alicloud_cas_certificate")
    ),
)

_CODE_TYPES = (
    managed(
        "alicloud_fc_service",
        "function",
        row("logs", "log_config", "raw_present", False),
        row("tracing", "tracing_config", "raw_present", False),
        row("in_network", "vpc_config", "raw_present", False),
        row("internet", "internet_access", "flag", True),
        ref("execution_identity", "role"),
    ),
    managed(
        "alicloud_fc_function",
        "function",
        row("runtime", "runtime", "raw_runtime", None),
        row("environment", "environment_variables", "data", None),
    ),
    managed(
        "alicloud_fcv3_function",
        "function",
        row("runtime", "runtime", "raw_runtime", None),
        row("environment", "environment_variables", "data", None),
        row("logs", "log_config", "raw_present", False),
        row("tracing", "tracing_config", "raw_present", False),
        row("in_network", "vpc_config", "raw_present", False),
        row("internet", "internet_access", "flag", True),
        ref("execution_identity", "role"),
        name="function_name",
    ),
    *(managed(n, "function", row("auth", "config", "raw_trigger_auth", None)) for n in ("alicloud_fc_trigger",)),
    managed("alicloud_api_gateway_group", "api_gateway", public=True),
    managed(
        "alicloud_api_gateway_api",
        "api_method",
        row("auth", "auth_type", "is_none_of", False, "ANONYMOUS"),
        row("https_only", "request_config.protocol", "is_one", False, "HTTPS"),
    ),
    managed("alicloud_sae_application", "container_service", row("replicas", "replicas", "number"), name="app_name"),
    managed(
        "alicloud_eci_container_group",
        "container_group",
        row("in_network", "vswitch_id", "raw_present", True),
        row("public", "auto_create_eip|eip_instance_id", "raw_present", False),
        name="container_group_name",
    ),
    managed("alicloud_emr_cluster", "batch_cluster", row("public", "is_open_public_ip", "flag", False)),
    managed(
        "alicloud_mse_cluster",
        "other",
        row("public", "pub_network_flow", "is_one", False, "1"),
        row("allowed_cidrs", "acl_entry_list", "raw_ips", None),
        name="cluster_alias_name",
    ),
    managed("alicloud_resource_manager_resource_group", "other", name="resource_group_name"),
)

TYPES = (*_SECURITY_TYPES, *_CODE_TYPES)
