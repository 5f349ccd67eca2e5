"""Two people deploy one application at once, from two HOMEs, on one PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.postgres, pytest.mark.timeout(600)]


def test_one_goes_on_and_the_other_is_told_who_holds_the_lease(
    new_line: Callable[..., Any], postgres_url: str, until: Callable[..., Any]
) -> None:
    anna, ben = new_line("anna", store=postgres_url), new_line("ben", store=postgres_url)
    first = anna.start("deploy", anna.files, "--yes", "--bake", "8s", "-o", "json")
    until(lambda: ben.on("status", "-o", "json").ended(0).json["lease"], "Anna's lease")

    told = ben.on("deploy", "--yes", "-o", "json")
    data = told.ended(7).json
    assert data["reason"] == "lease_held"
    assert data["retryable"] is True
    said = f"{data['summary']} {data['detail']} {data['mend']}"
    for word in ("pid", "since", "until", "unlock"):
        assert word in said, told.told

    waited = ben.start("deploy", ben.files, "--yes", "--lock-timeout", "180s", "-o", "json")
    assert anna.end(first).ended(0).json["revision"] == 1
    assert ben.end(waited).ended(0).json["changes"] == {}, "what Anna deployed is what Ben wanted"

    assert ben.plan("--detailed-exitcode")["changes"] == {}
    ben.destroy()
