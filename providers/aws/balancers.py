"""Network and application load balancers: a listener and a target group for each port, found and owned by tags.

Callers: provider.py. ELBv2 has no client tokens: ours is looked up by its name and tags before each try, and AWS keeps
names unique. What belongs to a balancer is made after it and taken away before it, so that what is left half made or
half gone is always found by the balancer. Sources: ELBv2 API Reference; quotas and names: CreateLoadBalancer (32
letters, digits and hyphens, not beginning with `internal-`).
Non-goal: security groups of application load balancers: AWS gives them the network's default group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from model.errors import AlreadyExists, InvalidRequest, NotFound
from model.resources import Address, AnyResource, Kind, LoadBalancer, Observed, State
from providers.aws.instances import Instances
from providers.aws.kinds import need_fleet
from providers.aws.listed import Listed, tags_of_pairs
from providers.aws.listeners import Listeners, Parts, listeners_of
from providers.aws.names import fit, with_digest
from providers.aws.network import Networks, Subnets
from providers.aws.session import Session
from providers.aws.tags import changed_tags, logical_name, ownership_tags, pairs, user_tags
from providers.base import Call

_STATES = {"active": State.READY, "provisioning": State.PENDING, "active_impaired": State.READY, "failed": State.FAILED}
_LAYERS = {"network": 4, "application": 7}
_TYPES = {4: "network", 7: "application"}
_LONGEST = 32
_TAGGED_AT_ONCE = 20  # DescribeTags
PROTECTED, LOGGED = "deletion_protection.enabled", "access_logs.s3.enabled"


class LoadBalancers(Listed):
    """provider_id: the ARN. Its endpoints are its DNS name with each listener's port."""

    kind = Kind.LOAD_BALANCER
    events = r"LoadBalancer|Listener|TargetGroup|Targets$|^AddTags$|^RemoveTags$"

    def __init__(self, session: Session, networks: Networks, subnets: Subnets, instances: Instances) -> None:
        super().__init__(session)
        self._networks, self._subnets = networks, subnets
        self._listeners = Listeners(self, instances)

    # -- reading ----------------------------------------------------------------------------------------------

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        rows = self.session.pages("elbv2", region, "describe_load_balancers", "LoadBalancers", call)
        return self._observe(region, rows, call)

    def candidates(self, address: Address, call: Call) -> list[Observed]:
        return self._observe(address.region, self._named(address, call), call)

    def peek(self, address: Address, call: Call) -> Observed | None:
        """Its state and owner, without what belongs to it."""
        rows = [row for row in self._named(address, call) if row.get("Type") in _LAYERS]
        tags = self.tags(address.region, [row["LoadBalancerArn"] for row in rows], call)
        observed = [self._observed(address.region, row, tags, Parts(), {}, {}) for row in rows]
        return replace(observed[0], address=address) if observed else None

    def _named(self, address: Address, call: Call) -> list[dict[str, Any]]:
        try:
            rows = self.read("elbv2", address.region, "DescribeLoadBalancers", call, Names=[elb_name(address.name)])[
                "LoadBalancers"
            ]
        except NotFound:
            return []
        return list(rows)

    def _observe(self, region: str, rows: Iterable[dict[str, Any]], call: Call) -> list[Observed]:
        known = [row for row in rows if row.get("Type") in _LAYERS]
        if not known:
            return []
        tags = self.tags(region, [row["LoadBalancerArn"] for row in known], call)
        networks, subnets = self._networks.names(region, call), self._subnets.names(region, call)
        parts = {row["LoadBalancerArn"]: self._listeners.of(region, row, call) for row in known}
        return [self._observed(region, r, tags, parts[r["LoadBalancerArn"]], networks, subnets) for r in known]

    def tags(self, region: str, arns: list[str], call: Call) -> dict[str, dict[str, str]]:
        """ARN -> tags."""
        found: dict[str, dict[str, str]] = {}
        for begin in range(0, len(arns), _TAGGED_AT_ONCE):
            some = arns[begin : begin + _TAGGED_AT_ONCE]
            rows = self.read("elbv2", region, "DescribeTags", call, ResourceArns=some)["TagDescriptions"]
            found |= {row["ResourceArn"]: tags_of_pairs(row.get("Tags")) for row in rows}
        return found

    def _observed(
        self,
        region: str,
        row: Mapping[str, Any],
        tags_by_arn: Mapping[str, dict[str, str]],
        parts: Parts,
        networks: Mapping[str, str],
        subnets: Mapping[str, tuple[str, str]],
    ) -> Observed:
        arn, vpc = row["LoadBalancerArn"], row.get("VpcId", "")
        tags = tags_by_arn.get(arn, {})
        name = logical_name(tags, row["LoadBalancerName"])
        subnet_ids = [zone.get("SubnetId", "") for zone in row.get("AvailabilityZones") or ()]
        listeners = listeners_of(parts)
        state = row.get("State") or {}
        return self.observed(
            region,
            LoadBalancer(
                name=name,
                tags=user_tags(tags),
                network=networks.get(vpc, vpc),
                subnets=tuple(sorted(subnets.get(s, (s, ""))[0] for s in subnet_ids)),
                listeners=listeners,
                targets=parts.targets,
                layer=_LAYERS[row["Type"]],
                public=row.get("Scheme") == "internet-facing",
                deletion_protection=parts.attributes.get(PROTECTED, "false") == "true",
                access_logs=parts.attributes.get(LOGGED, "false") == "true",
            ),
            arn,
            state=_STATES.get(state.get("Code", ""), State.PENDING),
            detail=state.get("Reason", ""),
            endpoints=tuple(f"{row.get('DNSName', '')}:{one.port}" for one in listeners),
            raw={"tags": tags, "elb_name": row["LoadBalancerName"], "trail": row["LoadBalancerName"], "vpc": vpc},
        )

    def behind(self, region: str, call: Call) -> dict[str, frozenset[str]]:
        """Balancer's logical name -> ARNs of the target groups behind it."""
        rows = self.session.pages("elbv2", region, "describe_load_balancers", "LoadBalancers", call)
        tags = self.tags(region, [row["LoadBalancerArn"] for row in rows], call)
        names = {
            row["LoadBalancerArn"]: logical_name(tags.get(row["LoadBalancerArn"], {}), row["LoadBalancerName"])
            for row in rows
        }
        found = {name: set[str]() for name in names.values()}
        for group in self.session.pages("elbv2", region, "describe_target_groups", "TargetGroups", call):
            for arn in group.get("LoadBalancerArns") or ():
                if arn in names:
                    found[names[arn]].add(group["TargetGroupArn"])
        return {name: frozenset(arns) for name, arns in found.items()}

    def groups_of(self, like: Address, names: Iterable[str], call: Call) -> list[str]:
        """ARNs of the target groups behind balancers that another resource of the same region names."""
        wanted = list(names)
        behind = self.behind(like.region, call) if wanted else {}
        lost = [name for name in wanted if name not in behind]
        if lost:
            raise InvalidRequest(
                f"{like} names load balancer {lost[0]!r}, which does not exist",
                address=str(like),
                mend="create it first",
            )
        return sorted(arn for name in wanted for arn in behind[name])

    # -- writing ----------------------------------------------------------------------------------------------

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, LoadBalancer)
        need_fleet(call)
        subnet_ids = self._subnets.ids_of(address, desired.subnets, call)
        self._listeners.check(address, desired, call)
        observed = self.own(address, call)
        if observed is None:
            self._make(address, desired, subnet_ids, call)
            calls = self.session.calls("elbv2", address.region)
            observed = calls.poll("DescribeLoadBalancers", lambda: self.own(address, call), call)
        return self._complete(observed, desired, call)

    def _make(self, address: Address, desired: LoadBalancer, subnet_ids: list[str], call: Call) -> None:
        request = {
            "Name": elb_name(address.name),
            "Subnets": subnet_ids,
            "Type": _TYPES[desired.layer],
            "Scheme": "internet-facing" if desired.public else "internal",
            "Tags": pairs(ownership_tags(address, desired, call)),
        }

        def look_or_create(client: Any) -> None:
            if self.own(address, call) is None:
                call.guard()
                client.create_load_balancer(**request)

        try:
            self.session.run("elbv2", address.region, "CreateLoadBalancer", look_or_create, call, write=True)
        except AlreadyExists:
            if self.own(address, call) is None:  # raises where it is somebody else's
                raise

    def _complete(self, observed: Observed, desired: LoadBalancer, call: Call) -> Observed:
        """Listeners, target groups, targets and protection, each only where it differs."""
        before = observed.resource
        assert isinstance(before, LoadBalancer)
        region = observed.address.region
        changed = self._listeners.bring(observed, desired, call)
        wanted = desired.deletion_protection
        if wanted is not None and before.deletion_protection != wanted:
            attribute = {"Key": PROTECTED, "Value": str(bool(wanted)).lower()}
            arn = observed.provider_id
            self.write(
                "elbv2", region, "ModifyLoadBalancerAttributes", call, LoadBalancerArn=arn, Attributes=[attribute]
            )
            changed = True
        return (self.find(observed.address, call) or observed) if changed else observed

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        assert isinstance(desired, LoadBalancer)
        before = observed.resource
        assert isinstance(before, LoadBalancer)
        region, arn = observed.address.region, observed.provider_id
        self._listeners.check(observed.address, desired, call)
        changed = changed_tags(observed.raw["tags"], desired.tags)
        if changed:
            self.write("elbv2", region, "AddTags", call, ResourceArns=[arn], Tags=pairs(changed))
        if sorted(before.subnets) != sorted(desired.subnets):
            ids = self._subnets.ids_of(observed.address, desired.subnets, call)
            self.write("elbv2", region, "SetSubnets", call, LoadBalancerArn=arn, Subnets=ids)
        self._complete(observed, desired, call)
        return self.find(observed.address, call) or observed

    def delete(self, observed: Observed, call: Call) -> None:
        """Listeners, then target groups, then the balancer: what is half gone is still found by it.

        Forbidden while deletion protection is on; nothing is taken from a protected one.
        """
        region, arn = observed.address.region, observed.provider_id
        current = self.find(observed.address, call)
        if current is None or current.provider_id != arn:
            return
        assert isinstance(current.resource, LoadBalancer)
        if not current.resource.deletion_protection:
            self._listeners.clear(current, call)
        self.gone_is_fine("elbv2", region, "DeleteLoadBalancer", call, LoadBalancerArn=arn)

    def needs_replace(self, before: AnyResource, desired: AnyResource) -> tuple[str, ...]:
        assert isinstance(before, LoadBalancer)
        assert isinstance(desired, LoadBalancer)
        return tuple(f for f in ("network", "layer", "public") if getattr(before, f) != getattr(desired, f))


def elb_name(name: str) -> str:
    fitted = fit(name, "a-zA-Z0-9-", _LONGEST)
    return with_digest(f"lb-{fitted}", _LONGEST, name) if fitted.startswith("internal-") else fitted
