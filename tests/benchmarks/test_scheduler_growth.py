"""The growth curve's exponent, and its drawing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.scheduling.growth import exponent, main


def _rows() -> list[dict[str, float]]:
    return [{"replicas": n, "cpu_s": 0.5 * n**1.5, "peak_mib": 3.0 * n, "gap": 0.01} for n in (10, 100, 1000)]


def test_the_exponent_of_a_power_law_is_found() -> None:
    assert exponent(_rows(), "cpu_s") == pytest.approx(1.5)
    assert exponent(_rows(), "peak_mib") == pytest.approx(1.0)


def test_a_curve_is_drawn_the_same_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = []
    for i, row in enumerate(_rows()):
        names.append(str(tmp_path / f"{i}.json"))
        Path(names[-1]).write_text(json.dumps(row), encoding="utf-8")
    for target in ("a.svg", "b.svg"):
        assert main([str(tmp_path / target), *names]) == 0
    assert "power 1.50" in capsys.readouterr().out
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_nothing_to_draw_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["out.svg"]) == 64
    assert "out.svg" in capsys.readouterr().err
