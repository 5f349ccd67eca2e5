"""`kind: Application`: what the user's backend is. Cross-field rules live in model.spec.check."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from model.units import count_or_percent, cpu_millicores, disk_gib, duration_s, memory_mib, share

API_VERSION = "duoyun.dev/v1"
MAX_RTT_MS = 1e6

Name = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$", description="lower case, at most 40")]
SiteId = Annotated[str, Field(pattern=r"^[a-z0-9-]+/[A-Za-z0-9-]+$", description="partition/zone")]
CpuMillicores = Annotated[int, BeforeValidator(cpu_millicores), Field(json_schema_extra={"type": ["string", "number"]})]
MemoryMib = Annotated[int, BeforeValidator(memory_mib), Field(json_schema_extra={"type": ["string", "integer"]})]
DiskGib = Annotated[int, BeforeValidator(disk_gib), Field(json_schema_extra={"type": ["string", "integer"]})]
Seconds = Annotated[float, BeforeValidator(duration_s), Field(ge=0, json_schema_extra={"type": ["string", "number"]})]


CountOrPercent = Annotated[str | int, BeforeValidator(count_or_percent), Field(description="`1` or `25%`")]
Share = Annotated[float, BeforeValidator(share), Field(json_schema_extra={"type": ["string", "number"]})]
Level = Literal["zone", "region", "cloud"]
NodeLevel = Literal["node", "zone", "region", "cloud"]


class Strict(BaseModel):
    """Unknown keys are errors; values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class DataClass(StrEnum):
    """How sensitive the data is that a service handles, lowest first."""

    PUBLIC = "public"
    INTERNAL = "internal"
    TRANSIT_PII = "transit-pii"
    PII = "pii"
    FINANCIAL = "financial"
    SENSITIVE_PII = "sensitive-pii"
    SECRET = "secret"  # noqa: S105  (a class of data, not a secret)


class Runtime(StrEnum):
    KUBERNETES = "kubernetes"
    VM = "vm"


class Resources(Strict):
    """Requests of one replica; limits.memory equals the request, cpu has no limit unless one is given.

    disk: on the node's own local disks, which are lost with the node; none by default.
    """

    cpu: CpuMillicores
    memory: MemoryMib
    gpu: Annotated[int, Field(ge=0, le=16)] = 0
    disk: DiskGib = 0
    cpu_limit: CpuMillicores | None = None


class Port(Strict):
    """public: strangers on the internet may call it; it gets a load balancer in each region it runs in."""

    name: Name = "http"
    port: Annotated[int, Field(ge=1, le=65535)]
    protocol: Literal["tcp", "udp"] = "tcp"
    public: bool = False


class SecretRef(Strict):
    """An existing Secret of the cluster; its key becomes an environment variable. Never read by duoyun."""

    name: str
    key: str
    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Dependency(Strict):
    """A call-graph edge. required: this service's release waits for that one's. within: wherever the caller runs, the
    callee runs in the same zone, region or cloud."""

    name: Name
    calls_per_s: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    bytes_per_call: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    max_rtt_ms: Annotated[float, Field(gt=0, le=MAX_RTT_MS)] | None = None
    within: Level | None = None
    required: bool = True


class Spread(Strict):
    """At least min_each replicas in each of at least min_domains failure domains of that level."""

    over: Level
    min_domains: Annotated[int, Field(ge=1, le=100)] = 2
    min_each: Annotated[int, Field(ge=1)] = 1


class Prefer(Strict):
    """What a replica in one of those sites (globs) instead of elsewhere is worth, per hour, in the fleet's currency.

    Weighed against the bill and no part of it.
    """

    sites: Annotated[tuple[str, ...], Field(min_length=1)]
    weight_per_hour: Annotated[float, Field(gt=0, le=1e6)]


class Apart(Strict):
    """No zone, region or cloud carries replicas of both services.

    Not of nodes: the room for rolling updates may be on a node that the other one is on.
    """

    service: Name
    over: Level = "zone"


class UserLatency(Strict):
    """At least one replica answers that population of the fleet within so many milliseconds of round trip."""

    population: Name
    max_rtt_ms: Annotated[float, Field(gt=0, le=MAX_RTT_MS)]


class PlacementRules(Strict):
    """sites: only these (globs such as `aws-cn/*` allowed); empty means any that law and capability allow.

    pin: site -> at least so many replicas. survive: level -> share of the replicas that is left when any one of them
    is lost. max_per: level -> at most so many replicas in one of them. max_node_share: the largest share of the
    replicas that one node carries. max_spot_share: the largest share of a site's replicas on spot machines, which may
    be taken back at any time; 0: on demand only.
    """

    sites: tuple[str, ...] = ()
    avoid_sites: tuple[str, ...] = ()
    pin: dict[SiteId, Annotated[int, Field(ge=1, le=100_000)]] = {}
    prefer: tuple[Prefer, ...] = ()
    spread: Spread | None = None
    survive: dict[Level, Share] = {}
    max_per: dict[NodeLevel, Annotated[int, Field(ge=1, le=100_000)]] = {}
    max_node_share: Annotated[Share, Field(gt=0)] = 1.0
    max_spot_share: Share = 0.0
    apart: tuple[Apart, ...] = ()
    users: tuple[UserLatency, ...] = ()


class HttpProbe(Strict):
    path: Annotated[str, Field(pattern=r"^/")] = "/healthz"
    port: str | int = "http"
    period: Seconds = 5.0
    timeout: Seconds = 1.0
    failure_threshold: Annotated[int, Field(ge=1, le=100)] = 3
    initial_delay: Seconds = 0.0


class Probes(Strict):
    readiness: HttpProbe | None = HttpProbe()
    liveness: HttpProbe | None = None


class Rollout(Strict):
    """one_way: this service's release cannot be undone (a schema change); a rollback stops there and says so."""

    max_surge: CountOrPercent = "25%"
    max_unavailable: CountOrPercent = 0
    progress_deadline: Seconds = 600.0
    min_ready: Seconds = 0.0
    one_way: bool = False


class Metric(Strict):
    """A number that must hold while canaries are watched: what a Prometheus answers to a query.

    url: its address; TLS, but on loopback. max, min: what each series of the answer must keep. token_env: the
    environment variable with its bearer token, which is written down nowhere.
    """

    name: Annotated[str, Field(min_length=1, max_length=60)]
    url: Annotated[str, Field(max_length=500)]
    query: Annotated[str, Field(min_length=1, max_length=4_000)]
    max: Annotated[float, Field(allow_inf_nan=False)] | None = None
    min: Annotated[float, Field(allow_inf_nan=False)] | None = None
    token_env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self.max is None and self.min is None:
            raise ValueError("a metric without `max` and `min` judges nothing: give one")
        parts = urlsplit(self.url)
        if parts.username or parts.password:
            raise ValueError("a secret in `url` would be on record: name its token's variable in token_env")
        loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
            raise ValueError("`url` must begin with https:// (http:// on this machine alone)")
        return self


class Canary(Strict):
    """A change of a running service goes to a share of its replicas first, in all clouds, and is watched there.

    share: at most that share of a service's replicas, and at least one of its Deployments; a service that runs as one
    Deployment alone has none. watch: how long what was changed must stay healthy before the rest follows. metrics: what
    must hold all that time.
    """

    share: Annotated[Share, Field(gt=0, lt=1)] = 0.25
    watch: Annotated[Seconds, Field(le=86_400)] = 60.0
    metrics: Annotated[tuple[Metric, ...], Field(max_length=20)] = ()


class Service(Strict):
    name: Name
    image: Annotated[str, Field(min_length=1, max_length=512)]
    runtime: Runtime = Runtime.KUBERNETES
    replicas: Annotated[int, Field(ge=1, le=100_000)] = 1
    resources: Resources
    ports: tuple[Port, ...] = ()
    env: dict[str, str] = {}
    secret_refs: Annotated[tuple[SecretRef, ...], Field(alias="secretRefs")] = ()
    depends_on: tuple[Dependency, ...] = ()
    data_class: DataClass
    zones: Annotated[tuple[str, ...], Field(description="legal zones: country codes, or `any`; empty is refused")]
    icp: Annotated[bool, Field(description="runs only where a region's public entries have an ICP filing")] = False
    p99_ms: Annotated[float, Field(gt=0, description="own processing time; none for batch and async")] | None = None
    architectures: Annotated[
        tuple[Literal["amd64", "arm64"], ...], Field(min_length=1, description="that the image is built for")
    ] = ("amd64",)
    placement: PlacementRules = PlacementRules()
    team: Annotated[Name | None, Field(description="whose quota it counts towards")] = None
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    probes: Probes = Probes()
    rollout: Rollout = Rollout()
    annotations: dict[str, str] = {}
    manifests: Annotated[
        tuple[str, ...], Field(description="files of pre-rendered manifests, relative to this file")
    ] = ()

    @property
    def readiness(self) -> HttpProbe | None:
        """The readiness probe in force: what was written, else the default where a port `http` can answer it."""
        if "readiness" in self.probes.model_fields_set or any(p.name == "http" for p in self.ports):
            return self.probes.readiness
        return None

    @property
    def most_on_a_node(self) -> int | None:
        """How many of its replicas one node may carry by its own rules; None where they do not say."""
        rules = self.placement
        caps = [rules.max_per["node"]] if "node" in rules.max_per else []
        if rules.max_node_share < 1:
            caps.append(max(1, math.floor(rules.max_node_share * self.replicas + 1e-9)))
        return min(caps, default=None)


class External(Strict):
    """Something that nobody deploys here: a database, a queue, a bank's API.

    sites: where it runs, as site ids or globs; `internet` for what answers anywhere. endpoints: host:port.
    requires_egress_ip: callers need a fixed egress address there.
    """

    name: Name
    sites: tuple[str, ...]
    endpoints: tuple[str, ...] = ()
    data_class: DataClass = DataClass.INTERNAL
    zones: tuple[str, ...] = ("any",)
    requires_egress_ip: bool = False


class Metadata(Strict):
    name: Name
    labels: dict[str, str] = {}


class ApplicationSpec(Strict):
    services: Annotated[tuple[Service, ...], Field(min_length=1, max_length=20_000)]
    externals: tuple[External, ...] = ()
    namespace: Name | None = None
    canary: Canary | None = None


class Application(Strict):
    """One backend: its services, what they call, and where the law lets them run."""

    api_version: Annotated[Literal["duoyun.dev/v1"], Field(alias="apiVersion")]
    kind: Literal["Application"]
    metadata: Metadata
    spec: ApplicationSpec

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.spec.namespace or self.metadata.name

    def service(self, name: str) -> Service:
        return next(s for s in self.spec.services if s.name == name)

    def to_plain(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)
