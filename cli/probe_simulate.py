"""`duoyun probe simulate`: one release in a scenario's weather, or a recorded incident, all detectors side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import Output
from model.errors import NotBuiltYet, UsageError

if TYPE_CHECKING:
    from probes.simulation.conditions import World
    from probes.simulation.timeline import Timeline

_MAX_RECORDING_BYTES = 64 * 1024 * 1024


def simulate(
    ctx: typer.Context,
    scenario: Annotated[
        str, typer.Option(help="default, harsh, calm, correlated or a JSON file.", envvar="DUOYUN_SCENARIO")
    ] = "default",
    release: Annotated[
        int, typer.Option(help="Which of the scenario's releases; each has its own weather.", envvar="DUOYUN_RELEASE")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the weather.", envvar="DUOYUN_SEED")] = 1,
    crash: Annotated[
        str,
        typer.Option(help="Let a service crash: refused or silent, at a third of the watch.", envvar="DUOYUN_CRASH"),
    ] = "",
    detectors: Annotated[
        str, typer.Option(help="Names with commas between; all by default.", envvar="DUOYUN_DETECTORS")
    ] = "",
    from_prometheus: Annotated[
        Path | None,
        typer.Option(
            "--from-prometheus", help="Replay the answer of a range query instead.", envvar="DUOYUN_FROM_PROMETHEUS"
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it: a .svg or a .png file.", envvar="DUOYUN_PLOT")] = None,
) -> None:
    """Show when each detector would have paused, rolled back or promoted, and its mistakes.

    duoyun probe simulate --scenario harsh --crash silent --plot harsh.svg
    """
    from probes.simulation.baselines import BASELINES
    from probes.simulation.network import Crash
    from probes.simulation.timeline import OURS, timeline

    out: Output = ctx.obj
    names = detectors.split(",") if detectors else [*BASELINES, OURS]
    if unknown := [n for n in names if n not in BASELINES and n != OURS]:
        raise UsageError(f"unknown detectors: {', '.join(unknown)}", mend=f"there are {', '.join([*BASELINES, OURS])}")
    if crash not in ("", "refused", "silent"):
        raise UsageError(f"--crash {crash[:40]}", mend="give refused or silent")
    if plot is not None and plot.suffix.lower() not in (".svg", ".png"):
        raise UsageError(f"{plot} is neither .svg nor .png", mend="name the file plot.svg")
    if plot is not None and plot.suffix.lower() == ".png":
        _matplotlib()  # says early that it is missing
    world = _world(scenario, release, seed, from_prometheus)
    watch_s = world.end_s - 60.0 if from_prometheus else world.scenario.watch_s
    failing = (0, 0, Crash(watch_s / 3, crash == "refused")) if crash else None
    found = timeline(world, names, failing, watch_s)
    if plot is not None:
        _draw(found, plot)
    _print(out, found)
    out.result(_as_json(found))


def _world(scenario: str, release: int, seed: int, recording: Path | None) -> World:
    from probes.simulation.conditions import Weather
    from probes.simulation.recorded import recorded_world
    from probes.simulation.scenario import load

    if recording is None:
        return Weather(load(scenario), seed).world(release)
    try:
        if recording.stat().st_size > _MAX_RECORDING_BYTES:
            raise UsageError(f"{recording} is larger than {_MAX_RECORDING_BYTES} bytes", mend="query a shorter range")
        text = recording.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{recording} cannot be read: {exc}", mend="save a range query's answer there") from exc
    return recorded_world(text, recording.name, seed=seed)


def _print(out: Output, found: Timeline) -> None:
    from rich.table import Table

    if out.is_json:
        return
    console = out.console()
    console.print(f"scenario {found.scenario}, release {found.release}, {found.end_s:.0f} s", markup=False)
    for place, spans in sorted(found.trouble.items()):
        told = ", ".join(f"{what} {a:.0f}-{b:.0f} s" for a, b, what in spans[:6])
        console.print(f"  {place}: {told}{', ...' if len(spans) > 6 else ''}", markup=False)
    if found.crash:
        kind = "refuses connections" if found.crash[2] else "falls silent"
        console.print(f"  {found.crash[0]} {kind} at {found.crash[1]:.0f} s", markup=False)
    table = Table(box=None)
    for title in ("detector", "the release", "paused s", "wrong verdicts", "found after s", "probes/min", "condemned"):
        table.add_column(title, justify="left" if title in ("detector", "the release", "condemned") else "right")
    for row in found.rows:
        table.add_row(
            row.detector,
            row.end,
            f"{row.pauses_s:.0f}",
            str(row.wrong_verdicts),
            "-" if row.detect_s is None else f"{row.detect_s:.1f}",
            f"{row.probes_per_min:.0f}",
            _strip(row.bad, found.end_s),
        )
    console.print(table)


def _strip(spans: list[tuple[float, float]], end_s: float, width: int = 30) -> str:
    """The watch as characters: a block where a service stands condemned."""
    step_s = end_s / width
    return "".join("█" if any(a < (i + 1) * step_s and b > i * step_s for a, b in spans) else "·" for i in range(width))


def _as_json(found: Timeline) -> dict[str, Any]:
    from dataclasses import asdict

    rows = {r.detector: {k: v for k, v in asdict(r).items() if k != "detector"} for r in found.rows}
    return {
        "scenario": found.scenario,
        "release": found.release,
        "watch_s": found.end_s,
        "crash": None if found.crash is None else dict(zip(("service", "at_s", "refuses"), found.crash, strict=True)),
        "trouble": found.trouble,
        "detectors": rows,
    }


def _matplotlib() -> Any:
    import importlib

    try:
        module = importlib.import_module("matplotlib")
        module.use("Agg")
        return importlib.import_module("matplotlib.pyplot")
    except ModuleNotFoundError as exc:
        raise NotBuiltYet(
            "a .png needs matplotlib, which is not installed",
            mend="pip install matplotlib, or name the file .svg, which needs nothing",
        ) from exc


def _draw(found: Timeline, path: Path) -> None:
    if path.suffix.lower() == ".svg":
        from probes.simulation.svg import svg

        path.write_text(svg(found), encoding="utf-8")
        return
    from probes.simulation.svg import BAD, COLOURS, GOOD

    plt = _matplotlib()
    places = sorted(found.trouble.items())
    labels = [r.detector for r in reversed(found.rows)] + [place for place, _ in reversed(places)]
    figure, axes = plt.subplots(figsize=(12, 1.5 + 0.28 * len(labels)))
    for index, row in enumerate(reversed(found.rows)):
        axes.broken_barh([(0, found.end_s)], (index - 0.35, 0.7), color=GOOD)
        axes.broken_barh([(a, b - a) for a, b in row.bad], (index - 0.35, 0.7), color=BAD)
        axes.text(found.end_s * 1.01, index, row.end, va="center", fontsize=8)
    for index, (_, spans) in enumerate(reversed(places), start=len(found.rows)):
        for from_s, until_s, what in spans:
            axes.broken_barh([(from_s, until_s - from_s)], (index - 0.35, 0.7), color=COLOURS[what])
    if found.crash is not None:
        axes.axvline(found.crash[1], linestyle="--", color="black")
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_xlim(0, found.end_s)
    axes.set_xlabel("seconds of the watch")
    axes.set_title(f"scenario {found.scenario}, release {found.release}; red: a service stands condemned", fontsize=9)
    figure.savefig(path, bbox_inches="tight", dpi=110)
    plt.close(figure)
