"""hashicorp/aws: buckets, file systems, backups. Facts as in terraform_network."""

from __future__ import annotations

from model.resource_base import Kind
from model.terraform import Join, Row, Type, has, managed, ref, row, typed

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


def _of_bucket(native: str, *rows: Row, by: str = "bucket") -> Type:
    return typed(native, Kind.BUCKET, *rows, joins=(Join(_BUCKETS, by),), name="bucket")


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
        row("public_write", "", "raw_acl_write", None, reads=("acl",)),
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

TYPES = (*_BUCKET_TYPES, *_FILE_TYPES)
