"""The deploy benchmark's arithmetic against hand-made logs, and one tiny run of it."""

from __future__ import annotations

import json
from math import comb

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.deploy import generate, harsh, line, plot
from benchmarks.deploy.floor import Part, floor, parts_of
from benchmarks.deploy.interval import clopper_pearson
from orchestrator.load import load


def draw(operation, resource, scaled_s, detail=""):
    return {"operation": operation, "resource": resource, "detail": detail, "scaled_s": scaled_s}


# -- the floor -------------------------------------------------------------------------------------------------


def test_the_longest_chain_follows_services_and_not_waves():
    parts = [
        Part("ledger in a", 3.0, "ledger"),
        Part("ledger in b", 1.0, "ledger"),
        Part("orders in a", 1.0, "orders", ("ledger",)),
        Part("other in a", 3.5, "other"),
        Part("web in a", 0.5, "web", ("orders",)),
        Part("lb web", 4.0),
    ]
    found = floor(parts, [draw("x", "", p.seconds) for p in parts])
    assert found.critical_path_s == pytest.approx(4.5)
    assert [name for name, _ in found.path] == ["ledger in a", "orders in a", "web in a"]
    assert found.sequential_s == pytest.approx(13.0)


def test_more_than_was_drawn_is_refused():
    with pytest.raises(ValueError, match=r"1\.05"):
        floor([Part("a", 2.0)], [draw("x", "", 1.9)])


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 10.0), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_floor_lies_between_the_longest_part_and_the_sum(seconds, rng):
    parts = [
        Part(f"p{n}", s, f"s{n}", tuple(f"s{d}" for d in range(n) if rng.random() < 0.3)) for n, s in enumerate(seconds)
    ]
    found = floor(parts, [draw("x", "", s) for s in seconds])
    assert max(seconds) <= found.critical_path_s + 1e-9
    assert found.critical_path_s <= found.sequential_s + 1e-9


def test_draws_are_given_to_the_services_that_waited_for_them(tmp_path):
    app = load(generate.write(tmp_path, 3, 1)).app
    machine = app.model_copy(deep=True)
    names = [s.name for s in machine.spec.services]
    draws = [
        draw("image.pull", f"cn-north-1 registry.example.com/generated/{names[0]}:1.0.0", 0.5, "node-1"),
        draw("image.pull", f"cn-north-1 registry.example.com/generated/{names[0]}:1.0.0", 2.5, "node-2"),
        draw("container.start", f"x.a/generated/{names[0]} registry.example.com/generated/{names[0]}:1.0.0", 0.1, "p1"),
        draw("container.start", f"x.a/generated/{names[0]} registry.example.com/generated/{names[0]}:1.0.0", 0.2, "p2"),
        draw("aws.vm.create", f"cn-north-1a/c6i.large/{names[1]}-a-0", 1.0),
        draw("aws.vm.create", f"cn-north-1a/c6i.large/{names[1]}-a-1", 2.0),
        draw("image.pull", f" registry.example.com/generated/{names[1]}:1.0.0", 0.4),
        draw("container.start", f"x.a//{names[1]} registry.example.com/generated/{names[1]}:1.0.0", 0.1),
        draw("container.start", f"x.a//{names[1]} registry.example.com/generated/{names[1]}:1.0.0", 0.1),
        draw("kubernetes.loadbalancer.create", "aws-cn/cn-north-1/generated/s-public", 7.0),
    ]
    parts = {p.name: p for p in parts_of(app, draws, {("x.a", "p1"): "node-1", ("x.a", "p2"): "node-1"})}
    assert parts[f"{names[0]} in x.a"].seconds == pytest.approx(0.7)  # both pods ran on node-1
    assert parts[f"instance {names[1]}-a-0"].seconds == pytest.approx(1.5)  # the first one pulls
    assert parts[f"instance {names[1]}-a-1"].seconds == pytest.approx(2.1)
    assert parts["lb aws-cn/cn-north-1/generated/s-public"].service == ""


# -- the interval ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # 0 of 10 and 10 of 10 have closed forms: 1 - 0.025 ** (1 / 10).
    [(0, 10, 0.0, 1 - 0.025**0.1), (10, 10, 0.025**0.1, 1.0), (5, 10, 0.1871, 0.8129)],
)
def test_intervals_that_are_known(successes, trials, low, high):
    assert clopper_pearson(successes, trials) == pytest.approx((low, high), abs=1e-4)


@settings(deadline=None)
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_each_end_leaves_two_and_a_half_percent_outside(counts):
    successes, trials = counts
    low, high = clopper_pearson(successes, trials)

    def probability(ks, p):
        return sum(comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in ks)

    if successes:
        assert probability(range(successes, trials + 1), low) == pytest.approx(0.025, abs=1e-6)
    if successes < trials:
        assert probability(range(successes + 1), high) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize("counts", [(1, 0), (3, 2), (-1, 5)])
def test_counts_that_are_impossible_are_refused(counts):
    with pytest.raises(ValueError, match="no share"):
        clopper_pearson(*counts)


# -- generated applications --------------------------------------------------------------------------------------


@pytest.mark.parametrize("services", [1, 27, 300])
def test_generated_applications_are_valid_and_repeat(tmp_path, services):
    loaded = load(generate.write(tmp_path / "a", services, 7))
    assert len(loaded.app.spec.services) == services
    assert generate.app(services, 7) == yaml.safe_load((tmp_path / "a" / "app.yaml").read_text())
    assert services == 1 or generate.app(services, 8) != generate.app(services, 7)
    placed = generate.placement(loaded.app)
    assert {s.service for s in placed.services} == {s.name for s in loaded.app.spec.services}


def test_no_service_is_no_application(tmp_path):
    with pytest.raises(ValueError, match="no application"):
        generate.write(tmp_path, 0, 1)


# -- a tiny run --------------------------------------------------------------------------------------------------


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_a_tiny_run_measures_what_it_says():
    found = line.run(line.Setting(services=1, profile="instant", seed=4))
    assert found["state"] == "deployed" and found["services"] == 1
    assert 0 < found["critical_path_s"] <= found["sequential_s"] <= 1.05 * found["drawn_s"]
    assert found["critical_path_s"] < found["makespan_s"]
    assert found["engine_cpu_s"] > 0 and found["peak_mib"] > 10
    assert found["cold_start"]["actions"] > 0


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_a_tiny_run_on_bad_links_counts_its_releases():
    slow = {"links": [{"a": "vantage", "b": "*", "rtt_ms": 100, "jitter_ms": 10, "loss": 0.02}]}
    found = harsh.run(harsh.Setting(releases=1, at_once=1, bake_s=0.1, network=slow), "ours")["arms"]["ours"]
    assert found["releases"] == 1
    assert found["succeeded"] + sum(found["failures"].values()) == 1
    assert found["interval_95"][0] <= found["release_success"] <= found["interval_95"][1]
    assert found["median_s"] > 1.0, "a release takes more than ten round trips of 100 ms: was the network set?"


def test_results_are_plotted_and_other_files_refused(tmp_path):
    run = {"services": 27, "engine_cpu_s": 5.0, "peak_mib": 350.0}
    (tmp_path / "one.json").write_text(json.dumps(run))
    (tmp_path / "many.json").write_text(json.dumps({"runs": [run | {"services": 300}]}))
    plot.draw(tmp_path / "a.svg", plot.rows([tmp_path / "many.json", tmp_path / "one.json"]))
    assert "<svg" in (tmp_path / "a.svg").read_text()
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="no result"):
        plot.rows([tmp_path / "other.json"])
