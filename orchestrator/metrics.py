"""What a Prometheus says of a release while its canaries are watched.

Callers: bake (each round), release (once before anything is touched). A metric that has no value is no evidence,
neither for nor against: a canary is not called well before each of its metrics has had one. The HTTP API:
https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.errors import DuoyunError, InvalidInput
from model.plan import Plan
from model.spec.app import Canary, Metric

_TIMEOUT_S = 5.0
_EVERY_S = 5.0
_MOST_BYTES = 1 << 20
_BAD_IN_A_ROW = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """values: of all series that came back. why: what kept them from coming; empty where they did."""

    values: tuple[float, ...] = ()
    why: str = ""


def metrics_of(plan: Plan) -> tuple[Metric, ...]:
    """Those that judge the plan's canaries; none where it has no canaries."""
    found = plan.app.get("spec", {}).get("canary")
    return Canary.model_validate(found).metrics if found and plan.stages else ()


def read(metric: Metric) -> Reading:
    """Asks once. Raises InvalidInput where the query itself is refused."""
    import httpx

    token = os.environ.get(metric.token_env, "") if metric.token_env else ""
    if metric.token_env and not token:
        return Reading(why=f"the environment has no {metric.token_env}")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with (
            httpx.Client(timeout=_TIMEOUT_S, headers=headers) as client,
            client.stream("POST", f"{metric.url.rstrip('/')}/api/v1/query", data={"query": metric.query}) as answer,
        ):
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    return Reading(why="its answer is larger than 1 MiB")
            status = answer.status_code
    except httpx.HTTPError as exc:
        return Reading(why=f"{metric.url} did not answer: {exc or type(exc).__name__}")
    return _parsed(metric, status, body)


def _parsed(metric: Metric, status: int, body: bytes) -> Reading:
    try:
        data = json.loads(body)
    except ValueError:
        return Reading(why=f"{metric.url} answered {status} with what is no JSON")
    if not isinstance(data, dict) or data.get("status") != "success":
        error = str(data.get("error", "")) if isinstance(data, dict) else ""
        if isinstance(data, dict) and data.get("errorType") == "bad_data":
            raise InvalidInput((), summary=f"canary metric {metric.name}: {error}", mend="correct its query")
        return Reading(why=f"{metric.url} answered {status} {error}".strip())
    values = _values(data.get("data"))
    return Reading(values) if values else Reading(why="the query has no result")


def _values(data: Any) -> tuple[float, ...]:
    """Of a scalar or of each series of a vector; what is no number (NaN: nothing was divided by nothing) is none."""
    if not isinstance(data, Mapping):
        return ()
    result = data.get("result")
    rows: Sequence[Any] = ()
    if data.get("resultType") == "scalar":
        rows = [result]
    elif data.get("resultType") == "vector" and isinstance(result, list):
        rows = [r.get("value") for r in result if isinstance(r, Mapping)]
    found = []
    for row in rows:
        try:
            value = float(row[1])
        except (TypeError, ValueError, IndexError):
            continue
        if not math.isnan(value):
            found.append(value)
    return tuple(found)


def breach(metric: Metric, reading: Reading) -> str:
    """`error ratio is 0.2, above 0.01`; empty where it holds, or nothing is known."""
    for value in reading.values:
        if metric.max is not None and value > metric.max:
            return f"{metric.name} is {value:.4g}, above {metric.max:g}"
        if metric.min is not None and value < metric.min:
            return f"{metric.name} is {value:.4g}, below {metric.min:g}"
    return ""


def require_well(plan: Plan) -> None:
    """Before anything is touched. Raises InvalidInput for a query that is refused, DuoyunError for a metric that is
    beyond its limit already: it would speak against any canary.
    """
    for metric in metrics_of(plan):
        broken = breach(metric, read(metric))
        if broken:
            raise DuoyunError(
                f"nothing was touched: the canary metric {broken}, before anything was released",
                mend="mend that first; or release everywhere at once with --no-canary",
            )


@dataclass(slots=True)
class Judge:
    """Reads all metrics again and again. evidence: what speaks against the canaries, twice in a row; empty if none."""

    metrics: tuple[Metric, ...]
    _next_s: float = -math.inf
    _bad: dict[str, int] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _why: dict[str, str] = field(default_factory=dict)
    evidence: str = ""

    def ask(self, now_s: float) -> None:
        """At most every five seconds: a Prometheus has nothing new more often."""
        if now_s < self._next_s:
            return
        self._next_s = now_s + _EVERY_S
        for metric in self.metrics:
            try:
                reading = read(metric)
            except InvalidInput as exc:  # it was accepted before: whoever asks now cannot judge by it
                self.evidence = self.evidence or exc.summary
                return
            if reading.why:
                self._why[metric.name] = reading.why
                continue
            self._seen.add(metric.name)
            broken = breach(metric, reading)
            self._bad[metric.name] = self._bad.get(metric.name, 0) + 1 if broken else 0
            if self._bad[metric.name] >= _BAD_IN_A_ROW:
                self.evidence = self.evidence or broken

    @property
    def open(self) -> bool:
        """Whether one of them is suspected, or has had no value yet."""
        return any(self._bad.values()) or bool(self.unjudged)

    @property
    def unjudged(self) -> str:
        """What has had no value yet, and why."""
        rows = [f"{m.name}: {self._why.get(m.name, 'not asked yet')}" for m in self.metrics if m.name not in self._seen]
        return "; ".join(rows)
