"""Converters that ask one question of a whole resource: rights, audit, API fronts, CDN, build, analytics.

Callers and facts as in terraform_convert.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from model.native import Pending, render, unknown
from model.terraform import Context, Converter
from providers.aws.terraform_ask import TRUE, first, listed, named, read_json, yes
from providers.aws.terraform_convert import raw_arn_accounts, raw_policies, raw_policy

_PROBLEM_RULES: Final = "AWSManagedRulesKnownBadInputsRuleSet"
_LOG4J: Final = "Log4JRCE"


def raw_attached(value: Any, context: Context) -> Any:
    """Grants of the policy that an attachment names, where the input has it, or of AWS's administrator policy."""
    source = context.find(value, "aws_iam_policy")
    if source is not None:
        return raw_policy(source.values.get("policy"), context)
    return raw_arn_accounts(value, context)


def raw_key_rotates(values: Any, _context: Context) -> Any:
    """Only symmetric keys rotate: None for the others."""
    spec = render(values.get("customer_master_key_spec", "SYMMETRIC_DEFAULT"))
    if spec not in ("SYMMETRIC_DEFAULT", ""):
        return None
    return yes(values.get("enable_key_rotation", False))


def raw_sends_to(_values: Any, context: Context) -> Any:
    """URLs of `http` data sources that send this value away."""
    found = [n for n in context.parts("http") if n.type == "http"]
    return [render(n.values.get("url")) for n in found]


def raw_domains(values: Any, _context: Context) -> Any:
    found = [values.get("domain_name"), *listed(values.get("subject_alternative_names"))]
    return [unknown() if isinstance(f, Pending) and not f.partial else render(f) for f in found if f is not None]


def raw_trail_events(values: Any, _context: Context) -> Any:
    if values.get("include_global_service_events", True) in (False, "false"):
        return False
    blocks = [b for b in listed(values.get("event_selector")) if isinstance(b, Mapping)]
    return all(
        b.get("include_management_events", True) in TRUE and b.get("read_write_type", "All") == "All" for b in blocks
    )


def raw_trail_bucket_logs(values: Any, context: Context) -> Any:
    """Whether reads of its bucket are logged; None where the bucket is not in the input."""
    bucket = context.find(values.get("s3_bucket_name"), "aws_s3_bucket")
    if bucket is None:
        return None
    if bucket.values.get("logging"):
        return True
    return any(n.type == "aws_s3_bucket_logging" for n in context.parts_of(bucket, "aws_s3_bucket_logging"))


def raw_guardduty_organization(_values: Any, context: Context) -> Any:
    """Whether it watches every account: a configuration of the organisation that enables it by itself."""
    for part in context.parts("aws_guardduty_organization_configuration"):
        members = part.values.get("auto_enable_organization_members")
        if part.values.get("auto_enable") in TRUE or (isinstance(members, str) and members != "NONE"):
            return True
    return False


def raw_chosen_key(value: Any, _context: Context) -> Any:
    """Whose key an option of a block chooses: the cloud's own, unless it says `CUSTOMER_MANAGED_CMK`.

    API Reference of Amazon CodeGuru Reviewer, KMSKeyDetails.
    """
    block = first(value)
    option = block.get("encryption_option", "AWS_OWNED_CMK")
    if isinstance(value, Pending) or isinstance(option, Pending):
        return unknown()
    if render(option) != "CUSTOMER_MANAGED_CMK":
        return ""
    return named(block.get("kms_key_id"))


def raw_log_days(values: Any, _context: Context) -> Any:
    """0 and nothing: kept for ever, which reads None."""
    found = values.get("retention_in_days")
    if isinstance(found, Pending):
        return unknown()
    return int(found) if found and str(found).isdigit() and int(found) else None


def raw_has_part(_values: Any, context: Context, *types: str) -> Any:
    return any(True for _ in context.parts(*types))


def _blocks_exploits(rules: Any) -> bool:
    for rule in listed(rules):
        if not isinstance(rule, Mapping):
            continue
        group = first(first(rule.get("statement")).get("managed_rule_group_statement"))
        if group.get("name") != _PROBLEM_RULES or first(rule.get("override_action")).get("count") is not None:
            continue
        excluded = [render(e.get("name")) for e in listed(group.get("excluded_rule")) if isinstance(e, Mapping)]
        counted = [
            render(o.get("name"))
            for o in listed(group.get("rule_action_override"))
            if isinstance(o, Mapping) and first(o.get("action_to_use")).get("count") is not None
        ]
        if not any(name.startswith(_LOG4J) for name in (*excluded, *counted)):
            return True
    return False


def raw_blocks_exploits(values: Any, _context: Context) -> Any:
    rules = values.get("rule")
    return unknown() if isinstance(rules, Pending) else _blocks_exploits(rules)


def raw_cdn_waf_exploits(values: Any, context: Context) -> Any:
    """By the web access list that it names; False where it names none, None where the input does not have that."""
    if values.get("web_acl_id") in (None, ""):
        return False
    found = context.find(values.get("web_acl_id"), "aws_wafv2_web_acl")
    return None if found is None else raw_blocks_exploits(found.values, context)


# -- API fronts ------------------------------------------------------------------------------------------------


def raw_stage_logging(values: Any, context: Context) -> Any:
    """Access logs of the stage, or execution logs by method settings that belong to it."""
    if values.get("access_log_settings"):
        return True
    stage, api = values.get("stage_name"), getattr(values.get("rest_api_id"), "ref", "")
    for part in [*context.parts("aws_api_gateway_method_settings"), *context.mates("aws_api_gateway_method_settings")]:
        same = getattr(part.values.get("rest_api_id"), "ref", None) == api
        name = part.values.get("stage_name")
        mine = getattr(name, "ref", "") == context.native.address or (same and isinstance(name, str) and name == stage)
        level = first(part.values.get("settings")).get("logging_level", "OFF")
        if mine and level in ("ERROR", "INFO"):
            return True
    return False


def raw_stage_cache(_values: Any, _context: Context) -> Any:
    """None: not cached, or what encrypts it stands in method settings."""
    return None


def raw_method_cache(values: Any, _context: Context) -> Any:
    block = first(values.get("settings"))
    if block.get("caching_enabled", False) not in TRUE:
        return None
    return yes(block.get("cache_data_encrypted", False))


def raw_method_auth(values: Any, _context: Context) -> Any:
    if values.get("http_method") == "OPTIONS":
        return None  # browsers ask before they sign in
    return render(values.get("authorization", "NONE")) != "NONE" or values.get("api_key_required") in TRUE


# -- CDN -------------------------------------------------------------------------------------------------------


def raw_cdn_https(values: Any, _context: Context) -> Any:
    blocks = [*listed(values.get("default_cache_behavior")), *listed(values.get("ordered_cache_behavior"))]
    found = [b.get("viewer_protocol_policy") for b in blocks if isinstance(b, Mapping)]
    if any(f == "allow-all" for f in found):
        return False
    return unknown() if any(isinstance(f, Pending) for f in found) else True


def raw_cdn_tls(values: Any, _context: Context) -> Any:
    block = first(values.get("viewer_certificate"))
    if block.get("cloudfront_default_certificate") in TRUE:
        return "1.0"
    found = block.get("minimum_protocol_version", "TLSv1")
    if isinstance(found, Pending):
        return unknown()
    match = re.search(r"TLSv1(?:\.(\d))?", render(found))
    return f"1.{match[1] or 0}" if match else "1.0"


def raw_cdn_origins(values: Any, _context: Context) -> Any:
    blocks = [first(o.get("custom_origin_config")) for o in listed(values.get("origin")) if isinstance(o, Mapping)]
    found = [b.get("origin_protocol_policy") for b in blocks if b]
    return all(f == "https-only" for f in found) if found else None


# -- build and analytics ---------------------------------------------------------------------------------------


def raw_artifacts_encrypted(values: Any, _context: Context) -> Any:
    blocks = [*listed(values.get("artifacts")), *listed(values.get("secondary_artifacts"))]
    return not any(isinstance(b, Mapping) and b.get("encryption_disabled") in TRUE for b in blocks)


def raw_build_logs(values: Any, _context: Context) -> Any:
    """CloudWatch gets them unless that is switched off."""
    block = first(values.get("logs_config"))
    cloud = first(block.get("cloudwatch_logs")).get("status", "ENABLED")
    return cloud == "ENABLED" or first(block.get("s3_logs")).get("status", "DISABLED") == "ENABLED"


def raw_document_shared(values: Any, _context: Context) -> Any:
    found = first(values.get("permissions")).get("account_ids", "")
    return unknown() if isinstance(found, Pending) else "all" in [render(f).lower() for f in listed(found)]


def _emr(value: Any) -> Any:
    found = read_json(value)
    inner = found.get("EncryptionConfiguration", {}) if isinstance(found, Mapping) else None
    return inner if isinstance(inner, Mapping) else None


def raw_emr(value: Any, _context: Context, name: str) -> Any:
    """https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-create-security-configuration.html"""
    found = _emr(value)
    if found is None or value is None:
        return unknown() if value is not None else None
    if name == "EnableEbsEncryption":
        disk = found.get("AtRestEncryptionConfiguration", {}).get("LocalDiskEncryptionConfiguration", {})
        return disk.get(name) in TRUE
    return found.get(name, False) in TRUE


def raw_emr_key(value: Any, _context: Context) -> Any:
    """The key for objects: SSE-KMS and CSE-KMS take one, SSE-S3 does not."""
    found = _emr(value)
    if found is None:
        return unknown() if value is not None else None
    block = found.get("AtRestEncryptionConfiguration", {}).get("S3EncryptionConfiguration", {})
    return render(block.get("AwsKmsKey", "")) if "KMS" in render(block.get("EncryptionMode", "")) else ""


def raw_glue_encryption(values: Any, _context: Context) -> Any:
    """Objects, logs and bookmarks: all three."""
    block = first(values.get("encryption_configuration"))
    modes = (
        first(block.get("cloudwatch_encryption")).get("cloudwatch_encryption_mode", "DISABLED"),
        first(block.get("job_bookmarks_encryption")).get("job_bookmarks_encryption_mode", "DISABLED"),
        first(block.get("s3_encryption")).get("s3_encryption_mode", "DISABLED"),
    )
    return all(render(m) != "DISABLED" for m in modes)


def raw_mwaa_logs(values: Any, _context: Context, *kinds: str) -> Any:
    block = first(values.get("logging_configuration"))
    answers = [yes(first(block.get(k)).get("enabled", False)) for k in kinds]
    return False if False in answers else next((a for a in answers if a is not True), True)


def raw_role_grants(value: Any, context: Context) -> Any:
    """What the role may do that a machine runs as, as far as the input tells."""
    role = context.find(value, "aws_iam_role")
    if role is None:
        return None
    found = raw_policies(role.values.get("inline_policy"), context)
    found = found if isinstance(found, list) else []
    for part in context.parts_of(role, "aws_iam_role_policy", "aws_iam_role_policy_attachment"):
        policy = part.values.get("policy")
        read = (
            raw_policy(policy, context) if policy is not None else raw_attached(part.values.get("policy_arn"), context)
        )
        found += read if isinstance(read, list) else []
    return found


CONVERTERS: Final[Mapping[str, Converter]] = {
    name: function
    for name, function in list(globals().items())
    if name.startswith("raw_") and isinstance(function, Callable)  # type: ignore[arg-type]
}
