"""Normalised resources that traffic comes in and goes out by. Callers take them from model.resources."""

from __future__ import annotations

from dataclasses import dataclass, field

from model.resource_base import Flag, Kind, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """How a load balancer asks its targets. protocol: tcp or http; path for http. Whole seconds, as the clouds have."""

    protocol: str = "tcp"
    port: int = 0  # 0: the port that traffic goes to
    path: str = ""
    interval_s: int = 10
    timeout_s: int = 5
    healthy_threshold: int = 3
    unhealthy_threshold: int = 3


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Listener:
    """protocol: tcp, udp, tls, http or https, as the front speaks it. target_port: where the targets listen.

    tls_policy: lowest TLS version spoken (`1.2`), "" where the front speaks none or it is not told.
    redirect_to_https: an http listener that does nothing else.
    """

    protocol: str
    port: int
    target_port: int
    health_check: HealthCheck = field(default_factory=HealthCheck, compare=False)
    certificate: str = ""
    tls_policy: str = ""
    redirect_to_https: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer(Resource):
    """NLB or ALB (AWS), Load Balancer or Application Gateway (Azure), NLB, ALB or SLB (Alibaba).

    layer: 4 or 7. targets: names of instances, or private addresses. listeners are sorted by port. allowed_cidrs: who
    may call, where it has a list of its own.
    """

    KIND = Kind.LOAD_BALANCER
    network: str
    subnets: tuple[str, ...]
    listeners: tuple[Listener, ...] = ()
    targets: tuple[str, ...] = ()
    layer: int = 4
    public: bool = False
    deletion_protection: Flag = False
    access_logs: Flag = None
    cross_zone: Flag = None
    waf: Flag = None
    allowed_cidrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TrafficWeight:
    """One answer of a weighted record and its share: weight / sum of the record's weights, 0 to 255."""

    value: str
    weight: int = 1
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsRecord(Resource):
    """One name and type in a zone; name is `TYPE fqdn`, such as `A api.example.com`.

    answers are sorted by value, each with weight 1 where the record is not weighted. Where a cloud's records have no
    tags, whose it is stands beside it (docs of that cloud), and tags are not wanted of it. A global service shows it in
    every region that is asked; its region is the fleet's to choose.
    """

    KIND = Kind.DNS_RECORD
    zone: str
    fqdn: str
    record_type: str
    answers: tuple[TrafficWeight, ...]
    ttl_s: int = 60

    @property
    def weighted(self) -> bool:
        """Whether its answers have shares: with weight 1 and no label each, it is a plain record of several values."""
        return any(answer.weight != 1 or answer.label for answer in self.answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Resource):
    """expires_s: seconds since the epoch, None where nobody says."""

    KIND = Kind.CERTIFICATE
    domains: tuple[str, ...] = ()
    expires_s: float | None = None
    algorithm: str = ""
    renews: Flag = None
    create_before_destroy: Flag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NatGateway(Resource):
    """public_ips: the fixed addresses from which a network's traffic leaves."""

    KIND = Kind.NAT_GATEWAY
    network: str = ""
    subnet: str = ""
    public_ips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicIp(Resource):
    """A reserved address. attached_to: kind and name of what uses it, "" for nothing."""

    KIND = Kind.PUBLIC_IP
    address: str = ""
    attached_to: str = ""
    ddos_protection: Flag = None
