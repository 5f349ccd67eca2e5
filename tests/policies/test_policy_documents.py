"""Values of the model as documents: what rules see of resources, placements, costs and the live cloud."""

from __future__ import annotations

import datetime

from model.plan import Cost, Item, Placement, ServicePlacement
from model.resources import (
    UNKNOWN,
    Address,
    Direction,
    FirewallGroup,
    FirewallRule,
    Instance,
    Kind,
    KubernetesObject,
    Observed,
    Ownership,
)
from policies.documents import Place, Surroundings, of_cost, of_item, of_observed, of_placement, of_resource
from policies.gate import judge

TODAY = datetime.date(2026, 11, 23)
HERE = Place(region="aws-cn/cn-north-1", cloud="aws", country="CN", icp=False)
AROUND = Surroundings({"aws-cn/cn-north-1a": HERE}, budget_per_hour=5.0)
COST = Cost(compute_per_hour=4.0, egress_per_hour=2.0, assumed_share=0.5, currency="CNY", price_date="2026-01-01")


def address(kind: Kind, name: str) -> Address:
    return Address("aws-cn", "222222222222", "cn-north-1", kind, name)


def ssh(cidr: str) -> FirewallGroup:
    rule = FirewallRule(direction=Direction.INGRESS, protocol="tcp", port_from=22, port_to=22, cidr=cidr)
    return FirewallGroup(name="web", network="main", rules=(rule,), tags={"owner": "me"})


def rule_ids(*documents: dict[str, object]) -> set[str]:
    return {f.rule_id for f in judge(documents, today=TODAY).findings}


def test_an_item_brings_its_fields_and_its_surroundings() -> None:
    item = Item(address=address(Kind.FIREWALL_GROUP, "web"), resource=ssh("0.0.0.0/0"), ownership=Ownership.OWN)
    document = of_item(item, AROUND, position="fleet.yaml:3:1")
    assert document["kind"] == "firewall_group"
    assert document["address"] == "aws-cn/222222222222/cn-north-1/firewall_group/web"
    assert (document["country"], document["icp"], document["position"]) == ("CN", False, "fleet.yaml:3:1")
    assert document["rules"][0]["direction"] == "ingress"
    assert rule_ids(document) == {"DY-NET-001", "DY-NET-016"}


def test_a_live_resource_and_its_record_are_judged_alike() -> None:
    where = address(Kind.FIREWALL_GROUP, "web")
    seen = Observed(address=where, resource=ssh("::/0"), provider_id="sg-1", owner="fleet")
    live, record = of_observed(seen, AROUND), of_resource(where, ssh("10.0.0.0/8"), AROUND)
    assert rule_ids(live) == {"DY-NET-001", "DY-NET-016"}
    assert rule_ids(record) == {"DY-NET-016"}
    assert live["position"] == "sg-1" and live["ownership"] == "own"
    foreign = of_observed(Observed(address=where, resource=ssh("::/0"), provider_id="sg-1"), AROUND)
    assert foreign["ownership"] == "reference"


def test_unknown_survives_as_unknown() -> None:
    instance = Instance(
        name="i",
        zone="cn-north-1a",
        subnet="a",
        firewall_group="web",
        instance_type="m6i.large",
        user_data=UNKNOWN,  # type: ignore[arg-type]
        tags={"owner": "me"},
    )
    report = judge([of_resource(address(Kind.INSTANCE, "i"), instance, AROUND)], today=TODAY)
    assert report.passed
    assert [(f.rule_id, f.unknown) for f in report.findings] == [("DY-VM-002", True)]


def test_a_public_entry_without_a_filing_is_found_on_the_manifest() -> None:
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "LoadBalancer"}}
    resource = KubernetesObject(name="main/shop/Service/web", manifest=manifest)
    document = of_item(Item(address=address(Kind.KUBERNETES_OBJECT, resource.name), resource=resource), AROUND)
    assert rule_ids(document) == {"DY-NET-008"}


def test_a_placement_shows_where_the_data_would_be() -> None:
    app = {"spec": {"services": [{"name": "pay", "data_class": "financial", "zones": ["SG"], "ports": []}]}}
    rows = (ServicePlacement(service="pay", replicas={"aws-cn/cn-north-1a": 2}),)
    placement = Placement(services=rows, pools=(), cost=COST, lower_bound_per_hour=1.0)
    (document,) = of_placement("shop", app, placement, AROUND)
    assert document["address"] == "application/shop/service/pay"
    assert document["sites"] == [
        {
            "site": "aws-cn/cn-north-1a",
            "replicas": 2,
            "region": "aws-cn/cn-north-1",
            "cloud": "aws",
            "country": "CN",
            "icp": False,
        }
    ]
    assert rule_ids(document) == {"DY-RES-001"}


def test_a_site_that_the_fleet_does_not_know_is_no_legal_place() -> None:
    app = {"spec": {"services": [{"name": "pay", "data_class": "pii", "zones": ["CN"]}]}}
    rows = (ServicePlacement(service="pay", replicas={"moon/base-1": 1}),)
    placement = Placement(services=rows, pools=(), cost=COST, lower_bound_per_hour=1.0)
    assert "DY-RES-001" in rule_ids(*of_placement("shop", app, placement, AROUND))


def test_the_cost_stands_beside_the_budget() -> None:
    assert rule_ids(of_cost("shop", COST, AROUND)) == {"DY-CST-001", "DY-CST-004"}
    assert rule_ids(of_cost("shop", COST, Surroundings())) == {"DY-CST-004"}
