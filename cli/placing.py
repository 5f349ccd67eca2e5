"""`duoyun place` and `duoyun explain`: where everything would run and why, without a cloud, a store or a release."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import DEFAULT_APP, AppArgument, AppOption, FleetOption, WorkOption, files
from cli.output import Output
from model.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.prices import PricesOf
    from scheduler.infeasible import Conflict
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
    asked = _asked(application, fleet, without, price)
    problem, solved = asked.problem, _solve(asked, work_limit)
    out.result({**_data(problem, solved), "prices": [row.to_dict() for row in asked.prices]})
    if not out.is_json:
        from cli.placement_view import show
        from cli.prices import show_summary

        show(out.console(), problem, solved)
        show_summary(out.console(), asked.prices)


def explain(
    ctx: typer.Context,
    service: Annotated[str, typer.Argument(help="The service to explain.")],
    application: AppOption = DEFAULT_APP,
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
    from cli.explaining import explanation
    from cli.explaining_words import LANGUAGES

    out: Output = ctx.obj
    if lang not in LANGUAGES:
        raise UsageError(f"no explanations in {lang!r}", mend=f"one of {', '.join(LANGUAGES)}")
    asked = _asked(application, fleet, without, price)
    problem = asked.problem
    if service not in problem.service_by_name:
        from model.spec.words import did_you_mean

        raise UsageError(
            f"there is no service {service!r}", mend=did_you_mean(service, sorted(problem.service_by_name))
        )
    solved = _solve(asked, work_limit)
    told = explanation(problem, solved, service, tuple(why_not or ()), lang)
    out.result(told.data)
    if not out.is_json:
        for line in told.lines:
            out.console().print(line, markup=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Asked:
    """line: where a constraint stands in the files that the problem was made of; prices: where its prices come from.

    A problem document brings its own prices, and has no lines."""

    problem: Problem
    line: Callable[[Conflict], str]
    prices: tuple[PricesOf, ...] = ()


def _asked(application: Path, fleet: Path | None, without: list[str] | None, price: list[str] | None) -> _Asked:
    from scheduler.what_if import at_prices, without_sites

    asked = _read(application, fleet)
    problem = asked.problem
    if price:
        problem = at_prices(problem, dict(_factor(p) for p in price))
    return replace(asked, problem=without_sites(problem, without) if without else problem)


def _read(application: Path, fleet: Path | None) -> _Asked:
    if application.suffix == ".json":
        from scheduler.__main__ import read_problem

        return _Asked(read_problem(str(application)), lambda _: "")
    from orchestrator.load import load
    from orchestrator.placing import build_problem
    from orchestrator.prices import told
    from orchestrator.spec_lines import Lines

    loaded = load(*files(application, fleet))
    problem = build_problem(loaded.app, loaded.fleet, loaded.assumptions, prices=loaded.prices)
    known = told(loaded.fleet, loaded.book, time.time())
    return _Asked(problem, Lines(loaded.app, loaded.fleet, loaded.documents).of, known)


def _factor(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        factor = float(number)
    except ValueError:
        factor = math.nan
    if not name or not 0 <= factor < 1e6:
        raise UsageError(f"--price {text}: not CLOUD=FACTOR", mend="for example --price aws=1.2, which is 20 % more")
    return name, factor


def _solve(asked: _Asked, work_limit: int | None) -> Solved:
    from orchestrator.placing import solved_or_error

    return solved_or_error(asked.problem, work_limit, asked.line)


def _data(problem: Problem, solved: Solved) -> dict[str, Any]:
    from scheduler.__main__ import verdict_to_data

    data = verdict_to_data(solved)
    data.pop("schema_version")
    data.pop("exit_code")
    return {**data, "lower_bound": solved.placement.lower_bound_per_hour, "replicas": _replicas(problem)}


def _replicas(problem: Problem) -> int:
    return sum(s.replicas for s in problem.services)
