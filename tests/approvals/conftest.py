from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from model.plan import Cost, Op, Placement, Plan
from model.resources import Address, Kind, Network
from model.spec.approvals import ApprovalsSpec, ApproverSpec
from model.spec.fleet import Fleet
from model.spec.yaml_source import read_documents
from orchestrator.approvals.flow import Asking
from orchestrator.store import Store, open_store

EXAMPLE = Path(__file__).parents[2] / "examples" / "miniprogram" / "fleet.yaml"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """keys(name, kind): the private key of that person, made by ssh-keygen once."""
    folder = tmp_path_factory.mktemp("keys")

    def make(name: str, kind: str = "ed25519") -> Path:
        path = folder / f"{name}-{kind}"
        if not path.exists():
            bits = {"rsa": ["-b", "2048"], "ecdsa": ["-b", "256"], "ecdsa-384": ["-b", "384"]}.get(kind, [])
            algorithm = kind.partition("-")[0]
            command = ["ssh-keygen", "-q", "-t", algorithm, *bits, "-N", "", "-C", name, "-f", str(path)]
            subprocess.run(command, check=True)
        return path

    return make


@pytest.fixture
def person(keys: Callable[..., Path]) -> Callable[..., ApproverSpec]:
    def make(name: str, **more: bool) -> ApproverSpec:
        return ApproverSpec(name=name, ssh_keys=(public(keys(name)),), **more)

    return make


def public(key: Path) -> str:
    return key.with_name(key.name + ".pub").read_text().strip()


@pytest.fixture(scope="session")
def example_fleet() -> Fleet:
    (document,), _ = read_documents(str(EXAMPLE), EXAMPLE.read_text())
    return Fleet.model_validate(document.root.plain())


@pytest.fixture
def store(tmp_path: Path, manual_clock) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/state.db", manual_clock) as opened:
        yield opened


@pytest.fixture
def asking_with(store: Store, example_fleet: Fleet, tmp_path: Path) -> Callable[..., Asking]:
    """asking_with(people, **terms): approvals of a fleet that names them."""

    def make(people: tuple[ApproverSpec, ...], **terms: object) -> Asking:
        spec = example_fleet.spec.model_copy(
            update={"approvers": people, "approvals": ApprovalsSpec.model_validate(terms)}
        )
        return Asking(store, example_fleet.model_copy(update={"spec": spec}), tmp_path)

    return make


@pytest.fixture
def plan(example_fleet: Fleet) -> Plan:
    from model.plan import Action

    cost = Cost(compute_per_hour=1.0, egress_per_hour=0.5, assumed_share=0.2, currency="USD", price_date="2026-01-01")
    network = Network(name="main", cidr="10.0.0.0/16")
    action = Action(
        id="a1",
        op=Op.CREATE,
        address=Address("aws-cn", "111122223333", "cn-north-1", Kind.NETWORK, "main"),
        desired=network,
        before=None,
    )
    return Plan(
        application="shop", fleet=example_fleet.name, base_revision=0, created_at_s=1.5, app_sha256="a" * 64,
        fleet_sha256="b" * 64, app={"name": "shop"}, items=(), actions=(action,),
        placement=Placement(services=(), pools=(), cost=cost, lower_bound_per_hour=1.2),
    )  # fmt: skip


def dearer(plan: Plan, by: float) -> Plan:
    cost = replace(plan.placement.cost, compute_per_hour=plan.placement.cost.compute_per_hour + by)
    return replace(plan, placement=replace(plan.placement, cost=cost))
