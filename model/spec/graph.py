"""The call graph: circles in it, and the order of waves. Pure; linear in services and edges; no recursion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from model.spec.app import Application

Edges = Mapping[str, Iterable[str]]  # caller -> callees


def call_edges(app: Application, *, required_only: bool = False) -> dict[str, tuple[str, ...]]:
    """Service -> the services (not externals) that it calls, in the order of the file."""
    names = {s.name for s in app.spec.services}
    return {
        s.name: tuple(d.name for d in s.depends_on if d.name in names and (d.required or not required_only))
        for s in app.spec.services
    }


def waves(app: Application) -> dict[str, int]:
    """Service -> wave, counted from 1: one more than the deepest wave of what it requires (callees first).

    Edges with `required: false` do not order anything. Raises ValueError where required edges form a circle.
    """
    return depths(call_edges(app, required_only=True))


def depths(edges: Edges) -> dict[str, int]:
    """Node -> 1 + the greatest depth of its callees; leaves have 1. ValueError where there is a circle."""
    order = _postorder_components(edges)
    depth: dict[str, int] = {}
    for component in order:
        if len(component) > 1 or component[0] in set(edges.get(component[0], ())):
            raise ValueError(f"circle: {' -> '.join((*component, component[0]))}")
        node = component[0]
        depth[node] = 1 + max((depth[callee] for callee in edges.get(node, ())), default=0)
    return depth


def cycles(edges: Edges) -> list[tuple[str, ...]]:
    """One shortest circle in each knot of the graph, its first node repeated at the end; [] where there is none."""
    found = []
    for component in _postorder_components(edges):
        if len(component) > 1:
            found.append(_circle(edges, set(component), min(component)))
        elif component[0] in set(edges.get(component[0], ())):
            found.append((component[0], component[0]))
    return sorted(found)


def _circle(edges: Edges, within: set[str], start: str) -> tuple[str, ...]:
    """Shortest way from start back to itself, breadth first."""
    came: dict[str, str] = {}
    queue = [start]
    for node in queue:
        for callee in edges.get(node, ()):
            if callee == start:
                way = [start, node]
                while way[-1] != start:
                    way.append(came[way[-1]])
                return tuple(reversed(way))
            if callee in within and callee not in came:
                came[callee] = node
                queue.append(callee)
    raise AssertionError("a knot without a circle")


def _postorder_components(edges: Edges) -> list[list[str]]:
    """Strongly connected components, callees before callers (Tarjan 1972, with a stack of our own)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    out: list[list[str]] = []
    for root in edges:
        if root in index:
            continue
        work = [(root, iter(edges.get(root, ())))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, callees = work[-1]
            for callee in callees:
                if callee not in index:
                    index[callee] = low[callee] = len(index)
                    stack.append(callee)
                    on_stack.add(callee)
                    work.append((callee, iter(edges.get(callee, ()))))
                    break
                if callee in on_stack:
                    low[node] = min(low[node], index[callee])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = [stack.pop()]
                    while component[-1] != node:
                        component.append(stack.pop())
                    on_stack.difference_update(component)
                    out.append(component[::-1])
    return out
