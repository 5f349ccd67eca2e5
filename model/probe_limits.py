"""What another system's health checks can be set to. A vocabulary: each provider states its own, probes fits to them.

Callers: providers (values), probes.export, orchestrator (registration). Non-goal: how a setting reaches the system.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Setting:
    """One number of a health check: what the system calls it and what it takes.

    step: the smallest difference it knows, 1 for whole seconds. unit: put behind the number where it is text ("s").
    """

    name: str
    least: float
    most: float
    step: float = 1.0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """One kind of health check. timeout None: the system has a fixed one, or none of its own; `fixed_timeout_s` then.

    under_interval: the timeout must be below the interval. extra: settings that are always given. missing: what it
    cannot express at all, for people. source: the page that says so.
    """

    name: str
    title: str
    interval: Setting
    failures: Setting
    successes: Setting | None
    timeout: Setting | None
    source: str
    fixed_timeout_s: float | None = None
    under_interval: bool = False
    wrapper: str = ""
    extra: dict[str, object] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
