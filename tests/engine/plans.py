"""Plans for the engine's tests: a small real one with every operation, and as many actions as are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from model.plan import Action, Cost, Item, Op, Placement, Plan
from model.resources import (
    Address,
    AnyResource,
    Cluster,
    FirewallGroup,
    Instance,
    Kind,
    KubernetesObject,
    Network,
    NodePool,
    Ownership,
    Subnet,
)
from orchestrator.store import Record, RecordState, Scope

FLEET, APPLICATION = "prod", "shop"
SCOPE = Scope(FLEET, APPLICATION)


def at(kind: Kind, name: str) -> Address:
    return Address("fake", "1", "r1", kind, name)


def action(op: Op, address: Address, desired: AnyResource | None, before: AnyResource | None, *needs: str) -> Action:
    last = address.name.rsplit("/", 1)[-1]
    return Action(
        id=f"{op}-{address.kind}-{last}", op=op, address=address, desired=desired, before=before, depends_on=needs,
        service=last if "Deployment" in address.name else "",
    )  # fmt: skip


def plan_of(actions: Sequence[Action], items: Sequence[Item] = ()) -> Plan:
    cost = Cost(compute_per_hour=0.0, egress_per_hour=0.0, assumed_share=0.0, currency="USD", price_date="2026-01-01")
    return Plan(
        application=APPLICATION, fleet=FLEET, base_revision=0, created_at_s=1.0, app_sha256="a", fleet_sha256="b",
        app={}, placement=Placement(services=(), pools=(), cost=cost, lower_bound_per_hour=0.0),
        items=tuple(items), actions=tuple(actions),
    )  # fmt: skip


def networks(count: int, *, chain: bool = False) -> Plan:
    """count creations, independent or one after the other."""
    made: list[Action] = []
    for n in range(count):
        name = f"n{n:04d}"
        address = at(Kind.NETWORK, name)
        needs = (made[-1].id,) if chain and made else ()
        made.append(action(Op.CREATE, address, Network(name=name, cidr="10.0.0.0/16"), None, *needs))
    return plan_of(made)


def deployment(service: str, image: str = "1") -> KubernetesObject:
    manifest: dict[str, Any] = {"kind": "Deployment", "metadata": {"name": service}, "spec": {"image": image}}
    return KubernetesObject(name=f"main/shop/Deployment/{service}", manifest=manifest)


def three_services(cloud: Any, store: Any, token: int) -> Plan:
    """Three services on a new cluster and a VM; one workload changed, one replaced, one adopted, two things removed.

    Puts into cloud and inventory what has to be there before.
    """
    network = Network(name="main", cidr="10.0.0.0/16")
    subnet = Subnet(name="a", network="main", cidr="10.0.1.0/24", zone="a")
    firewall = FirewallGroup(name="web", network="main")
    cluster = Cluster(name="main", version="1.35", network="main", subnets=("a",))
    pool = NodePool(name="p", cluster="main", zone="a", subnet="a", instance_type="m", count=2)
    vm = Instance(name="vm", zone="a", subnet="a", firewall_group="web", instance_type="m")
    old_network = Network(name="old", cidr="10.9.0.0/16")
    old_subnet = Subnet(name="olds", network="old", cidr="10.9.1.0/24")

    def k8s(service: str) -> Address:
        return at(Kind.KUBERNETES_OBJECT, f"main/shop/Deployment/{service}")

    there: list[tuple[Address, AnyResource]] = [
        (k8s("api"), deployment("api", "1")),
        (k8s("cart"), deployment("cart", "1")),
        (at(Kind.NETWORK, "old"), old_network),
        (at(Kind.SUBNET, "olds"), old_subnet),
    ]
    for address, resource in there:
        made = cloud.seed(address, resource, owner=FLEET)
        store.inventory.put(
            SCOPE, token,
            Record(address=address, desired=resource, state=RecordState.LIVE, revision=1, provider_id=made),
        )  # fmt: skip
    adopted = at(Kind.NETWORK, "theirs")
    cloud.seed(adopted, Network(name="theirs", cidr="10.8.0.0/16"), owner="")
    base = action(Op.CREATE, at(Kind.NETWORK, "main"), network, None)
    net = action(Op.CREATE, at(Kind.SUBNET, "a"), subnet, None, base.id)
    fire = action(Op.CREATE, at(Kind.FIREWALL_GROUP, "web"), firewall, None, base.id)
    plane = action(Op.CREATE, at(Kind.CLUSTER, "main"), cluster, None, net.id)
    nodes = action(Op.CREATE, at(Kind.NODE_POOL, "p"), pool, None, plane.id)
    machine = action(Op.CREATE, at(Kind.INSTANCE, "vm"), vm, None, net.id, fire.id)
    web = action(Op.CREATE, k8s("web"), deployment("web"), None, nodes.id)
    api = action(Op.UPDATE, k8s("api"), deployment("api", "2"), deployment("api", "1"), nodes.id)
    cart = action(Op.REPLACE, k8s("cart"), deployment("cart", "2"), deployment("cart", "1"), api.id)
    taken = action(Op.ADOPT, adopted, Network(name="theirs", cidr="10.8.0.0/16"), None)
    gone = action(Op.DELETE, at(Kind.SUBNET, "olds"), None, old_subnet, api.id)
    emptied = action(Op.DELETE, at(Kind.NETWORK, "old"), None, old_network, gone.id)
    actions = (base, net, fire, plane, nodes, machine, web, api, cart, taken, gone, emptied)
    items = [
        Item(address=a.address, resource=a.desired, ownership=Ownership.ADOPT if a is taken else Ownership.OWN)
        for a in actions
        if a.desired is not None
    ]
    return plan_of(actions, items)
