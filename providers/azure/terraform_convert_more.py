"""More converters of this cloud's Terraform types: entries, servers, rights.

Callers and facts as in terraform_convert.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from model.native import Pending, render, unknown
from model.terraform import Context, Converter
from providers.azure.terraform_convert import TRUE, first, listed, raw_min_tls, yes


def at_least_two(value: Any, _context: Context) -> Any:
    return len(listed(value)) > 1


def raw_true_if(value: Any, _context: Context, *wanted: str) -> Any:
    """True, or nothing: for a field that several parts may make true."""
    return True if isinstance(value, str) and value in wanted else None


def raw_scheme(value: Any, _context: Context) -> Any:
    """The scheme of a URL, though the rest of it is not known."""
    text = value.text if isinstance(value, Pending) and value.partial else value
    if not isinstance(text, str):
        return unknown() if value is not None else None
    scheme, found, _ = text.partition("://")
    return scheme.lower() if found else unknown()


def raw_only_https(value: Any, _context: Context) -> Any:
    if value is None:
        return True
    return unknown() if isinstance(value, Pending) else all(render(v) in ("https", "wss") for v in listed(value))


def raw_client_certificate(value: Any, _context: Context) -> Any:
    """A switch, or a mode in which only `Required` demands one."""
    if value is None:
        return None
    return unknown() if isinstance(value, Pending) else render(value).lower() in ("true", "required")


def raw_identity(value: Any, _context: Context) -> Any:
    """Whether an `identity` block gives it one: its type is written and not empty."""
    if isinstance(value, Pending):
        return True if value.ref or value.partial else unknown()
    if not listed(value):
        return False
    kind = first(value).get("type")
    return True if kind is None or isinstance(kind, Pending) else render(kind).strip().lower() not in ("", "none")


def raw_app_https(values: Any, _context: Context) -> Any:
    """Whether the site sends plain HTTP away, and its sign-in does not let it pass (`require_https`, on by default)."""
    answers = (
        yes(values.get("https_only", False)),
        yes(first(values.get("auth_settings_v2")).get("require_https", True)),
    )
    return False if False in answers else next((a for a in answers if a is not True), True)


def raw_spring_network(values: Any, _context: Context) -> Any:
    """Whether both its runtime and its applications stand in subnets; the Basic tier cannot.

    https://learn.microsoft.com/azure/spring-apps/basic-standard/how-to-deploy-in-azure-virtual-network
    """
    network, tier = values.get("network"), values.get("sku_name", "S0")
    if isinstance(network, Pending) or isinstance(tier, Pending):
        return unknown()
    block = first(network)
    subnets = [block.get(n) for n in ("app_subnet_id", "service_runtime_subnet_id")]
    return all(s not in (None, "") for s in subnets) and render(tier).upper() != "B0"


def raw_scan_mails(value: Any, _context: Context) -> Any:
    """Whether recurring scans run, and somebody is named who gets their results."""
    if isinstance(value, Pending):
        return unknown()
    block = first(value)
    enabled, mails = yes(block.get("enabled", False)), block.get("emails")
    if enabled is not True:
        return enabled
    return unknown() if isinstance(mails, Pending) else bool(listed(mails))


def raw_registry_cleans(value: Any, _context: Context) -> Any:
    """A switch, or days."""
    if value is None:
        return None
    return unknown() if isinstance(value, Pending) else render(value).lower() not in ("false", "0", "")


def raw_registry_zones(values: Any, _context: Context) -> Any:
    """Itself and every replica."""
    blocks = [b for b in listed(values.get("georeplications")) if isinstance(b, Mapping)]
    answers = [yes(b.get("zone_redundancy_enabled", False)) for b in (values, *blocks)]
    return False if False in answers else next((a for a in answers if a is not True), True)


def raw_geo_backup(values: Any, _context: Context) -> Any:
    """None for a replica, whose source is backed up."""
    if values.get("create_mode") == "Replica":
        return None
    return yes(values.get("geo_redundant_backup_enabled", False))


def raw_scanned(_values: Any, context: Context) -> Any:
    """Whether an assessment belongs to it: by itself, or by the alert policy that the assessment names."""
    kind = "azurerm_mssql_server_vulnerability_assessment"
    if any(True for _ in context.parts(kind)):
        return True
    policies = context.parts("azurerm_mssql_server_security_alert_policy")
    return any(True for p in policies for _ in context.parts_of(p, kind))


def _cards(value: Any, context: Context) -> list[Any]:
    return [c for v in listed(value) if (c := context.find(v, "azurerm_network_interface")) is not None]


def raw_card_subnet(value: Any, context: Context) -> Any:
    """The subnet of a machine's first network card that is in the input."""
    for card in _cards(value, context):
        subnet = first(card.values.get("ip_configuration")).get("subnet_id")
        if subnet is not None:
            return getattr(subnet, "ref", "") or (unknown() if isinstance(subnet, Pending) else render(subnet))
    return None


def raw_card_group(value: Any, context: Context) -> Any:
    """The security group that is bound to one of its network cards."""
    for card in _cards(value, context):
        for bound in context.parts_of(card, "azurerm_network_interface_security_group_association"):
            group = bound.values.get("network_security_group_id")
            return getattr(group, "ref", "") or (unknown() if isinstance(group, Pending) else render(group))
    return None


def raw_card_public(value: Any, context: Context) -> Any:
    """Whether one of its network cards has a public address; None where none of them is in the input."""
    cards = _cards(value, context)
    blocks = [b for c in cards for b in listed(c.values.get("ip_configuration")) if isinstance(b, Mapping)]
    return any(b.get("public_ip_address_id") is not None for b in blocks) if cards else None


def raw_alerts_on(values: Any, _context: Context) -> Any:
    """The policy is on, and no kind of alert is left out."""
    state, left_out = values.get("state", "Enabled"), values.get("disabled_alerts")
    if isinstance(state, Pending) or isinstance(left_out, Pending):
        return unknown()
    return render(state) == "Enabled" and not [a for a in listed(left_out) if render(a)]


def raw_days(value: Any, _context: Context) -> Any:
    """0: for ever, which reads None."""
    if value is None:
        return None
    if isinstance(value, Pending):
        return unknown()
    return int(value) if str(value).isdigit() and int(value) else None


def raw_backup_flag(value: Any, _context: Context) -> Any:
    """1 where backups are on: how long they are kept is not a setting."""
    found = yes(value)
    return found if isinstance(found, dict) else int(found)


def raw_flag_as_key(value: Any, context: Context) -> Any:
    """A switch that says that a key of the user's is used."""
    found = yes(value)
    return found if isinstance(found, dict) else context.native.address if found else ""


def raw_sse_word(value: Any, _context: Context) -> Any:
    return "key" if value else "cloud"


def raw_soft_delete(values: Any, _context: Context) -> Any:
    block = first(first(values.get("blob_properties")).get("delete_retention_policy"))
    if not values.get("blob_properties"):
        return 0
    found = block.get("days", 7) if "delete_retention_policy" in first(values.get("blob_properties")) else 0
    return unknown() if isinstance(found, Pending) else int(found)


def raw_queue_logging_alone(values: Any, _context: Context) -> Any:
    block = first(values.get("logging"))
    return all(block.get(n) in TRUE for n in ("read", "write", "delete"))


def raw_flexible_public(values: Any, _context: Context) -> Any:
    """In a network of its own it has no public endpoint."""
    if values.get("delegated_subnet_id") is not None:
        return False
    return yes(values.get("public_network_access_enabled", True))


def raw_api_tls(values: Any, _context: Context) -> Any:
    """Old versions are off unless they are switched on."""
    block = first(values.get("security"))
    olds = (("enable_frontend_ssl30", "1.0"), ("enable_frontend_tls10", "1.0"), ("enable_frontend_tls11", "1.1"))
    for name, version in olds:
        found = block.get(name, block.get(name.removeprefix("enable_") + "_enabled", False))
        if isinstance(found, Pending):
            return unknown()
        if found in TRUE:
            return version
    return "1.2"


def raw_gateway_listeners(values: Any, context: Context) -> Any:
    """Listeners with the port that they name, and whether their rule does nothing but send on to HTTPS."""
    ports = {
        render(p.get("name")): p.get("port") for p in listed(values.get("frontend_port")) if isinstance(p, Mapping)
    }
    policy = first(values.get("ssl_policy"))
    lowest = raw_min_tls(policy.get("min_protocol_version"), context) or ("1.0" if not policy else _named(policy))
    redirects = _redirecting(values)
    found = []
    for block in listed(values.get("http_listener")):
        if not isinstance(block, Mapping):
            continue
        protocol = block.get("protocol", "Http")
        spoken = unknown() if isinstance(protocol, Pending) else render(protocol).lower()
        port = ports.get(render(block.get("frontend_port_name")))
        found.append(
            {
                "protocol": spoken,
                "port": port if isinstance(port, int) else None,
                "target_port": None,
                "certificate": "",
                "tls_policy": lowest if spoken == "https" else "",
                "redirect_to_https": render(block.get("name")) in redirects,
                "$source": (block.where("protocol"), context.native.address),  # type: ignore[attr-defined]
            }
        )
    return found


def _named(policy: Mapping[str, Any]) -> str:
    """Lowest version of a predefined policy.

    https://learn.microsoft.com/azure/application-gateway/application-gateway-ssl-policy-overview
    """
    name = render(policy.get("policy_name", ""))
    return "1.2" if name in ("AppGwSslPolicy20170401S", "AppGwSslPolicy20220101", "AppGwSslPolicy20220101S") else "1.0"


def _redirecting(values: Any) -> set[str]:
    targets = {render(r.get("name")) for r in listed(values.get("redirect_configuration")) if isinstance(r, Mapping)}
    rules = [r for r in listed(values.get("request_routing_rule")) if isinstance(r, Mapping)]
    return {
        render(r.get("http_listener_name")) for r in rules if render(r.get("redirect_configuration_name")) in targets
    }


def raw_receivers(value: Any, _context: Context) -> Any:
    found = [b.get("email_address") for b in listed(value) if isinstance(b, Mapping)]
    return [unknown() if isinstance(f, Pending) else render(f) for f in found]


def _grant(actions: Any, excluded: Any = None) -> dict[str, Any]:
    texts = [render(a) for a in listed(actions)]
    rest: dict[str, Any] = {"resources": ["*"], "principals": [], "conditions": [], "claims": []}
    return {
        "effect": "allow",
        "actions": texts,
        "not_actions": [],
        **rest,
        "excluded": [render(e) for e in listed(excluded)],
    }


def raw_permissions(value: Any, _context: Context) -> Any:
    """Actions of a role of one's own, over everything in its scope."""
    blocks = [b for b in listed(value) if isinstance(b, Mapping)]
    return [
        _grant([*listed(b.get("actions")), *listed(b.get("data_actions"))], b.get("not_actions"))
        for b in blocks
        if not isinstance(b.get("actions"), Pending)
    ]


def raw_builtin_role(value: Any, _context: Context) -> Any:
    """Owner, and nothing else, may do everything: rights over rights included."""
    return [_grant(["*"])] if value == "Owner" else []


CONVERTERS: Final[Mapping[str, Converter]] = {
    name: function
    for name, function in list(globals().items())
    if (name.startswith("raw_") or name == "at_least_two") and isinstance(function, Callable)  # type: ignore[arg-type]
}
