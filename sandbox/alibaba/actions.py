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
    certificates,
    clusters,
    databases,
    disks,
    ecs_tags,
    egress,
    ess,
    groups,
    kms,
    machines,
    messages,
    pools,
    ram,
    resources,
    slb,
    sts,
    trails,
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
    *("Associate", "Unassociate", "Upload", "Schedule", "Bind", "Unbind"),
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
    "2020-04-07": "cas",
    "2014-08-15": "Rds",
    "2015-12-01": "Dds",
    "2017-08-01": "polardb",
    "2015-01-01": "R-kvstore",
    "2022-01-19": "Mns-open",
    "2019-09-16": "alikafka",
    "2015-05-01": "Ram",
    "2022-12-01": "ResourceCenter",
    "2017-06-26": "Nas",
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
            "CreateNatGateway": egress.create_nat_gateway,
            "DescribeNatGateways": egress.describe_nat_gateways,
            "DeleteNatGateway": egress.delete_nat_gateway,
            "AllocateEipAddress": egress.allocate_eip_address,
            "DescribeEipAddresses": egress.describe_eip_addresses,
            "AssociateEipAddress": egress.associate_eip_address,
            "UnassociateEipAddress": egress.unassociate_eip_address,
            "ReleaseEipAddress": egress.release_eip_address,
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
            "DescribeScalingActivities": ess.describe_scaling_activities,
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
        "cas",
        {
            "UploadUserCertificate": certificates.upload,
            "ListUserCertificateOrder": certificates.list_orders,
            "DeleteUserCertificate": certificates.delete,
        },
        regional=False,
        tokens={"UploadUserCertificate", "DeleteUserCertificate"},
    ),
    **_table(
        "Rds",
        {
            "CreateDBInstance": databases.create_rds,
            "DescribeDBInstances": databases.describe_rds,
            "DescribeDBInstanceAttribute": databases.describe_rds_attribute,
            "DescribeDBInstanceNetInfo": databases.describe_rds_net_info,
            "DescribeBackupPolicy": databases.describe_rds_backup_policy,
            "ModifyDBInstanceSSL": databases.modify_rds_ssl,
            "DescribeDBInstanceSSL": databases.describe_rds_ssl,
            "DescribeDBInstanceEncryptionKey": databases.describe_rds_key,
            "ListTagResources": databases.list_rds_tags,
            "DeleteDBInstance": databases.delete_rds,
        },
        tokens={"CreateDBInstance"},
    ),
    **_table(
        "Dds",
        {
            "CreateDBInstance": databases.create_dds,
            "DescribeDBInstances": databases.describe_dds,
            "DescribeDBInstanceAttribute": databases.describe_dds_attribute,
            "DescribeSecurityIps": databases.describe_dds_ips,
            "DescribeBackupPolicy": databases.describe_dds_backup_policy,
            "DeleteDBInstance": databases.delete_dds,
        },
        tokens={"CreateDBInstance", "DeleteDBInstance"},
    ),
    **_table(
        "polardb",
        {
            "CreateDBCluster": databases.create_polardb,
            "DescribeDBClusters": databases.describe_polardb,
            "DescribeDBClusterAccessWhitelist": databases.describe_polardb_whitelist,
            "DescribeDBClusterTDE": databases.describe_polardb_tde,
            "DescribeDBClusterEndpoints": databases.describe_polardb_endpoints,
            "DeleteDBCluster": databases.delete_polardb,
        },
        tokens={"CreateDBCluster"},
    ),
    **_table(
        "R-kvstore",
        {
            "CreateInstance": databases.create_kvstore,
            "DescribeInstances": databases.describe_kvstores,
            "DescribeInstanceAttribute": databases.describe_kvstore_attribute,
            "DescribeInstanceSSL": databases.describe_kvstore_ssl,
            "DescribeDBInstanceNetInfo": databases.describe_kvstore_net_info,
            "DescribeBackupPolicy": databases.describe_kvstore_backup_policy,
            "DeleteInstance": databases.delete_kvstore,
        },
        tokens=(),
    ),
    **_table(
        "Mns-open",
        {
            "CreateQueue": messages.create_queue,
            "ListQueue": messages.list_queue,
            "DeleteQueue": messages.delete_queue,
            "CreateTopic": messages.create_topic,
            "ListTopic": messages.list_topic,
            "DeleteTopic": messages.delete_topic,
        },
        tokens=(),
    ),
    **_table(
        "alikafka",
        {
            "CreatePostPayInstance": messages.create_kafka,
            "StartInstance": messages.start_kafka,
            "GetInstanceList": messages.list_kafka,
            "DeleteInstance": messages.delete_kafka,
        },
        tokens=(),
    ),
    **_table(
        "Ram",
        {
            "CreateUser": ram.create_user,
            "ListUsers": ram.list_users,
            "CreateAccessKey": ram.create_access_key,
            "ListAccessKeys": ram.list_access_keys,
            "BindMFADevice": ram.bind_mfa_device,
            "UnbindMFADevice": ram.unbind_mfa_device,
            "GetUserMFAInfo": ram.get_user_mfa_info,
            "DeleteUser": ram.delete_user,
            "CreateRole": ram.create_role,
            "ListRoles": ram.list_roles,
            "GetRole": ram.get_role,
            "DeleteRole": ram.delete_role,
            "CreatePolicy": ram.create_policy,
            "ListPolicies": ram.list_policies,
            "GetPolicy": ram.get_policy,
            "ListEntitiesForPolicy": ram.list_entities_for_policy,
            "DeletePolicy": ram.delete_policy,
            "AttachPolicyToUser": ram.attach_to_user,
            "DetachPolicyFromUser": ram.detach_from_user,
            "AttachPolicyToRole": ram.attach_to_role,
            "DetachPolicyFromRole": ram.detach_from_role,
            "ListPoliciesForUser": ram.policies_of_user,
            "ListPoliciesForRole": ram.policies_of_role,
        },
        regional=False,
        tokens=(),
    ),
    **_table(
        "Actiontrail",
        {
            "CreateTrail": trails.create_trail,
            "DescribeTrails": trails.describe_trails,
            "StartLogging": trails.start_logging,
            "StopLogging": trails.stop_logging,
            "DeleteTrail": trails.delete_trail,
        },
        tokens=(),
    ),
    **_table("ResourceCenter", {"SearchResources": resources.search_resources}, regional=False, tokens=()),
    **_table(
        "Nas",
        {
            "CreateFileSystem": resources.create_file_system,
            "DescribeFileSystems": resources.describe_file_systems,
            "DeleteFileSystem": resources.delete_file_system,
        },
        tokens={"CreateFileSystem"},
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
    (method, re.compile(pattern), Action(service, name, run, write=method != "GET"))
    for service, method, pattern, name, run in (
        ("CS", "POST", "/clusters", "CreateCluster", clusters.create_cluster),
        ("CS", "GET", "/api/v1/clusters", "DescribeClustersV1", clusters.describe_clusters_v1),
        (
            "CS",
            "GET",
            "/api/v1/metadata/versions",
            "DescribeKubernetesVersionMetadata",
            catalogue.describe_kubernetes_versions,
        ),
        ("CS", "GET", _C, "DescribeClusterDetail", clusters.describe_cluster_detail),
        ("CS", "DELETE", _C, "DeleteCluster", clusters.delete_cluster),
        ("CS", "PUT", f"/api/v2{_C}", "ModifyCluster", clusters.modify_cluster),
        ("CS", "POST", f"/api/v2{_C}/upgrade", "UpgradeCluster", clusters.upgrade_cluster),
        ("CS", "GET", f"{_C}/audit", "GetClusterAuditProject", clusters.get_cluster_audit),
        ("CS", "PUT", f"{_C}/audit_log", "UpdateClusterAuditLogConfig", clusters.update_cluster_audit),
        (
            "CS",
            "GET",
            r"/k8s/(?P<ClusterId>[^/]+)/user_config",
            "DescribeClusterUserKubeconfig",
            clusters.describe_user_kubeconfig,
        ),
        ("CS", "POST", f"{_C}/nodepools", "CreateClusterNodePool", pools.create_node_pool),
        ("CS", "GET", f"{_C}/nodepools", "DescribeClusterNodePools", pools.describe_node_pools),
        ("CS", "GET", _C + _N, "DescribeClusterNodePoolDetail", pools.describe_node_pool_detail),
        ("CS", "POST", _C + _N, "ScaleClusterNodePool", pools.scale_node_pool),
        ("CS", "PUT", _C + _N, "ModifyClusterNodePool", pools.modify_node_pool),
        ("CS", "DELETE", _C + _N, "DeleteClusterNodepool", pools.delete_node_pool),
        ("CS", "PUT", "/tags", "TagResources", clusters.tag_resources),
        ("CS", "DELETE", "/tags", "UntagResources", clusters.untag_resources),
        ("CS", "GET", "/tags", "ListTagResources", clusters.list_tag_resources),
        ("RocketMQ", "POST", "/instances", "CreateInstance", messages.create_rocketmq),
        ("RocketMQ", "GET", "/instances", "ListInstances", messages.list_rocketmq),
        ("RocketMQ", "DELETE", r"/instances/(?P<instanceId>[^/]+)", "DeleteInstance", messages.delete_rocketmq),
    )
)
