"""`kind: Fleet`: the clouds, accounts, regions, sites and clusters that an application may be placed on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import Field

from model.resources import Ownership
from model.spec.app import MAX_RTT_MS, CpuMillicores, DiskGib, MemoryMib, Metadata, Name, Seconds, Share, SiteId, Strict
from model.spec.approvals import ApprovalsSpec, ApproverSpec

PARTITIONS = {
    "aws": "aws",
    "aws-cn": "aws",
    "azure": "azure",
    "azure-cn": "azure",
    "alibaba-cn": "alibaba",
    "alibaba-intl": "alibaba",
}  # partition -> cloud; a fourth cloud adds a row here and a folder under providers/
Partition = Literal["aws", "aws-cn", "azure", "azure-cn", "alibaba-cn", "alibaba-intl"]
SANDBOX = "sandbox"


class Credential(Strict):
    """How to find the secret; never the secret. Exactly one of: profile, env_prefix, or chain (the SDK's own)."""

    profile: str | None = None
    env_prefix: str | None = None
    chain: bool = False
    role_arn: str | None = None
    tenant_id: str | None = None


class AccountSpec(Strict):
    """endpoint: `sandbox` for the embedded sandbox, a URL for a private endpoint, absent for the cloud's own."""

    name: Name
    partition: Partition
    account_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    credential: Credential = Credential(chain=True)
    endpoint: str | None = None
    proxy_url: str | None = None
    ca_bundle: str | None = None
    resource_group: Annotated[str | None, Field(description="Azure: resource group for what duoyun creates")] = None

    @property
    def cloud(self) -> str:
        return PARTITIONS[self.partition]


class NetworkSpec(Strict):
    ownership: Ownership = Ownership.REFERENCE
    name: Name = "main"
    cidr: str


class RuleSpec(Strict):
    """One firewall rule of the fleet's own groups. ports `443`, `80,443` or `8000-8100`; empty: all of them."""

    protocol: Literal["tcp", "udp", "icmp", "any"] = "tcp"
    ports: str = ""
    cidr: str
    direction: Literal["ingress", "egress"] = "ingress"
    description: str = ""


class FirewallSpec(Strict):
    ownership: Ownership = Ownership.REFERENCE
    name: Name
    rules: tuple[RuleSpec, ...] = ()
    description: str = ""


class ClusterSpec(Strict):
    """version `major.minor`. How it is reached, where not as its cloud says: kubeconfig and ca_bundle (files beside the
    fleet), endpoint (https), tls_server_name (what its certificate names), proxy_url. node_pools: how many it may have;
    by default what its cloud allows unless asked for more."""

    ownership: Ownership = Ownership.REFERENCE
    name: Name = "main"
    version: Annotated[str, Field(pattern=r"^\d+\.\d+$")] = "1.35"
    public_endpoint: bool = True
    public_access_cidrs: tuple[str, ...] = ()
    kubeconfig: str | None = None
    endpoint: str | None = None
    tls_server_name: str | None = None
    ca_bundle: str | None = None
    proxy_url: str | None = None
    node_pools: Annotated[int, Field(ge=1, le=1000)] | None = None


class GatewaySpec(Strict):
    """Where other sites' traffic enters this region's cluster network."""

    address: str
    port: Annotated[int, Field(ge=1, le=65535)] = 15443


class ReservedSpec(Strict):
    """Machines that are paid for whether they run or not: a placement takes up to count of them for nothing."""

    instance_type: str
    count: Annotated[int, Field(ge=1, le=100_000)]


class ExistingNodeSpec(Strict):
    """A node of the region's cluster that somebody else made, with the room that is left on it.

    It must carry the label `duoyun.dev/site` of its zone; duoyun neither makes nor deletes it. disk: free room on local
    disks that its kubelet uses. spot: it may be taken back at any time.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$")]
    cpu: CpuMillicores
    memory: MemoryMib
    gpu: Annotated[int, Field(ge=0, le=64)] = 0
    pods: Annotated[int, Field(ge=1, le=1000)] = 110
    disk: DiskGib = 0
    arch: Literal["amd64", "arm64"] = "amd64"
    spot: bool = False


class ZoneSpec(Strict):
    """node_headroom: share of each node's cpu and memory that stays free here, instead of the fleet's."""

    zone: str
    subnet_cidr: str | None = None
    max_nodes: Annotated[int, Field(ge=0)] | None = None
    node_headroom: Annotated[Share, Field(lt=1)] | None = None
    reserved: tuple[ReservedSpec, ...] = ()
    existing_nodes: tuple[ExistingNodeSpec, ...] = ()


class RegionSpec(Strict):
    """One region of one account. Each of its zones is a site, named partition/zone."""

    account: Name
    region: str
    zones: Annotated[tuple[ZoneSpec, ...], Field(min_length=1)]
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    icp: Annotated[bool, Field(description="our public entries here have an ICP filing")] = False
    network: NetworkSpec
    firewalls: tuple[FirewallSpec, ...] = ()
    cluster: ClusterSpec | None = None
    registry: str | None = None
    gateway: GatewaySpec | None = None
    quota_vcpu: Annotated[int, Field(ge=0)] | None = None
    egress_ips: tuple[str, ...] = ()
    instance_types: Annotated[tuple[str, ...], Field(description="only these types; empty: all of the catalogue")] = ()


class LinkSpec(Strict):
    """Two regions (partition/region) whose gateways reach each other."""

    between: Annotated[tuple[str, str], Field()]
    rtt_ms: Annotated[float, Field(gt=0)] | None = None


class BudgetSpec(Strict):
    """What costs more than max_per_hour fails; what costs more than warn_per_hour is warned of."""

    max_per_hour: Annotated[float, Field(gt=0)]
    warn_per_hour: Annotated[float, Field(gt=0)] | None = None
    currency: str = "USD"


class PopulationSpec(Strict):
    """Users somewhere. rtt_ms: the round trip from them to each region (partition/region); others are too far."""

    name: Name
    rtt_ms: Annotated[dict[str, Annotated[float, Field(ge=0, le=MAX_RTT_MS)]], Field(min_length=1)]


class TeamQuotaSpec(Strict):
    """What the services of a team in one application may request together, in that region or, without one, in all."""

    team: Name
    cpu: CpuMillicores | None = None
    memory: MemoryMib | None = None
    region: str | None = None


class CapacitySpec(Strict):
    """How much more than the pods' requests is bought, and how much may move. The defaults are what always was.

    migration_cost_per_replica: what moving one must save per hour, in the fleet's currency; by default 2 % of what an
    average replica costs.
    """

    node_headroom: Annotated[Share, Field(lt=1)] = 0.0
    spare_node_per_pool: bool = False
    rollout_headroom: bool = True
    survive_node_loss: bool = True
    room_at_run_time: bool = False
    max_moves: Annotated[int, Field(ge=0)] | None = None
    migration_cost_per_replica: Annotated[float, Field(ge=0, le=1e6)] | None = None
    team_quotas: tuple[TeamQuotaSpec, ...] = ()


class OpaServerSpec(Strict):
    """An OPA server that evaluates the rules. token_env: the variable that holds its token. when_down: `deny`, or
    `embedded` to evaluate here then. upload: false where the bundle is there already."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    token_env: str | None = None
    ca_bundle: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    timeout: Seconds = 10.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    upload: bool = True
    when_down: Literal["deny", "embedded"] = "deny"


class PoliciesSpec(Strict):
    """bundles: folders of Rego beside this file. parameters: rule id -> its parameters. waivers: a file.

    server: evaluates the rules instead of the engine inside duoyun.
    """

    bundles: tuple[str, ...] = ()
    parameters: dict[str, dict[str, Any]] = {}
    waivers: str | None = None
    server: OpaServerSpec | None = None


class StateSpec(Strict):
    url: str | None = None
    lease: Seconds = 30.0


class FleetSpec(Strict):
    state: StateSpec = StateSpec()
    accounts: Annotated[tuple[AccountSpec, ...], Field(min_length=1)]
    regions: Annotated[tuple[RegionSpec, ...], Field(min_length=1)]
    mesh: Annotated[bool, Field(description="every two regions with a gateway are linked")] = False
    links: tuple[LinkSpec, ...] = ()
    budget: BudgetSpec | None = None
    capacity: CapacitySpec = CapacitySpec()
    populations: tuple[PopulationSpec, ...] = ()
    policies: PoliciesSpec = PoliciesSpec()
    approvers: tuple[ApproverSpec, ...] = ()
    approvals: ApprovalsSpec = ApprovalsSpec()
    assumptions: Annotated[str | None, Field(description="file of assumed prices, RTT and egress")] = None
    terraform_states: Annotated[
        tuple[str, ...], Field(description="outputs of `terraform show -json`: nothing that they hold is touched")
    ] = ()
    executors: Annotated[
        Literal["any", "one_partition"],
        Field(description="`one_partition`: duoyun works only where DUOYUN_PARTITION names one of the fleet's alone"),
    ] = "any"
    currency: str = "USD"
    exchange_rates: Annotated[dict[str, float], Field(description="1 unit of that currency in `currency`")] = {}
    tags: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Site:
    """A zone, seen with all that placement and rendering need to know about it."""

    id: str
    zone: str
    region: RegionSpec
    account: AccountSpec

    @property
    def partition(self) -> str:
        return self.account.partition

    @property
    def cloud(self) -> str:
        return self.account.cloud

    @property
    def region_id(self) -> str:
        return f"{self.account.partition}/{self.region.region}"


class Fleet(Strict):
    """Where an application may run, and what is ours there."""

    api_version: Annotated[Literal["duoyun.dev/v1"], Field(alias="apiVersion")]
    kind: Literal["Fleet"]
    metadata: Metadata
    spec: FleetSpec

    @property
    def name(self) -> str:
        return self.metadata.name

    def account(self, name: str) -> AccountSpec:
        return next(a for a in self.spec.accounts if a.name == name)

    def sites(self) -> Iterator[Site]:
        """Every zone of every region, in the order of the file."""
        for region in self.spec.regions:
            account = self.account(region.account)
            for zone in region.zones:
                yield Site(f"{account.partition}/{zone.zone}", zone.zone, region, account)

    def linked(self) -> tuple[LinkSpec, ...]:
        """The links: those written, and with `mesh` one between every other two regions that have gateways."""
        if not self.spec.mesh:
            return self.spec.links
        written = {frozenset(link.between) for link in self.spec.links}
        of = {account.name: account.partition for account in self.spec.accounts}
        ends = [f"{of[r.account]}/{r.region}" for r in self.spec.regions if r.gateway is not None and r.account in of]
        pairs = ((a, b) for a, b in combinations(dict.fromkeys(ends), 2) if frozenset((a, b)) not in written)
        return (*self.spec.links, *(LinkSpec(between=pair) for pair in pairs))

    def to_plain(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


__all__ = ["Fleet", "FleetSpec", "Site", "SiteId"]
