"""reconcile and compare: pure, so every rule is stated on values."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.plan import Item, Op
from model.resources import (
    Address,
    AnyResource,
    Direction,
    FieldDiff,
    FirewallGroup,
    FirewallRule,
    Instance,
    Kind,
    KubernetesObject,
    Network,
    Observed,
    Ownership,
    State,
    Subnet,
    Verb,
)
from orchestrator.compare import diff_resource
from orchestrator.reconcile import Reconciled, Recorded, reconcile


def address(kind: Kind, name: str, region: str = "cn-north-1") -> Address:
    return Address("p-cn", "1", region, kind, name)


NETWORK = Item(address=address(Kind.NETWORK, "main"), resource=Network(name="main", cidr="10.0.0.0/16"))
SUBNET = Item(
    address=address(Kind.SUBNET, "a"),
    resource=Subnet(name="a", network="main", cidr="10.0.1.0/24", zone="z1"),
    depends_on=(NETWORK.address,),
)
VM = Item(
    address=address(Kind.INSTANCE, "ledger-0"),
    resource=Instance(
        name="ledger-0", zone="z1", subnet="a", firewall_group="fw", instance_type="small", user_data="#v1"
    ),
    depends_on=(SUBNET.address,),
    service="ledger",
    wave=1,
)


def seen(item: Item, state: State = State.READY, resource: AnyResource | None = None) -> Observed:
    return Observed(address=item.address, resource=resource or item.resource, provider_id="x", state=state, owner="f")


def run(
    items: tuple[Item, ...], observed: tuple[Observed, ...] = (), recorded: dict[Address, Recorded] | None = None
) -> Reconciled:
    def replaced(_address: Address, before: AnyResource, after: AnyResource) -> tuple[str, ...]:
        return ("cidr",) if getattr(before, "cidr", None) != getattr(after, "cidr", None) else ()

    return reconcile(
        items, {o.address: o for o in observed}, recorded or {}, diff=diff_resource, needs_replace=replaced
    )


def test_everything_is_created_in_dependency_order() -> None:
    actions = run((VM, SUBNET, NETWORK)).actions
    by = {a.address: a for a in actions}
    assert [a.op for a in actions] == [Op.CREATE] * 3
    assert by[SUBNET.address].depends_on == (by[NETWORK.address].id,)
    assert by[VM.address].depends_on == (by[SUBNET.address].id,)


def test_what_is_as_wanted_and_recorded_needs_nothing() -> None:
    items = (NETWORK, SUBNET, VM)
    recorded = {i.address: Recorded(i.resource) for i in items}
    assert run(items, tuple(map(seen, items)), recorded).actions == ()


def test_a_dependency_is_found_through_items_that_do_not_change() -> None:
    recorded = {SUBNET.address: Recorded(SUBNET.resource)}
    actions = run((NETWORK, SUBNET, VM), (seen(SUBNET),), recorded).actions
    by = {a.address: a for a in actions}
    assert SUBNET.address not in by
    assert by[VM.address].depends_on == (by[NETWORK.address].id,)


def test_user_data_is_compared_with_what_was_recorded_because_no_cloud_gives_it_back() -> None:
    changed = replace(VM, resource=replace(VM.resource, user_data="#v2"))
    live = seen(VM, resource=replace(VM.resource, user_data=""))
    (action,) = run((changed,), (live,), {VM.address: Recorded(VM.resource)}).actions
    assert action.op is Op.UPDATE
    assert [d.path for d in action.diffs] == ["user_data"]


def test_a_field_that_cannot_change_in_place_is_a_replacement_and_says_why() -> None:
    wanted = replace(NETWORK, resource=Network(name="main", cidr="10.9.0.0/16"))
    (action,) = run((wanted,), (seen(NETWORK),), {NETWORK.address: Recorded(NETWORK.resource)}).actions
    assert action.op is Op.REPLACE
    assert "cidr" in action.reason


def test_what_an_interrupted_release_left_half_made_is_completed() -> None:
    (action,) = run((NETWORK,), (seen(NETWORK, State.PENDING),), {NETWORK.address: Recorded(NETWORK.resource)}).actions
    assert action.op is Op.UPDATE
    assert "unfinished" in action.reason


def test_what_was_never_confirmed_is_waited_for_and_recorded() -> None:
    recorded = {NETWORK.address: Recorded(NETWORK.resource, confirmed=False)}
    (action,) = run((NETWORK,), (seen(NETWORK),), recorded).actions
    assert action.op is Op.ADOPT and "become ready" in action.reason


def test_a_workload_that_its_cluster_is_busy_with_is_no_change() -> None:
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    web = Item(
        address=address(Kind.KUBERNETES_OBJECT, "main/shop/Deployment/web"),
        resource=KubernetesObject(name="main/shop/Deployment/web", manifest=manifest),
    )
    found = reconcile(
        (web,),
        {web.address: seen(web, State.UPDATING)},
        {web.address: Recorded(web.resource)},
        diff=lambda *_: (),
        needs_replace=lambda *_: (),
    )
    assert found.actions == ()


def test_what_is_being_deleted_counts_as_absent() -> None:
    (action,) = run((NETWORK,), (seen(NETWORK, State.DELETING),)).actions
    assert action.op is Op.CREATE


def test_a_reference_is_never_touched_and_its_absence_is_said() -> None:
    reference = replace(NETWORK, ownership=Ownership.REFERENCE)
    found = run((reference, SUBNET))
    assert [m.address for m in found.missing] == [NETWORK.address]
    assert found.missing[0].needed_by == (SUBNET.address,)
    assert all(a.address != NETWORK.address for a in found.actions)
    drifted = seen(reference, resource=Network(name="main", cidr="192.168.0.0/16"))
    assert run((reference,), (drifted,)).actions == ()


def test_only_our_own_is_deleted_and_in_tear_down_order() -> None:
    recorded = {
        NETWORK.address: Recorded(NETWORK.resource),
        SUBNET.address: Recorded(SUBNET.resource),
        VM.address: Recorded(VM.resource, service="ledger"),
        address(Kind.NETWORK, "theirs"): Recorded(NETWORK.resource, Ownership.ADOPT),
    }
    actions = run((), (), recorded).actions
    assert [a.address.kind for a in actions] == [Kind.INSTANCE, Kind.SUBNET, Kind.NETWORK]
    assert set(actions[2].depends_on) == {actions[0].id, actions[1].id}


def test_a_moved_service_is_deleted_only_after_its_replacement_runs() -> None:
    moved = replace(VM, address=address(Kind.INSTANCE, "ledger-0", "cn-east"), depends_on=())
    actions = run((moved,), (seen(VM),), {VM.address: Recorded(VM.resource, service="ledger")}).actions
    created, deleted = actions
    assert (created.op, deleted.op) == (Op.CREATE, Op.DELETE)
    assert created.id in deleted.depends_on


def test_nothing_is_planned_where_nothing_is_known() -> None:
    found = reconcile(
        (NETWORK,),
        {},
        {VM.address: Recorded(VM.resource)},
        diff=diff_resource,
        needs_replace=lambda *_: (),
        unobserved=lambda _a: True,
    )
    assert found.actions == ()


def test_a_delegated_field_is_shown_and_left_alone() -> None:
    found = reconcile(
        (NETWORK,),
        {NETWORK.address: seen(NETWORK)},
        {NETWORK.address: Recorded(NETWORK.resource)},
        diff=lambda *_: (FieldDiff("spec.replicas", 3, 5, delegated=True, actor="hpa"),),
        needs_replace=lambda *_: (),
    )
    assert found.actions == ()
    assert found.delegated[0][1].actor == "hpa"


def rule(port: int, cidr: str = "10.0.0.0/8", priority: int = 0) -> FirewallRule:
    return FirewallRule(
        direction=Direction.INGRESS, protocol="tcp", port_from=port, port_to=port, cidr=cidr, priority=priority
    )


def group(*rules: FirewallRule) -> FirewallGroup:
    return FirewallGroup(name="web", network="main", rules=rules)


def observed_group(resource: FirewallGroup) -> Observed:
    return Observed(address=address(Kind.FIREWALL_GROUP, "web"), resource=resource, provider_id="sg")


def test_an_opened_port_is_named_as_people_say_it() -> None:
    (diff,) = diff_resource(observed_group(group(rule(443), rule(22, "0.0.0.0/0"))), group(rule(443)))
    assert diff.before == "ingress allow tcp 22 from 0.0.0.0/0"
    assert diff.after is None


@given(st.lists(st.integers(1, 65535), unique=True, max_size=8), st.randoms())
def test_order_and_numbering_of_rules_are_no_difference(ports: list[int], random: object) -> None:
    rules = [rule(p) for p in ports]
    shuffled = [replace(r, priority=100 + i, description="x") for i, r in enumerate(rules)]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert diff_resource(observed_group(group(*shuffled)), group(*rules)) == ()


def test_deny_and_allow_are_different_rules() -> None:
    denied = replace(rule(22), action=Verb.DENY)
    assert len(diff_resource(observed_group(group(denied)), group(rule(22)))) == 2


@pytest.mark.parametrize("tags, expected", [({"a": "1", "theirs": "x"}, 0), ({"a": "2"}, 1), ({}, 1)])
def test_only_our_tags_are_compared(tags: dict[str, str], expected: int) -> None:
    live = seen(NETWORK, resource=Network(name="main", cidr="10.0.0.0/16", tags=tags))
    wanted = Network(name="main", cidr="10.0.0.0/16", tags={"a": "1"})
    assert len(diff_resource(live, wanted)) == expected
