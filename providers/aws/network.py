"""Networks (VPC with DNS names, an internet gateway and the default route) and subnets.

Callers: provider.py. A network of ours is complete only with its gateway and route: without them no node can reach
its cluster. A half-made one is PENDING, and create or update completes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from model.errors import AlreadyExists, CallSite, Conflict, DependencyInUse, InvalidRequest, NotFound
from model.resources import TAG_FLEET, TAG_KEY, TAG_NAME, Address, AnyResource, Kind, Network, Observed, State, Subnet
from providers.aws.ec2 import Ec2Kind, observed_address, owner_of, tag_is, tags_of, where
from providers.aws.kinds import need_fleet
from providers.aws.session import Session
from providers.aws.tags import logical_name, ownership_tags, specification, user_tags
from providers.base import Call

_ANYWHERE = "0.0.0.0/0"
_ELB_ROLE = {"kubernetes.io/role/elb": "1"}
"""Public load balancers of EKS go into subnets with this tag (EKS User Guide, network load balancing)."""


class Networks(Ec2Kind):
    """VPCs. CreateVpc has no client token: ours is looked up by its tags before each try."""

    kind = Kind.NETWORK
    method, result = "describe_vpcs", "Vpcs"
    id_filter, id_pattern = "vpc-id", re.compile(r"^vpc-[0-9a-f]+$")
    events = r"Vpc|InternetGateway|Route|Tags$"

    def observe(self, region: str, rows: list[dict[str, Any]], call: Call) -> list[Observed]:
        ours = {row["VpcId"] for row in rows if owner_of(tags_of(row))}
        incomplete = self._incomplete(region, ours, call)
        return [self._observed(region, row, incomplete.get(row["VpcId"], "")) for row in rows]

    def glance(self, region: str, rows: list[dict[str, Any]]) -> list[Observed]:
        return [self._observed(region, row, "") for row in rows]

    def _observed(self, region: str, row: Mapping[str, Any], missing: str) -> Observed:
        tags = tags_of(row)
        name = logical_name(tags, row["VpcId"])
        return Observed(
            address=observed_address(self.session, region, Kind.NETWORK, name),
            resource=Network(name=name, cidr=row["CidrBlock"], tags=user_tags(tags)),
            provider_id=row["VpcId"],
            state=State.READY if row.get("State") == "available" and not missing else State.PENDING,
            owner=owner_of(tags),
            detail=missing,
            raw={"tags": tags, "default": bool(row.get("IsDefault"))},
        )

    def _incomplete(self, region: str, vpc_ids: Iterable[str], call: Call) -> dict[str, str]:
        """VPC id -> what its own parts lack."""
        wanted = sorted(vpc_ids)
        if not wanted:
            return {}
        gateways = self._gateways(region, wanted, call)
        tables = self.session.pages(
            "ec2", region, "describe_route_tables", "RouteTables", call, Filters=where(vpc_id=wanted)
        )
        routed = {t["VpcId"] for t in tables if any(_leads_out(r) for r in t.get("Routes") or ())}
        found = {}
        for vpc_id in wanted:
            if vpc_id not in gateways:
                found[vpc_id] = "it has no internet gateway yet"
            elif vpc_id not in routed:
                found[vpc_id] = "it has no default route yet"
        return found

    def _gateways(self, region: str, vpc_ids: Iterable[str], call: Call) -> dict[str, dict[str, Any]]:
        """VPC id -> its attached internet gateway."""
        rows = self.session.pages(
            "ec2",
            region,
            "describe_internet_gateways",
            "InternetGateways",
            call,
            Filters=[{"Name": "attachment.vpc-id", "Values": sorted(vpc_ids)}],
        )
        return {a["VpcId"]: row for row in rows for a in row.get("Attachments") or ()}

    # -- writing ----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, Network)
        need_fleet(call)
        tags = ownership_tags(address, desired, call)

        def look_or_create(client: Any) -> None:
            if self.own(address, call) is None:
                call.guard()
                client.create_vpc(CidrBlock=desired.cidr, TagSpecifications=[specification("vpc", tags)])

        self.attempt(address.region, "CreateVpc", look_or_create, call)
        observed = self._must_find(address, call)
        self._complete(observed, tags, call)
        self._drop_twins(observed, call)
        return self._must_find(address, call)

    def _drop_twins(self, kept: Observed, call: Call) -> None:
        """A create without a token that a proxy delivered twice has made two: what has our key and nothing in it goes.

        The same holds for gateways that are attached to nothing once the kept network has its own.
        """
        region, tags = kept.address.region, kept.raw.get("tags", {})
        if not kept.owner or not tags.get(TAG_KEY):
            return
        same = [f for key in (TAG_FLEET, TAG_NAME, TAG_KEY) for f in tag_is(key, tags[key])]
        for row in self.rows(region, call, same):
            if row["VpcId"] != kept.provider_id:
                self.gone_is_fine(region, "DeleteVpc", call, VpcId=row["VpcId"])
        self._drop_loose_gateways(kept, call)

    def _drop_loose_gateways(self, kept: Observed, call: Call) -> None:
        region = kept.address.region
        for gateway in self._own_gateways(region, kept.raw.get("tags", {}), call) if kept.owner else ():
            if not gateway.get("Attachments"):
                self.gone_is_fine(region, "DeleteInternetGateway", call, InternetGatewayId=gateway["InternetGatewayId"])

    def _must_find(self, address: Address, call: Call) -> Observed:
        """What was just created; AWS may need a moment to show it."""
        calls = self.session.calls("ec2", address.region)
        return calls.poll("DescribeVpcs", lambda: self.own(address, call), call)

    def _complete(self, observed: Observed, tags: Mapping[str, str], call: Call) -> None:
        """DNS names, gateway and default route, each only where it is missing."""
        region, vpc_id = observed.address.region, observed.provider_id
        self.write(region, "ModifyVpcAttribute", call, VpcId=vpc_id, EnableDnsHostnames={"Value": True})
        gateway_id = self._gateway(observed, tags, call)
        table = self._main_table(region, vpc_id, call)
        if any(_leads_out(route) for route in table.get("Routes") or ()):
            return
        try:
            self.write(
                region,
                "CreateRoute",
                call,
                RouteTableId=table["RouteTableId"],
                DestinationCidrBlock=_ANYWHERE,
                GatewayId=gateway_id,
            )
        except AlreadyExists:
            call.progress(f"{observed.address}: the default route is there already")

    def _gateway(self, observed: Observed, tags: Mapping[str, str], call: Call) -> str:
        """The id of the attached gateway; created and attached where there is none."""
        region, vpc_id = observed.address.region, observed.provider_id

        def look_or_create(client: Any) -> str:
            attached = self._gateways(region, [vpc_id], call).get(vpc_id)
            if attached:
                return str(attached["InternetGatewayId"])
            loose = [g for g in self._own_gateways(region, tags, call) if not g.get("Attachments")]
            if loose:
                return str(loose[0]["InternetGatewayId"])
            call.guard()
            answer = client.create_internet_gateway(TagSpecifications=[specification("internet-gateway", tags)])
            return str(answer["InternetGateway"]["InternetGatewayId"])

        gateway_id = str(self.attempt(region, "CreateInternetGateway", look_or_create, call))
        if vpc_id not in self._gateways(region, [vpc_id], call):
            try:
                self.write(region, "AttachInternetGateway", call, InternetGatewayId=gateway_id, VpcId=vpc_id)
            except AlreadyExists:
                call.progress(f"{observed.address}: the gateway is attached already")
        return gateway_id

    def _own_gateways(self, region: str, tags: Mapping[str, str], call: Call) -> list[dict[str, Any]]:
        filters = [f for key in ("duoyun-fleet", "duoyun-name") for f in tag_is(key, tags.get(key, ""))]
        return self.session.pages(
            "ec2", region, "describe_internet_gateways", "InternetGateways", call, Filters=filters
        )

    def _main_table(self, region: str, vpc_id: str, call: Call) -> dict[str, Any]:
        filters = [*where(vpc_id=vpc_id), {"Name": "association.main", "Values": ["true"]}]
        tables = self.session.pages("ec2", region, "describe_route_tables", "RouteTables", call, Filters=filters)
        if not tables:
            raise NotFound(f"{vpc_id} has no main route table", call=CallSite(cloud="aws", region=region))
        return tables[0]

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        self.update_tags(observed, desired, call)
        if observed.owner and observed.state is State.PENDING:
            self._complete(observed, observed.raw["tags"], call)
            self._drop_twins(observed, call)
        return self.find(observed.address, call) or observed

    def delete(self, observed: Observed, call: Call) -> None:
        """Subnets must be gone first: its gateway goes only when nothing can need it any more."""
        region, vpc_id = observed.address.region, observed.provider_id
        subnets = self.session.pages("ec2", region, "describe_subnets", "Subnets", call, Filters=where(vpc_id=vpc_id))
        if subnets:
            ids = ", ".join(sorted(s["SubnetId"] for s in subnets))
            raise DependencyInUse(f"{observed.address} still has subnets: {ids}", address=str(observed.address))
        for gateway in self._gateways(region, [vpc_id], call).values():
            if tags_of(gateway).get(TAG_FLEET) != observed.owner:
                continue
            gateway_id = gateway["InternetGatewayId"]
            self.gone_is_fine(region, "DetachInternetGateway", call, InternetGatewayId=gateway_id, VpcId=vpc_id)
            self.gone_is_fine(region, "DeleteInternetGateway", call, InternetGatewayId=gateway_id)
        self._drop_twins(observed, call)
        self.gone_is_fine(region, "DeleteVpc", call, VpcId=vpc_id)
        self._drop_loose_gateways(observed, call)  # an earlier delete may have ended between detaching and deleting it

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        assert isinstance(before, Network)
        assert isinstance(desired, Network)
        return ("cidr",) if before.cidr != desired.cidr else ()

    # -- names ------------------------------------------------------------------------------------------------

    def names(self, region: str, call: Call) -> dict[str, str]:
        """VPC id -> logical name."""
        rows = self.rows(region, call, [])
        return {row["VpcId"]: logical_name(tags_of(row), row["VpcId"]) for row in rows}

    def id_of(self, like: Address, name: str, call: Call) -> str:
        """The id of a network named by another resource of the same region."""
        address = observed_address(self.session, like.region, Kind.NETWORK, name)
        found = self.find_id(address, call)
        if found is None:
            raise InvalidRequest(
                f"{like} names network {name!r}, which does not exist", address=str(like), mend="create it first"
            )
        return found


class Subnets(Ec2Kind):
    """Subnets of one zone. CreateSubnet has no client token either; two cannot have one range, which helps."""

    kind = Kind.SUBNET
    method, result = "describe_subnets", "Subnets"
    id_filter, id_pattern = "subnet-id", re.compile(r"^subnet-[0-9a-f]+$")
    events = r"Subnet|Tags$"

    def __init__(self, session: Session, networks: Networks) -> None:
        super().__init__(session)
        self._networks = networks

    def observe(self, region: str, rows: list[dict[str, Any]], call: Call) -> list[Observed]:
        networks = self._networks.names(region, call)
        return [self._observed(region, row, networks) for row in rows]

    def glance(self, region: str, rows: list[dict[str, Any]]) -> list[Observed]:
        return [self._observed(region, row, {}) for row in rows]

    def _observed(self, region: str, row: Mapping[str, Any], networks: Mapping[str, str]) -> Observed:
        tags = tags_of(row)
        name = logical_name(tags, row["SubnetId"])
        complete = not owner_of(tags) or bool(row.get("MapPublicIpOnLaunch"))
        return Observed(
            address=observed_address(self.session, region, Kind.SUBNET, name),
            resource=Subnet(
                name=name,
                network=networks.get(row["VpcId"], row["VpcId"]),
                cidr=row["CidrBlock"],
                zone=row["AvailabilityZone"],
                tags=user_tags(tags),
            ),
            provider_id=row["SubnetId"],
            state=State.READY if row.get("State") == "available" and complete else State.PENDING,
            owner=owner_of(tags),
            detail="" if complete else "it gives nodes no public address yet",
            raw={"tags": tags, "vpc_id": row["VpcId"]},
        )

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, Subnet)
        need_fleet(call)
        vpc_id = self._networks.id_of(address, desired.network, call)
        tags = _ELB_ROLE | ownership_tags(address, desired, call)
        zone = {"AvailabilityZone": desired.zone} if desired.zone else {}

        def look_or_create(client: Any) -> None:
            if self.own(address, call) is None:
                call.guard()
                client.create_subnet(
                    VpcId=vpc_id, CidrBlock=desired.cidr, TagSpecifications=[specification("subnet", tags)], **zone
                )

        try:
            self.attempt(address.region, "CreateSubnet", look_or_create, call)
        except Conflict:
            # The range is taken, perhaps by ourselves: a request that arrived twice is answered as the second one was.
            if self.own(address, call) is None:
                raise
        observed = self._must_find(address, call)
        self._complete(observed, call)
        return self._must_find(address, call)

    def _must_find(self, address: Address, call: Call) -> Observed:
        calls = self.session.calls("ec2", address.region)
        return calls.poll("DescribeSubnets", lambda: self.own(address, call), call)

    def _complete(self, observed: Observed, call: Call) -> None:
        """Managed nodes in a subnet without a NAT gateway need public addresses (EKS User Guide, VPC requirements)."""
        if observed.state is State.PENDING:
            self.write(
                observed.address.region,
                "ModifySubnetAttribute",
                call,
                SubnetId=observed.provider_id,
                MapPublicIpOnLaunch={"Value": True},
            )

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        self.update_tags(observed, desired, call)
        if observed.owner:
            self._complete(observed, call)
        return self.find(observed.address, call) or observed

    def delete(self, observed: Observed, call: Call) -> None:
        self.gone_is_fine(observed.address.region, "DeleteSubnet", call, SubnetId=observed.provider_id)

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        assert isinstance(before, Subnet)
        assert isinstance(desired, Subnet)
        fixed = [f for f in ("network", "cidr") if getattr(before, f) != getattr(desired, f)]
        if desired.zone and before.zone != desired.zone:
            fixed.append("zone")
        return tuple(fixed)

    # -- names ------------------------------------------------------------------------------------------------

    def names(self, region: str, call: Call) -> dict[str, tuple[str, str]]:
        """Subnet id -> (logical name, zone)."""
        rows = self.rows(region, call, [])
        return {r["SubnetId"]: (logical_name(tags_of(r), r["SubnetId"]), r["AvailabilityZone"]) for r in rows}

    def ids_of(self, like: Address, names: Iterable[str], call: Call) -> list[str]:
        """The ids of subnets named by another resource of the same region, in order."""
        found = []
        for name in names:
            subnet_id = self.find_id(observed_address(self.session, like.region, Kind.SUBNET, name), call)
            if subnet_id is None:
                raise InvalidRequest(
                    f"{like} names subnet {name!r}, which does not exist", address=str(like), mend="create it first"
                )
            found.append(subnet_id)
        return found


def _leads_out(route: Mapping[str, Any]) -> bool:
    return route.get("DestinationCidrBlock") == _ANYWHERE and route.get("State", "active") == "active"
