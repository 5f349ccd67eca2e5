"""A release by one partition's executor: what it may do now, what it holds back, what stays elsewhere."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import OtherExecutor, UsageError
from model.plan import Action, Item, Op
from model.resources import Address, Kind, KubernetesObject, Network, Ownership
from model.spec.fleet import Fleet
from orchestrator.executor import ANY, Executor, parse
from orchestrator.load import load_fleet
from orchestrator.parts import part_of, same_here, unseen
from orchestrator.targets import Targets


def workload(partition: str, service: str, *needs: Item, version: int = 1) -> Item:
    address = Address(partition, "1", "r", Kind.KUBERNETES_OBJECT, f"main/n/Deployment/{service}")
    manifest = {"kind": "Deployment", "version": version}
    return Item(
        address=address,
        resource=KubernetesObject(name=address.name, manifest=manifest),
        depends_on=tuple(n.address for n in needs),
        service=service,
        wave=1 + max((n.wave for n in needs), default=0),
    )


def network(partition: str, cidr: str = "10.0.0.0/16") -> Item:
    return Item(address=Address(partition, "1", "r", Kind.NETWORK, "main"), resource=Network(name="main", cidr=cidr))


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return load_fleet(Path(__file__).parents[1] / "e2e" / "small")


def only(*partitions: str) -> Executor:
    return Executor(frozenset(partitions))


def addresses(items: Iterable[Item]) -> set[Address]:
    return {i.address for i in items}


def test_what_waits_for_another_partition_is_held_back_until_it_is_there() -> None:
    callee = workload("b", "orders", network("b"))
    caller = workload("a", "web", network("a"), callee)
    wanted = (network("a"), network("b"), callee, caller)
    first = part_of(wanted, (), only("a").may)
    assert addresses(first.items) == {network("a").address}
    assert [h.address for h in first.held] == [caller.address]
    assert first.held[0].waits_for[0] == callee.address
    assert first.elsewhere == ("b",)
    second = part_of(wanted, first.items, only("b").may)
    assert addresses(second.items) == addresses(wanted) - {caller.address}
    assert (second.held, second.elsewhere) == ((), ("a",))
    third = part_of(wanted, second.items, only("a").may)
    assert addresses(third.items) == addresses(wanted)
    assert (third.held, third.elsewhere) == ((), ())


def test_an_older_version_stays_in_place_while_its_callee_elsewhere_is_older() -> None:
    callee, caller = workload("b", "orders"), workload("a", "web", workload("b", "orders"))
    newer = (replace(callee, resource=workload("b", "orders", version=2).resource),
             replace(caller, resource=workload("a", "web", version=2).resource))  # fmt: skip
    part = part_of(newer, (callee, caller), only("a").may)
    assert part.items == (callee, caller)
    assert part.elsewhere == ("b",)
    back = part_of((callee, caller), newer, only("a").may, in_order=False)
    assert back.items == (newer[0], caller), "a way back goes from callers to callees"


def test_what_moves_away_stays_until_its_successor_runs() -> None:
    there, here, ground = workload("b", "web"), workload("a", "web", network("a")), network("a")
    part = part_of((there,), (ground, here), only("a").may)
    assert addresses(part.items) == {ground.address, here.address}
    assert {h.address for h in part.held} == {ground.address, here.address}
    after = part_of((there,), (ground, here, there), only("a").may)
    assert addresses(after.items) == {there.address}
    assert after.held == ()


def test_what_is_no_longer_wanted_elsewhere_is_that_executors_to_delete() -> None:
    gone = workload("b", "old")
    part = part_of((network("a"),), (network("a"), gone), only("a").may)
    assert addresses(part.items) == {network("a").address, gone.address}
    assert part.elsewhere == ("b",)
    adopted = replace(gone, ownership=Ownership.ADOPT)
    assert part_of((), (adopted,), only("a").may).elsewhere == ()


@st.composite
def states(draw: st.DrawFn) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Two desired states over three partitions: what is deployed, and what is wanted."""
    names = draw(st.lists(st.sampled_from(string.ascii_lowercase[:8]), unique=True, min_size=1))
    made: list[Item] = []
    for name in names:
        needs = draw(st.lists(st.sampled_from(made), unique_by=lambda i: i.address, max_size=3)) if made else []
        made.append(workload(draw(st.sampled_from("xyz")), name, *needs, version=2))
    before = [
        replace(i, resource=replace(i.resource, manifest={"kind": "Deployment", "version": draw(st.integers(1, 2))}))  # type: ignore[type-var]
        for i in made
        if draw(st.booleans())
    ]
    dropped = [workload(draw(st.sampled_from("xyz")), f"old-{n}") for n in range(draw(st.integers(0, 2)))]
    return tuple(before + dropped), tuple(made)


@given(states(), st.permutations("xyz"))
def test_by_turns_the_executors_reach_what_is_wanted_and_never_out_of_order(
    both: tuple[tuple[Item, ...], tuple[Item, ...]], turns: list[str]
) -> None:
    deployed, wanted = both
    new = {i.address: i for i in wanted}
    for turn in turns * (len(wanted) + 1):
        part = part_of(wanted, deployed, only(turn).may)
        after = {i.address: i for i in part.items}
        before = {i.address: i for i in deployed}
        for address, item in after.items():
            if address.partition != turn:
                assert before.get(address) == item, "another partition's item changed"
            elif before.get(address) != item and address in new and item == new[address]:
                elsewhere = [d for d in item.depends_on if d.partition != turn]
                assert all(before[d].resource == new[d].resource for d in elsewhere), "it ran ahead of its callee"
        deployed = part.items
    assert {i.address: i.resource for i in deployed} == {i.address: i.resource for i in wanted}


def test_a_saved_plan_covers_what_it_said_and_nothing_else() -> None:
    item = workload("a", "web", version=2)
    before = workload("a", "web").resource
    done = Action(id="1", op=Op.UPDATE, address=item.address, desired=item.resource, before=before)
    assert unseen([replace(done, id="2")], [done]) == ()
    assert unseen([], [done]) == ()
    other = replace(done, desired=workload("a", "web", version=3).resource)
    assert unseen([other], [done]) == (other,)
    moved = replace(done, before=workload("a", "web", version=0).resource)
    assert unseen([moved], [done]) == (moved,)


def test_only_our_part_is_compared() -> None:
    ours, theirs = workload("a", "web"), workload("b", "web")
    assert same_here((ours, theirs), (ours,), only("a").may)
    assert not same_here((ours,), (), only("a").may)


# -- the label ---------------------------------------------------------------------------------------------------


def test_a_label_is_one_partition_or_several() -> None:
    assert parse("") is ANY
    assert parse(None).may("anything")
    assert parse("aws-cn, azure-cn").partitions == {"aws-cn", "azure-cn"}
    with pytest.raises(UsageError) as caught:
        parse("aws-c")
    assert caught.value.mend == "did you mean `aws-cn`?"


def test_no_credential_of_another_partition_is_looked_for(fleet: Fleet) -> None:
    asked: list[str] = []

    def account_of(spec: object) -> object:
        asked.append(str(spec))
        raise AssertionError("credentials were looked for")

    targets = Targets(fleet, executor=parse("alibaba-intl"), account_of=account_of)  # type: ignore[arg-type]
    for account in fleet.spec.accounts:
        for ask in (lambda a=account: targets.cloud(a), lambda a=account: targets.cluster(a, "r", "main")):
            with pytest.raises(OtherExecutor, match="works for alibaba-intl alone: what is there is unknown here") as e:
                ask()
            assert (e.value.exit_code, e.value.retryable) == (77, False)
    assert asked == []


def test_a_fleet_may_want_one_partition_alone(fleet: Fleet) -> None:
    strict = fleet.model_copy(update={"spec": fleet.spec.model_copy(update={"executors": "one_partition"})})
    parse("aws-cn").require_fit(strict)
    ANY.require_fit(fleet)
    with pytest.raises(OtherExecutor, match="this one has no label"):
        ANY.require_fit(strict)
    with pytest.raises(OtherExecutor, match="this one is labelled aws-cn, azure-cn"):
        parse("azure-cn,aws-cn").require_fit(strict)
    with pytest.raises(OtherExecutor, match="the fleet's accounts are in"):
        parse("alibaba-intl").require_fit(fleet)
