"""Everything alive in the sandbox's AWS, for GET /inventory: what AWS itself puts there is left out.

Callers: sandbox.aws.server. Left out: default VPCs with their subnets, groups and gateways, main route tables, IAM
(global, shared by clusters), images, and what is terminated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws.cloud import Cloud
from sandbox.aws.elsewhere import elsewhere
from sandbox.aws.instances import TERMINATED, instances_of

TAG_FLEET = "duoyun-fleet"


def inventory(cloud: Cloud) -> Iterator[dict[str, Any]]:
    """Rows with kind, id, name, tags, owner, account, region. Call it under the cloud's lock."""
    for account_id, region, backend in cloud.moto.touched("ec2"):
        for kind, thing_id, tags in _ec2(backend):
            yield _row(kind, thing_id, tags.get("Name", ""), tags, account_id, region)
    for account_id, region, backend in cloud.moto.touched("eks"):
        for cluster in backend.clusters.values():
            yield _row("cluster", cluster.arn, cluster.name, cluster.tags, account_id, region)
            for group in cluster.nodegroups.values():
                yield _row("node_pool", group.arn, group.nodegroup_name, group.tags, account_id, region)
    for kind, thing_id, name, tags, account_id, region in elsewhere(cloud):
        yield _row(kind, thing_id, name, tags, account_id, region)


def _ec2(backend: Any) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    default = {vpc.id for vpc in backend.vpcs.values() if vpc.is_default in (True, "true")}
    for vpc in backend.vpcs.values():
        if vpc.id not in default:
            yield "network", vpc.id, _tags(vpc)
    for subnets in backend.subnets.values():
        for subnet in subnets.values():
            if subnet.vpc_id not in default:
                yield "subnet", subnet.id, _tags(subnet)
    for groups in backend.groups.values():
        for group in groups.values():
            if group.name != "default":
                yield "firewall_group", group.id, _tags(group)
    for gateway in backend.internet_gateways.values():
        if gateway.vpc is None or gateway.vpc.id not in default:
            yield "internet_gateway", gateway.id, _tags(gateway)
    for table in backend.route_tables.values():
        if table.vpc_id not in default and not table.main_association_id:
            yield "route_table", table.id, _tags(table)
    for instance in instances_of(backend):
        if instance._state.code != TERMINATED:
            yield "instance", instance.id, _tags(instance)
    for template in backend.launch_templates.values():
        yield "launch_template", template.id, _tags(template)
    for volume in backend.volumes.values():
        if volume.attachment is None:
            yield "volume", volume.id, _tags(volume)


def _tags(thing: Any) -> dict[str, str]:
    return {row["key"]: row["value"] for row in thing.get_tags()}


def _row(kind: str, thing_id: str, name: str, tags: Mapping[str, str], account_id: str, region: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": thing_id,
        "name": name,
        "tags": dict(tags),
        "owner": tags.get(TAG_FLEET, ""),
        "account": account_id,
        "region": region,
    }
