"""What of a plan a Terraform state manages: by id where something is there, by name where the state tells the place."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import InvalidInput, NotFound, Unreachable
from model.plan import Action, Op
from model.resources import Address, FirewallGroup, Kind, Network, Observed
from orchestrator.beside import doubtful, require_free, touched
from orchestrator.observe import World
from orchestrator.terraform_state import KUBERNETES_PREFIX, Managed, States, index, state_files

PREFIX = "here_"
MAIN = Address("p-cn", "11", "r-1", Kind.NETWORK, "Main")
GROUP = Address("p-cn", "11", "r-1", Kind.FIREWALL_GROUP, "web")
OBJECT = Address("p-cn", "11", "r-1", Kind.KUBERNETES_OBJECT, "c/shop/Deployment/web")


def managed(name: str = "main", kind: Kind = Kind.NETWORK, **more: Any) -> Managed:
    values: dict[str, Any] = {
        "file": "s.json", "address": "x.y", "type": "t", "prefix": PREFIX, "kind": kind,
        "ids": frozenset({"net-0a1"}), "names": frozenset(), "called": frozenset({name}),
    }  # fmt: skip
    return Managed(**{**values, **more})


def action(op: Op, at: Address = MAIN, desired: Any = None) -> Action:
    return Action(id="a", op=op, address=at, desired=desired, before=None)


def told(op: Op, states: States, ids: dict[Address, str], at: Address = MAIN) -> list[str]:
    return [t.told().what for t in touched([action(op, at)], ids, states, lambda _a: PREFIX)]


@pytest.mark.parametrize("op", list(Op))
def test_what_is_there_goes_by_its_id_whatever_is_done_to_it(op: Op) -> None:
    states = index([managed("another-name")])
    (what,) = told(op, states, {MAIN: "net-0a1"})
    assert str(MAIN) in what
    assert "x.y in s.json" in what
    assert told(op, index([managed(region="r-1")]), {MAIN: "net-0b2"}) == []  # another thing of that name


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"region": "r-1"}, True),
        ({"region": "r-1", "account": "11"}, True),
        ({}, False),  # of some region: to be looked at
        ({"region": "r-2"}, False),
        ({"region": "r-1", "account": "22"}, False),
        ({"region": "r-1", "kind": Kind.SUBNET}, False),
        ({"region": "r-1", "prefix": "there_"}, False),
        ({"region": "r-1", "called": frozenset({"other"})}, False),
    ],
)
def test_what_is_not_there_goes_by_its_name_where_the_state_says_the_place(more: dict[str, Any], refused: bool) -> None:
    assert bool(told(Op.CREATE, index([managed(**more)]), {})) is refused


def test_a_name_alone_is_a_reason_to_look() -> None:
    look = lambda states, ids: list(doubtful([action(Op.CREATE)], ids, states, lambda _a: PREFIX))  # noqa: E731
    assert look(index([managed()]), {}) == [action(Op.CREATE)]
    assert look(index([managed()]), {MAIN: "net-9"}) == []
    assert look(index([managed("other")]), {}) == []
    assert look(States(), {}) == []


def test_objects_go_by_their_uid_and_are_looked_at_by_kind_space_and_name() -> None:
    row = managed(
        kind=Kind.KUBERNETES_OBJECT, prefix=KUBERNETES_PREFIX, ids=frozenset({"u-1"}),
        called=frozenset({"deployment/shop/web"}),
    )  # fmt: skip
    assert told(Op.UPDATE, index([row]), {OBJECT: "u-1"}, OBJECT)
    assert told(Op.UPDATE, index([row]), {OBJECT: "u-2"}, OBJECT) == []
    assert list(doubtful([action(Op.CREATE, OBJECT)], {}, index([row]), lambda _a: PREFIX))


def test_a_delete_has_another_mend_than_a_change() -> None:
    change, delete = (
        next(touched([action(op)], {MAIN: "net-0a1"}, index([managed()]), lambda _a: PREFIX)).told()
        for op in (Op.UPDATE, Op.DELETE)
    )
    assert "terraform state rm 'x.y'" in change.mend
    assert f"duoyun adopt {MAIN}" in change.mend
    assert "terraform state rm 'x.y'" in delete.mend
    assert "adopt" not in delete.mend


# -- with a cloud to look at -------------------------------------------------------------------------------------------


def context(found: Any, *rows: Managed) -> Any:
    def get(_address: Address, _call: Any) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    accounts = [SimpleNamespace(partition="p-cn", cloud="aws")]
    return SimpleNamespace(
        states=lambda: index(rows), timeout_s=1.0, cancelled=lambda: False, scope=SimpleNamespace(fleet="f"),
        loaded=SimpleNamespace(fleet=SimpleNamespace(spec=SimpleNamespace(accounts=accounts))),
        targets=lambda _address: SimpleNamespace(get=get),
    )  # fmt: skip


def seen(at: Address, identity: str, network: str = "Main") -> Observed:
    made = Network(name=at.name, cidr="10.0.0.0/8")
    other = FirewallGroup(name=at.name, network=network)
    return Observed(address=at, resource=made if at.kind is Kind.NETWORK else other, provider_id=identity)


def test_what_stands_under_the_name_decides() -> None:
    row = managed(prefix="aws_")
    with pytest.raises(InvalidInput) as refused:
        require_free(context(seen(MAIN, "net-0a1"), row), (action(Op.CREATE),), World(), {})
    assert "touch a resource that Terraform manages" in refused.value.summary
    require_free(context(seen(MAIN, "net-0b2"), row), (action(Op.CREATE),), World(), {})
    require_free(context(NotFound("nothing"), row), (action(Op.CREATE),), World(), {})


def test_a_group_of_that_name_in_another_network_is_another() -> None:
    row = managed("web", Kind.FIREWALL_GROUP, prefix="aws_")
    wanted = FirewallGroup(name="web", network="Main")
    make = (action(Op.CREATE, GROUP, wanted),)
    with pytest.raises(InvalidInput):
        require_free(context(seen(GROUP, "net-0a1"), row), make, World(), {})
    require_free(context(seen(GROUP, "net-0a1", "theirs"), row), make, World(), {})


def test_what_cannot_be_looked_at_is_unknown() -> None:
    world = World()
    require_free(context(Unreachable("no answer"), managed(prefix="aws_")), (action(Op.CREATE),), world, {})
    assert [str(plane) for plane in world.unobserved] == ["p-cn/11/r-1"]


def test_what_the_inventory_knows_is_enough_where_nothing_was_observed() -> None:
    with pytest.raises(InvalidInput):
        require_free(context(None, managed(prefix="aws_")), (action(Op.DELETE),), World(), {MAIN: "net-0a1"})


def test_no_state_asks_nothing() -> None:
    require_free(context(AssertionError("asked")), (action(Op.CREATE),), World(), {})


def test_states_of_the_fleet_lie_beside_it_and_those_of_the_command_anywhere(tmp_path: Path) -> None:
    def fleet(*names: str) -> Any:
        return SimpleNamespace(spec=SimpleNamespace(terraform_states=names))

    other = Path("/elsewhere/s.json")
    assert state_files(fleet("a.json"), tmp_path, [other]) == (tmp_path / "a.json", other)
    with pytest.raises(InvalidInput) as refused:
        state_files(fleet("../a.json", "b.json", str(other)), tmp_path)
    assert [d.what.split()[3] for d in refused.value.diagnostics] == ["../a.json", str(other)]
