"""Which Deployments are canaries, and in which order: pure, so every rule is stated on values."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from model.plan import Action, Op
from model.resources import Address, Kind, KubernetesObject, Network
from orchestrator.engine.dag import order
from orchestrator.stages import stages_of


def update(service: str, zone: str, *needs: str, cloud: str = "a", replicas: int = 1, op: Op = Op.UPDATE) -> Action:
    name = f"main/shop/Deployment/{service}-{zone}"
    manifest = {"kind": "Deployment", "spec": {"replicas": replicas}}
    return Action(
        id=f"{service}-{zone}",
        op=op,
        address=Address(cloud, "1", "r", Kind.KUBERNETES_OBJECT, name),
        desired=KubernetesObject(name=name, manifest=manifest),
        before=None,
        depends_on=needs,
        service=service,
    )


def test_the_smallest_is_the_canary_and_the_rest_follows() -> None:
    (stage,) = stages_of([update("web", "x", replicas=3), update("web", "y", replicas=1)], 0.5, 60.0)
    assert stage.canaries == stage.actions == ("web-y",)
    assert stage.watch_s == 60.0


def test_one_in_each_cloud_before_a_second_in_any_as_far_as_the_share_goes() -> None:
    rows = [update("web", z, cloud=c) for z, c in (("x1", "a"), ("x2", "a"), ("y1", "b"), ("y2", "b"))]
    assert stages_of(rows, 0.5, 1.0)[0].canaries == ("web-x1", "web-y1")
    assert stages_of(rows, 0.25, 1.0)[0].canaries == ("web-x1",)
    assert stages_of(rows, 0.01, 1.0)[0].canaries == ("web-x1",), "at least one"
    assert len(stages_of(rows, 0.99, 1.0)[0].canaries) == 3, "never all"


def test_what_an_unfinished_release_left_new_is_the_canary_and_nothing_else_is() -> None:
    rows = [update("web", "x", op=Op.ADOPT, replicas=9), update("web", "y"), update("web", "z")]
    (stage,) = stages_of(rows, 0.1, 1.0)
    assert stage.canaries == stage.actions == ("web-x",)
    assert stages_of([update("web", "x", op=Op.ADOPT), update("web", "y", op=Op.ADOPT)], 0.5, 1.0) == ()


def test_a_service_in_one_place_has_no_canary() -> None:
    assert stages_of([update("web", "x"), update("orders", "x", "web-x")], 0.5, 1.0) == ()


def test_what_is_made_anew_needs_none_and_is_there_before_the_canary_that_calls_it() -> None:
    rows = [
        update("cart", "x", op=Op.CREATE),
        update("cart", "y", op=Op.CREATE),
        update("web", "x", "cart-x", "cart-y"),
        update("web", "y", "cart-x", "cart-y"),
    ]
    (stage,) = stages_of(rows, 0.5, 1.0)
    assert stage.canaries == ("web-x",)
    assert set(stage.actions) == {"cart-x", "cart-y", "web-x"}


def test_callers_canaries_come_when_what_they_call_is_new_everywhere() -> None:
    rows = [update("orders", z) for z in "xy"] + [update("web", z, "orders-x", "orders-y") for z in "xy"]
    first, second = stages_of(rows, 0.5, 1.0)
    assert (first.canaries, second.canaries) == (("orders-x",), ("web-x",))
    assert set(second.actions) == {"orders-x", "orders-y", "web-x"}


def test_machines_are_no_canaries() -> None:
    vm = Action(
        id="vm",
        op=Op.REPLACE,
        address=Address("a", "1", "r", Kind.INSTANCE, "vm"),
        desired=Network(name="vm", cidr="10.0.0.0/16"),
        before=None,
        service="web",
    )
    assert stages_of([vm, replace(vm, id="vm2"), update("web", "x")], 0.5, 1.0) == ()


@st.composite
def releases(draw: st.DrawFn) -> list[Action]:
    """Services that call earlier ones, each in one to four places of two clouds."""
    rows: list[Action] = []
    for n in range(draw(st.integers(1, 6))):
        callees = draw(st.sets(st.integers(0, max(0, n - 1)), max_size=3)) if n else set()
        needs = [a.id for a in rows if a.service in {f"s{c}" for c in callees}]
        for zone in range(draw(st.integers(1, 4))):
            op = draw(st.sampled_from([Op.UPDATE, Op.UPDATE, Op.CREATE]))
            cloud = draw(st.sampled_from("ab"))
            rows.append(update(f"s{n}", str(zone), *needs, cloud=cloud, replicas=draw(st.integers(1, 9)), op=op))
    return draw(st.permutations(rows))


@given(releases(), st.floats(0.01, 0.99))
def test_stages_can_be_carried_out_and_leave_an_old_replica_of_each_canary(rows: list[Action], share: float) -> None:
    by_id = {a.id: a for a in rows}
    changed = Counter(a.service for a in rows if a.op is Op.UPDATE)
    before: set[str] = set()
    canaried: list[str] = []
    for stage in stages_of(rows, share, 1.0):
        done = set(stage.actions)
        assert before < done, "each goes further than the one before"
        order({i: by_id[i].depends_on for i in stage.actions})  # raises where something that is needed is not in it
        new = Counter(by_id[i].service for i in done if by_id[i].op is Op.UPDATE)
        for service in {by_id[i].service for i in stage.canaries}:
            mine = [by_id[i] for i in stage.canaries if by_id[i].service == service]
            assert 0 < len(mine) == new[service] < changed[service], "some are new, and some are not"
            weights = [a.desired.manifest["spec"]["replicas"] for a in mine]  # type: ignore[union-attr]
            total = sum(
                a.desired.manifest["spec"]["replicas"]  # type: ignore[union-attr]
                for a in rows
                if a.service == service and a.op is Op.UPDATE
            )
            assert len(mine) == 1 or sum(weights) <= share * total
        canaried += [by_id[i].service for i in stage.canaries]
        before = done
    assert set(canaried) == {s for s, n in changed.items() if n > 1}, "each that can have one has it"
