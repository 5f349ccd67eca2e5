"""`duoyun place` and `duoyun explain`: where everything would run and why, without a cloud, a store or a release."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import DEFAULT_APP, AppArgument, FleetOption, files
from cli.output import Output
from model.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.prices import PricesOf
    from scheduler.problem import Problem
    from scheduler.verdicts import Solved

WithoutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        help="As if a cloud, partition, region or site (glob) did not exist. Repeatable.",
        envvar="DUOYUN_WITHOUT",
    ),
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--price",
        help="CLOUD=FACTOR: its prices times so much, e.g. aws=1.2. Repeatable.",
        envvar="DUOYUN_PRICE",
    ),
]
WorkOption = Annotated[
    int | None,
    typer.Option("--work-limit", help="Search further than usual (search nodes).", envvar="DUOYUN_WORK_LIMIT"),
]


def register(app: typer.Typer) -> None:
    app.command()(place)
    app.command()(explain)


def place(
    ctx: typer.Context,
    application: AppArgument = DEFAULT_APP,
    fleet: FleetOption = None,
    without: WithoutOption = None,
    price: PriceOption = None,
    work_limit: WorkOption = None,
) -> None:
    """Where everything would run, on which machines, at what price, and how far from the optimum. Changes nothing.

    Takes an application with its fleet, or a scheduling problem as JSON (`duoyun schema problem`). Exit 6 where no
    placement exists, 10 where none was found within the work limit.

    duoyun place examples/miniprogram --without azure
    """
    out: Output = ctx.obj
    problem, known = _problem(application, fleet, without, price)
    solved = _solve(problem, work_limit)
    out.result({**_data(problem, solved), "prices": [row.to_dict() for row in known]})
    if not out.is_json:
        from cli.placement_view import show
        from cli.prices import show_summary

        show(out.console(), problem, solved)
        show_summary(out.console(), known)


def explain(
    ctx: typer.Context,
    service: Annotated[str, typer.Argument(help="The service to explain.")],
    application: Annotated[Path, typer.Option("--app", help="The application file or folder.", envvar="DUOYUN_APP")] = (
        DEFAULT_APP
    ),
    fleet: FleetOption = None,
    why_not: Annotated[
        list[str] | None,
        typer.Option(
            "--why-not", help="Why it does not run in that site or region. Repeatable.", envvar="DUOYUN_WHY_NOT"
        ),
    ] = None,
    lang: Annotated[str, typer.Option("--lang", help="en or zh", envvar="DUOYUN_LANG")] = "en",
    without: WithoutOption = None,
    price: PriceOption = None,
    work_limit: WorkOption = None,
) -> None:
    """Why a service runs where it runs, and why not elsewhere: the rule that forbids it, or what it would cost.

    duoyun explain payment-core --app examples/miniprogram --why-not azure-cn/chinanorth3 --lang zh
    """
    from cli.explaining import LANGUAGES, explanation

    out: Output = ctx.obj
    if lang not in LANGUAGES:
        raise UsageError(f"no explanations in {lang!r}", mend=f"one of {', '.join(LANGUAGES)}")
    problem, _ = _problem(application, fleet, without, price)
    if service not in problem.service_by_name:
        from model.spec.words import did_you_mean

        raise UsageError(
            f"there is no service {service!r}", mend=did_you_mean(service, sorted(problem.service_by_name))
        )
    solved = _solve(problem, work_limit)
    told = explanation(problem, solved, service, tuple(why_not or ()), lang)
    out.result(told.data)
    if not out.is_json:
        for line in told.lines:
            out.console().print(line, markup=False, soft_wrap=True)


def _problem(
    application: Path, fleet: Path | None, without: list[str] | None, price: list[str] | None
) -> tuple[Problem, tuple[PricesOf, ...]]:
    """The problem, and where its prices come from; () for a problem that brings its own."""
    from scheduler.what_if import at_prices, without_sites

    known: tuple[PricesOf, ...] = ()
    if application.suffix == ".json":
        from scheduler.__main__ import read_problem

        problem = read_problem(str(application))
    else:
        from orchestrator.load import load
        from orchestrator.placing import build_problem
        from orchestrator.prices import told

        loaded = load(*files(application, fleet))
        problem = build_problem(loaded.app, loaded.fleet, loaded.assumptions, prices=loaded.prices)
        known = told(loaded.fleet, loaded.book, time.time())
    if price:
        problem = at_prices(problem, dict(_factor(p) for p in price))
    return without_sites(problem, without) if without else problem, known


def _factor(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise UsageError(f"--price {text}: not CLOUD=FACTOR", mend="for example --price aws=1.2") from None


def _solve(problem: Problem, work_limit: int | None) -> Solved:
    from orchestrator.placing import solved_or_error

    return solved_or_error(problem, work_limit)


def _data(problem: Problem, solved: Solved) -> dict[str, Any]:
    from scheduler.__main__ import verdict_to_data

    data = verdict_to_data(solved)
    data.pop("schema_version")
    data.pop("exit_code")
    return {**data, "lower_bound": solved.placement.lower_bound_per_hour, "replicas": _replicas(problem)}


def _replicas(problem: Problem) -> int:
    return sum(s.replicas for s in problem.services)
