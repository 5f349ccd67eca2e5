"""`duoyun demo`: the whole product in a minute and a half, on an embedded sandbox."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from cli.context import regions_of
from cli.output import Output

if TYPE_CHECKING:
    from rich.console import Console

    from cli.live import LiveView
    from model.errors import ReleaseRolledBack
    from model.plan import Plan
    from orchestrator.demo import Answer
    from orchestrator.drift import DriftReport
    from orchestrator.planning import Context, Planned


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(ctx: typer.Context) -> None:
    """27 services over three clouds: plan, deploy, a bad release rolled back, an open port found and closed.

    duoyun demo
    duoyun demo -o json
    """
    from cli.live import LiveView
    from orchestrator.demo import run
    from orchestrator.registry import PARTITION_TITLES

    out: Output = ctx.obj
    console = out.console(sys.stderr) if out.is_json else out.console()
    show = _Show(console, LiveView(console, PARTITION_TITLES))
    try:
        numbers = run(show)
    finally:
        show.phase_over()
    out.result(numbers.to_dict())
    if not out.is_json:
        console.print()
        console.rule("[bold]what happened[/]", align="left")
        console.print(
            f"{numbers.deployed_services} services over {numbers.clouds} clouds and {numbers.sites} sites; "
            f"a bad release {'rolled back' if numbers.rolled_back else 'NOT rolled back'}; "
            f"{numbers.drift_found} drift found, {'mended' if numbers.drift_mended else 'NOT mended'}; "
            f"{numbers.seconds:.0f} s in all"
        )
        console.print("try next, against a sandbox that stays up:")
        for line in (
            "duoyun sandbox up",
            "duoyun plan examples/miniprogram",
            "duoyun deploy examples/miniprogram --yes",
            "duoyun status examples/miniprogram",
            "duoyun sandbox down",
        ):
            console.print(f"  {line}")


class _Show:
    """Tells the demo's story on a console."""

    def __init__(self, console: Console, view: LiveView) -> None:
        self._console = console
        self.events = view
        self._open = False

    def chapter(self, number: int, title: str) -> None:
        self._console.print()
        self._console.rule(f"[bold]{number}. {title}[/]", align="left")

    def say(self, text: str) -> None:
        self._console.print(text)

    def planned(self, context: Context, planned: Planned) -> None:
        from cli.plan_view import show_plan

        show_plan(self._console, planned.plan, regions_of(context))

    def phase(self, title: str, plan: Plan) -> None:
        if not self._open:
            self.events.__enter__()
            self._open = True
        self.events.plan(title, plan.actions)

    def phase_over(self) -> None:
        if self._open:
            self._open = False
            self.events.__exit__(None, None, None)

    def answers(self, answers: list[Answer]) -> None:
        from rich.markup import escape

        for row in answers:
            colour = "green" if row.status == 200 else "red"
            self._console.print(f"GET {row.url} [dim]({row.service} in {row.region})[/] [{colour}]{row.status}[/]")
            self._console.print(f"  {escape(row.body[:300])}")

    def rolled_back(self, error: ReleaseRolledBack) -> None:
        from rich.markup import escape

        self._console.print(f"[bold yellow]{escape(error.summary)}[/]")
        for line in error.detail.splitlines()[:10]:
            self._console.print(f"  {escape(line)}")

    def drifted(self, report: DriftReport) -> None:
        from cli.drift import show_report

        show_report(self._console, report)
