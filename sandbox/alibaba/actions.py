"""Which actions the sandbox's Alibaba Cloud has: RPC by service and name, ROA by method and path.

Callers: server.py; tools/conformance. Not here: what the actions do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.alibaba import (
    acr,
    alidns,
    audit,
    catalogue,
    clusters,
    disks,
    ecs_tags,
    ess,
    groups,
    kms,
    machines,
    pools,
    slb,
    sts,
    vpc,
)
from sandbox.alibaba.state import Ctx

Handler = Callable[[Ctx], Any]


@dataclass(frozen=True, slots=True)
class Action:
    """regional: the request must name a region of the caller's partition. tokens: whether it honours ClientToken."""

    service: str
    name: str
    run: Handler
    write: bool = False
    regional: bool = True
    tokens: bool = True


_WRITE_VERBS = (
    *("Create", "Delete", "Modify", "Run", "Start", "Stop", "Authorize", "Revoke", "Tag", "Untag", "UnTag"),
    *("Resize", "Attach", "Detach", "Set", "Add", "Remove", "Enable", "Disable", "Update", "Allocate", "Release"),
    *("Associate", "Unassociate", "Upload", "Schedule"),
)


def _table(
    service: str, handlers: Mapping[str, Handler], *, regional: bool = True, tokens: Collection[str] | None = None
) -> dict[tuple[str, str], Action]:
    """tokens: names of those that honour a client token; None: all that write."""
    return {
        (service, name): Action(
            service,
            name,
            run,
            name.startswith(_WRITE_VERBS),
            regional and name != "DescribeRegions",
            tokens is None or name in tokens,
        )
        for name, run in handlers.items()
    }


VERSIONS: Mapping[str, str] = {
    "2014-05-26": "Ecs",
    "2016-04-28": "Vpc",
    "2015-04-01": "Sts",
    "2020-07-06": "Actiontrail",
    "2014-05-15": "Slb",
    "2022-02-22": "Ess",
    "2015-01-09": "Alidns",
    "2018-12-01": "cr",
    "2016-01-20": "Kms",
}
_PROTOCOLS = ("TCP", "UDP", "HTTP", "HTTPS")
RPC: Mapping[tuple[str, str], Action] = {
    **_table(
        "Ecs",
        {
            "DescribeRegions": catalogue.describe_regions,
            "DescribeZones": catalogue.describe_zones,
            "DescribeInstanceTypes": catalogue.describe_instance_types,
            "DescribeAvailableResource": catalogue.describe_available_resource,
            "DescribeImages": catalogue.describe_images,
            "RunInstances": machines.run_instances,
            "DescribeInstances": machines.describe_instances,
            "DescribeInstanceStatus": machines.describe_instance_status,
            "DescribeUserData": machines.describe_user_data,
            "DescribeDisks": disks.describe_disks,
            "CreateDisk": disks.create_disk,
            "ResizeDisk": disks.resize_disk,
            "AttachDisk": disks.attach_disk,
            "DetachDisk": disks.detach_disk,
            "ModifyDiskAttribute": disks.modify_disk_attribute,
            "DeleteDisk": disks.delete_disk,
            "ModifyInstanceAttribute": machines.modify_instance_attribute,
            "StartInstance": machines.start_instance,
            "StartInstances": machines.start_instances,
            "StopInstance": machines.stop_instance,
            "StopInstances": machines.stop_instances,
            "DeleteInstance": machines.delete_instances,
            "DeleteInstances": machines.delete_instances,
            "CreateSecurityGroup": groups.create_security_group,
            "DescribeSecurityGroups": groups.describe_security_groups,
            "DescribeSecurityGroupAttribute": groups.describe_security_group_attribute,
            "ModifySecurityGroupAttribute": groups.modify_security_group_attribute,
            "AuthorizeSecurityGroup": groups.authorize_ingress,
            "AuthorizeSecurityGroupEgress": groups.authorize_egress,
            "RevokeSecurityGroup": groups.revoke_ingress,
            "RevokeSecurityGroupEgress": groups.revoke_egress,
            "ModifySecurityGroupRule": groups.modify_rule,
            "ModifySecurityGroupEgressRule": groups.modify_rule,
            "DeleteSecurityGroup": groups.delete_security_group,
            "TagResources": ecs_tags.tag_resources,
            "UntagResources": ecs_tags.untag_resources,
            "ListTagResources": ecs_tags.list_tag_resources,
        },
    ),
    **_table(
        "Vpc",
        {
            "DescribeRegions": catalogue.describe_vpc_regions,
            "DescribeZones": catalogue.describe_vpc_zones,
            "CreateVpc": vpc.create_vpc,
            "DescribeVpcs": vpc.describe_vpcs,
            "ModifyVpcAttribute": vpc.modify_vpc_attribute,
            "DeleteVpc": vpc.delete_vpc,
            "CreateVSwitch": vpc.create_vswitch,
            "DescribeVSwitches": vpc.describe_vswitches,
            "DeleteVSwitch": vpc.delete_vswitch,
            "TagResources": vpc.tag_resources,
            "UnTagResources": vpc.untag_resources,
        },
    ),
    **_table(
        "Slb",
        {
            "CreateLoadBalancer": slb.create_load_balancer,
            "DescribeLoadBalancers": slb.describe_load_balancers,
            "DescribeLoadBalancerAttribute": slb.describe_attribute,
            "DescribeLoadBalancerListeners": slb.describe_listeners,
            "DescribeAccessLogsDownloadAttribute": slb.describe_access_logs,
            "DeleteLoadBalancer": slb.delete_load_balancer,
            "SetLoadBalancerName": slb.set_name,
            "SetLoadBalancerDeleteProtection": slb.set_delete_protection,
            **{f"CreateLoadBalancer{p}Listener": slb.creator(p.lower()) for p in _PROTOCOLS},
            **{f"SetLoadBalancer{p}ListenerAttribute": slb.setter(p.lower()) for p in _PROTOCOLS},
            "StartLoadBalancerListener": slb.start_listener,
            "StopLoadBalancerListener": slb.stop_listener,
            "DeleteLoadBalancerListener": slb.delete_listener,
            "AddBackendServers": slb.add_backend_servers,
            "RemoveBackendServers": slb.remove_backend_servers,
            "TagResources": slb.tag_resources,
            "UntagResources": slb.untag_resources,
        },
        tokens={"CreateLoadBalancer"},
    ),
    **_table(
        "Ess",
        {
            "CreateScalingGroup": ess.create_scaling_group,
            "CreateScalingConfiguration": ess.create_scaling_configuration,
            "EnableScalingGroup": ess.enable_scaling_group,
            "DisableScalingGroup": ess.disable_scaling_group,
            "ModifyScalingGroup": ess.modify_scaling_group,
            "DeleteScalingGroup": ess.delete_scaling_group,
            "AttachLoadBalancers": ess.attach_load_balancers,
            "DetachLoadBalancers": ess.detach_load_balancers,
            "DescribeScalingGroups": ess.describe_scaling_groups,
            "DescribeScalingConfigurations": ess.describe_scaling_configurations,
            "DescribeScalingInstances": ess.describe_scaling_instances,
            "TagResources": ess.tag_resources,
        },
        tokens={
            "CreateScalingGroup",
            "CreateScalingConfiguration",
            "AttachLoadBalancers",
            "DetachLoadBalancers",
        },
    ),
    **_table(
        "Alidns",
        {
            "AddDomain": alidns.add_domain,
            "DescribeDomains": alidns.describe_domains,
            "DeleteDomain": alidns.delete_domain,
            "AddDomainRecord": alidns.add_domain_record,
            "UpdateDomainRecord": alidns.update_domain_record,
            "UpdateDomainRecordRemark": alidns.update_remark,
            "SetDomainRecordStatus": alidns.set_status,
            "DeleteDomainRecord": alidns.delete_domain_record,
            "SetDNSSLBStatus": alidns.set_dnsslb_status,
            "UpdateDNSSLBWeight": alidns.update_dnsslb_weight,
            "DescribeDomainRecords": alidns.describe_domain_records,
        },
        regional=False,
        tokens=(),
    ),
    **_table(
        "Kms",
        {
            "CreateKey": kms.create_key,
            "DescribeKey": kms.describe_key,
            "ListKeys": kms.list_keys,
            "CreateAlias": kms.create_alias,
            "ListAliases": kms.list_aliases,
            "ListResourceTags": kms.list_resource_tags,
            "ScheduleKeyDeletion": kms.schedule_key_deletion,
            "CreateSecret": kms.create_secret,
            "ListSecrets": kms.list_secrets,
            "DescribeSecret": kms.describe_secret,
        },
        tokens=(),
    ),
    **_table(
        "cr",
        {
            "ListInstance": acr.list_instance,
            "ListInstanceEndpoint": acr.list_instance_endpoint,
            "CreateNamespace": acr.create_namespace,
            "ListNamespace": acr.list_namespace,
            "DeleteNamespace": acr.delete_namespace,
            "CreateRepository": acr.create_repository,
            "GetRepository": acr.get_repository,
            "ListRepository": acr.list_repository,
            "UpdateRepository": acr.update_repository,
            "DeleteRepository": acr.delete_repository,
            "ListRepoTag": acr.list_repo_tag,
        },
        tokens=(),
    ),
    ("Sts", "GetCallerIdentity"): Action("Sts", "GetCallerIdentity", sts.get_caller_identity, regional=False),
    ("Sts", "AssumeRole"): Action("Sts", "AssumeRole", sts.assume_role, regional=False),
    ("Actiontrail", "LookupEvents"): Action("Actiontrail", "LookupEvents", audit.lookup_events),
}
_C, _N = r"/clusters/(?P<ClusterId>[^/]+)", r"/nodepools/(?P<NodepoolId>[^/]+)"
ROA: tuple[tuple[str, re.Pattern[str], Action], ...] = tuple(
    (method, re.compile(pattern), Action("CS", name, run, write=method != "GET"))
    for method, pattern, name, run in (
        ("POST", "/clusters", "CreateCluster", clusters.create_cluster),
        ("GET", "/api/v1/clusters", "DescribeClustersV1", clusters.describe_clusters_v1),
        (
            "GET",
            "/api/v1/metadata/versions",
            "DescribeKubernetesVersionMetadata",
            catalogue.describe_kubernetes_versions,
        ),
        ("GET", _C, "DescribeClusterDetail", clusters.describe_cluster_detail),
        ("DELETE", _C, "DeleteCluster", clusters.delete_cluster),
        ("PUT", f"/api/v2{_C}", "ModifyCluster", clusters.modify_cluster),
        ("POST", f"/api/v2{_C}/upgrade", "UpgradeCluster", clusters.upgrade_cluster),
        ("GET", f"{_C}/audit", "GetClusterAuditProject", clusters.get_cluster_audit),
        ("PUT", f"{_C}/audit_log", "UpdateClusterAuditLogConfig", clusters.update_cluster_audit),
        (
            "GET",
            r"/k8s/(?P<ClusterId>[^/]+)/user_config",
            "DescribeClusterUserKubeconfig",
            clusters.describe_user_kubeconfig,
        ),
        ("POST", f"{_C}/nodepools", "CreateClusterNodePool", pools.create_node_pool),
        ("GET", f"{_C}/nodepools", "DescribeClusterNodePools", pools.describe_node_pools),
        ("GET", _C + _N, "DescribeClusterNodePoolDetail", pools.describe_node_pool_detail),
        ("POST", _C + _N, "ScaleClusterNodePool", pools.scale_node_pool),
        ("PUT", _C + _N, "ModifyClusterNodePool", pools.modify_node_pool),
        ("DELETE", _C + _N, "DeleteClusterNodepool", pools.delete_node_pool),
        ("PUT", "/tags", "TagResources", clusters.tag_resources),
        ("DELETE", "/tags", "UntagResources", clusters.untag_resources),
        ("GET", "/tags", "ListTagResources", clusters.list_tag_resources),
    )
)
