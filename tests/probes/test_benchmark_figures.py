"""What the benchmark makes of its counts."""

from __future__ import annotations

import json

import pytest

from benchmarks.probes import DETECTORS, main
from benchmarks.probing.tally import Tally, exact_interval, percentile


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # computed with R's binom.test
        (0, 10, 0.0, 0.30850),
        (10, 10, 0.69150, 1.0),
        (76, 100, 0.66426, 0.83977),
        (986, 1000, 0.97663, 0.99233),
    ],
)
def test_exact_intervals(successes: int, trials: int, low: float, high: float) -> None:
    found = exact_interval(successes, trials)
    assert found[0] == pytest.approx(low, abs=2e-5)
    assert found[1] == pytest.approx(high, abs=2e-5)


def test_percentiles_know_what_never_came() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0, 1.0, 2.0, None], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0, None], 0.99) is None


def test_tallies_add_up() -> None:
    one, two = Tally(releases=2, successes=1, pauses_s=[4.0]), Tally(releases=1, successes=1)
    two.detect_s["silent"].append(None)
    one.add(two)
    figures = one.figures()
    assert (figures["releases"], figures["success"], figures["pause_p50_s"]) == (3, pytest.approx(0.666667), 4.0)
    assert figures["detect_p99_s_silent"] is None


def test_the_benchmark_names_every_detector_and_figure(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--releases", "4", "--baseline-releases", "1", "--crashes", "4", "--workers", "1", "-o", "json"]
    assert main(["--scenario", "calm", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["detectors"]) == set(DETECTORS)
    wanted = {"success", "success_low95", "success_high95", "mistakes_per_day", "pauses_per_release", "pause_p50_s",
              "pause_p99_s", "probes_per_min", "releases"}  # fmt: skip
    wanted |= {f"{a}_{p}_s{k}" for a in ("detect", "act") for p in ("p50", "p99") for k in ("", "_refused", "_silent")}
    for figures in found["detectors"].values():
        assert wanted <= set(figures)
    assert found["detectors"]["ours"]["releases"] == 4
    assert found["detectors"]["ours"]["crashes"] == 4


def test_a_scenario_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: object) -> None:
    assert main(["--scenario", f"{tmp_path}/absent.json"]) == 3
    assert "cannot be read" in capsys.readouterr().err
