"""Values of the model as the documents that rules read.

Callers: orchestrator.gating (plans) and drift (what is live). Pure. A document is plain data:

- every resource: its own fields as model.codec gives them (`kind`, `name`, `tags`, ...), and `address`, `partition`,
  `region`, `country`, `icp` (None where unknown), `service`, `site`, `public`, `ownership`, `position`;
- `managed_service`: the words of its settings (model.vocabulary) stand beside its other fields, so that a rule reads
  `encrypted` in one way everywhere; `class` is what kind of service it is, since `service` is ours;
- `service_placement`: one service of a resolved plan: `data_class`, `zones`, `icp_required`, `public`, `replicas`,
  `sites` (site, region, cloud, country, icp, replicas);
- `cost`: `total_per_hour`, `currency`, `assumed_share`, and `budget_per_hour` in that currency (None where none is set,
  or where no exchange rate tells it);
- `application`: the application document as the user wrote it, under `spec`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from model.codec import to_data
from model.plan import Cost, Item, Placement, Plan
from model.resources import UNKNOWN, Address, AnyResource, Observed, Ownership


@dataclass(frozen=True, slots=True)
class Place:
    """What a rule wants to know of a site: where it is, and whether a public entry there has an ICP filing."""

    region: str
    cloud: str
    country: str
    icp: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Facts of the fleet. sites: site id -> place. budget_per_hour: in the placement's currency, None for none."""

    sites: Mapping[str, Place] = field(default_factory=dict)
    budget_per_hour: float | None = None

    def of_region(self, region_id: str) -> Place | None:
        """The first site's place in that region (`partition/region`): country and ICP are the region's."""
        return next((p for _, p in sorted(self.sites.items()) if p.region == region_id), None)


def of_plan(plan: Plan, surroundings: Surroundings) -> list[dict[str, Any]]:
    """Documents of a whole resolved plan: its resources, where each service runs, what it costs."""
    return [
        *(of_item(item, surroundings) for item in plan.items),
        *of_placement(plan.application, plan.app, plan.placement, surroundings),
        of_cost(plan.application, plan.placement.cost, surroundings),
        {"kind": "application", "address": f"application/{plan.application}", "spec": plan.app.get("spec", {})},
    ]


def of_item(item: Item, surroundings: Surroundings, position: str = "") -> dict[str, Any]:
    """One desired resource."""
    document = _of_resource(item.address, item.resource, item.ownership, surroundings)
    return _placed(document, item.service, item.site, item.public, position)


def of_observed(
    observed: Observed, surroundings: Surroundings, *, service: str = "", site: str = "", public: bool = False
) -> dict[str, Any]:
    """One live resource, as far as it was seen; what is ours carries our tag (`owner`)."""
    ownership = Ownership.OWN if observed.owner else Ownership.REFERENCE
    document = _of_resource(observed.address, observed.resource, ownership, surroundings)
    return _placed(document, service, site, public, observed.provider_id)


def of_resource(address: Address, resource: AnyResource, surroundings: Surroundings) -> dict[str, Any]:
    """One resource on its own, such as the recorded state that a live one is compared with."""
    document = _of_resource(address, resource, Ownership.OWN, surroundings)
    return _placed(document, "", "", public=False, position="")


def _placed(document: dict[str, Any], service: str, site: str, public: bool, position: str) -> dict[str, Any]:
    """public: whether its service is; what the resource says of itself goes before that."""
    own = {} if "public" in document else {"public": public}
    return document | own | {"service": service, "site": site, "position": position}


def _of_resource(
    address: Address, resource: AnyResource, ownership: Ownership, surroundings: Surroundings
) -> dict[str, Any]:
    place = surroundings.of_region(f"{address.partition}/{address.region}")
    fields = _plain(to_data(resource))
    if fields["kind"] == "managed_service":
        fields = {**fields.pop("settings"), "class": fields.pop("service"), **fields}
    return {
        **fields,
        "address": str(address),
        "partition": address.partition,
        "region": address.region,
        "country": place.country if place else None,
        "icp": place.icp if place else None,
        "ownership": str(ownership),
    }


def _plain(value: Any) -> Any:
    """UNKNOWN as rules see it, also in fields whose declared type has no place for it."""
    if value is UNKNOWN:
        return {"$unknown": True}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def of_placement(
    application: str, app: Mapping[str, Any], placement: Placement, surroundings: Surroundings
) -> Iterator[dict[str, Any]]:
    """Where each service of the application document runs."""
    replicas = {s.service: s.replicas for s in placement.services}
    for spec in _services(app):
        name = spec["name"]
        sites = [
            {"site": site, "replicas": count, **_place(surroundings, site)}
            for site, count in sorted(replicas.get(name, {}).items())
            if count
        ]
        yield {
            "kind": "service_placement",
            "address": f"application/{application}/service/{name}",
            "service": name,
            "runtime": spec.get("runtime", "kubernetes"),
            "data_class": spec.get("data_class", ""),
            "zones": list(spec.get("zones", ())),
            "icp_required": bool(spec.get("icp", False)),
            "public": any(p.get("public") for p in spec.get("ports", ())),
            "replicas": sum(s["replicas"] for s in sites),
            "sites": sites,
        }


def _services(app: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return app.get("spec", {}).get("services", ())  # type: ignore[no-any-return]


def _place(surroundings: Surroundings, site: str) -> dict[str, Any]:
    place = surroundings.sites.get(site)
    if place is None:
        return {"region": None, "cloud": None, "country": None, "icp": None}
    return {"region": place.region, "cloud": place.cloud, "country": place.country, "icp": place.icp}


def of_cost(application: str, cost: Cost, surroundings: Surroundings) -> dict[str, Any]:
    """What a placement costs, beside the budget."""
    return {
        "kind": "cost",
        "address": f"application/{application}/cost",
        "total_per_hour": cost.total_per_hour,
        "compute_per_hour": cost.compute_per_hour,
        "egress_per_hour": cost.egress_per_hour,
        "assumed_share": round(cost.assumed_share, 3),
        "currency": cost.currency,
        "price_date": cost.price_date,
        "budget_per_hour": surroundings.budget_per_hour,
    }
