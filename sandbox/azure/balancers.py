"""Load balancers and NAT gateways of the Azure sandbox.

Callers: server.py. A balancer's parts (frontends, pools, rules, probes) lie in its body, with ids, as Azure shows them.
Rules and codes: learn.microsoft.com/troubleshoot/azure/load-balancer/load-balancer-troubleshoot-deployment-errors,
learn.microsoft.com/azure/load-balancer (backend-pool-management, load-balancer-custom-probe-overview).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from sandbox.azure.arm_types import BALANCER, NAT_GATEWAY, NIC, SUBNET, VMSS
from sandbox.azure.kinds import Put, ResourceKind, invalid, required
from sandbox.azure.store import Record
from sandbox.azure.uses import configs_of, public_ip_user, subnet_address
from sandbox.azure.wire import ArmError, reference, same

PARTS = (
    "frontendIPConfigurations", "backendAddressPools", "loadBalancingRules", "probes", "inboundNatRules",
    "outboundRules", "inboundNatPools",
)  # fmt: skip
_READ_ONLY = {"provisioningState", "loadBalancingRules", "backendIPConfigurations", "inboundNatRules", "outboundRules"}


class LoadBalancers(ResourceKind):
    type = BALANCER
    timing = "loadbalancer"
    extras = ("sku",)
    creating = updating = "Updating"

    def properties(self, put: Put) -> dict[str, Any]:
        sku = str((put.body.get("sku") or {}).get("name") or "Basic")
        if sku not in ("Basic", "Standard", "Gateway"):
            raise invalid(f"{sku} is no SKU of a load balancer.", "sku.name")
        before = put.before
        if before is not None and before.body["sku"]["name"] != sku:
            raise ArmError(400, "LoadBalancerSkuCannotBeChanged", "The SKU of a load balancer cannot be changed.")
        properties = {name: _named(put, name) for name in PARTS}
        if not properties["frontendIPConfigurations"] and any(properties[name] for name in PARTS[1:]):
            raise ArmError(
                400,
                "LoadBalancerWithoutFrontendIPCantHaveChildResources",
                f"Load balancer {put.path.id} has no frontend IP configurations and cannot have child resources.",
            )
        for front in properties["frontendIPConfigurations"]:
            self._front(put, front, sku)
        for pool in properties["backendAddressPools"]:
            self._pool(put, pool, sku)
        for probe in properties["probes"]:
            _probe(probe["properties"], f"{put.path.id}/probes/{probe['name']}")
        self._rules(put, properties)
        return properties

    def prepare(self, record: Record, put: Put) -> None:
        record.body["sku"] = {"name": "Basic", "tier": "Regional"} | dict(put.body.get("sku") or {})

    def _front(self, put: Put, front: dict[str, Any], sku: str) -> None:
        inner = front["properties"]
        public, subnet = reference(inner.get("publicIPAddress")), reference(inner.get("subnet"))
        if bool(public) == bool(subnet):
            raise invalid(
                f"Frontend {front['name']} must have exactly one of publicIPAddress and subnet.", front["name"],
                "InvalidRequestFormat",
            )  # fmt: skip
        inner.setdefault("privateIPAllocationMethod", "Dynamic")
        if public:
            found = self.referenced(public, put.path.id)
            theirs = found.body["sku"]["name"]
            if theirs != sku:
                raise ArmError(
                    400,
                    "PublicIPAndLBSkuDoNotMatch",
                    f"{sku} sku load balancer {put.path.id} cannot reference {theirs} sku publicIP {found.id}.",
                )
            user = public_ip_user(self.store, found)
            if user and not user.lower().startswith(put.path.id.lower() + "/"):
                raise ArmError(
                    400, "PublicIPAddressInUse", f"Resource {found.id} is already allocated to resource {user}."
                )
            return
        found = self.referenced(subnet, put.path.id)
        if inner.get("privateIPAddress") is None:
            inner["privateIPAddress"] = self._kept(put, front["name"]) or subnet_address(self.store, found)
        inner.setdefault("privateIPAddressVersion", "IPv4")

    def _kept(self, put: Put, name: str) -> str:
        """The address that the front has had so far."""
        fronts = put.before.properties["frontendIPConfigurations"] if put.before is not None else ()
        found = (f["properties"].get("privateIPAddress") for f in fronts if same(f["name"], name))
        return str(next(found, "") or "")

    def _pool(self, put: Put, pool: dict[str, Any], sku: str) -> None:
        entries = [
            e
            for e in pool["properties"].get("loadBalancerBackendAddresses") or ()
            if not (e.get("properties") or {}).get("networkInterfaceIPConfiguration")  # Azure's own to say
        ]
        pool["properties"]["loadBalancerBackendAddresses"] = entries
        if not entries:
            return
        pool_id = f"{put.path.id}/backendAddressPools/{pool['name']}"
        if sku != "Standard":
            raise invalid(f"Backend pool {pool_id} by IP address needs a Standard load balancer.", pool["name"])
        if next(members_of(self.store, pool_id), None) is not None:
            raise ArmError(
                400,
                "InvalidRequestFormat",
                f"Backend pool {pool_id} has members by interface and cannot hold IP addresses too.",
            )
        names = [str(e.get("name") or "").lower() for e in entries]
        if "" in names or len(set(names)) != len(names):
            raise invalid("Backend addresses need names, each of its own.", pool["name"], "InvalidRequestFormat")
        for entry in entries:
            inner = required(entry, "properties", "loadBalancerBackendAddress")
            required(inner, "ipAddress", "loadBalancerBackendAddress")
            network = reference(inner.get("virtualNetwork")) or reference(inner.get("subnet"))
            self.referenced(network, put.path.id)

    def _rules(self, put: Put, properties: dict[str, Any]) -> None:
        """References stay within the balancer, and no two rules ask for the same."""
        known = {f"{put.path.id}/{part}/{entry['name']}".lower() for part in PARTS[:4] for entry in properties[part]}
        fronts, backs = dict[tuple[Any, ...], str](), dict[tuple[Any, ...], str]()
        for rule in properties["loadBalancingRules"]:
            inner, rule_id = rule["properties"], f"{put.path.id}/loadBalancingRules/{rule['name']}"
            protocol = str(required(inner, "protocol", rule["name"]))
            if protocol not in ("Tcp", "Udp", "All"):
                raise invalid(f"{protocol} is no protocol of a load balancing rule.", "protocol")
            for name in ("frontendPort", "backendPort"):
                if not isinstance(inner.get(name), int) or not 0 <= inner[name] <= 65535:
                    raise invalid(f"{name} of {rule_id} must lie between 0 and 65535.", name)
            front = reference(required(inner, "frontendIPConfiguration", rule["name"])).lower()
            pool, probe = reference(inner.get("backendAddressPool")).lower(), reference(inner.get("probe")).lower()
            for wanted in (front, pool, probe):
                if wanted and wanted not in known:
                    raise ArmError(
                        400,
                        "InvalidResourceReference",
                        f"Resource {wanted} referenced by resource {rule_id} was not found.",
                    )
            asked = (front, protocol, inner["frontendPort"])
            if asked in fronts:
                raise ArmError(
                    400,
                    "RulesUseSameFrontendPortProtocolAndIPConfig",
                    f"Load balancing rules {fronts[asked]} and {rule_id} use the same frontend, protocol and port.",
                )
            fronts[asked] = rule_id
            behind = (pool, protocol, inner["backendPort"])
            if behind in backs and not inner.get("enableFloatingIP"):
                raise ArmError(
                    400,
                    "RulesUseSameBackendPortProtocolAndPool",
                    f"Load balancing rules {backs[behind]} and {rule_id} with floating IP disabled use the same "
                    f"backend pool {pool} with the same backend port {inner['backendPort']} and protocol.",
                )
            backs[behind] = rule_id
            for name, usual in _RULE_DEFAULTS.items():
                inner.setdefault(name, usual)

    def view(self, record: Record) -> dict[str, Any]:
        shown: dict[str, Any] = {"resourceGuid": record.guid}
        for part in PARTS:
            shown[part] = [
                {
                    "name": entry["name"],
                    "id": f"{record.id}/{part}/{entry['name']}",
                    "etag": record.etag,
                    "type": f"{BALANCER}/{part}",
                    **({"zones": entry["zones"]} if entry.get("zones") else {}),
                    "properties": {"provisioningState": "Succeeded"} | copy.deepcopy(entry["properties"]),
                }
                for entry in record.properties[part]
            ]
        self._users(shown)
        return shown

    def _users(self, shown: dict[str, Any]) -> None:
        """What uses a part, and a pool's members, as Azure fills them in."""
        for part, member in (
            ("frontendIPConfigurations", "frontendIPConfiguration"), ("backendAddressPools", "backendAddressPool"),
            ("probes", "probe"),
        ):  # fmt: skip
            for entry in shown[part]:
                users = [
                    {"id": rule["id"]}
                    for rule in shown["loadBalancingRules"]
                    if same(reference(rule["properties"].get(member)), entry["id"])
                ]
                if users:
                    entry["properties"]["loadBalancingRules"] = users
        for pool in shown["backendAddressPools"]:
            members = list(members_of(self.store, pool["id"]))
            if members:
                pool["properties"]["backendIPConfigurations"] = [{"id": m} for m in members]
                pool["properties"]["loadBalancerBackendAddresses"] = [
                    {"name": m.rsplit("/", 3)[-3], "properties": {"networkInterfaceIPConfiguration": {"id": m}}}
                    for m in members
                ]

    def check_delete(self, record: Record) -> None:
        prefix = f"{record.id}/backendAddressPools/".lower()
        for scale_set in self.store.of_type(VMSS):
            for config in configs_of(scale_set.properties):
                for entry in config.get("loadBalancerBackendAddressPools") or ():
                    if reference(entry).lower().startswith(prefix):
                        raise ArmError(
                            400,
                            "LoadBalancerInUseByVirtualMachineScaleSet",
                            f"Cannot delete load balancer {record.id} since its child resources "
                            f"{reference(entry).rsplit('/', 1)[-1]} are in use by virtual machine scale set "
                            f"{scale_set.id}.",
                        )


_RULE_DEFAULTS = {
    "enableFloatingIP": False, "idleTimeoutInMinutes": 4, "loadDistribution": "Default", "enableTcpReset": False,
    "disableOutboundSnat": False,
}  # fmt: skip


def _named(put: Put, part: str) -> list[dict[str, Any]]:
    """Entries of a part with names of their own, without what Azure fills in."""
    found = []
    for entry in put.properties.get(part) or ():
        inner = {k: v for k, v in (entry.get("properties") or {}).items() if k not in _READ_ONLY}
        more = {"zones": entry["zones"]} if entry.get("zones") else {}
        found.append({"name": str(entry.get("name") or ""), "properties": copy.deepcopy(inner), **more})
    names = [entry["name"].lower() for entry in found]
    if "" in names or len(set(names)) != len(names):
        raise invalid(f"{part} need names, each of its own.", f"properties.{part}", "InvalidRequestFormat")
    return found


def _probe(inner: dict[str, Any], probe_id: str) -> None:
    protocol = str(required(inner, "protocol", probe_id))
    if protocol not in ("Tcp", "Http", "Https"):
        raise invalid(f"{protocol} is no protocol of a probe.", "protocol")
    port = inner.get("port")
    if not isinstance(port, int) or not 1 <= port <= 65535:
        raise invalid(f"The port of probe {probe_id} must lie between 1 and 65535.", "port")
    if (protocol != "Tcp") != bool(inner.get("requestPath")):
        raise invalid(f"Probe {probe_id}: a request path is for Http and Https, and needed there.", "requestPath")
    interval = inner.setdefault("intervalInSeconds", 15)
    if not isinstance(interval, int) or interval < 5:
        raise invalid(f"The interval of probe {probe_id} must be 5 seconds or more.", "intervalInSeconds")
    inner.setdefault("numberOfProbes", 1)
    threshold = inner.setdefault("probeThreshold", 1)
    if not isinstance(threshold, int) or not 1 <= threshold <= 100:
        raise invalid(f"The threshold of probe {probe_id} must lie between 1 and 100.", "probeThreshold")


def members_of(store: Any, pool_id: str) -> Iterator[str]:
    """ipConfigurations of interfaces and scale sets that name the pool."""
    wanted = pool_id.lower()
    for nic in store.of_type(NIC):
        for config in nic.properties.get("ipConfigurations") or ():
            pools = (config.get("properties") or {}).get("loadBalancerBackendAddressPools") or ()
            if any(reference(p).lower() == wanted for p in pools):
                yield f"{nic.id}/ipConfigurations/{config['name']}"
    for scale_set in store.of_type(VMSS):
        for config in configs_of(scale_set.properties):
            pools = config.get("loadBalancerBackendAddressPools") or ()
            if any(reference(p).lower() == wanted for p in pools):
                for number in range(int(scale_set.body["sku"]["capacity"])):
                    yield f"{scale_set.id}/virtualMachines/{number}/networkInterfaces/main/ipConfigurations/main"


class NatGateways(ResourceKind):
    """In use while a subnet names it; it holds public addresses."""

    type = NAT_GATEWAY
    timing = "network"
    extras = ("sku", "zones")
    creating = updating = "Updating"

    def properties(self, put: Put) -> dict[str, Any]:
        self.zones(put)
        name = str((put.body.get("sku") or {}).get("name") or "Standard")
        if name not in ("Standard", "StandardV2"):
            raise invalid(f"{name} is no SKU of a NAT gateway.", "sku.name")
        properties = dict(put.properties)
        for entry in properties.get("publicIpAddresses") or ():
            public = self.referenced(reference(entry), put.path.id)
            user = public_ip_user(self.store, public)
            if user and not same(user, put.path.id):
                raise ArmError(
                    400, "PublicIPAddressInUse", f"Resource {public.id} is already allocated to resource {user}."
                )
            if public.body["sku"]["name"] == "Basic":
                raise invalid("A NAT gateway takes Standard public addresses only.", "publicIpAddresses")
        properties.setdefault("idleTimeoutInMinutes", 4)
        return properties

    def prepare(self, record: Record, put: Put) -> None:
        record.body["sku"] = {"name": "Standard"} | dict(put.body.get("sku") or {})

    def _subnets(self, record: Record) -> list[str]:
        return [
            s.id
            for s in self.store.of_type(SUBNET)
            if reference(s.properties.get("natGateway")).lower() == record.id.lower()
        ]

    def view(self, record: Record) -> dict[str, Any]:
        subnets = self._subnets(record)
        return (
            record.properties
            | {"resourceGuid": record.guid}
            | ({"subnets": [{"id": s} for s in subnets]} if subnets else {})
        )

    def check_delete(self, record: Record) -> None:
        subnets = self._subnets(record)
        if subnets:
            raise ArmError(
                400,
                "InUseNatGatewayCannotBeDeleted",
                f"NAT gateway {record.id} is in use by {subnets[0]} and cannot be deleted.",
            )
