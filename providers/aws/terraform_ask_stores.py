"""Converters that ask one question of a whole store: buckets, databases, caches, searches, queues, streams.

Callers and facts as in terraform_convert.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from model.native import Pending, render, unknown
from model.terraform import Context, Converter
from providers.aws.terraform_ask import TRUE, first, listed, named, tls_of, yes

_EVERYBODY: Final = ("/groups/global/AllUsers", "/groups/global/AuthenticatedUsers")


def raw_acl_public(values: Any, _context: Context, *names: str) -> Any:
    acl = values.get("acl")
    if isinstance(acl, Pending):
        return unknown()
    if acl is not None:
        return render(acl) in names
    block = first(values.get("access_control_policy"))
    grantees = [first(g.get("grantee")) for g in listed(block.get("grant")) if isinstance(g, Mapping)]
    return any(render(g.get("uri", "")).endswith(_EVERYBODY) for g in grantees) if block else None


def raw_acl_write(values: Any, _context: Context) -> Any:
    acl = values.get("acl")
    if acl is not None:
        return unknown() if isinstance(acl, Pending) else acl == "public-read-write"
    block = first(values.get("access_control_policy"))
    granted = [g for g in listed(block.get("grant")) if isinstance(g, Mapping)]
    strangers = [g for g in granted if render(first(g.get("grantee")).get("uri", "")).endswith(_EVERYBODY)]
    return any(g.get("permission") in ("WRITE", "FULL_CONTROL", "WRITE_ACP") for g in strangers) if block else None


def raw_access_point_blocked(values: Any, _context: Context) -> Any:
    """All four are on by default."""
    block = values.get("public_access_block_configuration")
    names = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    answers = [yes(first(block).get(n, True)) for n in names] if block else [True]
    return False if False in answers else next((a for a in answers if a is not True), True)


def raw_aborts_uploads(values: Any, _context: Context) -> Any:
    rules = [r for r in listed(values.get("rule")) if isinstance(r, Mapping)]
    return any(r.get("abort_incomplete_multipart_upload") and r.get("status") == "Enabled" for r in rules)


def raw_literal(value: Any, _context: Context) -> Any:
    """Whether a secret stands in the document as text, rather than as a reference."""
    if isinstance(value, Pending) or value is None:
        return False
    return not getattr(value, "ref", "") and bool(render(value))


_FORCES_TLS: Final = {"rds.force_ssl": "1", "require_secure_transport": "on", "tls": "enabled", "require_ssl": "true"}


def raw_parameters_tls(values: Any, context: Context) -> Any:
    """By the parameter group that it names, where the input has it."""
    kinds = ("aws_db_parameter_group", "aws_docdb_cluster_parameter_group", "aws_redshift_parameter_group")
    names = ("parameter_group_name", "db_cluster_parameter_group_name", "cluster_parameter_group_name")
    group = next((g for n in names if (g := context.find(values.get(n), *kinds)) is not None), None)
    if group is None:
        return None
    found = {render(p.get("name")): render(p.get("value")).lower() for p in listed(group.values.get("parameter"))}
    return any(found.get(n) in (v, "1", "true", "on") for n, v in _FORCES_TLS.items())


def raw_cluster_zones(values: Any, _context: Context) -> Any:
    zones = values.get("availability_zones")
    return None if zones is None or isinstance(zones, Pending) else len(listed(zones)) > 1


def raw_dynamo_key(values: Any, _context: Context) -> Any:
    block = first(values.get("server_side_encryption"))
    return named(block.get("kms_key_arn")) if block.get("enabled") in TRUE else ""


def raw_dynamo_scaling(values: Any, context: Context) -> Any:
    if render(values.get("billing_mode", "PROVISIONED")) == "PAY_PER_REQUEST":
        return True
    for target in context.parts("aws_appautoscaling_target"):
        if any(True for _ in context.parts_of(target, "aws_appautoscaling_policy")):
            return True
    return any(True for _ in context.parts("aws_appautoscaling_policy"))


def raw_keyspaces_key(values: Any, _context: Context) -> Any:
    block = first(values.get("encryption_specification"))
    return named(block.get("kms_key_identifier")) if block.get("type") == "CUSTOMER_MANAGED_KMS_KEY" else ""


def raw_cache_backup(values: Any, _context: Context) -> Any:
    """Memcached keeps no backups: None."""
    if render(values.get("engine", "")) == "memcached":
        return None
    found = values.get("snapshot_retention_limit", 0)
    return unknown() if isinstance(found, Pending) else int(found)


def raw_search_tls(values: Any, _context: Context) -> Any:
    policy = first(values.get("domain_endpoint_options")).get("tls_security_policy", "Policy-Min-TLS-1-0-2019-07")
    return tls_of(policy)


def raw_search_https(values: Any, _context: Context) -> Any:
    """`enforce_https` is true by default where the block is written; without the block plain HTTP is answered."""
    block = values.get("domain_endpoint_options")
    return yes(first(block).get("enforce_https", True)) if block else False


def raw_search_logs(values: Any, _context: Context, kind: str) -> Any:
    blocks = [b for b in listed(values.get("log_publishing_options")) if isinstance(b, Mapping)]
    wanted = [b for b in blocks if not kind or b.get("log_type") == kind]
    answers = [yes(b.get("enabled", True)) for b in wanted]
    return True if True in answers else next(iter(answers), False)


def raw_search_masters(values: Any, _context: Context) -> Any:
    block = first(values.get("cluster_config"))
    if block.get("dedicated_master_enabled", False) not in TRUE:
        return unknown() if isinstance(block.get("dedicated_master_enabled"), Pending) else 0
    found = block.get("dedicated_master_count", 3)
    return unknown() if isinstance(found, Pending) else int(found)


def raw_sqs_encrypted(values: Any, _context: Context) -> Any:
    """Asked for with a key or with SQS's own. A queue made before October 2022 is not encrypted unasked.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-server-side-encryption.html
    """
    if values.get("kms_master_key_id") not in (None, ""):
        return True
    return yes(values.get("sqs_managed_sse_enabled", False))


def raw_firehose_encrypted(values: Any, _context: Context) -> Any:
    if values.get("kinesis_source_configuration"):
        return None  # its source encrypts
    return yes(first(values.get("server_side_encryption")).get("enabled", False))


def raw_msk_tls(values: Any, _context: Context) -> Any:
    block = first(first(values.get("encryption_info")).get("encryption_in_transit"))
    client, inside = block.get("client_broker", "TLS"), block.get("in_cluster", True)
    if isinstance(client, Pending) or isinstance(inside, Pending):
        return unknown()
    return client == "TLS" and inside in TRUE


def raw_msk_logs(values: Any, _context: Context) -> Any:
    brokers = first(first(values.get("logging_info")).get("broker_logs"))
    kinds = ("cloudwatch_logs", "firehose", "s3")
    answers = [yes(first(brokers.get(k)).get("enabled", False)) for k in kinds if brokers.get(k)]
    return True if True in answers else next(iter(answers), False)


def raw_access_point_identity(values: Any, _context: Context) -> Any:
    path = first(values.get("root_directory")).get("path", "/")
    return bool(first(values.get("posix_user"))) and path != "/"


CONVERTERS: Final[Mapping[str, Converter]] = {
    name: function
    for name, function in list(globals().items())
    if name.startswith("raw_") and isinstance(function, Callable)  # type: ignore[arg-type]
}
