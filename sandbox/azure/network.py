"""Virtual networks, subnets, network interfaces and public IP addresses of the Azure sandbox.

Callers: server.py. Error codes as Azure's network resource provider answers them.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from model.rng import stream
from sandbox.azure.arm_types import NIC, PUBLIC_IP, SUBNET, VNET
from sandbox.azure.kinds import Put, ResourceKind, invalid, required
from sandbox.azure.store import Record
from sandbox.azure.uses import interface_user, public_ip_user, subnet_address, subnet_users
from sandbox.azure.wire import ArmError, reference

Net = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_prefix(text: object, owner: str) -> Net:
    """A CIDR without host bits. Raises InvalidCIDRNotation or InvalidAddressPrefixFormat."""
    try:
        return ipaddress.ip_network(str(text))
    except ValueError:
        pass
    try:
        right = ipaddress.ip_network(str(text), strict=False)
    except ValueError:
        raise ArmError(
            400, "InvalidAddressPrefixFormat", f"Address prefix {text} of resource {owner} is not formatted correctly."
        ) from None
    raise ArmError(
        400,
        "InvalidCIDRNotation",
        f"The address prefix {text} in resource {owner} has an invalid CIDR notation. For the given prefix length, the "
        f"address prefix should be {right}.",
    )


def inside(net: Net, outer: list[Net]) -> bool:
    return any(net.version == o.version and net.subnet_of(o) for o in outer)  # type: ignore[arg-type]


class VirtualNetworks(ResourceKind):
    type = VNET
    timing = "network"
    creating = updating = "Updating"

    def properties(self, put: Put) -> dict[str, Any]:
        properties = dict(put.properties)
        space = [
            parse_prefix(p, put.path.id)
            for p in required(properties.get("addressSpace") or {}, "addressPrefixes", "properties.addressSpace")
        ]
        inline = properties.pop("subnets", None)
        wanted = [(str(s.get("name") or ""), s.get("properties") or {}) for s in inline or ()]
        if inline is None:
            wanted = [(s.name, s.properties) for s in self.store.children(put.path.id, SUBNET)]
        check_subnets(put.path.name, put.path.id, space, wanted)
        if inline is not None:
            names = {n.lower() for n, _ in wanted}
            for old in self.store.children(put.path.id, SUBNET):
                if old.name.lower() not in names:
                    self.engine.kinds[SUBNET.lower()].check_delete(old)
        return properties

    def prepare(self, record: Record, put: Put) -> None:
        inline = put.properties.get("subnets")
        if inline is None:
            return
        for old in self.store.children(record.id, SUBNET):
            if old.name.lower() not in {str(s["name"]).lower() for s in inline}:
                self.store.remove(old)
        for subnet in inline:
            resource_id = f"{record.id}/subnets/{subnet['name']}"
            before = self.store.get(resource_id)
            self.store.put(
                Record(
                    id=before.id if before else resource_id,
                    type=SUBNET,
                    name=subnet["name"],
                    location=record.location,
                    properties=dict(subnet.get("properties") or {}),
                )
            )

    def view(self, record: Record) -> dict[str, Any]:
        subnets = [self.engine.render(s) for s in self.store.children(record.id, SUBNET)]
        return record.properties | {"resourceGuid": record.guid, "subnets": subnets, "virtualNetworkPeerings": []}

    def check_delete(self, record: Record) -> None:
        for subnet in self.store.children(record.id, SUBNET):
            self.engine.kinds[SUBNET.lower()].check_delete(subnet)


def check_subnets(vnet: str, vnet_id: str, space: list[Net], wanted: list[tuple[str, dict[str, Any]]]) -> None:
    """Every subnet lies in the network and overlaps no other."""
    seen: list[tuple[str, Net]] = []
    for name, properties in wanted:
        if not name:
            raise invalid("A subnet needs a name.", "properties.subnets", "InvalidRequestFormat")
        for text in prefixes_of(properties):
            net = parse_prefix(text, f"{vnet_id}/subnets/{name}")
            if not inside(net, space):
                raise ArmError(
                    400,
                    "NetcfgInvalidSubnet",
                    f"Subnet '{name}' is not valid because its IP address range is outside the IP address range of "
                    f"virtual network '{vnet}'.",
                )
            for other, taken in seen:
                if net.version == taken.version and net.overlaps(taken):
                    raise ArmError(
                        400,
                        "NetcfgSubnetRangesOverlap",
                        f"Subnet '{name}' is not valid because its IP address range overlaps with that of an existing "
                        f"subnet '{other}' in virtual network '{vnet}'.",
                    )
            seen.append((name, net))


def prefixes_of(properties: dict[str, Any]) -> list[str]:
    found = properties.get("addressPrefixes") or [properties.get("addressPrefix")]
    if not found[0]:
        raise invalid("Required parameter 'addressPrefix' is missing (null).", "properties.addressPrefix")
    return [str(p) for p in found]


class Subnets(ResourceKind):
    type = SUBNET
    patchable = False
    timing = "subnet"
    tracked = False
    creating = updating = "Updating"

    def properties(self, put: Put) -> dict[str, Any]:
        vnet = self.store.get(put.path.parent_id)
        assert vnet is not None  # the engine has looked
        siblings = self.store.children(vnet.id, SUBNET)
        for other in (vnet, *siblings):
            if other.busy:
                raise self.engine.in_progress(self, other)
        properties = dict(put.properties)
        others = [(s.name, s.properties) for s in siblings if s.name.lower() != put.path.name.lower()]
        space = [parse_prefix(p, vnet.id) for p in vnet.properties["addressSpace"]["addressPrefixes"]]
        check_subnets(vnet.name, vnet.id, space, [*others, (put.path.name, properties)])
        if put.before is not None and prefixes_of(put.before.properties) != prefixes_of(properties):
            self.check_delete(put.before, "InUsePrefixCannotBeDeleted")
        for name in ("networkSecurityGroup", "natGateway"):
            if reference(properties.get(name)):
                self.referenced(reference(properties[name]), put.path.id)
        return properties

    def view(self, record: Record) -> dict[str, Any]:
        used = [{"id": i} for i in subnet_users(self.store, record) if "/ipConfigurations/" in i]
        return (
            record.properties
            | {"privateEndpointNetworkPolicies": "Disabled", "privateLinkServiceNetworkPolicies": "Enabled"}
            | ({"ipConfigurations": used} if used else {})
        )

    def check_delete(self, record: Record, code: str = "InUseSubnetCannotBeDeleted") -> None:
        users = subnet_users(self.store, record)
        if users:
            raise ArmError(
                400,
                code,
                f"Subnet {record.name} is in use by {users[0]} and cannot be deleted. In order to delete the subnet, "
                "delete all the resources within the subnet. See aka.ms/deletesubnet.",
            )


class NetworkInterfaces(ResourceKind):
    type = NIC
    timing = "network"
    creating = updating = "Updating"

    def properties(self, put: Put) -> dict[str, Any]:
        properties = dict(put.properties)
        configs = required(properties, "ipConfigurations")
        nsg = reference(properties.get("networkSecurityGroup"))
        if nsg:
            self.referenced(nsg, put.path.id)
        old = {c["name"]: c["properties"] for c in (put.before.properties["ipConfigurations"] if put.before else ())}
        taken = set[str]()
        done = []
        for number, config in enumerate(configs):
            name = str(config.get("name") or "")
            inner = dict(config.get("properties") or {})
            subnet = self.referenced(reference(required(inner, "subnet", "ipConfiguration")), put.path.id)
            public = reference(inner.get("publicIPAddress"))
            if public:
                self._free(self.referenced(public, put.path.id), put)
            inner.setdefault("privateIPAllocationMethod", "Dynamic")
            inner.setdefault("privateIPAddressVersion", "IPv4")
            inner["primary"] = number == 0
            kept = old.get(name, {}).get("privateIPAddress")
            inner["privateIPAddress"] = (
                inner.get("privateIPAddress") or kept or subnet_address(self.store, subnet, taken)
            )
            taken.add(inner["privateIPAddress"])
            done.append({"name": name, "properties": inner})
        return properties | {"ipConfigurations": done}

    def _free(self, public: Record, put: Put) -> None:
        user = public_ip_user(self.store, public)
        if user and not user.lower().startswith(put.path.id.lower() + "/"):
            raise ArmError(
                400, "PublicIPAddressInUse", f"Resource {public.id} is already allocated to resource {user}."
            )

    def view(self, record: Record) -> dict[str, Any]:
        configs = [
            {
                "name": c["name"],
                "id": f"{record.id}/ipConfigurations/{c['name']}",
                "etag": record.etag,
                "type": f"{NIC}/ipConfigurations",
                "properties": {"provisioningState": "Succeeded"} | c["properties"],
            }
            for c in record.properties["ipConfigurations"]
        ]
        rng = stream(record.guid, "mac")
        mac = "-".join(["00", "0D", "3A", *(f"{rng.randrange(256):02X}" for _ in range(3))])
        vm = interface_user(self.store, record)
        return (
            record.properties
            | {"ipConfigurations": configs, "resourceGuid": record.guid, "macAddress": mac, "nicType": "Standard"}
            | {"dnsSettings": {"dnsServers": [], "appliedDnsServers": []}, "hostedWorkloads": []}
            | ({"virtualMachine": {"id": vm.id}, "primary": True} if vm else {})
        )

    def check_delete(self, record: Record) -> None:
        vm = interface_user(self.store, record)
        if vm is not None:
            raise ArmError(
                400,
                "NicInUse",
                f"Network Interface {record.id} is used by existing resource {vm.id}. In order to delete the network "
                "interface, it must be dissociated from the resource.",
            )


class PublicIpAddresses(ResourceKind):
    """Addresses come from 203.0.113.0/24 and 198.51.100.0/24 (RFC 5737), until a VM behind one answers on loopback."""

    type = PUBLIC_IP
    timing = "network"
    extras = ("sku", "zones")
    creating = updating = "Updating"

    def properties(self, put: Put) -> dict[str, Any]:
        self.zones(put)
        sku = str((put.body.get("sku") or {}).get("name") or "Basic")
        properties = dict(put.properties)
        method = str(properties.setdefault("publicIPAllocationMethod", "Dynamic"))
        if sku == "Standard" and method != "Static":
            raise invalid(
                "Standard sku publicIp must have AllocationMethod set to Static.",
                put.path.id,
                "StandardSkuPublicIPAddressesMustBeStatic",
            )
        properties.setdefault("publicIPAddressVersion", "IPv4")
        properties.setdefault("idleTimeoutInMinutes", 4)
        kept = put.before.properties.get("ipAddress") if put.before else None
        properties["ipAddress"] = kept or self._address()
        return properties

    def prepare(self, record: Record, put: Put) -> None:
        record.body["sku"] = {"name": "Basic", "tier": "Regional"} | dict(put.body.get("sku") or {})

    def _address(self) -> str:
        taken = {r.properties.get("ipAddress") for r in self.store.of_type(PUBLIC_IP)}
        pool = (f"{net}.{host}" for net in ("203.0.113", "198.51.100") for host in range(1, 255))
        found = next((a for a in pool if a not in taken), None)
        if found is None:
            raise ArmError(400, "PublicIPCountLimitReached", "Cannot create more than 508 public IP addresses.")
        return found

    def view(self, record: Record) -> dict[str, Any]:
        user = public_ip_user(self.store, record)
        member = "natGateway" if "/natgateways/" in user.lower() else "ipConfiguration"
        return (
            record.properties | {"resourceGuid": record.guid, "ipTags": []} | ({member: {"id": user}} if user else {})
        )

    def check_delete(self, record: Record) -> None:
        user = public_ip_user(self.store, record)
        if user:
            raise ArmError(
                400,
                "PublicIPAddressCannotBeDeleted",
                f"Public IP address {record.id} can not be deleted since it is still allocated to resource {user}.",
            )
