"""Looking up by label gives what looking at everything would, whatever was written before."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes.controllers.selecting import Selectors
from sandbox.kubernetes.kinds import BUDGETS, PODS
from sandbox.kubernetes.selectors import match_selector
from sandbox.kubernetes.store import Store, labels_of

NAMES, SPACES = st.sampled_from("abcd"), st.sampled_from(["one", "two"])
LABELS = st.dictionaries(st.sampled_from("xyz"), st.sampled_from("123"), max_size=3)
SELECTORS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": LABELS,
        "matchExpressions": st.lists(
            st.fixed_dictionaries(
                {"key": st.sampled_from("xyz"), "operator": st.sampled_from(["Exists", "DoesNotExist"])}
            ),
            max_size=2,
        ),
    },
)


def _object(kind: str, namespace: str, name: str, **rest: Any) -> dict[str, Any]:
    labels = rest.pop("labels", None)
    metadata = {"namespace": namespace, "name": name, **({"labels": labels} if labels is not None else {})}
    return {"kind": kind, "metadata": metadata, **rest}


@given(
    writes=st.lists(st.tuples(SPACES, NAMES, st.none() | LABELS, st.booleans()), max_size=30),
    selector=SELECTORS,
    namespace=SPACES,
)
def test_selected_is_what_a_look_at_all_would_find(
    writes: list[tuple[str, str, dict[str, str] | None, bool]], selector: dict[str, Any] | None, namespace: str
) -> None:
    store = Store()
    for space, name, labels, gone in writes:
        if gone:
            store.remove(PODS, space, name)
        else:
            store.put(PODS, _object("Pod", space, name, labels=labels))
    expected = [p for p in store.list(PODS, namespace) if match_selector(selector, labels_of(p))]
    assert store.selected(PODS, namespace, selector) == expected
    again = Store()
    again.load(store.dump(), store.version)
    assert again.selected(PODS, namespace, selector) == expected


@given(
    writes=st.lists(st.tuples(SPACES, NAMES, SELECTORS, st.booleans()), max_size=30),
    late=st.integers(0, 30),
    labels=st.lists(LABELS, min_size=1, max_size=2),
    namespace=SPACES,
)
def test_who_selects_is_what_a_look_at_all_would_find(
    writes: list[tuple[str, str, dict[str, Any] | None, bool]], late: int, labels: list[dict[str, str]], namespace: str
) -> None:
    """late: after how many writes the index is made, from what is there then."""
    store = Store()
    selectors: Selectors | None = None
    for number, (space, name, selector, gone) in enumerate(writes):
        if number == late:
            selectors = Selectors(store, BUDGETS, lambda b: b["spec"])
        if gone:
            store.remove(BUDGETS, space, name)
        else:
            store.put(BUDGETS, _object("PodDisruptionBudget", space, name, spec=selector))
    selectors = selectors or Selectors(store, BUDGETS, lambda b: b["spec"])
    expected = [
        (namespace, b["metadata"]["name"])
        for b in store.list(BUDGETS, namespace)
        if any(match_selector(b["spec"], row) for row in labels)
    ]
    assert selectors.of(namespace, *labels) == expected
