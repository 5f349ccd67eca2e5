"""One release side by side, recordings replayed, the picture of it."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from model.errors import InvalidInput
from probes.simulation.conditions import Weather
from probes.simulation.network import Crash
from probes.simulation.recorded import recorded_world
from probes.simulation.scenario import load
from probes.simulation.svg import svg
from probes.simulation.timeline import timeline

NAMES = ("fixed", "loose", "ours")


def recording(values: list[Any], step_s: float = 5.0) -> str:
    rows = [[1_700_000_000 + i * step_s, str(v)] for i, v in enumerate(values)]
    return json.dumps({"status": "success", "data": {"result": [{"metric": {"instance": "shop"}, "values": rows}]}})


def test_a_crash_is_found_and_the_release_rolled_back_by_each() -> None:
    found = timeline(Weather(load("calm"), 1).world(0), NAMES, (2, 1, Crash(80.0, True)))
    for row in found.rows:
        assert row.detect_s is not None
        assert 0 < row.detect_s < 35
        assert row.rolled_back_s is not None
        assert row.bad[-1][1] == 300.0
        assert row.probes_per_min > 100


def test_the_picture_is_whole_and_says_what_it_shows() -> None:
    found = timeline(Weather(load("harsh"), 1).world(0), NAMES, (0, 0, Crash(100.0, False)))
    picture = svg(found, most_places=3)
    root = ElementTree.fromstring(picture)
    texts = [e.text or "" for e in root.iter() if e.tag.endswith("text")]
    assert {"fixed", "loose", "ours"} <= set(texts)
    assert any(t.startswith("and ") and t.endswith("more places") for t in texts)
    assert any("crashes, is silent" in t for t in texts)


def test_a_recorded_spike_trips_fixed_and_nobody_who_waits() -> None:
    """A link at 200 ms whose probes take 1.3 s for two minutes."""
    values = [0.2] * 30 + [1.3] * 24 + [0.2] * 30
    world = recorded_world(recording(values), "incident.json")
    found = {r.detector: r for r in timeline(world, NAMES, None, world.end_s - 60.0).rows}
    assert found["fixed"].wrong_verdicts == 1
    assert found["fixed"].rolled_back_s is not None
    assert found["loose"].wrong_verdicts == 0
    assert found["ours"].wrong_verdicts == 0
    assert found["ours"].promoted_s == pytest.approx(415.0)


def test_a_recorded_outage_pauses_ours_and_rolls_fixed_back() -> None:
    values: list[Any] = [0.2] * 30 + ["NaN", 0, 9.0, 12.0, -1, 5.0, 30.0, "+Inf"] + [0.2] * 40
    world = recorded_world(recording(values), "incident.json")
    found = {r.detector: r for r in timeline(world, NAMES, None, world.end_s - 60.0).rows}
    assert found["fixed"].rolled_back_s is not None
    assert found["ours"].promoted_s is not None
    assert 0 < found["ours"].pauses_s < 40


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"data": {"result": []}}', recording([0.1]), recording(["NaN"] * 50), recording(["x"] * 50),
     '{"data": {"result": [{"metric": {}, "values": [[NaN, "1"]]}]}}'],
)  # fmt: skip
def test_what_is_no_recording_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        recorded_world(text, "x.json")
