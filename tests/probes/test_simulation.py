"""The simulated world: draws, packets, detectors in it, and what a release does on their verdicts."""

from __future__ import annotations

import json
from statistics import median
from typing import Any

import pytest

from model.errors import InvalidInput
from probes.gate import GatePolicy
from probes.policy import ProbePolicy, Status, Verdict
from probes.simulation.accrual import _deviations, _phi
from probes.simulation.adaptive import run_link, target_name, windows
from probes.simulation.baselines import BASELINES
from probes.simulation.conditions import Effect, Path, Weather, World
from probes.simulation.judge import judge
from probes.simulation.network import NEVER, Crash, Network
from probes.simulation.scenario import BUILT_IN, Scenario, load, parse, schema
from probes.simulation.swim import _Suspicion

QUIET = {
    "name": "quiet",
    "vantages": [{"name": "a"}, {"name": "b", "rtt_to_first_ms": 80}, {"name": "c", "rtt_to_first_ms": 200}],
    "links": [{"name": "x", "rtt_ms": [100, 50, 20]}],
    "noise": {"jitter_mean_ms": 0, "tail_share": 0, "loss": 0},
    "service": {"time_ms": {"shape": "constant", "value": 5}, "hiccup_share": 0},
    "level_shifts": {"per_hour": 0},
    "peers": {"loss": 0, "drop": 0},
}


def scenario(**changes: Any) -> Scenario:
    return parse(json.dumps(QUIET | changes))


def with_effect(world: World, *effects: Effect, vantages: tuple[int, ...] = (0, 1, 2)) -> World:
    for vantage in vantages:
        world.paths[0, vantage] = Path(world.paths[0, vantage].base_s, effects)
    return world


def test_the_same_seed_draws_the_same_weather() -> None:
    found = [Weather(load("harsh"), 7).world(3) for _ in range(2)]
    assert found[0].paths == found[1].paths
    assert found[0].stalls == found[1].stalls
    assert Weather(load("harsh"), 8).world(3).paths != found[0].paths


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_scenarios_hold_and_fit_the_published_schema(name: str) -> None:
    from importlib import resources

    jsonschema = pytest.importorskip("jsonschema")
    text = (resources.files("probes.simulation") / "scenarios" / f"{name}.json").read_text()
    jsonschema.validate(json.loads(text), schema())
    assert load(name).name == name


def test_every_mistake_of_a_scenario_is_told() -> None:
    wrong = QUIET | {"watch_s": 1, "links": [{"name": "x", "rtt_ms": [1]}], "speed": 3}
    with pytest.raises(InvalidInput) as caught:
        parse(json.dumps(wrong))
    assert {"watch_s", "speed"} <= {d.what.split(":")[0] for d in caught.value.diagnostics}
    for text in ("{", '{"watch_s": NaN}', "[]"):
        with pytest.raises(InvalidInput):
            parse(text)


def test_rates_come_out_as_they_were_asked_for() -> None:
    episode = {
        "name": "e",
        "scope": "path",
        "per_hour": 2.0,
        "duration_s": {"shape": "exponential", "mean": 10},
        "blackout": True,
    }
    weather = Weather(scenario(episodes=[episode]), 1)
    worlds = [weather.world(i) for i in range(400)]
    hours = (600 + weather.end_s) / 3600
    found = [e for w in worlds for p in w.paths.values() for e in p.trouble]
    assert len(found) / (400 * 3 * hours) == pytest.approx(2.0, rel=0.1)
    assert median(e.end_s - e.start_s for e in found) == pytest.approx(6.93, rel=0.1)
    clustered = episode | {"clusters": {"mean_size": 4, "spacing_s": {"shape": "constant", "value": 1}}}
    more = [e for i in range(400) for p in Weather(scenario(episodes=[clustered]), 1).world(i).paths.values() for e in p.trouble]  # fmt: skip  # noqa: E501
    assert len(more) / len(found) == pytest.approx(4.0, rel=0.15)


def test_round_trips_and_retransmissions() -> None:
    world = Weather(scenario(), 1).world(0)
    network = Network(world, world.rng("t"))
    path = world.paths[0, 0]
    assert network.keep_alive(path, 0.0, None, 30.0).elapsed_s == pytest.approx(0.105)
    seen, connect_s = network.fresh(path, 0.0, None, 30.0)
    assert (seen.elapsed_s, connect_s) == (pytest.approx(0.205), pytest.approx(0.1))
    dark = Path(0.1, (Effect(0.0, 2.0, survives=0.0),))
    assert network.fresh(dark, 0.0, None, 30.0)[1] == pytest.approx(3.1)  # 1 s, then 2 s more: RFC 6298
    assert network.keep_alive(dark, 0.0, None, 30.0).elapsed_s == pytest.approx(0.3 * (1 + 2 + 4) + 0.105)
    assert network.datagram(dark, 0.0, None) == NEVER
    assert network.keep_alive(dark, 0.0, None, 1.0).elapsed_s == NEVER
    slow = Path(0.1, (Effect(0.0, 2.0, delay_s=0.6),))
    assert network.fresh(slow, 0.0, None, 30.0)[0].elapsed_s == pytest.approx(
        1.405
    )  # why 600 ms break a timeout of 1 s


def test_crashes_refuse_or_say_nothing() -> None:
    world = Weather(scenario(), 1).world(0)
    network = Network(world, world.rng("t"))
    path = world.paths[0, 0]
    assert network.fresh(path, 10.0, Crash(5.0, True), 30.0)[0].refused
    assert network.fresh(path, 10.0, Crash(5.0, False), 30.0)[0].elapsed_s == NEVER
    assert not network.fresh(path, 10.0, Crash(11.0, True), 30.0)[0].refused


def test_a_prober_that_stands_still_sends_and_reads_late() -> None:
    world = Weather(scenario(), 1).world(0)
    world.stalls = (((5.0, 7.0),), (), ())
    assert [world.awake_s(0, t) for t in (4.9, 5.0, 6.9, 7.0)] == [4.9, 7.0, 7.0, 7.0]
    assert world.lag_s(0, 4.0, 6.0) == pytest.approx(1.0)
    assert world.lag_s(0, 8.0, 9.0) == 0.0
    assert world.lag_s(1, 4.0, 6.0) == 0.0


def test_ours_in_a_quiet_world_and_after_crashes() -> None:
    world = Weather(scenario(), 1).world(0)
    run = run_link(world, 0, ProbePolicy(), 0.0, 300.0)
    assert {v.status for v in run.verdicts} == {Status.UP}
    assert 3 * 22 <= run.sends <= 3 * 29
    for refuses, latest_s, status in ((True, 21.0, Status.DOWN), (False, 30.0, Status.UNREACHABLE)):
        name = target_name(0, 1)
        verdicts = run_link(world, 0, ProbePolicy(), 0.0, 300.0, {name: Crash(100.0, refuses)}).verdicts
        found = [v for v in verdicts if v.status is status]
        assert {v.target for v in found} == {name}
        assert 100.0 < found[0].at_s <= 100.0 + latest_s


def test_what_the_windows_leave_out_comes_to_no_verdict() -> None:
    """Ours over whole watches in harsh weather: every grave verdict lies within a window."""
    weather = Weather(load("harsh"), 5)
    seen = 0
    for release in range(8):
        world = weather.world(release)
        for link in range(len(world.scenario.links)):
            inside = windows(world, link, -60.0)
            for verdict in run_link(world, link, ProbePolicy(), -60.0, 300.0).verdicts:
                if verdict.status in (Status.DOWN, Status.UNREACHABLE):
                    assert any(a <= verdict.at_s <= b + 60.0 for a, b in inside)
                    seen += 1
    assert seen > 0


def test_windows_need_a_majority() -> None:
    world = Weather(scenario(), 1).world(0)
    dark = Effect(100.0, 130.0, survives=0.0)
    assert windows(with_effect(world, dark, vantages=(0,)), 0, 0.0) == []
    assert windows(with_effect(world, dark, vantages=(0, 1)), 0, 0.0) == [(60.0, 175.0)]


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_baselines_find_crashes_and_say_nothing_of_a_quiet_world(name: str) -> None:
    world = Weather(scenario(), 1).world(0)
    baseline = BASELINES[name]
    quiet = baseline.watch(world, 0, 0, None, 600.0)
    assert quiet.probes > 0
    if name == "bertier":  # without any error its margin falls to nothing, and the last bit of a float is too late
        assert quiet.changes
        return
    assert quiet.changes == []
    for refuses in (True, False):
        changes = baseline.watch(world, 0, 0, Crash(100.0, refuses), 600.0).changes
        assert [failing for _, failing in changes] == [True]
        assert 100.0 < changes[0][0] < 200.0


def test_a_jump_to_600_ms_and_who_falls_for_it() -> None:
    """The article's incident: fixed and its rule roll back, a longer timeout and ours do not."""
    world = with_effect(Weather(scenario(), 1).world(0), Effect(60.0, 200.0, delay_s=0.6))
    for name, falls in (("fixed", True), ("seed", True), ("tight", True), ("loose", False), ("rfc6298", False)):
        assert bool(BASELINES[name].watch(world, 0, 0, None, 300.0).changes) is falls, name
    statuses = {v.status for v in run_link(world, 0, ProbePolicy(), 0.0, 300.0).verdicts}
    assert statuses <= {Status.UP, Status.SUSPECT}


def test_phi_crosses_its_threshold_where_it_is_said_to() -> None:
    assert _phi(_deviations(8.0)) == pytest.approx(8.0, abs=1e-6)


def test_suspicion_shrinks_as_others_agree() -> None:
    alone = _Suspicion(0.0, {0}).dead_at_s(2)
    two, three = _Suspicion(0.0, {0, 1}).dead_at_s(2), _Suspicion(0.0, {0, 1, 2}).dead_at_s(2)
    assert alone > two > three
    assert alone == pytest.approx(6 * three)


def test_judging_counts_pauses_out_of_the_watch() -> None:
    down, up = Status.UNREACHABLE, Status.UP
    verdicts = [Verdict("t", down, 100.0, ""), Verdict("t", up, 130.0, ""), Verdict("t", down, 290.0, ""), Verdict("t", up, 310.0, "")]  # fmt: skip  # noqa: E501
    found = judge(verdicts, 300.0, 700.0, GatePolicy(), {})
    assert found.promoted_s == pytest.approx(350.0)
    assert found.pauses == ((100.0, 130.0), (290.0, 310.0))
    crashed = judge([Verdict("t", down, 100.0, "")], 300.0, 700.0, GatePolicy(), {})
    assert (crashed.promoted_s, crashed.rolled_back_s) == (None, 160.0)
    assert judge([Verdict("t", down, -20.0, "")], 300.0, 700.0, GatePolicy(), {}).rolled_back_s == 40.0
    assert judge([], 300.0, 700.0, GatePolicy(), {}).promoted_s == 300.0
