"""Converters of this cloud's Terraform types: what a table's row cannot say by a path alone.

Callers: the terraform_*.py tables name them; policies.loaders calls them (model.terraform.Converter). Pure. Facts:
https://registry.terraform.io/providers/aliyun/alicloud/latest/docs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from model import grants
from model.native import Native, Pending, Values, render, unknown
from model.terraform import Context, Converter

TRUE: Final = (True, "true", "True")
_PROTOCOLS: Final = {"all": "any", "-1": "any", "icmpv6": "icmp"}
_PARTITION_MAINLAND: Final = re.compile(r"cn-(?!hongkong)")


def place(native: Native) -> tuple[str, str]:
    """Partition and region. The account tells the partition, and its region is all that a document shows of it."""
    region = native.values.get("region") or native.provider.get("region")
    if not isinstance(region, str):
        zone = native.values.get("availability_zone") or native.values.get("zone_id")
        region = (
            re.sub(r"-?[a-z]$", "", zone)
            if isinstance(zone, str) and re.match(r"[a-z]+-[a-z]+(-\d+)?-?[a-z]?$", zone)
            else ""
        )
    mainland = _PARTITION_MAINLAND.match(region) or not region
    return "alibaba-cn" if mainland else "alibaba-intl", region


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None or value == "" else [value]


def first(value: Any) -> Mapping[str, Any]:
    found = value[0] if isinstance(value, list) and value else value
    return found if isinstance(found, Mapping) else {}


def yes(value: Any) -> Any:
    return unknown() if isinstance(value, Pending) else value in TRUE


def _text(value: Any) -> Any:
    return (value.text if value.partial else unknown()) if isinstance(value, Pending) else render(value)


def _number(value: Any) -> Any:
    try:
        return unknown() if isinstance(value, Pending) else int(value)
    except (TypeError, ValueError):
        return unknown()


def _name(value: Any) -> Any:
    if isinstance(value, Pending):
        return value.ref or unknown()
    return "" if value is None else getattr(value, "ref", "") or render(value)


# -- network ---------------------------------------------------------------------------------------------------


def _ports(value: Any) -> tuple[Any, Any]:
    """`22/22`; `-1/-1` where the protocol has none."""
    if value is None:
        return 0, 65535
    if isinstance(value, Pending):
        return unknown(), unknown()
    low, _, high = render(value).partition("/")
    if low.strip() == "-1":
        return 0, 65535
    return _number(low), _number(high or low)


def _rule(block: Mapping[str, Any], direction: Any, context: Context, **more: Any) -> dict[str, Any]:
    protocol = _text(block.get("ip_protocol", block.get("protocol", "all")))
    protocol = _PROTOCOLS.get(protocol.lower(), protocol.lower()) if isinstance(protocol, str) else protocol
    low, high = (0, 65535) if protocol in ("any", "icmp", "gre") else _ports(block.get("port_range", block.get("port")))
    action = _text(block.get("policy", "accept"))
    if isinstance(action, str):
        action = "deny" if action.lower() in ("drop", "deny") else "allow"
    where = next((n for n in ("cidr_ip", "source_cidr_ip", "destination_cidr_ip", "ipv6_cidr_ip") if n in block), "")
    return {
        "direction": direction,
        "protocol": protocol,
        "port_from": low,
        "port_to": high,
        "cidr": "",
        "action": action,
        "priority": _number(block.get("priority", 1)),
        "description": _text(block.get("description", "")),
        "peer_group": "",
        "prefix_list": "",
        "$source": (block.where(where) if isinstance(block, Values) else "", context.native.address),
        **more,
    }


def raw_one_rule(values: Any, context: Context) -> Any:
    """A rule of a group. Its peer: a block (left out: everybody), a group, a prefix list."""
    kind = values.get("type")
    direction = unknown() if isinstance(kind, Pending) else render(kind).lower()
    rule = _rule(values, direction, context)
    for name in ("cidr_ip", "ipv6_cidr_ip"):
        if values.get(name) is not None:
            return [rule | {"cidr": _text(values[name])}]
    if values.get("source_security_group_id") is not None:
        return [rule | {"peer_group": _name(values["source_security_group_id"])}]
    if values.get("prefix_list_id") is not None:
        return [rule | {"prefix_list": _name(values["prefix_list_id"])}]
    return [rule | {"cidr": "0.0.0.0/0"}]


def raw_acl_rules(values: Any, context: Context) -> Any:
    """Entries in their order, which is their priority."""
    found = []
    for direction, name, peer in (
        ("ingress", "ingress_acl_entries", "source_cidr_ip"),
        ("egress", "egress_acl_entries", "destination_cidr_ip"),
    ):
        for number, block in enumerate(listed(values.get(name))):
            if isinstance(block, Mapping):
                found.append(
                    _rule(block, direction, context, cidr=_text(block.get(peer, "0.0.0.0/0")), priority=number + 1)
                )
    return found


def raw_prefix_cidrs(values: Any, _context: Context) -> Any:
    blocks = [*listed(values.get("entry")), *listed(values.get("entrys"))]
    return [_text(b.get("cidr", "")) for b in blocks if isinstance(b, Mapping)]


def raw_ips(value: Any, _context: Context) -> Any:
    """A whitelist: addresses as blocks of one, `0.0.0.0` as everybody."""
    if value is None:
        return None
    if isinstance(value, Pending):
        return unknown()
    parts = [p for v in listed(value) for p in ([v] if isinstance(v, Pending) else render(v).split(","))]
    return [unknown() if isinstance(p, Pending) else _block(p.strip()) for p in parts if p]


def _block(text: str) -> str:
    if text in ("0.0.0.0", "0.0.0.0/0", "::/0"):  # noqa: S104
        return "::/0" if ":" in text else "0.0.0.0/0"
    return text if "/" in text or "%" in text else f"{text}/128" if ":" in text else f"{text}/32"


def raw_ips_public(value: Any, context: Context) -> Any:
    """Whether a whitelist lets in everybody."""
    found = raw_ips(value, context)
    return any(f in ("0.0.0.0/0", "::/0") for f in found) if isinstance(found, list) else found


def raw_listener(values: Any, context: Context) -> Any:
    protocol, port = (
        values.get("protocol", values.get("listener_protocol")),
        values.get("frontend_port", values.get("listener_port")),
    )
    spoken = unknown() if isinstance(protocol, Pending) else render(protocol or "").lower().replace("tcpssl", "tls")
    target = values.get("backend_port")
    policy = values.get("tls_cipher_policy", values.get("security_policy_id", "tls_cipher_policy_1_0"))
    forward = render(values.get("listener_forward", "off")) == "on"
    listener = {
        "protocol": spoken,
        "port": _number(port) if port is not None else None,
        "target_port": _number(target) if target is not None else None,
        "certificate": _name(values.get("server_certificate_id", values.get("ssl_certificate_id"))),
        "tls_policy": tls_of(policy, context) if spoken in ("https", "tls", "quic") else "",
        "redirect_to_https": forward or _redirects(values),
        "$source": (values.where("protocol" if "protocol" in values else "listener_protocol"), context.native.address),
    }
    return [listener]


def _redirects(values: Any) -> bool:
    actions = [b for b in listed(values.get("default_actions")) if isinstance(b, Mapping)]
    return bool(actions) and all(render(a.get("type", "")) == "Redirect" for a in actions)


def tls_of(policy: Any, context: Context) -> Any:
    """Lowest version of a predefined policy by its name, or of one that the input has.

    https://www.alibabacloud.com/help/en/slb/application-load-balancer/user-guide/tls-security-policies
    """
    found = context.find(
        policy, "alicloud_alb_security_policy", "alicloud_nlb_security_policy", "alicloud_slb_tls_cipher_policy"
    )
    if found is not None:
        versions = sorted(re.findall(r"1\.\d", " ".join(render(v) for v in listed(found.values.get("tls_versions")))))
        return versions[0] if versions else unknown()
    if isinstance(policy, Pending):
        return unknown()
    match = re.search(r"1_(\d)", render(policy))
    return f"1.{match[1]}" if match else "1.2" if "strict" in render(policy) else "1.0"


# -- policies --------------------------------------------------------------------------------------------------

_QUESTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "any_principal": grants.any_principal,
    "any_action": grants.any_action,
    "public_write": grants.public_write,
    "tls_only": grants.tls_only,
}


def raw_policy(value: Any, context: Context) -> Any:
    """Grants of a policy's text, of jsonencode, or of an alicloud_ram_policy_document that it names."""
    if value is None:
        return None
    if isinstance(value, Pending) and value.ref and not value.partial:
        source = context.find(value)
        if source is None or source.type != "alicloud_ram_policy_document":
            return unknown()
        return [_statement(b) for b in listed(source.values.get("statement")) if isinstance(b, Mapping)]
    return grants.read(value)


def _statement(block: Mapping[str, Any]) -> dict[str, Any]:
    principals = [p for b in listed(block.get("principal")) for p in grants.texts(b.get("identifiers"))]
    grant: dict[str, Any] = {
        "effect": grants.text_of(block.get("effect", "Allow"), lower=True),
        "actions": grants.texts(block.get("action")),
        "not_actions": [],
        "resources": grants.texts(block.get("resource")),
        "principals": principals,
        "conditions": [],
        "claims": [],
    }
    for condition in listed(block.get("condition")):
        test, name = render(condition.get("operator")), render(condition.get("variable"))
        grants.add_condition(grant, test, name, condition.get("values"))
    return grant


def raw_says(value: Any, context: Context, question: str) -> Any:
    found = raw_policy(value, context)
    return None if found is None else _QUESTIONS[question](found)


def raw_says_yes(value: Any, context: Context, question: str) -> Any:
    """True or nothing, for a field that something else may make true."""
    found = raw_says(value, context, question)
    return found if found is True or isinstance(found, dict) else None


_SYSTEM: Final = {"AdministratorAccess": ["*"]}


def raw_attached(value: Any, context: Context) -> Any:
    """Grants of the policy that an attachment names, where the input has it, or of the administrator's."""
    source = context.find(value, "alicloud_ram_policy")
    if source is not None:
        return raw_policy(source.values.get("policy_document", source.values.get("document")), context)
    actions = _SYSTEM.get(render(value) if isinstance(value, str) else "", [])
    rest: dict[str, Any] = {"not_actions": [], "resources": ["*"], "principals": [], "conditions": [], "claims": []}
    return [{"effect": "allow", "actions": actions, **rest}] if actions else []


# -- machines and stores ---------------------------------------------------------------------------------------


def raw_disks_encrypted(values: Any, _context: Context) -> Any:
    """The system disk and every data disk."""
    answers = [yes(values.get("system_disk_encrypted", first(values.get("system_disk")).get("encrypted", False)))]
    for block in listed(values.get("data_disks")) + listed(values.get("data_disk")):
        answers.append(yes(block.get("encrypted", False)) if isinstance(block, Mapping) else unknown())
    return False if False in answers else next((a for a in answers if a is not True), True)


def raw_imds_v2(values: Any, _context: Context) -> Any:
    tokens, endpoint = values.get("http_tokens", "optional"), values.get("http_endpoint", "enabled")
    if tokens == "required" or endpoint == "disabled":
        return True
    return unknown() if isinstance(tokens, Pending) or isinstance(endpoint, Pending) else False


def raw_password_login(values: Any, _context: Context) -> Any:
    """A key pair switches passwords off; a password switches them on."""
    if (
        any(values.get(n) is not None for n in ("password", "kms_encrypted_password"))
        or values.get("password_inherit") in TRUE
    ):
        return True
    return False if values.get("key_name", values.get("key_pair_name")) is not None else None


def raw_literal(value: Any, _context: Context) -> Any:
    """Whether a secret stands in the document as text, rather than as a reference."""
    if isinstance(value, Pending) or value is None:
        return False
    return not getattr(value, "ref", "") and bool(render(value))


def raw_tde(value: Any, _context: Context) -> Any:
    """Transparent encryption is on, or a key for the disks is named."""
    if value is None:
        return None
    if isinstance(value, Pending):
        return True if value.ref else unknown()
    return render(value).lower() not in ("disabled", "disable", "false", "")


def raw_trigger_auth(value: Any, _context: Context) -> Any:
    """An HTTP trigger asks who calls unless its authType is anonymous; others have none."""
    text = value.text if isinstance(value, Pending) and value.partial else value
    if not isinstance(text, str) or "authType" not in text:
        return None
    return not re.search(r"authType\W+anonymous", text, re.IGNORECASE)


def raw_parameter(values: Any, _context: Context, *names: str) -> Any:
    """Whether a server parameter is on; None where its engine has none of that name, false where it is left out."""
    blocks = [b for b in listed(values.get("parameters")) if isinstance(b, Mapping)]
    found = {render(b.get("name")): b.get("value") for b in blocks}
    value = next((found[n] for n in names if n in found), None)
    if value is None:
        return False if render(values.get("engine", "")).lower() == "postgresql" else None
    return unknown() if isinstance(value, Pending) else render(value).lower() in ("on", "true", "1")


def raw_logs_connections(values: Any, context: Context) -> Any:
    """By the engine's own parameter; an engine without one leaves it to the audit of SQL, which records logins.

    https://www.alibabacloud.com/help/en/rds/apsaradb-rds-for-mysql/use-the-sql-explorer-and-audit-feature
    """
    own = raw_parameter(values, context, "log_connections")
    if own is not None:
        return own
    audit = values.get("sql_collector_status", "Disabled")
    return unknown() if isinstance(audit, Pending) else render(audit).lower() in ("enabled", "enable")


def raw_slave_zone(values: Any, _context: Context) -> Any:
    names = ("zone_id_slave_a", "secondary_zone_id", "standby_az", "hot_standby_cluster")
    return any(values.get(n) not in (None, "", "OFF") for n in names)


def raw_public_end(_values: Any, context: Context) -> Any:
    """A public address of its own, made by a resource beside it."""
    kinds = (
        "alicloud_db_connection",
        "alicloud_kvstore_connection",
        "alicloud_gpdb_connection",
        "alicloud_adb_connection",
    )
    return any(True for _ in context.parts(*kinds))


def raw_in_network(values: Any, _context: Context) -> Any:
    kind = values.get("network_type", values.get("instance_network_type"))
    if kind is None and any(values.get(n) is not None for n in ("vswitch_id", "vpc_id", "vswitch_ids")):
        return True
    return unknown() if isinstance(kind, Pending) else render(kind or "").upper() == "VPC"


def raw_backup_days(values: Any, _context: Context) -> Any:
    for name in ("backup_retention_period", "retention_period", "data_level1_backup_retention_period"):
        if name in values:
            return _number(values[name])
    return 7 if values.get("backup_period", values.get("preferred_backup_period")) is not None else None


def raw_any_cidr(value: Any, context: Context) -> Any:
    return raw_ips_public(value, context) if value is not None else None


def raw_control_logs(values: Any, _context: Context, *wanted: str) -> Any:
    found = [render(c) for c in listed(values.get("control_plane_log_components")) if not isinstance(c, Pending)]
    return all(w in found for w in wanted)


def raw_network_plugin(values: Any, _context: Context) -> Any:
    """Terway can hold pods apart, Flannel cannot. https://www.alibabacloud.com/help/en/ack/network-policies"""
    names = [render(a.get("name")) for a in listed(values.get("addons")) if isinstance(a, Mapping)]
    return any(n.startswith("terway") for n in names)


def raw_several(value: Any, _context: Context) -> Any:
    return unknown() if isinstance(value, Pending) else len(listed(value)) > 1


def raw_has_part(_values: Any, context: Context, *types: str) -> Any:
    return any(True for _ in context.parts(*types))


def raw_runtime(value: Any, _context: Context) -> Any:
    """`python3.9`, `nodejs14`, as model.vocabulary writes them; a custom one has no version."""
    if value is None or isinstance(value, Pending):
        return unknown() if value is not None else None
    text = render(value).lower()
    return None if text.startswith("custom") else text


def raw_seconds_as_days(value: Any, _context: Context) -> Any:
    """`604800s`, `7d`, 604800."""
    if value is None or isinstance(value, Pending):
        return unknown() if value is not None else None
    match = re.fullmatch(r"(\d+)([smhd]?)", render(value))
    if match is None:
        return unknown()
    return int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]] // 86400


def raw_log_days(value: Any, _context: Context) -> Any:
    """3650: for ever, which reads None."""
    found = _number(value) if value is not None else 30
    return None if isinstance(found, int) and found >= 3650 else found


CONVERTERS: Final[Mapping[str, Converter]] = {
    name: function
    for name, function in list(globals().items())
    if name.startswith("raw_") and isinstance(function, Callable)  # type: ignore[arg-type]
}
