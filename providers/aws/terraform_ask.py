"""Converters that ask one question of a whole resource: load balancers, machines, containers, stores.

Callers and facts as in terraform_convert.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from model.native import JsonText, Pending, render, unknown
from model.terraform import Context, Converter

TRUE: Final = (True, "true")


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None or value == "" else [value]


def first(value: Any) -> Mapping[str, Any]:
    """The first block, {} where there is none or nothing is known of it."""
    found = value[0] if isinstance(value, list) and value else value
    return found if isinstance(found, Mapping) else {}


def yes(value: Any) -> Any:
    return unknown() if isinstance(value, Pending) else value in TRUE


# -- load balancers --------------------------------------------------------------------------------------------


def _tls_of(policy: Any) -> Any:
    """Lowest version of a predefined policy, by its name.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
    """
    if isinstance(policy, Pending):
        return unknown()
    name = render(policy)
    if "TLS13-1-3" in name:
        return "1.3"
    if "TLS13-1-2" in name or "TLS-1-2" in name or "FS-1-2" in name or "-1-2-" in name:
        return "1.2"
    return "1.1" if "1-1" in name else "1.0"


def _redirects(block: Mapping[str, Any]) -> bool:
    found = [first(a.get("redirect")) for a in listed(block.get("default_action")) if isinstance(a, Mapping)]
    return bool(found) and all(render(r.get("protocol", "#{protocol}")).upper() == "HTTPS" for r in found)


def raw_listener(values: Any, context: Context) -> Any:
    protocol, port = values.get("protocol"), values.get("port")
    if protocol is None:
        protocol = "HTTPS" if values.get("certificate_arn") is not None else "HTTP"
    spoken = unknown() if isinstance(protocol, Pending) else render(protocol).lower()
    listener = {
        "protocol": spoken,
        "port": unknown() if isinstance(port, Pending) else int(port) if str(port).isdigit() else None,
        "target_port": None,
        "certificate": named(values.get("certificate_arn")),
        "tls_policy": _tls_of(values.get("ssl_policy", "ELBSecurityPolicy-2016-08"))
        if spoken in ("https", "tls")
        else "",
        "redirect_to_https": _redirects(values),
        "$source": (values.where("protocol" if "protocol" in values else "port"), context.native.address),
    }
    return [listener]


def raw_listener_tls(values: Any, context: Context) -> Any:
    return raw_listener(values, context)[0]["tls_policy"] or None


def named(value: Any) -> Any:
    if isinstance(value, Pending):
        return value.ref or unknown()
    return "" if value is None else getattr(value, "ref", "") or render(value)


def raw_classic_listeners(values: Any, context: Context) -> Any:
    found = []
    for block in listed(values.get("listener")):
        if not isinstance(block, Mapping):
            continue
        protocol = block.get("lb_protocol", "http")
        spoken = unknown() if isinstance(protocol, Pending) else render(protocol).lower().replace("ssl", "tls")
        found.append(
            {
                "protocol": spoken,
                "port": block.get("lb_port") if isinstance(block.get("lb_port"), int) else None,
                "target_port": block.get("instance_port") if isinstance(block.get("instance_port"), int) else None,
                "certificate": named(block.get("ssl_certificate_id")),
                "tls_policy": "",
                "redirect_to_https": False,
                "$source": (block.where("lb_protocol"), context.native.address),  # type: ignore[attr-defined]
            }
        )
    return found


def raw_balancer_logs(values: Any, _context: Context) -> Any:
    """access_logs with a bucket; `enabled` defaults to false for lb and to true for the classic elb."""
    block = first(values.get("access_logs"))
    default = "elb" in _context.native.type
    return yes(block.get("enabled", default)) if block else False


def raw_cross_zone(values: Any, _context: Context) -> Any:
    """An application load balancer always does, as long as it is not switched off for a target group."""
    if render(values.get("load_balancer_type", "application")) == "application":
        return True
    return yes(values.get("enable_cross_zone_load_balancing", False))


def raw_target_check(values: Any, _context: Context) -> Any:
    block = first(values.get("health_check"))
    return yes(block.get("enabled", True)) if block else True


def raw_front_tls(_values: Any, context: Context) -> Any:
    """Whether every listener that forwards to it speaks TLS; None where none is in the input."""
    found = [n.values.get("protocol") for n in context.parts("aws_lb_listener", "aws_alb_listener")]
    if not found:
        return None
    answers = [unknown() if isinstance(p, Pending) else render(p).upper() in ("HTTPS", "TLS") for p in found]
    return False if False in answers else next((a for a in answers if a is not True), True)


# -- machines --------------------------------------------------------------------------------------------------


def raw_some_interface(values: Any, _context: Context) -> Any:
    blocks = listed(values.get("network_interfaces"))
    found = [yes(b.get("associate_public_ip_address")) for b in blocks if isinstance(b, Mapping)]
    return next((f for f in (True,) if f in found), False if found else None)


def raw_group_health(values: Any, context: Context) -> Any:
    """Whether a group that stands behind a load balancer asks it; None where it stands behind none."""
    attached = [*listed(values.get("target_group_arns")), *listed(values.get("load_balancers"))]
    attached += listed(values.get("traffic_source")) + list(context.parts("aws_autoscaling_attachment"))
    if not attached:
        return None
    kind = values.get("health_check_type", "EC2")
    return unknown() if isinstance(kind, Pending) else "ELB" in render(kind).upper()


def raw_propagates_tags(values: Any, _context: Context) -> Any:
    found = values.get("tag", values.get("tags"))
    if isinstance(found, Pending):
        return unknown()
    blocks = listed(found)
    return any(isinstance(b, Mapping) and b.get("propagate_at_launch", True) not in (False, "false") for b in blocks)


def raw_group_tags(values: Any, _context: Context) -> Any:
    found = values.get("tag", values.get("tags"))
    if isinstance(found, Pending):
        return unknown()
    if isinstance(found, Mapping):
        return {k: render(v) for k, v in found.items()}
    pairs = [b for b in listed(found) if isinstance(b, Mapping) and "key" in b]
    return {render(b["key"]): render(b.get("value", "")) for b in pairs}


def raw_several_zones(values: Any, _context: Context) -> Any:
    for name in ("availability_zones", "vpc_zone_identifier"):
        found = values.get(name)
        if isinstance(found, Pending):
            return unknown()
        if found:
            return len(listed(found)) > 1
    return None


def raw_mapping_key(values: Any, _context: Context) -> Any:
    for block in listed(values.get("block_device_mapping")):
        inner = first(block.get("ebs")) if isinstance(block, Mapping) else {}
        if inner and inner.get("kms_key_id") is None:
            return ""
        if inner:
            return named(inner["kms_key_id"])
    return None


def raw_in_backup_plan(_values: Any, context: Context) -> Any:
    """Whether a selection of a backup plan names it. One that selects by tags may, and is not followed."""
    return any(True for _ in context.parts("aws_backup_selection"))


def raw_source_encrypted(values: Any, context: Context, name: str) -> Any:
    source = context.find(values.get(name), "aws_ebs_volume")
    return yes(source.values.get("encrypted", False)) if source is not None else None


def raw_copies(values: Any, _context: Context, name: str) -> Any:
    """What cross-region copies of a snapshot policy say; None where it makes none."""
    found: list[Mapping[str, Any]] = []
    for details in listed(values.get("policy_details")):
        blocks = [*listed(details.get("schedule")), *listed(details.get("action"))]
        for block in blocks:
            for rule in [*listed(block.get("cross_region_copy_rule")), *listed(block.get("cross_region_copy"))]:
                found.append(first(rule.get("encryption_configuration")) or rule)
    if not found:
        return None
    if name == "encrypted":
        answers = [yes(f.get("encrypted", False)) for f in found]
        return False if False in answers else next((a for a in answers if a is not True), True)
    return "" if any(f.get(name) is None for f in found) else named(found[0][name])


# -- containers ------------------------------------------------------------------------------------------------


def raw_eks_cidrs(values: Any, _context: Context) -> Any:
    block = first(values.get("vpc_config"))
    if block.get("endpoint_public_access", True) in (False, "false"):
        return []
    found = block.get("public_access_cidrs", ["0.0.0.0/0"])
    return unknown() if isinstance(found, Pending) else [c if isinstance(c, str) else unknown() for c in listed(found)]


def raw_eks_secrets(values: Any, _context: Context) -> Any:
    block = first(values.get("encryption_config"))
    resources = block.get("resources", [])
    return unknown() if isinstance(resources, Pending) else "secrets" in resources


def raw_open_remote_access(values: Any, _context: Context) -> Any:
    """SSH open to the internet: a key without source groups.

    https://docs.aws.amazon.com/eks/latest/APIReference/API_RemoteAccessConfig.html
    """
    block = first(values.get("remote_access"))
    return bool(block.get("ec2_ssh_key")) and not block.get("source_security_group_ids")


def raw_container_insights(values: Any, _context: Context) -> Any:
    found = [b for b in listed(values.get("setting")) if isinstance(b, Mapping)]
    return any(b.get("name") == "containerInsights" and b.get("value") in ("enabled", "enhanced") for b in found)


def raw_exec_logs(values: Any, _context: Context) -> Any:
    """Commands are logged by default; `NONE` ends that.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommandConfiguration.html
    """
    block = first(first(values.get("configuration")).get("execute_command_configuration"))
    logging = block.get("logging", "DEFAULT")
    return unknown() if isinstance(logging, Pending) else logging != "NONE"


def read_json(value: Any) -> Any:
    """Data of a JSON text; UNKNOWN where it cannot be read."""
    if isinstance(value, JsonText):
        return value.data
    text = value.text if isinstance(value, Pending) and value.partial else value
    if not isinstance(text, str):
        return value if isinstance(value, list | Mapping) else unknown()
    try:
        return json.loads(text)
    except ValueError:
        return unknown()


def _containers(value: Any) -> Iterator[Mapping[str, Any]] | None:
    found = read_json(value)
    return (c for c in found if isinstance(c, Mapping)) if isinstance(found, list) else None


def raw_any_privileged(value: Any, _context: Context) -> Any:
    found = _containers(value) if value is not None else ()
    return unknown() if found is None else any(c.get("privileged") in TRUE for c in found)


def raw_environment(value: Any, _context: Context) -> Any:
    found = _containers(value) if value is not None else ()
    if found is None:
        return unknown()
    pairs: dict[str, Any] = {}
    for container in found:
        for item in listed(container.get("environment")):
            if isinstance(item, Mapping) and isinstance(item.get("name"), str):
                value = item.get("value", "")
                pairs[item["name"]] = unknown() if isinstance(value, Pending) and not value.partial else render(value)
    return pairs


def raw_all_logged(value: Any, _context: Context) -> Any:
    found = _containers(value) if value is not None else ()
    return unknown() if found is None else all(c.get("logConfiguration") for c in found)


def raw_volumes_tls(values: Any, _context: Context) -> Any:
    """Whether every file system that is mounted is spoken to by TLS; None where none is."""
    volumes = [b for b in listed(values.get("volume")) if isinstance(b, Mapping)]
    found = [first(b.get("efs_volume_configuration")) for b in volumes]
    found = [b for b in found if b]
    return all(b.get("transit_encryption", "DISABLED") == "ENABLED" for b in found) if found else None


def raw_environment_key(values: Any, _context: Context) -> Any:
    """None where neither an environment nor a key is written; a key that is written and empty is none."""
    environment, key = values.get("environment"), values.get("kms_key_arn")
    if environment is None:
        return "" if key == "" else None
    return unknown() if isinstance(environment, Pending) and key is None else named(key)


def raw_permission_open(values: Any, _context: Context) -> Any:
    principal = values.get("principal")
    if principal == "*":
        return not (values.get("source_arn") or values.get("source_account") or values.get("principal_org_id"))
    if isinstance(principal, Pending):
        return False if principal.ref else unknown()
    service = render(principal)
    return service.endswith(".amazonaws.com") and not (values.get("source_arn") or values.get("source_account"))


# -- stores ----------------------------------------------------------------------------------------------------

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
    return _tls_of(policy)


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
