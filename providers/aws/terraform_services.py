"""hashicorp/aws: API fronts, CDN, build, analytics, machine learning, the rest. Facts as in terraform_network."""

from __future__ import annotations

from model.terraform import Join, managed, ref, row

_KEY = ref("key", "kms_key_id")
_ARN = ref("key", "kms_key_arn")
_CBD = row("create_before_destroy", "lifecycle.create_before_destroy", "flag", False)
_STAGE = ("aws_api_gateway_stage",)
_GLUE = row("encrypted", "security_configuration", "raw_present", False)

_API_TYPES = (
    managed(
        "aws_api_gateway_rest_api",
        "api_gateway",
        _CBD,
        row("public", "endpoint_configuration.types", "names_one", True, "EDGE", "REGIONAL"),
        row("any_principal", "policy", "raw_says", None, "any_principal"),
    ),
    managed(
        "aws_api_gateway_rest_api_policy",
        "api_gateway",
        row("any_principal", "policy", "raw_says", None, "any_principal"),
        joins=(Join(("aws_api_gateway_rest_api",), "rest_api_id"),),
    ),
    managed(
        "aws_api_gateway_stage",
        "api_stage",
        row("logs", "", "raw_stage_logging", False, reads=("access_log_settings", "rest_api_id", "stage_name")),
        row("tracing", "xray_tracing_enabled", "flag", False),
        row("cached", "cache_cluster_enabled", "flag", False),
        row("cache_encrypted", "", "raw_stage_cache", None, reads=("cache_cluster_enabled",)),
        row("mtls", "client_certificate_id", "raw_present", False),
        name="stage_name",
        waf=False,
    ),
    managed(
        "aws_api_gateway_method_settings",
        "api_stage",
        row("cached", "settings.caching_enabled", "flag", False),
        row("cache_encrypted", "", "raw_method_cache", None, reads=("settings",)),
        row("execution_logs", "settings.logging_level", "is_none_of", False, "OFF"),
        row("monitoring", "settings.metrics_enabled", "flag", False),
        name="stage_name",
    ),
    managed(
        "aws_api_gateway_method",
        "api_method",
        row("auth", "", "raw_method_auth", False, reads=("authorization", "api_key_required", "http_method")),
        row("method", "http_method", "raw_text", None),
        name="http_method",
    ),
    managed("aws_api_gateway_deployment", "api_deployment", _CBD, name="stage_name"),
    managed(
        "aws_api_gateway_domain_name",
        "api_domain",
        row("tls_min", "security_policy", "version", "1.2"),
        row("mtls", "mutual_tls_authentication", "raw_present", False),
        name="domain_name",
    ),
    managed(
        "aws_apigatewayv2_api",
        "api_gateway",
        row("cors_any_origin", "cors_configuration.allow_origins", "names_one", False, "*"),
    ),
    managed(
        "aws_apigatewayv2_domain_name",
        "api_domain",
        row("tls_min", "domain_name_configuration.security_policy", "version", None),
        name="domain_name",
    ),
    managed("aws_apigatewayv2_stage", "api_stage", row("logs", "access_log_settings", "raw_present", False)),
    managed(
        "aws_apigatewayv2_route",
        "api_method",
        row("auth", "authorization_type", "is_none_of", False, "NONE"),
        name="route_key",
    ),
    managed(
        "aws_appsync_graphql_api",
        "graphql_api",
        row("logs", "log_config", "raw_present", False),
        row("audit_logs", "log_config.field_log_level", "is_none_of", False, "NONE"),
        row("auth", "authentication_type", "is_none_of", None, "API_KEY"),
    ),
    managed(
        "aws_appsync_api_cache",
        "graphql_cache",
        row("encrypted", "at_rest_encryption_enabled", "flag", False),
        row("tls_required", "transit_encryption_enabled", "flag", False),
        name="api_id",
    ),
    managed(
        "aws_cloudfront_distribution",
        "cdn",
        row("https_only", "", "raw_cdn_https", None, reads=("default_cache_behavior", "ordered_cache_behavior")),
        row("tls_min", "", "raw_cdn_tls", "1.0", reads=("viewer_certificate",)),
        row("logs", "logging_config", "raw_present", False),
        row("waf", "web_acl_id", "raw_present", False),
        row("blocks_known_exploits", "", "raw_cdn_waf_exploits", None, reads=("web_acl_id",)),
        row("default_root", "default_root_object", "raw_present", False),
        row("geo_restricted", "restrictions.geo_restriction.restriction_type", "is_none_of", False, "none"),
        row("failover", "origin_group", "raw_present", False),
        row("response_headers", "default_cache_behavior.response_headers_policy_id", "raw_present", False),
        row("backend_tls", "", "raw_cdn_origins", None, reads=("origin",)),
        row("enabled", "enabled", "flag", None),
        name="comment",
        public=True,
    ),
    managed(
        "aws_cloudfront_response_headers_policy",
        "cdn",
        row("strict_transport", "security_headers_config.strict_transport_security", "raw_present", False),
    ),
    managed("aws_globalaccelerator_accelerator", "cdn", row("logs", "attributes.flow_logs_enabled", "flag", False)),
)

_BUILD_TYPES = (
    managed(
        "aws_codebuild_project",
        "build_project",
        ref("key", "encryption_key"),
        row("privileged", "environment.privileged_mode", "flag", False),
        row("encrypted", "", "raw_artifacts_encrypted", True, reads=("artifacts", "secondary_artifacts")),
        row("logs", "", "raw_build_logs", True, reads=("logs_config",)),
        row("copies_encrypted", "logs_config.s3_logs.encryption_disabled", "not_flag", None),
    ),
    managed("aws_codepipeline", "build_pipeline", ref("key", "artifact_store.encryption_key.id"), encrypted=True),
    managed(
        "aws_codecommit_repository",
        "code_repository",
        row("approval_rule", "", "raw_has_part", False, "aws_codecommit_approval_rule_template_association"),
        row("approvals_needed", "", "raw_has_part", False, "aws_codecommit_approval_rule_template_association"),
        _KEY,
        name="repository_name",
    ),
    managed(
        "aws_codeartifact_domain", "package_repository", ref("key", "encryption_key"), encrypted=True, name="domain"
    ),
    managed(
        "aws_codegurureviewer_repository_association",
        "code_repository",
        row("key", "kms_key_details", "raw_chosen_key", ""),
        encrypted=True,
    ),
    managed(
        "aws_ssm_document",
        "automation_document",
        row("shared_publicly", "", "raw_document_shared", False, reads=("permissions",)),
        row("logs", "content", "raw_contains", None, r"(cloudWatchEncryptionEnabled|s3EncryptionEnabled)\W+true"),
    ),
)

_ANALYTICS_TYPES = (
    managed(
        "aws_athena_workgroup",
        "query_service",
        row("encrypted", "configuration.result_configuration.encryption_configuration", "raw_present", False),
        ref("key", "configuration.result_configuration.encryption_configuration.kms_key_arn"),
        row("settings_enforced", "configuration.enforce_workgroup_configuration", "flag", True),
    ),
    managed(
        "aws_athena_database",
        "query_service",
        row("encrypted", "encryption_configuration", "raw_present", False),
        ref("key", "encryption_configuration.kms_key"),
    ),
    managed(
        "aws_emr_security_configuration",
        "batch_cluster",
        row("encrypted", "configuration", "raw_emr", None, "EnableAtRestEncryption"),
        row("tls_required", "configuration", "raw_emr", None, "EnableInTransitEncryption"),
        row("key", "configuration", "raw_emr_key", ""),
        row("volumes_encrypted", "configuration", "raw_emr", None, "EnableEbsEncryption"),
    ),
    managed(
        "aws_emr_cluster",
        "batch_cluster",
        row("encrypted", "security_configuration", "raw_present", False),
        row("auth", "kerberos_attributes", "raw_present", False),
        row("logs", "log_uri", "raw_present", False),
    ),
    *(managed(f"aws_glue_{n}", "etl_job", _GLUE) for n in ("crawler", "dev_endpoint", "job")),
    managed(
        "aws_glue_security_configuration",
        "etl_job",
        row("encrypted", "", "raw_glue_encryption", None, reads=("encryption_configuration",)),
        ref("key", "encryption_configuration.s3_encryption.kms_key_arn"),
    ),
    managed(
        "aws_glue_data_catalog_encryption_settings",
        "etl_job",
        row(
            "encrypted",
            "data_catalog_encryption_settings.encryption_at_rest.catalog_encryption_mode",
            "is_none_of",
            False,
            "DISABLED",
        ),
        ref("key", "data_catalog_encryption_settings.encryption_at_rest.sse_aws_kms_key_id"),
    ),
    managed(
        "aws_mwaa_environment",
        "workflow",
        ref("key", "kms_key"),
        row("public", "webserver_access_mode", "is_one", False, "PUBLIC_ONLY"),
        row("logs", "", "raw_mwaa_logs", False, "scheduler_logs", reads=("logging_configuration",)),
        encrypted=True,
    ),
    managed(
        "aws_sfn_state_machine",
        "workflow",
        row("logs", "logging_configuration.level", "is_none_of", False, "OFF"),
        row("tracing", "tracing_configuration.enabled", "flag", False),
    ),
    managed(
        "aws_workspaces_workspace",
        "other",
        row(
            "volumes_encrypted",
            "",
            "raw_all_true",
            False,
            "root_volume_encryption_enabled",
            "user_volume_encryption_enabled",
            reads=("root_volume_encryption_enabled", "user_volume_encryption_enabled"),
        ),
        ref("volume_key", "volume_encryption_key"),
    ),
)

_LEARNING_TYPES = (
    managed(
        "aws_sagemaker_notebook_instance",
        "notebook",
        _KEY,
        row("root_access", "root_access", "is_none_of", True, "Disabled"),
        row("public", "direct_internet_access", "is_none_of", True, "Disabled"),
        row("in_network", "subnet_id", "raw_present", False),
        row(
            "imds_v2_only",
            "instance_metadata_service_configuration.minimum_instance_metadata_service_version",
            "is_one",
            False,
            "2",
        ),
        row("grants", "role_arn", "raw_role_grants", None),
        ref("execution_identity", "role_arn"),
        encrypted=True,
    ),
    managed(
        "aws_sagemaker_domain",
        "ml_workspace",
        _KEY,
        row("public", "app_network_access_type", "is_none_of", True, "VpcOnly"),
        name="domain_name",
        encrypted=True,
    ),
    managed("aws_sagemaker_endpoint_configuration", "ml_workspace", ref("key", "kms_key_arn"), encrypted=True),
    managed(
        "aws_bedrockagent_agent",
        "ai_service",
        ref("key", "customer_encryption_key_arn"),
        encrypted=True,
        name="agent_name",
    ),
    managed(
        "aws_comprehend_entity_recognizer",
        "ai_service",
        ref("key", "model_kms_key_id"),
        ref("volume_key", "volume_kms_key_id"),
        encrypted=True,
    ),
    managed(
        "aws_kendra_index", "ai_service", ref("key", "server_side_encryption_configuration.kms_key_id"), encrypted=True
    ),
    managed("aws_appautoscaling_target", "other", ref("target", "resource_id")),
    managed("aws_appautoscaling_policy", "other", ref("target", "resource_id")),
    managed(
        "aws_transfer_server",
        "other",
        row("public", "endpoint_type", "is_one", True, "PUBLIC"),
        row("ftp_plain", "protocols", "names_one", False, "FTP"),
        row("logs", "logging_role", "raw_present", False),
    ),
    managed(
        "aws_cloudsearch_domain",
        "search",
        row("https_only", "endpoint_options.enforce_https", "flag", False),
        row(
            "tls_min",
            "endpoint_options.tls_security_policy",
            "lookup",
            None,
            {"Policy-Min-TLS-1-0-2019-07": "1.0", "Policy-Min-TLS-1-2-2019-07": "1.2"},
        ),
    ),
    managed(
        "aws_connect_instance_storage_config",
        "other",
        row(
            "encrypted",
            "storage_config.s3_config.encryption_config|storage_config.kinesis_video_stream_config.encryption_config",
            "raw_present",
            False,
        ),
    ),
    managed(
        "aws_datasync_location_object_storage", "other", row("password_in_document", "secret_key", "raw_literal", False)
    ),
    managed("aws_cloudformation_stack", "other", row("notifies", "notification_arns", "raw_present", False)),
    managed("aws_scheduler_schedule", "other", _ARN),
)

TYPES = (*_API_TYPES, *_BUILD_TYPES, *_ANALYTICS_TYPES, *_LEARNING_TYPES)
