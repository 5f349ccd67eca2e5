"""From files to a plan: load, observe, place, reconcile, gate. Changes nothing.

Callers: the plan, deploy, rollback and destroy commands, and drift. A plan is one value: what a person saw is what is
executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from model.codec import digest
from model.errors import Diagnostic, DuoyunError, InvalidInput, Unreachable
from model.plan import Action, Cost, Item, Op, Placement, Plan, RevisionState
from model.resources import (
    Address,
    AnyResource,
    FieldDiff,
    Kind,
    KubernetesObject,
    Observed,
    Ownership,
)
from orchestrator.abilities import lacking
from orchestrator.adopted import adopted_replaced, is_adopted, kept_adopted
from orchestrator.approvals.flow import Asking
from orchestrator.approvals.prove import Proof
from orchestrator.beside import require_free
from orchestrator.compare import diff_resource
from orchestrator.desired import desired_items
from orchestrator.gating import above_the_line, gate_plan
from orchestrator.late import bind, instance_addresses
from orchestrator.load import Loaded
from orchestrator.observe import World, observe, regions_of
from orchestrator.parts import Part, part_of
from orchestrator.placing import place
from orchestrator.reconcile import Reconciled, Recorded, reconcile
from orchestrator.stability import kept_placement
from orchestrator.stages import unjudged, with_canaries
from orchestrator.store import Record, RecordState, Scope, Store
from orchestrator.store.revisions import UNFINISHED
from orchestrator.targets import Targets
from orchestrator.terraform_state import States


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what was seen while making it."""

    plan: Plan
    world: World
    delegated: tuple[tuple[Address, FieldDiff], ...] = ()

    @property
    def sha256(self) -> str:
        return digest(self.plan)

    def require_observed(self) -> None:
        """Raises Unreachable where part of the plan's ground could not be seen: nothing may be changed then."""
        if self.world.unobserved:
            rows = "\n".join(f"{plane}: {error.summary}" for plane, error in sorted(self.world.unobserved.items()))
            mends = dict.fromkeys(error.mend for error in self.world.unobserved.values() if error.mend)
            general = "what cannot be reached is unknown, not absent: try again when it answers"
            raise Unreachable(
                "part of what this plan rests on could not be observed", detail=rows, mend="; ".join([*mends, general])
            )


@dataclass(frozen=True, slots=True)
class Context:
    """What every command on an application works with. identity: proves who asks, where an approval is asked for.

    states: reads the Terraform states whose resources are not to be touched, as they are now.
    """

    loaded: Loaded
    store: Store
    targets: Targets
    cancelled: Callable[[], bool] = lambda: False
    timeout_s: float = 120.0
    identity: Path | Proof | None = None
    states: Callable[[], States] = States

    @property
    def asking(self) -> Asking:
        """The approvals of this fleet."""
        return Asking(self.store, self.loaded.fleet, self.loaded.fleet_path.parent)

    @property
    def scope(self) -> Scope:
        return Scope(self.loaded.fleet.name, self.loaded.app.name)

    def may(self, partition: str) -> bool:
        """Whether this executor works for that partition."""
        return self.targets.executor.may(partition)

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The fleet's partitions that are another executor's."""
        return self.targets.executor.elsewhere(self.loaded.fleet)


def make_plan(context: Context, *, replan: bool = False, work_limit: int | None = None) -> Planned:
    """What a deploy of the loaded files would do now. replan: place anew even where nothing asks for it.

    work_limit: how far to search for a placement.

    Raises Infeasible, InvalidInput (missing references, bad manifests, what an adapter cannot do, what a Terraform
    state manages), Unauthenticated; an account that cannot be reached is in Planned.world.unobserved.
    """
    loaded = context.loaded
    current = current_plan(context)
    placement = _placement(context, current, replan=replan, work_limit=work_limit)
    items = desired_items(loaded.app, loaded.linked_fleet, placement, loaded.manifests)
    app = loaded.app.to_plain()
    planned = plan_for(context, items, placement, app=app, app_sha256=loaded.app_sha256, before=current)
    return replace(planned, plan=with_canaries(planned.plan))


def _placement(
    context: Context, current: Plan | None, *, replan: bool = False, work_limit: int | None = None
) -> Placement:
    loaded = context.loaded
    kept = None if replan else kept_placement(current, loaded.app.to_plain(), loaded.fleet_sha256)
    if kept is not None:
        return kept
    return place(
        loaded.app,
        loaded.fleet,
        loaded.assumptions,
        current.placement if current else None,
        prices=loaded.prices,
        work_limit=work_limit,
        documents=loaded.documents,
        replan=replan,
    )


def desired_now(context: Context) -> tuple[Item, ...]:
    """What the files want, with the instances' addresses filled in as far as they are known. Asks no cloud."""
    loaded = context.loaded
    placement = _placement(context, current_plan(context))
    return bound_now(context, desired_items(loaded.app, loaded.linked_fleet, placement, loaded.manifests))


def bound_now(context: Context, items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Items with the instances' addresses filled in, as the inventory has them now."""
    records = context.store.inventory.list(context.scope)
    return _bound(items, {r.address: (r.service, r.private_ip) for r in records})


def plan_of_revision(context: Context, number: int) -> Planned:
    """The plan that brings back exactly what revision `number` wanted."""
    revision = context.store.revisions.get(context.scope, number)
    past = context.store.plans.load(revision.plan_sha256)
    return plan_for(
        context,
        past.items,
        past.placement,
        app=past.app,
        app_sha256=past.app_sha256,
        before=current_plan(context),
        in_order=False,
    )


def plan_destroy(context: Context) -> Planned:
    """Deletes what we own, and nothing else."""
    current = current_plan(context)
    placement = replace(current.placement, services=(), pools=()) if current else _nothing(context)
    app = current.app if current else context.loaded.app.to_plain()
    return plan_for(context, (), placement, app=app, app_sha256=context.loaded.app_sha256, before=current)


def current_plan(context: Context) -> Plan | None:
    """The plan of the revision that is deployed."""
    revision = context.store.revisions.latest_deployed(context.scope)
    return context.store.plans.load(revision.plan_sha256) if revision else None


def _nothing(context: Context) -> Placement:
    cost = Cost(
        compute_per_hour=0.0,
        egress_per_hour=0.0,
        assumed_share=0.0,
        currency=context.loaded.fleet.spec.currency,
        price_date="",
    )
    return Placement(services=(), pools=(), cost=cost, lower_bound_per_hour=0.0, proven_optimal=True)


def plan_for(
    context: Context,
    items: Iterable[Item],
    placement: Placement,
    *,
    app: Mapping[str, object],
    app_sha256: str,
    before: Plan | None = None,
    in_order: bool = True,
) -> Planned:
    """Observes, reconciles and judges a desired state.

    Of an executor that works for some of the fleet's partitions: its part of that state (orchestrator.parts; in_order
    as there). Raises OtherExecutor where nothing of the fleet is ours to work for.
    """
    loaded, store = context.loaded, context.store
    context.targets.executor.require_fit(loaded.fleet)
    records = records_here(context)
    part = _part(context, tuple(items), in_order=in_order)
    items = kept_adopted(part.items, records)
    world = observe_for(context, items, records)
    found, items = _reconcile(context, items, world, records)
    if found.missing:
        raise InvalidInput(
            [
                Diagnostic("", f"{m.address} is referenced by the fleet and does not exist", _reference_mend(m.address))
                for m in found.missing
            ]
        )
    if doomed := adopted_replaced(found.actions, items):
        raise InvalidInput(doomed, summary="the plan would delete what was adopted, and make it anew")
    impossible = lacking(found.actions, context.targets)
    if impossible:
        raise InvalidInput(impossible, summary="the plan asks for what an adapter cannot do")
    require_free(context, found.actions, world, {})
    revision = store.revisions.latest_number(context.scope)
    plan = Plan(
        application=loaded.app.name,
        fleet=loaded.fleet.name,
        base_revision=revision,
        created_at_s=store.db.clock.now_s(),
        app_sha256=app_sha256,
        fleet_sha256=loaded.fleet_sha256,
        app=dict(app),
        placement=placement,
        items=items,
        actions=found.actions,
        unobserved=tuple(f"{plane}: {error.summary}" for plane, error in sorted(world.unobserved.items())),
        cost_before=before.placement.cost if before else None,
        warnings=(*map(str, loaded.warnings), *above_the_line(loaded.fleet, placement.cost), *placement.warnings),
        partitions=context.targets.executor.here(loaded.fleet) if context.elsewhere else (),
        held=tuple(map(str, part.held)),
        elsewhere=part.elsewhere,
    )
    return Planned(replace(plan, gate=gate_plan(loaded, plan)), world, found.delegated)


def records_here(context: Context) -> dict[Address, Record]:
    """The inventory, as far as it lies in partitions that this executor works for."""
    records = context.store.inventory.list(context.scope)
    return {r.address: r for r in records if context.may(r.address.partition)}


def _part(context: Context, items: tuple[Item, ...], *, in_order: bool) -> Part:
    """All of it, where no other executor has a part in it."""
    if not context.elsewhere:
        return Part(items, (), ())
    current = current_plan(context)
    deployed = bound_now(context, current.items if current else ())
    return part_of(bound_now(context, items), deployed, context.may, in_order=in_order)


def _reference_mend(address: Address) -> str:
    return f"create that {address.kind.value.replace('_', ' ')}, correct its name, or write `ownership: own`"


def observe_for(
    context: Context, items: Iterable[Item], records: Mapping[Address, Record], *, foreign: bool = False
) -> World:
    """What is there in the regions that the items and the inventory lie in.

    Our own things are listed by their tags. Referenced and adopted ones carry none, and are asked for one by one; so
    is what the inventory knows, lest a lost tag make it look absent. foreign: other people's things there as well.
    """
    items = tuple(i for i in items if context.may(i.address.partition))
    also = [i.address for i in items if i.ownership is not Ownership.OWN]
    scope = [*(i.address for i in items), *records]
    return observe(
        context.loaded.fleet,
        context.targets,
        regions=regions_of(context.loaded.fleet, scope),
        also=[*also, *(a for a, r in records.items() if a.kind is not Kind.KUBERNETES_OBJECT or is_adopted(r))],
        foreign=foreign,
        timeout_s=context.timeout_s,
        cancelled=context.cancelled,
    )


def recorded_of(context: Context, records: Mapping[Address, Record]) -> dict[Address, Recorded]:
    """The inventory as reconcile takes it. Infrastructure that another application also uses is not ours to delete."""

    def shared(address: Address) -> bool:
        if address.kind in (Kind.KUBERNETES_OBJECT, Kind.INSTANCE):
            return False
        return any(owner != context.scope for owner in context.store.inventory.owners(address))

    doubtful = _unjudged(context)
    return {
        address: Recorded(
            resource=record.desired,
            ownership=Ownership.REFERENCE if shared(address) else record.ownership,
            service=record.service,
            site=record.site,
            confirmed=record.state is RecordState.LIVE and address not in doubtful,
        )
        for address, record in records.items()
    }


def _unjudged(context: Context) -> frozenset[Address]:
    newest = context.store.revisions.latest(context.scope)
    if newest is None or newest.state not in (*UNFINISHED, RevisionState.FAILED):
        return frozenset()
    return unjudged(context.store.plans.load(newest.plan_sha256))


def _reconcile(
    context: Context, items: tuple[Item, ...], world: World, records: Mapping[Address, Record]
) -> tuple[Reconciled, tuple[Item, ...]]:
    """Twice where instances come or go: the endpoints that name them are then only known after apply."""
    recorded = recorded_of(context, records)
    there = (RecordState.LIVE, RecordState.UPDATING)
    live = {a: r for a, r in recorded.items() if records[a].state in there}

    def run(bound: tuple[Item, ...]) -> Reconciled:
        return reconcile(
            bound,
            world.resources,
            recorded,
            diff=compare,
            needs_replace=lambda address, before, after: _needs_replace(context, address, before, after),
            unobserved=lambda a: world.unknown(a) or not context.may(a.partition),
            salt=str(context.store.revisions.latest_number(context.scope)),
        )

    ips = {a: (records[a].service, records[a].private_ip) for a in live}
    bound = _bound(items, ips)
    found = run(bound)
    moving = {a.address for a in found.actions if a.address.kind is Kind.INSTANCE and a.op is not Op.ADOPT}
    touched = {(a.partition, a.account, a.region, ips.get(a, ("", ""))[0]) for a in moving}
    if moving:
        steady = {a: v for a, v in ips.items() if (a.partition, a.account, a.region, v[0]) not in touched}
        bound = _bound(items, steady)
        found = run(bound)
    return found, bound


def _bound(items: tuple[Item, ...], ips: Mapping[Address, tuple[str, str]]) -> tuple[Item, ...]:
    known = instance_addresses(ips)
    return tuple(replace(i, resource=bind(i.address, i.resource, known)) for i in items)


def compare(observed: Observed, desired: AnyResource, recorded: AnyResource | None) -> tuple[FieldDiff, ...]:
    """The comparison that fits a resource: fields for clouds, field ownership for clusters."""
    if isinstance(desired, KubernetesObject):
        from providers.kubernetes import diff_manifests
        from providers.kubernetes.withheld import beside, holds_withheld, unread

        if holds_withheld(desired):
            observed = beside(observed, desired)
        elif holds_withheld(recorded):
            return unread(diff_resource(observed, desired, recorded, kubernetes_diff=diff_manifests))
        return diff_resource(observed, desired, recorded, kubernetes_diff=diff_manifests)
    return diff_resource(observed, desired, recorded)


def _needs_replace(context: Context, address: Address, before: AnyResource, after: AnyResource) -> tuple[str, ...]:
    try:
        return context.targets(address).needs_replace(before, after)
    except DuoyunError:
        return ()  # its cluster is not there yet: nothing exists that could be replaced


def summary(actions: Iterable[Action]) -> dict[str, int]:
    """How many of each operation."""
    counts: dict[str, int] = {}
    for action in actions:
        counts[action.op.value] = counts.get(action.op.value, 0) + 1
    return counts


__all__ = [
    "Context",
    "Planned",
    "bound_now",
    "compare",
    "current_plan",
    "desired_now",
    "make_plan",
    "observe_for",
    "plan_destroy",
    "plan_for",
    "plan_of_revision",
    "recorded_of",
    "records_here",
    "summary",
]
