"""The list of what the sandbox's AWS does otherwise than plain moto is true and whole.

One life of our adapter is led on both; where they go apart, a row of the list must say so. Every row must show: in the
lives, or in a probe here that asks both the same. A row that no longer shows fails, as does a difference without one.
"""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.registry import open_cloud
from sandbox.aws.differences import ROWS
from tests.conformance.aws_probes import image
from tests.conformance.aws_probes_more import PROBES
from tests.conformance.shown import ROLES
from tools.conformance.lives import PLACES, Life, account_on, more_of


@pytest.mark.parametrize("row", sorted(PROBES))
def test_a_difference_shows(plain: Any, here: Any, row: str) -> None:
    shown = PROBES[row]
    assert (shown.probe(plain), shown.probe(here)) == (shown.plain, shown.here)


@pytest.fixture(scope="module")
def both(plain: Any, here: Any, outcomes: Any) -> dict[str, tuple[str, str]]:
    """Steps of the adapter's life that end otherwise: (plain moto, sandbox)."""
    account = account_on("aws", plain.row | {"partition": "aws-cn"}, plain.url, **ROLES)
    theirs = Life(
        open_cloud(account), PLACES["aws"], "conformance", trail_s=3.0, image=image(plain), more=more_of("aws")
    ).lead()
    ours = outcomes("aws")
    return {step: (theirs.get(step, ""), ours[step]) for step in ours if step in theirs and theirs[step] != ours[step]}


def test_every_difference_of_the_lives_has_a_row(both: Any) -> None:
    explained = {step for row in ROWS for step in row.steps}
    assert {step: both[step] for step in both if step not in explained} == {}


def test_every_row_shows(both: Any) -> None:
    names = [row.what for row in ROWS]
    assert len(names) == len(set(names))
    assert set(PROBES) <= set(names)
    for row in ROWS:
        assert all(step in both for step in row.steps), (row.what, "no longer differs in", row.steps)
        assert row.steps or row.what in PROBES, row.what
