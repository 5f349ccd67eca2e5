"""Which calls work on all clouds unchanged: ours, and how libcloud's are counted (on drivers made up here)."""

from __future__ import annotations

from typing import Any

import pytest

from tools.docs.blocks import filled
from tools.peers import libcloud


@pytest.fixture(scope="module")
def opened() -> dict[str, Any]:
    return libcloud.adapters()


def test_every_call_of_the_protocol_works_on_all_clouds(opened: dict[str, Any]) -> None:
    rows = libcloud.ours(opened)
    assert rows
    assert {kind: row[:2] for kind, row in rows.items() if row[0] != row[1]} == {}
    assert libcloud.odd_signatures(opened) == []


def test_the_page_says_what_is_counted(opened: dict[str, Any]) -> None:
    text = libcloud.PAGE.read_text(encoding="utf-8")
    assert filled(text, {"ours": libcloud.our_part(opened)}) == text


def test_a_signature_of_an_adapters_own_is_told(opened: dict[str, Any]) -> None:
    class Odd(type(opened["aws"])):  # type: ignore[misc]
        def get(self, address: Any, call: Any, ex_region: str = "") -> Any: ...

    odd = Odd.__new__(Odd)
    assert libcloud.odd_signatures({"odd": odd}) == [
        "odd.get(self, address: 'Any', call: 'Any', ex_region: 'str' = '') -> 'Any'"
    ]


class Base:
    def start(self, node: str) -> None:
        raise NotImplementedError

    def attach(self, node: str, volume: str, device: str = "") -> None:
        raise NotImplementedError


class Plain(Base):
    def start(self, node: str, ex_force: bool = False) -> None: ...
    def attach(self, node: str, volume: str, device: str) -> None: ...


class Swallows(Base):
    def start(self, node: str) -> None: ...
    def attach(self, node: str, volume: str, **more: Any) -> None: ...


class NoDevice(Base):
    def attach(self, node: str, volume: str) -> None: ...


class Wants(Base):
    def start(self, node: str, ex_group: str) -> None: ...


@pytest.mark.parametrize(
    ("call", "drivers", "good"),
    [
        ("start", [Plain, Swallows], True),
        ("start", [Plain, NoDevice], False),  # has no body of its own
        ("start", [Plain, None], False),
        ("start", [Plain, Wants], False),  # wants what the common API has not
        ("attach", [Plain, Swallows], True),
        ("attach", [Plain, NoDevice], False),  # one requires what the other refuses
    ],
)
def test_one_call_for_all_drivers(call: str, drivers: list[type | None], good: bool) -> None:
    assert libcloud.unchanged(call, Base, drivers) is good
    assert [name for name, _ in libcloud.common_calls(Base)] == ["attach", "start"]
