"""`duoyun probe watch|simulate|export|agent`: look at targets, replay bad weather, hand settings on."""

from __future__ import annotations

import typer

group = typer.Typer(
    no_args_is_help=True,
    help="""
    Adaptive probes: a slow link told from a dead service.

      duoyun probe watch https://shop.example.com/healthz tcp://10.0.0.4:3306
      duoyun probe simulate --scenario harsh --plot harsh.svg
      duoyun probe export https://shop.example.com/healthz --to kubernetes
    """,
)


def register(app: typer.Typer) -> None:
    from cli import probe_agent, probe_export, probe_simulate, probe_watch

    group.command("watch")(probe_watch.watch)
    group.command("simulate")(probe_simulate.simulate)
    group.command("export")(probe_export.export)
    group.command("agent")(probe_agent.agent)
    app.add_typer(group, name="probe")
