"""Converters that ask one question of a whole store, cluster or log.

Callers and facts as in terraform_convert.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from model.native import Pending, render, unknown
from model.terraform import Context, Converter
from providers.alibaba.terraform_convert import listed, number, raw_ips_public


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
            return number(values[name])
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
    found = number(value) if value is not None else 30
    return None if isinstance(found, int) and found >= 3650 else found


CONVERTERS: Final[Mapping[str, Converter]] = {
    name: function
    for name, function in list(globals().items())
    if name.startswith("raw_") and isinstance(function, Callable)  # type: ignore[arg-type]
}
