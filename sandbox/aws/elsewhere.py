"""What lives outside EC2 and EKS, for the inventory: load balancers, scaling groups, repositories, DNS records.

Callers: inventory.py. Left out: a zone's own NS and SOA records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws.cloud import Cloud

Thing = tuple[str, str, str, Mapping[str, str], str, str]
"""kind, id, name, tags, account, region"""


def elsewhere(cloud: Cloud) -> Iterator[Thing]:
    """Under the cloud's lock."""
    for account_id, region, backend in cloud.moto.touched("elbv2"):
        for kind, arn, name in _balancing(backend):
            yield kind, arn, name, dict(backend.tagging_service.get_tag_dict_for_resource(arn)), account_id, region
    for account_id, region, backend in cloud.moto.touched("autoscaling"):
        for group in backend.autoscaling_groups.values():
            yield "instance_group", group.arn, group.name, _pairs(group.tags), account_id, region
    for account_id, region, backend in cloud.moto.touched("ecr"):
        for repository in backend.repositories.values():
            tags = dict(backend.tagger.get_tag_dict_for_resource(repository.arn))
            yield "registry", repository.arn, repository.name, tags, account_id, region
    for account_id, region, backend in cloud.moto.touched("route53"):
        for zone in backend.zones.values():
            for record in zone.rrsets:
                if record.type not in ("NS", "SOA"):
                    kind = "dns_marker" if record.type == "TXT" else "dns_record"
                    yield (
                        kind,
                        f"{zone.id}/{record.type}/{record.name}/{record.set_identifier}",
                        record.name,
                        {},
                        account_id,
                        region,
                    )


def _balancing(backend: Any) -> Iterator[tuple[str, str, str]]:
    for balancer in backend.load_balancers.values():
        yield "load_balancer", balancer.arn, balancer.name
        for listener in balancer.listeners.values():
            yield "listener", listener.arn, str(listener.port)
    for group in backend.target_groups.values():
        yield "target_group", group.arn, group.name


def _pairs(rows: Any) -> dict[str, str]:
    return {
        str(row.get("Key") or row.get("key")): str(row.get("Value") or row.get("value") or "") for row in rows or ()
    }
