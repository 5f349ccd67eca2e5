"""What AWS refuses and moto allows in a VPC, and the public parameters of machine images.

Callers: sandbox.aws.server, by the tables of Network.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sandbox.aws.balancing import subnets_in_use
from sandbox.aws.cloud import After, Cloud, Handler
from sandbox.aws.instances import TERMINATED, instances_of
from sandbox.aws.moto_app import DEBIAN_RELEASES, debian_image
from sandbox.aws.wire import Answer, AwsError, Incoming

_DEBIAN = "/aws/service/debian/release/"


class Network:
    """Checks before moto; moto keeps the records."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.before: dict[str, Handler] = {
            "ec2:DeleteVpc": self._delete_vpc,
            "ec2:DeleteSubnet": self._delete_subnet,
            "ec2:DeleteSecurityGroup": self._delete_group,
            "ec2:DetachInternetGateway": self._detach_gateway,
            "ssm:GetParameter": self._parameter,
            "ssm:GetParameters": self._parameters,
        }
        self.after: dict[str, After] = {
            "ec2:DeleteSecurityGroup": _deleted_group,
            "ec2:UpdateSecurityGroupRuleDescriptionsIngress": self._clear_descriptions,
            "ec2:UpdateSecurityGroupRuleDescriptionsEgress": self._clear_descriptions,
        }

    def _backend(self, incoming: Incoming) -> Any:
        return self._cloud.moto.ec2(incoming.account_id, incoming.region)

    def _delete_vpc(self, incoming: Incoming) -> None:
        vpc_id = incoming.params.get("VpcId", "")
        backend = self._backend(incoming)
        if vpc_id not in backend.vpcs:
            raise AwsError("InvalidVpcID.NotFound", f"The vpc ID '{vpc_id}' does not exist")
        gateways = [g for g in backend.internet_gateways.values() if g.vpc and g.vpc.id == vpc_id]
        groups = [g for g in backend.groups.get(vpc_id, {}).values() if g.name != "default"]
        if gateways or groups:
            raise _in_use(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")

    def _delete_subnet(self, incoming: Incoming) -> None:
        subnet_id = incoming.params.get("SubnetId", "")
        backend = self._backend(incoming)
        used = {i.subnet_id for i in self._live(backend)} | subnets_in_use(self._cloud, incoming)
        if subnet_id in used or any(subnet_id in subnets for subnets, _ in self._cluster_uses(incoming)):
            raise _in_use(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")

    def _delete_group(self, incoming: Incoming) -> None:
        group_id = incoming.params.get("GroupId", "")
        backend = self._backend(incoming)
        group = backend.get_security_group_from_id(group_id) if group_id else None
        if group is not None and group.name == "default":
            raise AwsError(
                "CannotDelete", f'the specified group: {group_id!r} name: "default" cannot be deleted by a user'
            )
        used = any(g.id == group_id for i in self._live(backend) for g in i.security_groups)
        if group_id and (used or any(group_id in groups for _, groups in self._cluster_uses(incoming))):
            raise _in_use(f"resource {group_id} has a dependent object")

    def _clear_descriptions(self, incoming: Incoming, _answer: Answer) -> None:
        """Leaving the description out removes it (EC2 API reference); moto keeps the old one."""
        group = self._backend(incoming).get_security_group_from_id(incoming.params.get("GroupId", ""))
        if group is None:
            return
        rules = group.egress_rules if incoming.operation.endswith("Egress") else group.ingress_rules
        for permission in incoming.params.get("IpPermissions") or ():
            ranges = [*(permission.get("IpRanges") or ()), *(permission.get("Ipv6Ranges") or ())]
            bare = {r.get("CidrIp") or r.get("CidrIpv6") for r in ranges if not r.get("Description")}
            for rule in rules:
                cidr = rule.ip_range.get("CidrIp") or rule.ip_range.get("CidrIpv6")
                if cidr in bare and str(rule.ip_protocol) == str(permission.get("IpProtocol")):
                    rule.ip_range.pop("Description", None)

    def _detach_gateway(self, incoming: Incoming) -> None:
        vpc_id = incoming.params.get("VpcId", "")
        backend = self._backend(incoming)
        if any(i.public_ip and i.vpc_id == vpc_id for i in self._live(backend)):
            raise _in_use(f"Network {vpc_id} has some mapped public address(es). Please unmap those first.")

    def _live(self, backend: Any) -> Iterator[Any]:
        return (i for i in instances_of(backend) if i._state.code != TERMINATED)

    def _cluster_uses(self, incoming: Incoming) -> Iterator[tuple[set[str], set[str]]]:
        """(subnets, security groups) of each cluster of the region: its network interfaces are in them."""
        for cluster in self._cloud.moto.eks(incoming.account_id, incoming.region).clusters.values():
            config = cluster.resources_vpc_config
            subnets = set(config.get("subnetIds") or ())
            subnets |= {s for g in cluster.nodegroups.values() for s in g.subnets}
            yield subnets, {*(config.get("securityGroupIds") or ()), config.get("clusterSecurityGroupId") or ""}

    # -- public parameters ------------------------------------------------------------------------------------

    def _parameter(self, incoming: Incoming) -> object | None:
        name = str(incoming.params.get("Name", ""))
        if not name.startswith(_DEBIAN):
            return None
        found = _debian_parameter(name, incoming.region)
        if found is None:
            raise AwsError("ParameterNotFound", f"Parameter {name} not found.")
        return {"Parameter": found}

    def _parameters(self, incoming: Incoming) -> object | None:
        names = [str(name) for name in incoming.params.get("Names") or ()]
        if not names or not all(name.startswith(_DEBIAN) for name in names):
            return None
        found = {name: _debian_parameter(name, incoming.region) for name in names}
        return {
            "Parameters": [row for row in found.values() if row],
            "InvalidParameters": [name for name, row in found.items() if row is None],
        }


def _debian_parameter(name: str, region: str) -> dict[str, Any] | None:
    parts = name.removeprefix(_DEBIAN).split("/")
    if len(parts) != 3 or parts[0] not in DEBIAN_RELEASES or parts[1] != "latest" or parts[2] not in ("amd64", "arm64"):
        return None
    return {
        "Name": name,
        "Type": "String",
        "Value": debian_image(DEBIAN_RELEASES[parts[0]], parts[2], region),
        "Version": 1,
        "LastModifiedDate": datetime(2026, 3, 2, tzinfo=UTC).replace(tzinfo=None),
        "ARN": f"arn:aws:ssm:{region}::parameter{name}",
        "DataType": "aws:ec2:image",
    }


def _deleted_group(incoming: Incoming, _answer: Answer) -> object:
    """The answer that AWS gives since 2024: the id, not only `return`."""
    return {"Return": True, "GroupId": incoming.params.get("GroupId", "")}


def _in_use(message: str) -> AwsError:
    return AwsError("DependencyViolation", message)
