"""Who selects these labels: objects of one kind by what their selectors ask for, kept up with the store.

Callers: the controllers whose objects select pods (services, disruption budgets). With it a pod's change costs as much
as there are objects that select the pod, not as there are objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.kubernetes.kinds import ResourceKind
from sandbox.kubernetes.selectors import match_selector
from sandbox.kubernetes.store import DELETED, Change, Key, Object, Store, key_of

Selector = Mapping[str, Any]
_Place = tuple[str, tuple[str, str] | None]
"""(namespace, one label that it asks for); None for a selector without matchLabels."""


class Selectors:
    """selector_of: an object's LabelSelector; None where it selects nothing."""

    def __init__(self, store: Store, kind: ResourceKind, selector_of: Callable[[Object], Selector | None]) -> None:
        self._kind, self._selector_of = kind, selector_of
        self._rows: dict[_Place, dict[Key, Selector]] = {}
        for obj in store.each(kind):
            self._enter(obj)
        store.subscribe(self._changed)

    def of(self, namespace: str, *labels: Mapping[str, str]) -> Sequence[Key]:
        """Keys of the objects whose selector matches any of these sets of labels, in order."""
        found: set[Key] = set()
        for row in labels:
            for place in ((namespace, None), *((namespace, pair) for pair in row.items())):
                found |= {key for key, sel in self._rows.get(place, {}).items() if match_selector(sel, row)}
        return sorted(found)

    def _changed(self, change: Change) -> None:
        if change.kind is not self._kind:
            return
        if change.old is not None:
            place = self._place(change.old)
            if place is not None:
                self._rows[place].pop(change.key)
                if not self._rows[place]:
                    del self._rows[place]
        if change.type != DELETED:
            self._enter(change.obj)

    def _enter(self, obj: Object) -> None:
        place, selector = self._place(obj), self._selector_of(obj)
        if place is not None and selector is not None:
            self._rows.setdefault(place, {})[key_of(obj)] = selector

    def _place(self, obj: Object) -> _Place | None:
        selector = self._selector_of(obj)
        if selector is None:
            return None
        return key_of(obj)[0], min((selector.get("matchLabels") or {}).items(), default=None)
