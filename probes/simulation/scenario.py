"""What a simulated world is made of: links, noise, episodes. A file of it is JSON; `schema()` publishes its shape.

Callers: the simulator, the benchmark, `duoyun probe simulate`. Rates are per hour and place, times in the unit of their
name. Non-goals: drawing a world from it (conditions.py), anything about detectors.
"""

from __future__ import annotations

import json
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.errors import Diagnostic, InvalidInput

BUILT_IN = ("default", "harsh", "calm", "correlated")
MAX_FILE_BYTES = 4 * 1024 * 1024


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Constant(_Strict):
    """Always the same."""

    shape: Literal["constant"]
    value: float


class Uniform(_Strict):
    """Evenly between low and high."""

    shape: Literal["uniform"]
    low: float
    high: float


class Exponential(_Strict):
    """No memory."""

    shape: Literal["exponential"]
    mean: float = Field(gt=0)
    max: float = Field(default=1e9, gt=0)


class Lognormal(_Strict):
    """median x exp(sigma x a standard normal), cut at max."""

    shape: Literal["lognormal"]
    median: float = Field(gt=0)
    sigma: float = Field(ge=0, le=5)
    max: float = Field(default=1e9, gt=0)


class Pareto(_Strict):
    """low x u^(-1/alpha), cut at max: a heavy tail."""

    shape: Literal["pareto"]
    low: float = Field(gt=0)
    alpha: float = Field(gt=0)
    max: float = Field(default=1e9, gt=0)


Distribution = Annotated[Constant | Uniform | Exponential | Lognormal | Pareto, Field(discriminator="shape")]


class Scope(StrEnum):
    """What an episode befalls: one vantage's path to one site; a site, seen from anywhere; a vantage; everything."""

    PATH = "path"
    LINK = "link"
    VANTAGE = "vantage"
    EVERYWHERE = "everywhere"


class Clusters(_Strict):
    """Episodes that come in groups: each arrival brings 1 + geometric more, spacing_s apart."""

    mean_size: float = Field(ge=1, le=50)
    spacing_s: Distribution


class Episode(_Strict):
    """A kind of trouble: how often at each place of its scope, for how long, and what it does meanwhile.

    delay_ms is added to the round trip, drawn once an episode, and each packet's share of it varies by
    exp(delay_sigma x normal). loss: of each packet in each direction. blackout: loses everything. stall: the vantage's
    own program stands still (scope vantage only), its network does not.
    """

    name: str = Field(min_length=1)
    scope: Scope
    per_hour: float = Field(ge=0, le=10_000)
    duration_s: Distribution
    delay_ms: Distribution | None = None
    delay_sigma: float = Field(default=0.3, ge=0, le=3)
    loss: Distribution | None = None
    blackout: bool = False
    stall: bool = False
    clusters: Clusters | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Episode:
        if self.stall and self.scope is not Scope.VANTAGE:
            raise ValueError("a stall befalls a vantage: scope vantage")
        if self.stall == (self.blackout or self.delay_ms is not None or self.loss is not None):
            raise ValueError("give a stall alone, or any of blackout, delay_ms, loss")
        return self


class VantageAt(_Strict):
    """A place to look from. rtt_to_first_ms: to the first vantage, where the detector runs."""

    name: str = Field(min_length=1)
    rtt_to_first_ms: float = Field(default=0.0, ge=0, le=10_000)


class Link(_Strict):
    """A site and its base round trip in ms from each vantage, in their order."""

    name: str = Field(min_length=1)
    rtt_ms: tuple[float, ...]


class Noise(_Strict):
    """What no link is free of. loss: of each packet in each direction."""

    jitter_mean_ms: float = Field(default=0.5, ge=0)
    tail_share: float = Field(default=0.01, ge=0, le=1)
    tail_ms: Distribution = Pareto(shape="pareto", low=7.0, alpha=1.15, max=2_000.0)
    loss: float = Field(default=0.0007, ge=0, lt=1)


class ServiceTime(_Strict):
    """How long a service itself takes to answer; hiccups are its own pauses (garbage collection, a cold cache)."""

    time_ms: Distribution = Lognormal(shape="lognormal", median=4.0, sigma=0.5, max=1_000.0)
    hiccup_share: float = Field(default=0.0005, ge=0, le=1)
    hiccup_ms: Distribution = Exponential(shape="exponential", mean=300.0, max=5_000.0)


class LevelShifts(_Strict):
    """A path's base round trip changes for good, up or down."""

    per_hour: float = Field(default=0.038, ge=0)
    size_ms: Distribution = Lognormal(shape="lognormal", median=9.0, sigma=1.14, max=200.0)


class Peers(_Strict):
    """Messages between vantages: delayed by TCP where a packet is lost, gone for good with `drop`."""

    loss: float = Field(default=0.001, ge=0, lt=1)
    drop: float = Field(default=0.0005, ge=0, lt=1)


class Scenario(_Strict):
    """A world that releases are watched in. Times within a release count from the beginning of its watch."""

    name: str = Field(min_length=1)
    description: str = ""
    sources: tuple[str, ...] = ()
    services_per_link: int = Field(default=3, ge=1, le=100)
    warmup_s: float = Field(default=600.0, ge=60, le=7_200)
    watch_s: float = Field(default=300.0, ge=30, le=7_200)
    vantages: tuple[VantageAt, ...] = Field(min_length=1, max_length=9)
    links: tuple[Link, ...] = Field(min_length=1, max_length=200)
    noise: Noise = Noise()
    service: ServiceTime = ServiceTime()
    level_shifts: LevelShifts = LevelShifts()
    peers: Peers = Peers()
    episodes: tuple[Episode, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Scenario:
        for link in self.links:
            if len(link.rtt_ms) != len(self.vantages) or not all(0 < r <= 10_000 for r in link.rtt_ms):
                raise ValueError(f"link {link.name}: one round trip above 0 and at most 10000 ms for each vantage")
        for names in ([v.name for v in self.vantages], [x.name for x in self.links]):
            if len(set(names)) != len(names):
                raise ValueError("names of vantages and of links are unique")
        return self


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a scenario file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Scenario.model_json_schema()}


def load(name_or_path: str) -> Scenario:
    """A built-in scenario by its name, else a file. InvalidInput with every mistake where it is none."""
    if name_or_path in BUILT_IN:
        text = (resources.files(__package__) / "scenarios" / f"{name_or_path}.json").read_text(encoding="utf-8")
    else:
        text = _read(Path(name_or_path))
    return parse(text, name_or_path)


def _read(path: Path) -> str:
    mend = f"give a file, or one of {', '.join(BUILT_IN)}"
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInput((Diagnostic(str(path), f"larger than {MAX_FILE_BYTES} bytes", mend),))
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput((Diagnostic(str(path), f"cannot be read: {exc}", mend),)) from exc


def parse(text: str, where: str = "scenario") -> Scenario:
    """A scenario from JSON text. InvalidInput with every mistake where it is none."""
    try:
        return Scenario.model_validate(json.loads(text))
    except (json.JSONDecodeError, RecursionError) as exc:
        raise InvalidInput((Diagnostic(where, f"no JSON: {exc}"),)) from exc
    except ValidationError as exc:
        rows = [f"{'.'.join(map(str, e['loc'])) or 'the scenario'}: {e['msg']}" for e in exc.errors()]
        mend = "`python -m benchmarks.probes --schema` prints what a scenario may hold"
        raise InvalidInput(tuple(Diagnostic(where, row, mend) for row in rows)) from exc
