"""Probes of the sandbox's AWS beside plain moto: what each answers on either side.

Callers: aws_probes, aws_probes_more, and their test. A probe registers itself by being imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

ROLES = {f"{who}_role_arn": f"arn:aws-cn:iam::222222222222:role/{who}" for who in ("cluster", "node")}
Probe = Callable[[Any], str]


@dataclass(frozen=True)
class Shown:
    """What a probe must answer on each side."""

    probe: Probe
    plain: str
    here: str


PROBES: dict[str, Shown] = {}


def shows(row: str, *, plain: str, here: str) -> Callable[[Probe], Probe]:
    def add(probe: Probe) -> Probe:
        PROBES[row] = Shown(probe, plain, here)
        return probe

    return add


def said(work: Callable[[], Any], well: str = "ok") -> str:
    """The error's code, or `well`."""
    try:
        work()
    except ClientError as exc:
        return str(exc.response["Error"]["Code"])
    except ResponseParserError:
        return "HTML"
    return well
