"""What faces the outside, read: ACM certificates, NAT gateways and elastic addresses.

Callers: provider.py. Sources: ACM API Reference, DescribeCertificate; EC2 API Reference, DescribeNatGateways,
DescribeAddresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model.resources import Certificate, Kind, NatGateway, Observed, PublicIp, State
from providers.aws.listed import Listed, if_told, tags_of_pairs
from providers.aws.network import Networks, Subnets
from providers.aws.session import Session
from providers.aws.tags import logical_name, user_tags
from providers.base import Call

_CERTIFICATES = {
    "PENDING_VALIDATION": State.PENDING,
    "ISSUED": State.READY,
    "INACTIVE": State.FAILED,
    "EXPIRED": State.FAILED,
    "VALIDATION_TIMED_OUT": State.FAILED,
    "REVOKED": State.FAILED,
    "FAILED": State.FAILED,
}
_GATEWAYS = {"pending": State.PENDING, "available": State.READY, "failed": State.FAILED, "deleting": State.DELETING}


class Certificates(Listed):
    """By their Name tag, else by their domain."""

    kind = Kind.CERTIFICATE

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        for row in self.session.pages("acm", region, "list_certificates", "CertificateSummaryList", call):
            yield self._observed(region, row["CertificateArn"], row, call)

    def _observed(self, region: str, arn: str, row: Mapping[str, Any], call: Call) -> Observed:
        def ask(operation: str) -> Any:
            return if_told(lambda: self.read("acm", region, operation, call, CertificateArn=arn), call, {})

        told = (ask("DescribeCertificate") or {}).get("Certificate") or {}
        tags = tags_of_pairs((ask("ListTagsForCertificate") or {}).get("Tags"))
        domain = told.get("DomainName") or row.get("DomainName", "")
        expires = told.get("NotAfter")
        return self.observed(
            region,
            Certificate(
                name=logical_name(tags, domain),
                tags=user_tags(tags),
                domains=tuple(sorted({domain, *(told.get("SubjectAlternativeNames") or ())})),
                expires_s=expires.timestamp() if expires is not None else None,
                algorithm=told.get("KeyAlgorithm", ""),
                renews=told["RenewalEligibility"] == "ELIGIBLE" if "RenewalEligibility" in told else None,
            ),
            arn,
            state=_CERTIFICATES.get(told.get("Status", ""), State.READY),
            raw={"tags": tags},
        )


class NatGateways(Listed):
    kind = Kind.NAT_GATEWAY

    def __init__(self, session: Session, networks: Networks, subnets: Subnets) -> None:
        super().__init__(session)
        self._networks, self._subnets = networks, subnets

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        rows = self.session.pages("ec2", region, "describe_nat_gateways", "NatGateways", call)
        live = [row for row in rows if row.get("State") != "deleted"]
        networks = self._networks.names(region, call) if live else {}
        subnets = self._subnets.names(region, call) if live else {}
        return [self._observed(region, row, networks, subnets) for row in live]

    def _observed(
        self,
        region: str,
        row: Mapping[str, Any],
        networks: Mapping[str, str],
        subnets: Mapping[str, tuple[str, str]],
    ) -> Observed:
        tags = tags_of_pairs(row.get("Tags"))
        addresses = [a["PublicIp"] for a in row.get("NatGatewayAddresses") or () if a.get("PublicIp")]
        vpc, subnet = row.get("VpcId", ""), row.get("SubnetId", "")
        return self.observed(
            region,
            NatGateway(
                name=logical_name(tags, row["NatGatewayId"]),
                tags=user_tags(tags),
                network=networks.get(vpc, vpc),
                subnet=subnets.get(subnet, (subnet, ""))[0],
                public_ips=tuple(sorted(addresses)),
            ),
            row["NatGatewayId"],
            state=_GATEWAYS.get(row.get("State", ""), State.PENDING),
            detail=row.get("FailureMessage", ""),
            raw={"tags": tags},
        )


class PublicIps(Listed):
    """Elastic addresses. Every address has AWS Shield Standard; Advanced is a subscription that is not looked up."""

    kind = Kind.PUBLIC_IP

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        rows = self.read("ec2", region, "DescribeAddresses", call)["Addresses"]
        return [self._observed(region, row) for row in rows]

    def _observed(self, region: str, row: Mapping[str, Any]) -> Observed:
        tags = tags_of_pairs(row.get("Tags"))
        identifier = row.get("AllocationId") or row["PublicIp"]
        instance, interface = row.get("InstanceId", ""), row.get("NetworkInterfaceId", "")
        return self.observed(
            region,
            PublicIp(
                name=logical_name(tags, identifier),
                tags=user_tags(tags),
                address=row["PublicIp"],
                attached_to=f"instance {instance}" if instance else f"interface {interface}" if interface else "",
            ),
            identifier,
            public_ip=row["PublicIp"],
            raw={"tags": tags},
        )
