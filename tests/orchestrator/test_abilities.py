"""What an adapter does not declare is refused while planning; what it declares is not."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from model.errors import Unauthenticated
from model.plan import Action, Op
from model.resources import Address, AnyResource, Cluster, Kind, KubernetesObject
from orchestrator.abilities import lacking
from providers.base import OPTIONAL_FIELDS, Capability, Provider

ALL = frozenset({"list", "get", "create", "update", "delete", "changes"})
AT = Address("p-cn", "1", "r", Kind.CLUSTER, "main")
PLAIN = Cluster(name="main", version="1.35", network="n", subnets=("a",))
LIMITED = replace(PLAIN, public_access_cidrs=("203.0.113.0/24",))


def action(op: Op, desired: AnyResource | None = PLAIN, at: Address = AT) -> Action:
    return Action(id="a", op=op, address=at, desired=desired, before=None)


def adapter(*capabilities: Capability) -> Any:
    account = SimpleNamespace(cloud="somewhere", name="ours")
    return lambda _address: cast(Provider, SimpleNamespace(account=account, capabilities=capabilities))


def test_a_field_that_an_adapter_cannot_set_is_refused_with_the_way_out() -> None:
    (told,) = lacking([action(Op.CREATE, LIMITED)], adapter(Capability(Kind.CLUSTER, ALL)))
    assert str(AT) in told.what
    assert "public_access_cidrs" in told.what
    assert "public_access_cidrs" in told.mend


def test_what_is_declared_and_what_nobody_asks_for_pass() -> None:
    bare, full = (Capability(Kind.CLUSTER, ALL, f) for f in (frozenset(), OPTIONAL_FIELDS[Kind.CLUSTER]))
    assert lacking([action(Op.CREATE, PLAIN)], adapter(bare)) == []
    assert lacking([action(Op.UPDATE, LIMITED)], adapter(full)) == []
    assert lacking([action(Op.DELETE, None)], adapter(bare)) == []


@given(st.sets(st.sampled_from(sorted(ALL))), st.sampled_from(list(Op)))
def test_an_operation_passes_exactly_where_all_its_verbs_are_declared(verbs: set[str], op: Op) -> None:
    needed = {Op.REPLACE: {"create", "delete"}, Op.ADOPT: set()}.get(op, {op.value})
    told = lacking([action(op)], adapter(Capability(Kind.CLUSTER, frozenset(verbs))))
    assert {word for word in needed if any(f"cannot {word} a cluster" in d.what for d in told)} == needed - verbs
    assert len(told) == len(needed - verbs)


def test_a_kind_that_is_not_declared_at_all_is_refused() -> None:
    (told,) = lacking([action(Op.CREATE)], adapter(Capability(Kind.NETWORK, ALL)))
    assert "cannot create a cluster" in told.what


def test_an_adapter_that_cannot_be_opened_and_objects_in_clusters_are_left_to_others() -> None:
    def locked(_address: Address) -> Provider:
        raise Unauthenticated("no key")

    thing = replace(AT, kind=Kind.KUBERNETES_OBJECT, name="main/ns/Deployment/x")
    held = KubernetesObject(name=thing.name, manifest={})
    assert lacking([action(Op.CREATE, LIMITED)], locked) == []
    assert lacking([action(Op.CREATE, held, thing)], adapter()) == []
