"""hashicorp/aws: keys, secrets, identities, audit, detection, certificates. Facts as in terraform_network."""

from __future__ import annotations

from model.resource_base import Kind
from model.terraform import Join, has, managed, ref, row, typed

_ROLE = ("aws_iam_role",)
_USER = ("aws_iam_user",)
_GROUP = ("aws_iam_group",)
_GRANTS = row("grants", "policy", "raw_policy")
_ATTACHED = row("grants", "policy_arn", "raw_attached")

TYPES = (
    typed(
        "aws_kms_key",
        Kind.KEY,
        row("enabled", "is_enabled", "flag", True),
        row("rotates", "", "raw_key_rotates", False, reads=("enable_key_rotation", "customer_master_key_spec")),
        row("rotatable", "customer_master_key_spec|key_usage", "is_one", True, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
        row("rotation_days", "rotation_period_in_days", "number"),
        row("deletion_days", "deletion_window_in_days", "number", 30),
        row("any_principal", "policy", "raw_says", False, "any_principal"),
        row("grants", "policy", "raw_policy"),
        hsm=True,
        name="description",
    ),
    typed(
        "aws_kms_key_policy",
        Kind.KEY,
        row("any_principal", "policy", "raw_says", None, "any_principal"),
        _GRANTS,
        joins=(Join(("aws_kms_key",), "key_id"),),
    ),
    typed(
        "aws_kms_external_key",
        Kind.KEY,
        row("enabled", "enabled", "flag", True),
        row("deletion_days", "deletion_window_in_days", "number", 30),
        row("any_principal", "policy", "raw_says", False, "any_principal"),
        rotatable=False,
    ),
    typed(
        "aws_kms_replica_key",
        Kind.KEY,
        row("enabled", "enabled", "flag", True),
        row("any_principal", "policy", "raw_says", False, "any_principal"),
        rotatable=False,
    ),
    typed(
        "aws_secretsmanager_secret",
        Kind.KEY,
        ref("key", "kms_key_id"),
        row("deletion_days", "recovery_window_in_days", "number", 30),
        row("rotates", "rotation_rules", "raw_present", False),
        row("rotation_days", "rotation_rules.automatically_after_days", "number"),
        row("any_principal", "policy", "raw_says", None, "any_principal"),
        family="secret",
    ),
    typed(
        "aws_secretsmanager_secret_rotation",
        Kind.KEY,
        row("rotates", "rotation_rules", "raw_present", True),
        row("rotation_days", "rotation_rules.automatically_after_days", "number"),
        joins=(Join(("aws_secretsmanager_secret",), "secret_id"),),
        family="secret",
    ),
    typed(
        "aws_secretsmanager_secret_policy",
        Kind.KEY,
        row("any_principal", "policy", "raw_says", None, "any_principal"),
        _GRANTS,
        joins=(Join(("aws_secretsmanager_secret",), "secret_arn"),),
        family="secret",
    ),
    typed(
        "aws_secretsmanager_secret_version",
        Kind.KEY,
        row("password_in_document", "secret_string", "raw_literal", None),
        joins=(Join(("aws_secretsmanager_secret",), "secret_id"),),
        family="secret",
    ),
    typed(
        "aws_ssm_parameter",
        Kind.KEY,
        row("encrypted", "type", "is_one", False, "SecureString"),
        ref("key", "key_id"),
        row("sends_to", "", "raw_sends_to", None, reads=("value",)),
        family="parameter",
    ),
    typed(
        "aws_acm_certificate",
        Kind.CERTIFICATE,
        row("domains", "", "raw_domains", None, reads=("domain_name", "subject_alternative_names")),
        row("algorithm", "key_algorithm", "raw_text", "RSA_2048"),
        row("renews", "validation_method|certificate_authority_arn", "raw_present", False),
        row("create_before_destroy", "lifecycle.create_before_destroy", "flag", False),
        row("transparency_logs", "options.certificate_transparency_logging_preference", "is_one", True, "ENABLED"),
        name="domain_name",
    ),
    typed("aws_iam_server_certificate", Kind.CERTIFICATE, renews=False),
    # -- identities --
    typed(
        "aws_iam_role",
        Kind.IDENTITY,
        row("trust", "assume_role_policy", "raw_policy"),
        row("grants", "inline_policy", "raw_policies"),
        row("grants", "managed_policy_arns", "raw_arn_accounts"),
        row("session_seconds", "max_session_duration", "number", 3600),
        family="role",
    ),
    typed("aws_iam_user", Kind.IDENTITY, family="user"),
    typed("aws_iam_group", Kind.IDENTITY, family="group", members=0),
    typed("aws_iam_policy", Kind.IDENTITY, _GRANTS, family="policy", attached_to_users=False),
    typed(
        "aws_iam_role_policy", Kind.IDENTITY, _GRANTS, ref("holder", "role"), family="policy", attached_to_users=False
    ),
    typed(
        "aws_iam_group_policy", Kind.IDENTITY, _GRANTS, ref("holder", "group"), family="policy", attached_to_users=False
    ),
    typed(
        "aws_iam_user_policy", Kind.IDENTITY, _GRANTS, ref("holder", "user"), family="policy", attached_to_users=True
    ),
    typed(
        "aws_iam_user_policy_attachment",
        Kind.IDENTITY,
        _ATTACHED,
        ref("holder", "user"),
        family="attachment",
        attached_to_users=True,
    ),
    typed(
        "aws_iam_role_policy_attachment",
        Kind.IDENTITY,
        ref("holder", "role"),
        _ATTACHED,
        family="attachment",
        attached_to_users=False,
    ),
    typed(
        "aws_iam_group_policy_attachment",
        Kind.IDENTITY,
        ref("holder", "group"),
        _ATTACHED,
        family="attachment",
        attached_to_users=False,
    ),
    typed(
        "aws_iam_policy_attachment", Kind.IDENTITY, has("attached_to_users", "users"), _ATTACHED, family="attachment"
    ),
    typed(
        "aws_iam_group_membership",
        Kind.IDENTITY,
        row("members", "users", "count", 0),
        joins=(Join(_GROUP, "group", keep=True),),
        family="membership",
    ),
    typed(
        "aws_iam_user_group_membership",
        Kind.IDENTITY,
        joins=(Join(_GROUP, "groups", rows=(), fixed={"members": 1}, keep=True),),
        family="membership",
    ),
    typed(
        "aws_iam_access_key",
        Kind.IDENTITY,
        row("root", "user", "is_one", False, "root"),
        ref("holder", "user"),
        joins=(Join(_USER, "user", rows=(), fixed={"long_lived_keys": True}, keep=True),),
        family="access_key",
        long_lived_keys=True,
    ),
    typed("aws_iam_user_login_profile", Kind.IDENTITY, ref("holder", "user"), family="login"),
    typed("aws_iam_instance_profile", Kind.IDENTITY, ref("holder", "role"), family="instance_profile"),
    typed(
        "aws_ssoadmin_permission_set_inline_policy",
        Kind.IDENTITY,
        row("grants", "inline_policy", "raw_policy"),
        family="policy",
        attached_to_users=False,
    ),
    typed(
        "aws_ssoadmin_permission_set",
        Kind.IDENTITY,
        row("session_length", "session_duration", "raw_text", None),
        family="permission_set",
    ),
    managed(
        "aws_iam_account_password_policy",
        "password_policy",
        row("min_length", "minimum_password_length", "number", 6),
        row("needs_upper", "require_uppercase_characters", "flag", False),
        row("needs_lower", "require_lowercase_characters", "flag", False),
        row("needs_number", "require_numbers", "flag", False),
        row("needs_symbol", "require_symbols", "flag", False),
        row("max_age_days", "max_password_age", "number", 0),
        row("reuse_prevention", "password_reuse_prevention", "number", 0),
    ),
    # -- audit and detection --
    typed(
        "aws_cloudtrail",
        Kind.AUDIT_TRAIL,
        row("enabled", "enable_logging", "flag", True),
        row("all_regions", "is_multi_region_trail", "flag", False),
        row(
            "all_events",
            "",
            "raw_trail_events",
            True,
            reads=("event_selector", "include_global_service_events", "advanced_event_selector"),
        ),
        row("validated", "enable_log_file_validation", "flag", False),
        ref("key", "kms_key_id"),
        ref("destination", "s3_bucket_name"),
        row("watched", "cloud_watch_logs_group_arn", "raw_present", False),
        row("destination_logs", "", "raw_trail_bucket_logs", None, reads=("s3_bucket_name",)),
        row("notifies", "sns_topic_name", "raw_present", False),
        encrypted=True,
    ),
    typed(
        "aws_cloudtrail_event_data_store",
        Kind.AUDIT_TRAIL,
        ref("key", "kms_key_id"),
        row("all_regions", "multi_region_enabled", "flag", True),
        row("retention_days", "retention_period", "number", 2555),
        row("deletion_protection", "termination_protection_enabled", "flag", True),
        encrypted=True,
    ),
    managed(
        "aws_config_configuration_recorder",
        "config_recorder",
        row("all_resources", "recording_group.all_supported", "flag", True),
        row("all_regions", "recording_group.include_global_resource_types", "flag", False),
    ),
    managed(
        "aws_config_configuration_recorder_status",
        "config_recorder",
        row("enabled", "is_enabled", "flag", False),
        joins=(Join(("aws_config_configuration_recorder",), "name"),),
    ),
    managed(
        "aws_config_configuration_aggregator",
        "config_recorder",
        row(
            "all_regions",
            "account_aggregation_source.all_regions|organization_aggregation_source.all_regions",
            "flag",
            False,
        ),
    ),
    managed(
        "aws_guardduty_detector",
        "threat_detection",
        row("enabled", "enable", "flag", True),
        row("all_accounts", "", "raw_guardduty_organization", None),
    ),
    managed(
        "aws_guardduty_organization_configuration",
        "threat_detection",
        row("auto_enabled", "auto_enable", "flag", None),
        row("auto_enabled", "auto_enable_organization_members", "is_none_of", None, "NONE"),
    ),
    managed("aws_macie2_account", "threat_detection", row("enabled", "status", "is_one", True, "ENABLED")),
    managed("aws_securityhub_account", "threat_detection", enabled=True),
    managed("aws_inspector2_enabler", "vulnerability_scan", enabled=True),
    managed("aws_accessanalyzer_analyzer", "threat_detection", name="analyzer_name", enabled=True),
    managed(
        "aws_cloudwatch_log_group",
        "log_group",
        ref("key", "kms_key_id"),
        row("log_retention_days", "", "raw_log_days", None, reads=("retention_in_days",)),
        row("deletion_protection", "skip_destroy", "flag", False),
        encrypted=True,
    ),
    managed(
        "aws_cloudwatch_metric_alarm",
        "monitoring",
        row("notifies", "alarm_actions", "raw_present", False),
        row("enabled", "actions_enabled", "flag", True),
        name="alarm_name",
    ),
    managed(
        "aws_cloudwatch_log_destination_policy",
        "log_group",
        row("any_principal", "access_policy", "raw_says", None, "any_principal"),
        name="destination_name",
    ),
    # -- application firewalls --
    managed(
        "aws_wafv2_web_acl",
        "waf",
        row("rule_count", "rule", "count", 0),
        row("blocks_known_exploits", "", "raw_blocks_exploits", False, reads=("rule",)),
        row("blocks", "default_action", "raw_present", None),
        row("logs", "", "raw_has_part", False, "aws_wafv2_web_acl_logging_configuration"),
    ),
    managed(
        "aws_wafv2_web_acl_logging_configuration",
        "waf",
        joins=(Join(("aws_wafv2_web_acl",), "resource_arn", rows=(), fixed={"logs": True}),),
    ),
    managed("aws_waf_web_acl", "waf", row("rule_count", "rules", "count", 0), has("logs", "logging_configuration")),
    managed(
        "aws_wafregional_web_acl", "waf", row("rule_count", "rule", "count", 0), has("logs", "logging_configuration")
    ),
    managed("aws_shield_protection", "ddos_plan", ref("protects", "resource_arn")),
)
