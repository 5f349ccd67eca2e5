"""What was learned, in other systems' words and limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.probe_limits import ProbeLimits, Setting
from orchestrator.probe_limits import known
from probes.export import ENVOY, Wanted, by_name, export, wanted

SLOW_LINK = Wanted(interval_s=9.1, timeout_s=2.7, failures=3, samples=64)


def test_a_quiet_link_gets_a_short_timeout_and_a_slow_one_a_long_one() -> None:
    quick, slow = wanted([0.02] * 20), wanted([0.6] * 20)
    assert quick.timeout_s == pytest.approx(0.6)
    assert slow.timeout_s == pytest.approx(1.5)
    for found in (quick, slow):
        assert found.interval_s * found.failures + found.timeout_s == pytest.approx(30.0)
    for useless in ([], [0.1] * 7, [float("nan")] * 20, [-1.0] * 20):
        with pytest.raises(ValueError, match="too few"):
            wanted(useless)


def test_kubernetes_knows_whole_seconds_only() -> None:
    found = export(SLOW_LINK, known()["kubernetes"])
    probe = found.settings["readinessProbe"]
    assert probe == {"periodSeconds": 9, "timeoutSeconds": 3, "failureThreshold": 3, "successThreshold": 1}
    assert all(type(v) is int for v in probe.values())  # type: ignore[attr-defined]
    assert any("own node" in w for w in found.warnings)


def test_envoy_knows_milliseconds() -> None:
    check = export(SLOW_LINK, ENVOY).settings["health_checks"]
    assert check["interval"] == "9.1s"  # type: ignore[index]
    assert check["timeout"] == "2.7s"  # type: ignore[index]


def test_each_clouds_limits_hold() -> None:
    huge = Wanted(interval_s=400.0, timeout_s=350.0, failures=30, samples=64)
    tiny = Wanted(interval_s=0.5, timeout_s=0.01, failures=1, samples=64)
    for limits in known().values():
        for learned in (huge, tiny, SLOW_LINK):
            found = export(learned, limits)
            settings = found.settings[limits.wrapper] if limits.wrapper else found.settings
            assert isinstance(settings, dict)
            for setting in (limits.interval, limits.timeout, limits.failures, limits.successes):
                if setting is not None:
                    value = float(str(settings[setting.name]).removesuffix(setting.unit or " "))
                    assert setting.least <= value <= setting.most
            assert found.source.startswith("https://")
            assert found.warnings
    aws = export(tiny, known()["aws"])
    assert aws.settings["HealthCheckTimeoutSeconds"] == 2
    assert any("HealthCheckTimeoutSeconds: 0.01 was wanted, 2 is what it takes" in w for w in aws.warnings)


def test_a_timeout_below_the_interval_where_the_system_wants_it_so() -> None:
    found = export(Wanted(5.0, 8.0, 3, 64), known()["aws"])
    assert found.settings["HealthCheckIntervalSeconds"] == 9
    assert found.settings["HealthCheckTimeoutSeconds"] == 8


@settings(deadline=None)
@given(st.floats(0.001, 1e5), st.floats(0.001, 1e5), st.integers(1, 100))
def test_a_timeout_is_never_rounded_down_and_never_silently_cut(interval_s: float, timeout_s: float, n: int) -> None:
    limits = ProbeLimits("x", "X", Setting("i", 1, 300), Setting("f", 1, 10), None, Setting("t", 1, 60), "https://x")
    found = export(Wanted(interval_s, timeout_s, n, 64), limits)
    given_s = float(str(found.settings["t"]))
    assert given_s >= timeout_s - 1e-6 or any(w.startswith("t: ") for w in found.warnings)


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="envoy"):
        by_name([ENVOY, ENVOY])
    assert set(known()) == {"kubernetes", "aws", "azure", "alibaba", "envoy"}
