"""Every cloud's table holds together: converters exist, words are the model's, and no odd value makes one fall over."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.native import JsonText, Known, Native, Pending, Values
from model.resource_base import Kind
from model.resources import KINDS
from model.terraform import CloudTable, Type
from model.vocabulary import SERVICES, SETTINGS
from policies.loaders.converters import CONVERTERS
from policies.loaders.mapping import Mapper
from tests.policy_loaders.conftest import TABLES

_TYPES = [(table, row) for table in TABLES for row in table.types.values()]


def rows_of(row: Type) -> list[Any]:
    return [*row.rows, *(r for j in row.joins for r in j.rows or ())]


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.prefix)
def test_at_least_sixty_types_a_cloud(table: CloudTable) -> None:
    assert len(table.types) >= 60
    assert all(name.startswith(table.prefix) and name == row.native for name, row in table.types.items())


def test_every_row_names_a_converter_that_exists() -> None:
    missing = [
        (row.native, r.field, r.convert)
        for table, row in _TYPES
        for r in rows_of(row)
        if r.convert not in table.converters and r.convert not in CONVERTERS
    ]
    assert not missing


def test_every_class_of_service_is_a_word_of_the_model() -> None:
    assert {row.service for _, row in _TYPES if row.kind is Kind.MANAGED_SERVICE} <= set(SERVICES)


def test_parents_of_joins_are_in_the_same_table() -> None:
    missing = [(row.native, p) for table, row in _TYPES for j in row.joins for p in j.parents if p not in table.types]
    assert not missing


def test_every_field_is_of_a_kind_or_a_word_of_the_model() -> None:
    known = set(SETTINGS) | {f.name for kind in KINDS.values() for f in fields(kind)}
    strange = []
    for _, row in _TYPES:
        words = {r.field for r in rows_of(row)} | set(row.fixed) | {f for j in row.joins for f in j.fixed}
        strange += [(row.native, word) for word in sorted(words - known)]
    assert not strange


_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 70000),
    st.sampled_from(
        ["", "x", "22/22", "-1", "true", "0.0.0.0/0", "{", "[1]", '{"Statement": {"Effect": 3}}', "TLS1_2"]
    ),
    st.just(Pending("aws_x.y.id", ref="aws_x.y", attribute="id")),
    st.just(Pending("a ${b}", partial=True)),
    st.just(Known("n", "azurerm_x.y")),
    st.just(JsonText("[]", [{"Action": Pending("q")}])),
)
_VALUE = st.recursive(
    _ODD,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "value", "enabled", "cidr_block", "rule"]), inner, max_size=3).map(
            Values
        )
    ),
    max_leaves=5,
)


@settings(max_examples=12, deadline=None)
@given(st.lists(_VALUE, min_size=12, max_size=12))
def test_no_value_makes_a_table_fall_over(values: list[Any]) -> None:
    """Every type with odd values in every field that a row reads; each still gives one document with an address."""
    for table in TABLES:
        natives = []
        for number, row in enumerate(table.types.values()):
            paths = {
                p
                for r in rows_of(row)
                for p in (*r.path.split("|"), *r.reads, *(b for j in row.joins for b in j.by.split("|")))
            }
            native = Native(f"{row.native}.x", row.native, "x", Values(file="main.tf", line=1))
            for place, path in enumerate(sorted(paths)):
                put(native.values, path, copied(values[(place + number) % len(values)]))
            natives.append(native)
        documents = Mapper(natives, TABLES).documents()
        assert len(documents) >= len(natives) - sum(1 for r in table.types.values() if r.joins)
        assert all(d["address"] and d["kind"] for d in documents)


def copied(value: Any) -> Any:
    """So that no block comes to lie within itself, which no document can say."""
    if isinstance(value, Values):
        return Values({k: copied(v) for k, v in value.items()}, file="main.tf", line=1)
    return [copied(v) for v in value] if isinstance(value, list) else value


def put(values: Values, path: str, value: Any) -> None:
    *before, last = path.split(".")
    for step in before:
        inner = values.get(step)
        if not (isinstance(inner, list) and inner and isinstance(inner[0], Values)):
            inner = [Values(file="main.tf", line=1)]
            values[step] = inner
        values = inner[0]
    if last and value is not None:
        values[last] = value
