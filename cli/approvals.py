"""approve, reject, approvals: who agrees to a plan, proven by a signature or a token, never by a name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.context import context_for
from cli.options import DEFAULT_APP, AppOption, FleetOption, LocalStateOption, StoreOption
from cli.output import Output, escaped
from model.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from model.plan import Plan
    from orchestrator.approvals.decide import Standing
    from orchestrator.approvals.prove import Proof
    from orchestrator.planning import Context
    from orchestrator.store.values import ApprovalRequest, Decision

    Asked = tuple[ApprovalRequest, Sequence[Decision], Standing]

PlanArgument = Annotated[
    str | None, typer.Argument(metavar="[PLAN]", help="A saved plan, or the hash that was told.", show_default=False)
]
HashOption = Annotated[
    str | None, typer.Option("--hash", help="The hash that was told, or its first 8 digits or more.")
]
KeyOption = Annotated[
    Path | None, typer.Option("--key", help="Your SSH key; ssh-keygen signs with it.", envvar="DUOYUN_KEY")
]
SignatureOption = Annotated[
    Path | None, typer.Option("--signature", help="A signature over the hash, made elsewhere by ssh-keygen -Y sign.")
]
ReasonOption = Annotated[str, typer.Option("--reason", "-m", help="Why, for the record.", envvar="DUOYUN_REASON")]


def register(app: typer.Typer) -> None:
    app.command()(approve)
    app.command()(reject)
    app.command()(approvals)


def approve(
    ctx: typer.Context,
    plan: PlanArgument = None,
    subject: HashOption = None,
    key: KeyOption = None,
    signature: SignatureOption = None,
    reason: ReasonOption = "",
    application: AppOption = DEFAULT_APP,
    fleet: FleetOption = None,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """Agree to a plan that asks for an approval. It must be proven who you are: by an SSH key that the fleet names for
    you, or by a CI job's OIDC token in DUOYUN_APPROVAL_TOKEN.

    duoyun approve --hash 3f2a90c1 --key ~/.ssh/id_ed25519 --app examples/miniprogram
    """
    _decide(ctx, plan, subject, key, signature, reason, (application, fleet, store, local_state), approved=True)


def reject(
    ctx: typer.Context,
    plan: PlanArgument = None,
    subject: HashOption = None,
    key: KeyOption = None,
    signature: SignatureOption = None,
    reason: ReasonOption = "",
    application: AppOption = DEFAULT_APP,
    fleet: FleetOption = None,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """Say no to a plan that asks for an approval; proven as an approval is.

    duoyun reject --hash 3f2a90c1 --key ~/.ssh/id_ed25519 -m "not before the holidays" --app examples/miniprogram
    """
    _decide(ctx, plan, subject, key, signature, reason, (application, fleet, store, local_state), approved=False)


def _decide(
    ctx: typer.Context,
    plan: str | None,
    subject: str | None,
    key: Path | None,
    signature: Path | None,
    reason: str,
    where: tuple[Path, Path | None, str | None, bool],
    *,
    approved: bool,
) -> None:
    from orchestrator.approvals.flow import give

    out: Output = ctx.obj
    wanted = _subject(plan, subject)
    identity = _identity(key, signature)
    with context_for(*where) as context:
        decision = give(context.asking, context.scope, wanted, approved=approved, identity=identity, reason=reason)
    word = "approved" if approved else "rejected"
    out.result({"hash": wanted, "decision": word, "by": decision.person, "at_s": decision.at_s})
    if not out.is_json:
        out.console().print(f"{word} by {decision.person}: plan {wanted}")


def _subject(plan: str | None, subject: str | None) -> str:
    if (plan is None) == (subject is None):
        raise UsageError("name the plan, or its hash", mend="duoyun approvals lists what is asked for")
    if subject is None and plan is not None:
        if not re.fullmatch(r"[0-9a-f]{8,64}", plan):
            from cli.saved_plans import load_plan
            from orchestrator.approvals.subject import approval_hash

            return approval_hash(load_plan(Path(plan)))
        subject = plan
    assert subject is not None
    return subject.lower()


def _identity(key: Path | None, signature: Path | None) -> Path | Proof:
    from orchestrator.approvals.prove import from_environment, read_signature

    if key is not None and signature is not None:
        raise UsageError("--key and --signature are two ways for one thing", mend="give one of them")
    if key is not None:
        return key
    proof = read_signature(signature) if signature is not None else from_environment("DUOYUN_APPROVAL_TOKEN")
    if proof is None:
        raise UsageError("nothing proves who you are", mend="--key ~/.ssh/id_ed25519, or --signature FILE")
    return proof


def approvals(
    ctx: typer.Context,
    application: AppOption = DEFAULT_APP,
    fleet: FleetOption = None,
    store: StoreOption = None,
    local_state: LocalStateOption = False,
) -> None:
    """What is asked for, by whom, until when, and who has agreed.

    duoyun approvals --app examples/miniprogram
    """

    out: Output = ctx.obj
    with context_for(application, fleet, store, local_state) as context:
        rows = _asked(context)
    out.result({"approvals": [_data(*row) for row in rows]})
    if out.is_json:
        return
    if not rows:
        out.console().print("no approval was asked for")
        return
    _show(out, rows)


def _asked(context: Context) -> Sequence[Asked]:
    """Every request of this scope, what was decided on it, and where it stands now."""
    from orchestrator.approvals.decide import stand

    roster, now_s = context.asking.in_force(), context.asking.now_s
    rows = []
    for request in context.store.approvals.list(context.scope):
        decisions = context.store.approvals.decisions(context.scope, request.hash)
        known = request.requester if any(p.name == request.requester for p in roster.people) else None
        rows.append((request, decisions, stand(request, decisions, roster, request.reasons, known, now_s)))
    return rows


def _data(request: ApprovalRequest, decisions: Sequence[Decision], standing: Standing) -> dict[str, Any]:
    return {
        "hash": request.hash,
        "requester": request.requester,
        "asked_at_s": request.asked_at_s,
        "until_s": request.until_s,
        "reasons": list(request.reasons),
        "state": standing.state.value,
        "needed": standing.needed,
        "decisions": [{"by": d.person, "approved": d.approved, "at_s": d.at_s, "reason": d.reason} for d in decisions],
    }


def _show(out: Output, rows: Sequence[Asked]) -> None:
    from rich.table import Table

    from cli.records import when

    table = Table(box=None, pad_edge=False)
    for name in ("plan", "state", "asked by", "until", "given", "because"):
        table.add_column(name)
    for request, _, standing in rows:
        given = f"{len(standing.given)} of {standing.needed} {' '.join(standing.given)}".strip()
        because = escaped("; ".join(request.reasons))
        table.add_row(
            request.hash[:16], standing.state.value, escaped(request.requester), when(request.until_s), given, because
        )
    out.console().print(table)


def approval_summary(context: Context, plan: Plan) -> dict[str, Any]:
    """Where a plan's approval stands, for whoever plans."""
    from orchestrator.approvals.subject import approval_hash

    standing = context.asking.standing(plan)
    return {
        "hash": approval_hash(plan),
        "state": standing.state.value,
        "reasons": list(standing.reasons),
        "needed": standing.needed,
        "given": list(standing.given),
    }


def show_approval(console: Console, asked: dict[str, Any]) -> None:
    if not asked["reasons"]:
        return
    console.print(f"[yellow]approval {asked['state']}[/]: plan {asked['hash']}")
    for reason in asked["reasons"]:
        console.print(f"  because {escaped(reason)}")
