from __future__ import annotations

from collections.abc import Iterator

import pytest

from model.plan import Cost, Placement, Plan
from model.resources import Address, Kind, Network
from orchestrator.store import Scope, Store, open_store

SCOPE = Scope("prod", "shop")


@pytest.fixture
def scope() -> Scope:
    return SCOPE


@pytest.fixture
def store(store_url, manual_clock) -> Iterator[Store]:
    with open_store(store_url, manual_clock) as opened:
        yield opened


@pytest.fixture
def address() -> Address:
    return Address("aws-cn", "111122223333", "cn-north-1", Kind.NETWORK, "main")


@pytest.fixture
def network() -> Network:
    return Network(name="main", cidr="10.0.0.0/16", tags={"duoyun-fleet": "prod"})


@pytest.fixture
def plan() -> Plan:
    cost = Cost(compute_per_hour=1.0, egress_per_hour=0.5, assumed_share=0.2, currency="USD", price_date="2026-01-01")
    placement = Placement(services=(), pools=(), cost=cost, lower_bound_per_hour=1.2)
    return Plan(
        application="shop", fleet="prod", base_revision=0, created_at_s=1.5, app_sha256="a" * 64,
        fleet_sha256="b" * 64, app={"name": "shop"}, placement=placement, items=(), actions=(),
    )  # fmt: skip
