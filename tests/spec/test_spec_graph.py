"""Waves and circles of the call graph, against slow and obvious ones."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.spec.graph import call_edges, cycles, depths, waves
from model.spec.load import Spec

NODES = [f"n{i}" for i in range(8)]
GRAPHS = st.dictionaries(st.sampled_from(NODES), st.lists(st.sampled_from(NODES), max_size=4), max_size=8).map(
    lambda edges: {n: tuple(edges.get(n, ())) for n in NODES}
)


def reaches(edges: dict[str, tuple[str, ...]], start: str, goal: str) -> bool:
    seen: set[str] = set()
    todo = list(edges[start])
    while todo:
        node = todo.pop()
        if node == goal:
            return True
        if node not in seen:
            seen.add(node)
            todo += edges[node]
    return False


@given(GRAPHS)
def test_circles_are_found_exactly_where_they_are(edges: dict[str, tuple[str, ...]]) -> None:
    found = cycles(edges)
    for circle in found:
        assert circle[0] == circle[-1]
        assert all(b in edges[a] for a, b in pairwise(circle))
        assert len(set(circle)) == len(circle) - 1
    assert bool(found) == any(reaches(edges, n, n) for n in NODES)


@given(GRAPHS)
def test_callees_are_in_earlier_waves(edges: dict[str, tuple[str, ...]]) -> None:
    if cycles(edges):
        with pytest.raises(ValueError, match="circle"):
            depths(edges)
        return
    depth = depths(edges)
    for caller, callees in edges.items():
        assert depth[caller] == 1 + max((depth[c] for c in callees), default=0)


def test_a_long_chain_needs_no_recursion() -> None:
    edges = {f"s{i}": (f"s{i + 1}",) for i in range(20_000)}
    assert depths(edges)["s0"] == 20_001


def test_waves_of_an_application(read: Callable[..., Spec], app_text: str) -> None:
    app = read().app
    assert call_edges(app) == {"web": ("api",), "api": ()}
    assert waves(app) == {"web": 2, "api": 1}
    relaxed = read(app=app_text.replace("{name: api}", "{name: api, required: false}")).app
    assert waves(relaxed) == {"web": 1, "api": 1}
