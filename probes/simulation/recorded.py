"""A recorded incident as a world: what Prometheus kept of somebody's probes, replayed to every detector.

Callers: `duoyun probe simulate --from-prometheus`. The file is the answer to a range query of a probe's duration in
seconds (probe_duration_seconds of the blackbox exporter): one series is one site, seen from one vantage. A value that
is no number, is not above zero or reaches failed_s is a time in which nothing came through; between two values the
first one holds; a gap of more than three steps is nothing known, and nothing is done. What is between two samples
nobody recorded: the replay is no finer than the query's step.
"""

from __future__ import annotations

import json
from itertools import pairwise
from math import isfinite
from statistics import median

from model.errors import Diagnostic, InvalidInput
from probes.simulation.conditions import Effect, Path, World
from probes.simulation.scenario import LevelShifts, Link, Scenario, VantageAt

MAX_SERIES = 200
MAX_SAMPLES = 1_000_000
ROUND_TRIPS = 2  # of a probe on a new connection
NOTABLE = 1.05  # of the median: less is noise


def recorded_world(text: str, where: str, failed_s: float = 5.0, seed: int = 0) -> World:
    """The world of a recording; its watch is as long as the recording. InvalidInput where it is none."""
    series = _series(text, where)
    began_s = min(rows[0][0] for rows in series.values())
    ended_s = max(rows[-1][0] for rows in series.values())
    watch_s = ended_s - began_s
    if not 30 <= watch_s <= 86_400:
        raise _wrong(where, f"it lasts {watch_s:.0f} s; 30 s to a day can be replayed")
    links, paths = [], {}
    for index, (name, rows) in enumerate(series.items()):
        good = [v for _, v in rows if 0 < v < failed_s]
        if not good:
            raise _wrong(where, f"{name} has no sample that came through")
        middle_s = median(good)
        links.append(Link(name=name, rtt_ms=(max(0.01, middle_s / ROUND_TRIPS * 1000),)))
        paths[index, 0] = Path(middle_s / ROUND_TRIPS, tuple(_effects(rows, began_s, middle_s, failed_s)))
    scenario = Scenario(
        name=where,
        services_per_link=1,
        watch_s=min(watch_s, 7_200.0),
        vantages=(VantageAt(name="recorded"),),
        links=tuple(links),
        level_shifts=LevelShifts(per_hour=0.0),
    )
    return World(scenario, 0, seed, paths, ((),), ((),), watch_s + 60.0)


def _series(text: str, where: str) -> dict[str, list[tuple[float, float]]]:
    try:
        result = json.loads(text)["data"]["result"]
        found: dict[str, list[tuple[float, float]]] = {}
        for row in result[:MAX_SERIES]:
            labels = row["metric"]
            name = str(labels.get("instance") or labels.get("target") or f"series {len(found)}")
            rows = sorted((float(t), _value(v)) for t, v in row["values"][:MAX_SAMPLES])
            if rows and all(isfinite(t) for t, _ in rows):
                found[name if name not in found else f"{name} {len(found)}"] = rows
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        raise _wrong(where, f"no answer to a range query: {exc!r}") from exc
    if not found:
        raise _wrong(where, "it holds no series")
    return found


def _value(text: object) -> float:
    value = float(str(text))
    return value if isfinite(value) and value > 0 else 0.0


def _effects(rows: list[tuple[float, float]], began_s: float, middle_s: float, failed_s: float) -> list[Effect]:
    steps = [b - a for (a, _), (b, _) in pairwise(rows)]
    step_s = median(steps) if steps else 15.0
    found: list[Effect] = []
    for index, (at_s, value) in enumerate(rows):
        until_s = rows[index + 1][0] if index + 1 < len(rows) else at_s + step_s
        if until_s - at_s > 3 * step_s:
            until_s = at_s + step_s
        dead = not 0 < value < failed_s
        if not dead and value < NOTABLE * middle_s:
            continue
        delay_s = 0.0 if dead else (value - middle_s) / ROUND_TRIPS
        found.append(Effect(at_s - began_s, until_s - began_s, delay_s, 0.0, 0.0 if dead else 1.0))
    return found


def _wrong(where: str, what: str) -> InvalidInput:
    mend = "save the answer of /api/v1/query_range?query=probe_duration_seconds&start=...&end=...&step=..."
    return InvalidInput((Diagnostic(where, what, mend),))
