"""Load balancers as they live in AWS: provisioning first, unique by name, protected where protection is on.

Callers: sandbox.aws.server, by the tables of Balancing. moto keeps the records, calls a balancer active as soon as it
is looked at, and lets names repeat. No traffic flows here; Kubernetes services have balancers of their own. Source:
ELBv2 API Reference, CreateLoadBalancer (the same name with the same settings succeeds, with others is refused).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sandbox.aws.cloud import After, Cloud, Handler
from sandbox.aws.wire import Answer, AwsError, Incoming

_SERVICE = "elasticloadbalancing"
PROTECTION = "deletion_protection.enabled"


class Balancing:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.before: dict[str, Handler] = {
            f"{_SERVICE}:CreateLoadBalancer": self._create,
            f"{_SERVICE}:DeleteLoadBalancer": self._delete,
        }
        self.after: dict[str, After] = {
            f"{_SERVICE}:CreateLoadBalancer": self._created,
            f"{_SERVICE}:ModifyListener": self._listens,
        }

    def resume(self) -> None:
        """After a restart: what was being made is there."""
        for _, _, backend in self._cloud.moto.touched("elbv2"):
            for balancer in backend.load_balancers.values():
                balancer.shim_state = ""

    def _backend(self, incoming: Incoming) -> Any:
        from moto.elbv2.models import elbv2_backends

        _patch()
        return elbv2_backends[incoming.account_id][incoming.region]

    def _create(self, incoming: Incoming) -> object | None:
        params = incoming.params
        name = str(params.get("Name", ""))
        if name.startswith("internal-"):
            raise AwsError("ValidationError", "The load balancer name cannot begin with 'internal-'")
        there = next((b for b in self._backend(incoming).load_balancers.values() if b.name == name), None)
        if there is None:
            return None
        wanted = (params.get("Type") or "application", params.get("Scheme") or "internet-facing")
        subnets = sorted(params.get("Subnets") or ())
        if (there.type, there.scheme) != wanted or sorted(s.id for s in there.subnets) != subnets:
            raise AwsError(
                "DuplicateLoadBalancerName", "A load balancer with the same name exists, with other settings"
            )
        return {"LoadBalancers": [there]}

    def _created(self, incoming: Incoming, answer: Answer) -> object:
        body = answer.body.decode()
        balancer = next(b for b in reversed(self._backend(incoming).load_balancers.values()) if b.arn in body)
        balancer.shim_state = "provisioning"
        balancer.state = "provisioning"
        self._cloud.later("aws.loadbalancer.create", partial(_provisioned, balancer), balancer.name, balancer.arn)
        return {"LoadBalancers": [balancer]}

    def _listens(self, incoming: Incoming, _answer: Answer) -> None:
        """A target group that a listener was changed to is behind the listener's balancer."""
        backend = self._backend(incoming)
        groups = {action.get("TargetGroupArn") for action in incoming.params.get("DefaultActions") or ()}
        for balancer in backend.load_balancers.values():
            if incoming.params.get("ListenerArn") in balancer.listeners:
                for group in (backend.target_groups[arn] for arn in groups if arn in backend.target_groups):
                    if balancer.arn not in group.load_balancer_arns:
                        group.load_balancer_arns.append(balancer.arn)

    def _delete(self, incoming: Incoming) -> None:
        balancer = self._backend(incoming).load_balancers.get(str(incoming.params.get("LoadBalancerArn", "")))
        if balancer is not None and balancer.attrs.get(PROTECTION) == "true":
            raise AwsError(
                "OperationNotPermitted",
                f"Load balancer '{balancer.arn}' cannot be deleted because deletion protection is enabled",
            )


def subnets_in_use(cloud: Cloud, incoming: Incoming) -> set[str]:
    """Those in which a balancer has its addresses."""
    found = set[str]()
    for account_id, region, backend in cloud.moto.touched("elbv2"):
        if (account_id, region) == (incoming.account_id, incoming.region):
            found |= {subnet.id for balancer in backend.load_balancers.values() for subnet in balancer.subnets}
    return found


def _provisioned(balancer: Any) -> None:
    balancer.shim_state = ""
    balancer.state = "active"


def _patch() -> None:
    """moto activates a balancer whenever it is described: not while the shim says that it is being made."""
    from moto.elbv2.models import FakeLoadBalancer

    if getattr(FakeLoadBalancer, "shim_patched", False):
        return
    activate = FakeLoadBalancer.activate

    def unless_being_made(self: Any) -> None:
        if not getattr(self, "shim_state", ""):
            activate(self)

    FakeLoadBalancer.activate = unless_being_made
    FakeLoadBalancer.shim_patched = True
