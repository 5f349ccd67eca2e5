"""What a plan asks of an adapter that the adapter does not have: refused while planning, never while executing.

Callers: planning. Pure but for opening the adapters, which sends nothing. Objects in clusters are not looked at: every
cluster's adapter is the same, and opening one asks its cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, fields

from model.errors import Diagnostic, DuoyunError
from model.plan import Action, Op
from model.resources import Address, AnyResource, DnsRecord, Kind
from orchestrator.registry import CLOUDS
from providers.base import OPTIONAL_FIELDS, Capability, Provider

_VERBS = {
    Op.CREATE: ("create",),
    Op.UPDATE: ("update",),
    Op.REPLACE: ("create", "delete"),
    Op.DELETE: ("delete",),
    Op.ADOPT: (),
}


def lacking(actions: Iterable[Action], targets: Callable[[Address], Provider]) -> list[Diagnostic]:
    """One diagnostic per resource and missing ability, in the plan's order.

    An adapter that cannot be opened says nothing here: its account is among what the plan could not observe.
    """
    return [
        diagnostic
        for action in actions
        if action.address.kind is not Kind.KUBERNETES_OBJECT
        for diagnostic in _of(action, targets)
    ]


def _of(action: Action, targets: Callable[[Address], Provider]) -> Iterator[Diagnostic]:
    try:
        provider = targets(action.address)
    except DuoyunError:
        return
    kind = action.address.kind
    has = next((c for c in provider.capabilities if c.kind is kind), Capability(kind, frozenset()))
    cloud = CLOUDS.get(provider.account.cloud)
    title = cloud.title if cloud else provider.account.cloud
    noun = kind.value.replace("_", " ")
    for verb in _VERBS[action.op]:
        if verb not in has.verbs:
            yield Diagnostic("", f"{action.address}: duoyun cannot {verb} a {noun} on {title}")
    for name in sorted(_asked(action.desired) - has.fields):
        yield Diagnostic(
            "",
            f"{action.address}: duoyun cannot set {name} of a {noun} on {title}",
            f"leave {name} out for this region, or place this {noun} on a cloud where it can be set",
        )


def _asked(desired: AnyResource | None) -> frozenset[str]:
    """Optional fields that are wanted to be something else than what the model takes for granted."""
    if desired is None:
        return frozenset()
    optional = OPTIONAL_FIELDS.get(desired.KIND, frozenset())
    weights = frozenset({"weights"} if isinstance(desired, DnsRecord) and desired.weighted else ())
    return weights | frozenset(
        f.name
        for f in fields(desired)
        if f.name in optional and f.default is not MISSING and getattr(desired, f.name) != f.default
    )
