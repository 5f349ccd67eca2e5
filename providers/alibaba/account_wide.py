"""CERTIFICATE (CAS), AUDIT_TRAIL (ActionTrail) and MANAGED_SERVICE (Resource Center), read only.

Callers: provider.py. Certificates belong to the account: every region shows the same. A trail shows in the region that
it was made in, and where it records. What has no kind of its own is whatever the Resource Center lists besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from model.resources import AuditTrail, Certificate, Kind, ManagedService, Observed
from providers.alibaba.common import Identified, Row, tags_of, users_tags
from providers.alibaba.reader import Reader
from providers.alibaba.session import PageNames
from providers.base import Call

_ORDERS = PageNames(number="CurrentPage", size="ShowSize")
_KINDS = ("UPLOAD", "CERT")  # uploaded, and issued by the service


class Certificates(Reader):
    KIND = Kind.CERTIFICATE

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        """The list tells no tags, so none is ever ours."""
        del name
        if tags:
            return
        where = ("CertificateOrderList",)
        for kind in _KINDS:
            asked = {"OrderType": kind}
            for row in self.session.pages("cas", "ListUserCertificateOrder", region, call, where, asked, _ORDERS):
                yield {**row, "kind": kind}

    def identify(self, row: Row) -> Identified:
        return Identified(str(row["CertificateId"]), str(row.get("Name") or ""), {})

    def observe(self, region: str, row: Row, call: Call) -> Observed:  # noqa: ARG002  (the same for every kind)
        who = self.identify(row)
        names = [str(row.get("CommonName") or ""), *str(row.get("Sans") or "").split(",")]
        until_ms = row.get("CertEndTime")
        certificate = Certificate(
            name=who.logical_name,
            domains=tuple(sorted({n.strip() for n in names if n.strip()})),
            expires_s=int(until_ms) / 1000 if until_ms else None,
            algorithm=str(row.get("Algorithm") or ""),
            renews=False if row["kind"] == "UPLOAD" else None,
        )
        return self.seen(region, row, certificate)


class AuditTrails(Reader):
    KIND = Kind.AUDIT_TRAIL

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        """Trails have no tags."""
        del name
        if not tags:
            asked = {"IncludeShadowTrails": "true"}
            answer = self.session.rpc("Actiontrail", "DescribeTrails", region, call, asked)
            yield from answer.get("TrailList") or ()

    def identify(self, row: Row) -> Identified:
        return Identified(str(row["Name"]), str(row["Name"]), {})

    def observe(self, region: str, row: Row, call: Call) -> Observed:  # noqa: ARG002  (the same for every kind)
        bucket, project = str(row.get("OssBucketName") or ""), str(row.get("SlsProjectArn") or "")
        trail = AuditTrail(
            name=str(row["Name"]),
            enabled=row.get("Status") == "Enable",
            all_regions=str(row.get("TrailRegion") or "") == "All",
            all_events=row.get("EventRW") == "All",
            destination=f"oss://{bucket}" if bucket else project,
        )
        return self.seen(region, row, trail)


_OWN_KINDS = (
    "ACS::VPC::VPC", "ACS::VPC::VSwitch", "ACS::ECS::SecurityGroup", "ACS::ECS::Instance", "ACS::ECS::Disk",
    "ACS::ACK::Cluster", "ACS::SLB::LoadBalancer", "ACS::ESS::ScalingGroup", "ACS::KMS::Key", "ACS::KMS::Secret",
    "ACS::NAT::NatGateway", "ACS::EIP::EipAddress", "ACS::YundunCert::Certificate", "ACS::ActionTrail::Trail",
    "ACS::OSS::Bucket", "ACS::RDS::DBInstance", "ACS::MongoDB::Instance", "ACS::PolarDB::DBCluster",
    "ACS::Redis::DBInstance", "ACS::RocketMQ::Instance", "ACS::AliKafka::Instance", "ACS::RAM::User", "ACS::RAM::Role",
    "ACS::RAM::Policy", "ACS::CR::Repository", "ACS::Alidns::Domain",
)  # fmt: skip
"""Types that have a kind here, as the Resource Center spells them."""
_CLASSES = {
    "NAS": "file_system", "FC": "function", "CDN": "cdn", "DCDN": "cdn", "ElasticSearch": "search", "SLS": "logs",
    "ApiGateway": "api_gateway", "CEN": "transit", "VPN": "vpn", "WAF": "firewall", "ALB": "load_balancer",
    "NLB": "load_balancer", "MaxCompute": "warehouse", "Hologram": "warehouse", "EMR": "analytics", "SAE": "function",
}  # fmt: skip
"""Service in a type's name -> its class in the model's words."""


class ManagedServices(Reader):
    KIND = Kind.MANAGED_SERVICE

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        filters = [{"Key": "RegionId", "MatchType": "Equals", "Value.1": region}]
        if name:
            filters.append({"Key": "ResourceName", "MatchType": "Equals", "Value.1": name})
        found = self.session.token_pages(
            "ResourceCenter", "SearchResources", region, call, ("Resources",), {"Filter": filters}
        )
        for row in found:
            if row.get("ResourceType") not in _OWN_KINDS:
                known = tags_of(row.get("Tags"))
                if all(known.get(k) == v for k, v in (tags or {}).items()):
                    yield row

    def identify(self, row: Row) -> Identified:
        return Identified(str(row["ResourceId"]), str(row.get("ResourceName") or ""), tags_of(row.get("Tags")))

    def observe(self, region: str, row: Row, call: Call) -> Observed:  # noqa: ARG002  (the same for every kind)
        who, native = self.identify(row), str(row.get("ResourceType") or "")
        service = native.split("::")[1] if native.count("::") == 2 else native
        found = ManagedService(
            name=who.logical_name,
            tags=users_tags(who.tags),
            service=_CLASSES.get(service, "other"),
            native_type=native,
            settings={"zone": str(row["ZoneId"])} if row.get("ZoneId") else {},
        )
        return self.seen(region, row, found)
