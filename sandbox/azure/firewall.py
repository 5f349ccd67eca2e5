"""Network security groups and their rules in the Azure sandbox.

Callers: server.py. Rules: learn.microsoft.com/azure/virtual-network/network-security-groups-overview (priority 100 to
4096, unique per direction; default rules 65000, 65001, 65500).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from sandbox.azure.arm_types import NSG
from sandbox.azure.kinds import Put, ResourceKind
from sandbox.azure.store import Record
from sandbox.azure.uses import group_users
from sandbox.azure.wire import ArmError

RULE = f"{NSG}/securityRules"
_PROTOCOLS = {p.lower(): p for p in ("Tcp", "Udp", "Icmp", "Esp", "Ah", "*")}
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)*")

# name, priority, source, destination, access, direction, description
_DEFAULTS = (
    ("AllowVnetInBound", 65000, "VirtualNetwork", "VirtualNetwork", "Allow", "Inbound",
     "Allow inbound traffic from all VMs in VNET"),
    ("AllowAzureLoadBalancerInBound", 65001, "AzureLoadBalancer", "*", "Allow", "Inbound",
     "Allow inbound traffic from azure load balancer"),
    ("DenyAllInBound", 65500, "*", "*", "Deny", "Inbound", "Deny all inbound traffic"),
    ("AllowVnetOutBound", 65000, "VirtualNetwork", "VirtualNetwork", "Allow", "Outbound",
     "Allow outbound traffic from all VMs to all VMs in VNET"),
    ("AllowInternetOutBound", 65001, "*", "Internet", "Allow", "Outbound",
     "Allow outbound traffic from all VMs to Internet"),
    ("DenyAllOutBound", 65500, "*", "*", "Deny", "Outbound", "Deny all outbound traffic"),
)  # fmt: skip


def check_rule(name: str, properties: dict[str, Any], rule_id: str) -> dict[str, Any]:
    """The rule as Azure keeps it. Raises ArmError with Azure's code."""
    done = dict(properties)
    for field in ("protocol", "access", "direction", "priority"):
        if done.get(field) in (None, ""):
            raise ArmError(
                400, "SecurityRuleMissingRequiredParameter", f"Security rule {name} has no value for {field}."
            )
    protocol = _PROTOCOLS.get(str(done["protocol"]).lower())
    if protocol is None:
        raise _unsupported("Protocol", rule_id, done["protocol"])
    done["protocol"] = protocol
    for field, allowed in (("access", ("Allow", "Deny")), ("direction", ("Inbound", "Outbound"))):
        match = next((a for a in allowed if a.lower() == str(done[field]).lower()), None)
        if match is None:
            raise _unsupported(field.capitalize(), rule_id, done[field])
        done[field] = match
    if not isinstance(done["priority"], int) or not 100 <= done["priority"] <= 4096:
        raise ArmError(
            400,
            "SecurityRuleInvalidPriority",
            f"Security rule has invalid Priority. Value provided: {done['priority']}. Allowed range: 100-4096.",
        )
    for side in ("source", "destination"):
        _check_ports(done, side, rule_id)
        _check_addresses(done, side, rule_id)
    return done


def _unsupported(parameter: str, rule_id: str, value: object) -> ArmError:
    return ArmError(
        400,
        "SecurityRuleParameterContainsUnsupportedValue",
        f"Security rule parameter {parameter} for rule with Id {rule_id} cannot take the value {value}.",
    )


def _check_ports(rule: dict[str, Any], side: str, rule_id: str) -> None:
    one, many = rule.get(f"{side}PortRange"), rule.get(f"{side}PortRanges") or []
    rule[f"{side}PortRanges"] = many
    if (one is None) == (not many):
        raise _one_of(f"{side}PortRange", rule_id)
    for text in [one] if one is not None else many:
        low, _, high = str(text).partition("-")
        fits = low.isdigit() and (high or low).isdigit() and 0 <= int(low) <= int(high or low) <= 65535
        if text != "*" and not fits:
            raise ArmError(
                400, "SecurityRuleInvalidPortRange", f"Security rule has invalid Port range. Value provided: {text}."
            )


def _check_addresses(rule: dict[str, Any], side: str, rule_id: str) -> None:
    one, many = rule.get(f"{side}AddressPrefix"), rule.get(f"{side}AddressPrefixes") or []
    groups = rule.get(f"{side}ApplicationSecurityGroups") or []
    rule[f"{side}AddressPrefixes"] = many
    if (one not in (None, "")) + bool(many) + bool(groups) != 1:
        raise _one_of(f"{side}AddressPrefix", rule_id)
    for text in [one] if one else many:
        try:
            ipaddress.ip_network(str(text), strict=False)
        except ValueError:
            if text != "*" and not _TAG.fullmatch(str(text)):
                raise ArmError(
                    400,
                    "SecurityRuleInvalidAddressPrefix",
                    f"Security rule has invalid Address prefix. Value provided: {text}",
                ) from None


def _one_of(parameter: str, rule_id: str) -> ArmError:
    return ArmError(
        400,
        "SecurityRuleParameterRequired",
        f"Security rule {rule_id} must specify exactly one of {parameter} and its plural.",
    )


def check_conflicts(rules: list[tuple[str, dict[str, Any]]]) -> None:
    seen: dict[tuple[str, int], str] = {}
    for name, properties in rules:
        key = (properties["direction"], properties["priority"])
        if key in seen:
            raise ArmError(
                400,
                "SecurityRuleConflict",
                f"Security rule {seen[key]} conflicts with rule {name}. Rules cannot have the same Priority and "
                "Direction.",
            )
        seen[key] = name


class SecurityGroups(ResourceKind):
    type = NSG
    timing = "firewall"
    creating = updating = "Updating"

    def properties(self, put: Put) -> dict[str, Any]:
        properties = dict(put.properties)
        inline = properties.pop("securityRules", None) or []
        checked = [
            (str(r.get("name") or ""), check_rule(str(r.get("name")), r.get("properties") or {}, put.path.id))
            for r in inline
        ]
        names = [n.lower() for n, _ in checked]
        if "" in names or len(set(names)) != len(names):
            raise ArmError(400, "InvalidRequestFormat", "Security rules need names, each of its own.")
        check_conflicts(checked)
        return properties

    def prepare(self, record: Record, put: Put) -> None:
        inline = put.properties.get("securityRules") or []
        names = {str(r["name"]).lower() for r in inline}
        for old in self.store.children(record.id, RULE):
            if old.name.lower() not in names:
                self.store.remove(old)
        for rule in inline:
            rule_id = f"{record.id}/securityRules/{rule['name']}"
            checked = check_rule(rule["name"], rule["properties"], rule_id)
            self.store.put(Record(id=rule_id, type=RULE, name=rule["name"], properties=checked))

    def view(self, record: Record) -> dict[str, Any]:
        rules = [self.engine.render(r) for r in self.store.children(record.id, RULE)]
        subnets, nics, _ = group_users(self.store, record)
        return (
            record.properties
            | {"resourceGuid": record.guid, "securityRules": rules, "defaultSecurityRules": _defaults(record)}
            | ({"subnets": [{"id": s} for s in subnets]} if subnets else {})
            | ({"networkInterfaces": [{"id": n} for n in nics]} if nics else {})
        )

    def check_delete(self, record: Record) -> None:
        subnets, nics, sets = group_users(self.store, record)
        if sets:
            raise ArmError(
                400,
                "NetworkSecurityGroupInUseByVirtualMachineScaleSet",
                f"Cannot delete network security group {record.id} since it is in use by virtual machine scale set "
                f"{sets[0]}.",
            )
        if subnets or nics:
            raise ArmError(
                400,
                "InUseNetworkSecurityGroupCannotBeDeleted",
                f"Network security group {record.id} cannot be deleted because it is in use by the following "
                f"resources: {', '.join(subnets + nics)}. In order to delete the Network security group, remove the "
                "association with the resource(s).",
            )


def _defaults(record: Record) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "id": f"{record.id}/defaultSecurityRules/{name}",
            "etag": record.etag,
            "type": f"{NSG}/defaultSecurityRules",
            "properties": {
                "provisioningState": "Succeeded",
                "description": description,
                "protocol": "*",
                "sourcePortRange": "*",
                "destinationPortRange": "*",
                "sourceAddressPrefix": source,
                "destinationAddressPrefix": destination,
                "access": access,
                "priority": priority,
                "direction": direction,
                "sourcePortRanges": [],
                "destinationPortRanges": [],
                "sourceAddressPrefixes": [],
                "destinationAddressPrefixes": [],
            },
        }
        for name, priority, source, destination, access, direction, description in _DEFAULTS
    ]


class SecurityRules(ResourceKind):
    type = RULE
    patchable = False
    timing = "firewall"
    tracked = False
    creating = updating = "Updating"

    def properties(self, put: Put) -> dict[str, Any]:
        checked = check_rule(put.path.name, put.properties, put.path.id)
        others = [
            (r.name, r.properties)
            for r in self.store.children(put.path.parent_id, RULE)
            if r.name.lower() != put.path.name.lower()
        ]
        check_conflicts([*others, (put.path.name, checked)])
        return checked

    def prepare(self, record: Record, _put: Put) -> None:
        self._touch_group(record)

    async def remove(self, record: Record) -> None:
        self._touch_group(record)

    def _touch_group(self, record: Record) -> None:
        group = self.store.get(record.parent)
        if group is not None:
            self.store.touch(group)
