"""Converters of this cloud's Terraform types: what a table's row cannot say by a path alone.

Callers: the terraform_*.py tables name them; policies.loaders calls them (model.terraform.Converter). Pure. Facts:
https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from model.native import Native, Pending, render, unknown
from model.terraform import Context, Converter

TRUE: Final = (True, "true")


def place(native: Native) -> tuple[str, str]:
    """Partition and region, by the resource's location and its provider's environment."""
    location = native.values.get("location")
    region = location.lower().replace(" ", "") if isinstance(location, str) else ""
    china = native.provider.get("environment") == "china" or region.startswith("china")
    return "azure-cn" if china else "azure", region


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None or value == "" else [value]


def first(value: Any) -> Mapping[str, Any]:
    found = value[0] if isinstance(value, list) and value else value
    return found if isinstance(found, Mapping) else {}


def yes(value: Any) -> Any:
    return unknown() if isinstance(value, Pending) else value in TRUE


# -- applications ----------------------------------------------------------------------------------------------

_STACKS: Final = (
    ("dotnet_version", "dotnet"),
    ("java_version", "java"),
    ("node_version", "nodejs"),
    ("php_version", "php"),
    ("python_version", "python"),
    ("ruby_version", "ruby"),
    ("go_version", "go"),
    ("dotnet_framework_version", "dotnet"),
)


def raw_runtime(values: Any, _context: Context) -> Any:
    """`python3.8`, `java8`: language and version as model.vocabulary writes them; None where none is told."""
    site = first(values.get("site_config"))
    stack = first(site.get("application_stack")) or site
    for name, language in _STACKS:
        found = stack.get(
            name, stack.get(name.replace("_version", "_framework_version")) if language == "dotnet" else None
        )
        if isinstance(found, Pending):
            return unknown()
        if found:
            return language + re.sub(r"^[vV~]+|[-_ ].*$", "", render(found)).removesuffix(".0").removeprefix("1.")
    linux = site.get("linux_fx_version")
    if isinstance(linux, str) and "|" in linux:
        language, _, version = linux.partition("|")
        return {"node": "nodejs", "dotnetcore": "dotnet"}.get(language.lower(), language.lower()) + version.split("-")[
            0
        ]
    return None


def raw_ftp_plain(values: Any, context: Context) -> Any:
    """ftps_state: `AllAllowed` is the default of the older types, `Disabled` of those with an operating system."""
    site = first(values.get("site_config"))
    default = "Disabled" if re.search(r"_(linux|windows)_", context.native.type) else "AllAllowed"
    found = site.get("ftps_state", default)
    return unknown() if isinstance(found, Pending) else render(found) == "AllAllowed"


def raw_app_auth(values: Any, _context: Context) -> Any:
    old, new = first(values.get("auth_settings")), first(values.get("auth_settings_v2"))
    if not old and not new:
        return False
    found = new.get("auth_enabled", True) if new else old.get("enabled", False)
    return yes(found)


def raw_container_environment(values: Any, _context: Context) -> Any:
    """Variables that stand in the clear; secure ones are not read."""
    pairs: dict[str, Any] = {}
    for block in [*listed(values.get("container")), *listed(values.get("init_container"))]:
        found = block.get("environment_variables") if isinstance(block, Mapping) else None
        for name, value in found.items() if isinstance(found, Mapping) else ():
            pairs[name] = unknown() if isinstance(value, Pending) and not value.partial else render(value)
    return pairs


def raw_group_private(values: Any, _context: Context) -> Any:
    if values.get("subnet_ids") or values.get("network_profile_id"):
        return True
    return render(values.get("ip_address_type", "Public")) == "Private"


# -- stores ----------------------------------------------------------------------------------------------------


def raw_literal(value: Any, _context: Context) -> Any:
    """Whether a secret stands in the document as text, rather than as a reference."""
    if isinstance(value, Pending) or value is None:
        return False
    return not getattr(value, "ref", "") and bool(render(value))


def raw_has_part(_values: Any, context: Context, *types: str) -> Any:
    return any(True for _ in context.parts(*types))


def raw_private_endpoint(_values: Any, context: Context) -> Any:
    return any(True for _ in context.parts("azurerm_private_endpoint"))


def raw_queue_logging(values: Any, _context: Context) -> Any:
    """Reads, writes and deletes of its queues are logged; None where it has no queues configured."""
    block = first(first(values.get("queue_properties")).get("logging"))
    if not values.get("queue_properties"):
        return None
    return all(block.get(n) in TRUE for n in ("read", "write", "delete"))


def raw_setting(values: Any, _context: Context, *names: str) -> Any:
    """A resource that is one server parameter: its value, where it is one of these."""
    if render(values.get("name", "")) not in names:
        return None
    found = values.get("value")
    return unknown() if isinstance(found, Pending) else render(found).lower() in ("on", "true", "1")


def raw_tls_setting(values: Any, _context: Context) -> Any:
    if render(values.get("name", "")) not in ("tls_version", "minimum_tls_version", "ssl_min_protocol_version"):
        return None
    found = sorted(re.findall(r"\d\.\d", render(values.get("value"))))
    return found[0] if found else unknown()


def raw_min_tls(value: Any, _context: Context) -> Any:
    """`1.2`, `TLS1_2`, `TLS12`, `TLSEnforcementDisabled`: the lowest version that is spoken."""
    if value is None:
        return None
    if isinstance(value, Pending):
        return unknown()
    found = re.search(r"1[._]?([0-3])", render(value))
    return f"1.{found[1]}" if found else "1.0"


def raw_ssl_minimum(values: Any, _context: Context) -> Any:
    """Without enforcement any version is spoken."""
    if values.get("ssl_enforcement_enabled") in (False, "false"):
        return "1.0"
    return raw_min_tls(values.get("ssl_minimal_tls_version_enforced", "TLS1_2"), _context)


def raw_replication_zones(value: Any, _context: Context) -> Any:
    """LRS: one zone. ZRS: zones. GRS, GZRS and RA-*: regions."""
    if isinstance(value, Pending):
        return unknown()
    text = render(value).upper()
    return "regions" if "G" in text else "zones" if "Z" in text else "zone"


def raw_cosmos_regions(value: Any, _context: Context) -> Any:
    found = [b.get("location") for b in listed(value) if isinstance(b, Mapping)]
    return [unknown() if isinstance(f, Pending) else render(f).lower().replace(" ", "") for f in found][1:]


def raw_sku_is_not(value: Any, _context: Context, *names: str) -> Any:
    block = first(value) if isinstance(value, list | Mapping) else None
    found = block.get("name") if block is not None else value
    if found is None or isinstance(found, Pending):
        return None if found is None else unknown()
    return not any(render(found).lower().startswith(n.lower()) for n in names)


def raw_blocks_exploits(values: Any, _context: Context) -> Any:
    """A managed OWASP rule set of 3.1 or later, in whose group of Java attacks rule 944240 (Log4j) is not off.

    https://learn.microsoft.com/azure/web-application-firewall/ag/application-gateway-crs-rulegroups-rules
    """
    block = first(values.get("managed_rules"))
    for rules in listed(block.get("managed_rule_set")):
        if not isinstance(rules, Mapping):
            continue
        kind, version = render(rules.get("type", "OWASP")), render(rules.get("version", ""))
        if kind == "OWASP" and version.split(".")[:2] < ["3", "1"]:
            continue
        if not _rule_is_off(rules):
            return True
    return False


def _rule_is_off(rules: Mapping[str, Any]) -> bool:
    for group in listed(rules.get("rule_group_override")):
        if not isinstance(group, Mapping):
            continue
        if "944240" in [render(r) for r in listed(group.get("disabled_rules"))]:
            return True
        for rule in listed(group.get("rule")):
            if isinstance(rule, Mapping) and render(rule.get("id")) == "944240":
                return rule.get("enabled", False) not in TRUE or render(rule.get("action", "")) == "Log"
    return False


def raw_vm_password(values: Any, _context: Context) -> Any:
    """disable_password_authentication: true by default for Linux; Windows has no other way."""
    block = first(values.get("os_profile_linux_config"))
    found = block.get("disable_password_authentication", values.get("disable_password_authentication", not block))
    if isinstance(found, Pending):
        return unknown()
    return found not in TRUE


def raw_disks_private(values: Any, _context: Context) -> Any:
    policy = values.get("network_access_policy", "AllowAll")
    if values.get("public_network_access_enabled", True) in (False, "false"):
        return False
    return unknown() if isinstance(policy, Pending) else policy == "AllowAll"


def raw_disk_encrypted(values: Any, _context: Context) -> Any:
    """Managed disks are encrypted by the platform; `encryption_settings.enabled = false` says otherwise."""
    block = first(values.get("encryption_settings"))
    return yes(block.get("enabled", True)) if block else True


def raw_alert_mails(values: Any, _context: Context) -> Any:
    found = [*listed(values.get("email")), *listed(values.get("email_addresses"))]
    found += listed(first(values.get("recurring_scans")).get("emails"))
    return [unknown() if isinstance(f, Pending) else render(f) for f in found]


CONVERTERS: Final[Mapping[str, Converter]] = {
    name: function
    for name, function in list(globals().items())
    if name.startswith("raw_") and isinstance(function, Callable)  # type: ignore[arg-type]
}
