"""Laws of the pure part: order, frontier, what falls with a failure, longest chains."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.engine.dag import Frontier, critical_path, dependants, fallen, order, remaining


@st.composite
def graphs(draw, most: int = 14):
    """Any DAG: each id depends on some of those before it, and the mapping's order says nothing."""
    ids = [f"a{n}" for n in range(draw(st.integers(0, most)))]
    edges = {i: draw(st.sets(st.sampled_from(ids[:n]))) if n else set() for n, i in enumerate(ids)}
    return {i: edges[i] for i in draw(st.permutations(ids))}


def weights(graph) -> dict[str, float]:
    return {i: 1.0 + sum(map(ord, i)) % 7 for i in graph}


def reach(graph, start: str) -> set[str]:
    """All that start depends on, by the definition."""
    found: set[str] = set()
    todo = set(graph[start])
    while todo:
        current = todo.pop()
        if current not in found:
            found.add(current)
            todo |= set(graph[current])
    return found


@settings(deadline=None)
@given(graphs())
def test_order_puts_everything_after_what_it_depends_on(graph):
    ordered = order(graph)
    assert sorted(ordered) == sorted(graph)
    place = {i: n for n, i in enumerate(ordered)}
    assert all(place[d] < place[i] for i, ds in graph.items() for d in ds)


@settings(deadline=None)
@given(graphs())
def test_what_falls_is_all_that_depends_on_it(graph):
    for failed in graph:
        assert set(fallen(graph, failed)) == {i for i in graph if failed in reach(graph, i)}


@settings(deadline=None)
@given(graphs())
def test_the_critical_path_is_a_chain_and_none_is_heavier(graph):
    weight = weights(graph)
    path = critical_path(graph, weight.__getitem__)
    assert all(a in graph[b] for a, b in itertools.pairwise(path))

    def heaviest(i: str) -> float:
        return weight[i] + max((heaviest(o) for o in dependants(graph)[i]), default=0.0)

    assert sum(weight[i] for i in path) == max((heaviest(i) for i in graph), default=0.0)
    assert remaining(graph, weight.__getitem__) == {i: heaviest(i) for i in graph}


@settings(deadline=None)
@given(graphs(), st.randoms(use_true_random=False), st.integers(1, 4), st.sets(st.integers(0, 13)))
def test_a_run_starts_each_once_and_never_too_early(graph, random, parallelism, failing):
    """Any interleaving, any failures: what ends is done, failed, or skipped because of a failure below it."""
    frontier = Frontier(graph, weights(graph).__getitem__)
    done, failed, skipped = set(), set(), set()
    while True:
        for i in frontier.ready()[: parallelism - len(frontier.running)]:
            assert set(graph[i]) <= done
            frontier.start(i)
        if not frontier.running:
            break
        assert len(frontier.running) <= parallelism
        current = random.choice(sorted(frontier.running))
        if int(current[1:]) in failing:
            failed.add(current)
            fell = frontier.failed(current)
            assert not skipped & set(fell)
            skipped |= set(fell)
        else:
            frontier.done(current)
            done.add(current)
    assert frontier.unstarted == () and frontier.ready() == ()
    assert done | failed | skipped == set(graph)
    assert skipped == {i for i in graph if reach(graph, i) & failed}


@settings(deadline=None)
@given(graphs())
def test_ready_prefers_the_longest_chain(graph):
    longest = remaining(graph, lambda _i: 1.0)
    ready = Frontier(graph).ready()
    assert [longest[i] for i in ready] == sorted((longest[i] for i in ready), reverse=True)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="does not hold: b"):
        order({"a": ["b"]})
    with pytest.raises(ValueError, match="wait for one another: a, b"):
        Frontier({"a": ["b"], "b": ["a"], "c": []})
    frontier = Frontier({"a": [], "b": ["a"]})
    for mistake in (lambda: frontier.start("b"), lambda: frontier.done("a")):
        with pytest.raises(ValueError, match="is not"):
            mistake()
