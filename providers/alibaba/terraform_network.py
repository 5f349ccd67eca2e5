"""aliyun/alicloud: networks, firewalls, entries, machines, clusters. Rows are read by policies.loaders.mapping.

Facts: https://registry.terraform.io/providers/aliyun/alicloud/latest/docs, the defaults as of version 1.2xx.
"""

from __future__ import annotations

from model.resource_base import Kind
from model.terraform import Join, Type, managed, ref, row, typed

_VPC = ref("network", "vpc_id")
_CIDR = row("cidr", "cidr_block", "raw_text", "")
_ZONE = row("zone", "zone_id|availability_zone", "raw_text", "")
_SLB = ("alicloud_slb_load_balancer", "alicloud_slb")
_LISTENER_READS = (
    "protocol",
    "frontend_port",
    "backend_port",
    "listener_protocol",
    "listener_port",
    "load_balancer_id",
)
_MACHINE = (
    _ZONE,
    row("instance_type", "instance_type|instance_types", "raw_reference", ""),
    row("machine_image", "image_id", "raw_reference", ""),
    row("user_data", "user_data", "raw_text", ""),
    row(
        "disk_encrypted",
        "",
        "raw_disks_encrypted",
        False,
        reads=("system_disk_encrypted", "data_disks", "system_disk", "data_disk"),
    ),
    ref("disk_key", "system_disk_kms_key_id"),
    row("public_ip", "internet_max_bandwidth_out", "above", False, 0),
    row("imds_v2_only", "", "raw_imds_v2", False, reads=("http_tokens", "http_endpoint")),
    row("imds_hop_limit", "http_put_response_hop_limit", "number"),
    row("password_login", "", "raw_password_login", None, reads=("password", "key_name", "kms_encrypted_password")),
    row("password_in_document", "password", "raw_literal", False),
    row("managed_identity", "role_name|ram_role_name", "raw_present", False),
    row("firewall_group", "security_groups|security_group_id|security_group_ids", "raw_reference", ""),
    row("antimalware", "security_enhancement_strategy", "is_one", None, "Active"),
)
_DELETE = row("deletion_protection", "deletion_protection|deletion_protection_enabled|delete_protection", "flag", False)
_CLUSTER = (
    row("version", "version", "version", None),
    row("subnets", "vswitch_ids|worker_vswitch_ids|master_vswitch_ids", "raw_references"),
    row("public_endpoint", "slb_internet_enabled|endpoint_public_access_enabled", "flag", True),
    row("secrets_encrypted", "encryption_provider_key", "raw_present", False),
    ref("key", "encryption_provider_key"),
    row("audit_logs", "", "raw_control_logs", False, "apiserver", reads=("control_plane_log_components",)),
    row("logs", "", "raw_control_logs", False, "apiserver", "kcm", "scheduler", "ccm"),
    row("network_policy", "", "raw_network_plugin", None, reads=("addons",)),
    row("auto_upgrades", "operation_policy.cluster_auto_upgrade.enabled", "flag", False),
    _DELETE,
    row("password_login", "password", "raw_present", None),
    row("firewall_group", "security_group_id", "raw_reference", ""),
)


def _cluster(native: str) -> Type:
    return typed(native, Kind.CLUSTER, *_CLUSTER, rbac=True)


def _listener(native: str, *parents: str) -> Type:
    listeners = row("listeners", "", "raw_listener", None, reads=_LISTENER_READS)
    return typed(native, Kind.LOAD_BALANCER, listeners, joins=(Join(parents, "load_balancer_id"),))


TYPES = (
    typed("alicloud_vpc", Kind.NETWORK, _CIDR, flow_logs=False, default=False, name="vpc_name|name"),
    typed("alicloud_vswitch", Kind.SUBNET, _VPC, _CIDR, _ZONE, flow_logs=False, name="vswitch_name|name"),
    managed(
        "alicloud_vpc_flow_log",
        "flow_log",
        row("enabled", "status", "is_one", True, "Active"),
        ref("source", "resource_id"),
        joins=(
            Join(("alicloud_vpc", "alicloud_vswitch"), "resource_id", rows=(), fixed={"flow_logs": True}, keep=True),
        ),
        name="flow_log_name",
    ),
    typed(
        "alicloud_security_group",
        Kind.FIREWALL_GROUP,
        _VPC,
        row("inner_access", "inner_access_policy|inner_access", "is_one", True, "Accept", "true"),
        row("description", "description", "raw_text", ""),
        default=False,
        name="security_group_name|name",
    ),
    typed(
        "alicloud_security_group_rule",
        Kind.FIREWALL_GROUP,
        row(
            "rules",
            "",
            "raw_one_rule",
            None,
            reads=(
                "cidr_ip",
                "ipv6_cidr_ip",
                "source_security_group_id",
                "prefix_list_id",
                "type",
                "ip_protocol",
                "port_range",
                "policy",
                "priority",
                "nic_type",
            ),
        ),
        joins=(Join(("alicloud_security_group",), "security_group_id"),),
    ),
    typed(
        "alicloud_network_acl",
        Kind.FIREWALL_GROUP,
        _VPC,
        row("rules", "", "raw_acl_rules", None, reads=("ingress_acl_entries", "egress_acl_entries")),
        family="acl",
        default=False,
        name="network_acl_name|name",
    ),
    *(
        managed(
            n,
            "prefix_list",
            row("cidrs", "", "raw_prefix_cidrs", None, reads=("entry", "entrys")),
            name="prefix_list_name",
        )
        for n in ("alicloud_vpc_prefix_list", "alicloud_ecs_prefix_list")
    ),
    typed("alicloud_eip_address", Kind.PUBLIC_IP, name="address_name"),
    typed("alicloud_eip", Kind.PUBLIC_IP),
    typed(
        "alicloud_eip_association",
        Kind.PUBLIC_IP,
        ref("attached_to", "instance_id"),
        joins=(Join(("alicloud_eip_address", "alicloud_eip"), "allocation_id"),),
    ),
    typed("alicloud_nat_gateway", Kind.NAT_GATEWAY, _VPC, ref("subnet", "vswitch_id"), name="nat_gateway_name"),
    *(
        typed(
            n,
            Kind.LOAD_BALANCER,
            row("public", "address_type|internet", "is_one", False, "internet", "true"),
            _DELETE,
            row("subnets", "vswitch_id", "raw_references"),
            row("cross_zone", "slave_zone_id", "raw_present", None),
            layer=4,
            access_logs=False,
            name="load_balancer_name|name",
        )
        for n in _SLB
    ),
    typed(
        "alicloud_alb_load_balancer",
        Kind.LOAD_BALANCER,
        _VPC,
        row("public", "address_type", "is_one", False, "Internet"),
        _DELETE,
        row("access_logs", "access_log_config", "raw_present", False),
        row("cross_zone", "zone_mappings", "raw_several", None),
        row("waf", "load_balancer_edition", "is_one", False, "StandardWithWaf"),
        layer=7,
        name="load_balancer_name",
    ),
    typed(
        "alicloud_nlb_load_balancer",
        Kind.LOAD_BALANCER,
        _VPC,
        row("public", "address_type", "is_one", False, "Internet"),
        row("deletion_protection", "deletion_protection_enabled|deletion_protection_config.enabled", "flag", False),
        row("cross_zone", "cross_zone_enabled", "flag", True),
        layer=4,
        name="load_balancer_name",
    ),
    _listener("alicloud_slb_listener", *_SLB),
    _listener("alicloud_alb_listener", "alicloud_alb_load_balancer"),
    _listener("alicloud_nlb_listener", "alicloud_nlb_load_balancer"),
    managed(
        "alicloud_alb_server_group",
        "target_group",
        row("protocol", "protocol", "lower", "http"),
        row("health_check", "health_check_config.health_check_enabled", "flag", None),
        name="server_group_name",
    ),
    managed(
        "alicloud_nlb_server_group",
        "target_group",
        row("protocol", "protocol", "lower", "tcp"),
        row("health_check", "health_check.health_check_enabled", "flag", True),
        name="server_group_name",
    ),
    managed(
        "alicloud_alb_security_policy",
        "other",
        row("tls_min", "tls_versions", "version", None),
        name="security_policy_name",
    ),
    managed("alicloud_slb_acl", "other", row("allowed_cidrs", "entry_list.entry", "raw_ips", None)),
    *(
        typed(
            n,
            Kind.DNS_RECORD,
            row("fqdn", "rr|host_record", "raw_text", ""),
            row("record_type", "type", "raw_text", ""),
            ref("zone", "domain_name|name"),
            row("ttl_s", "ttl", "number"),
        )
        for n in ("alicloud_alidns_record", "alicloud_dns_record")
    ),
    managed("alicloud_alidns_domain", "dns_zone", name="domain_name"),
    managed("alicloud_vpn_gateway", "vpn"),
    managed("alicloud_vpc_peer_connection", "peering", name="peer_connection_name"),
    managed("alicloud_cen_instance", "transit_gateway", name="cen_instance_name"),
    managed("alicloud_privatelink_vpc_endpoint", "private_endpoint", name="vpc_endpoint_name"),
    managed(
        "alicloud_privatelink_vpc_endpoint_service",
        "private_endpoint",
        row("auto_accept", "auto_accept_connection", "flag", False),
    ),
    managed("alicloud_ddoscoo_instance", "ddos_plan"),
    managed("alicloud_waf_domain", "waf", row("https_only", "http_to_user_ip", "not_flag", None), name="domain_name"),
    managed("alicloud_wafv3_instance", "waf"),
    managed("alicloud_cloud_firewall_instance", "firewall_appliance"),
    managed("alicloud_bastionhost_instance", "bastion", row("public", "enable_public_access", "flag", None)),
    *(
        managed(n, "cdn", public=True, name="domain_name", https_only=None)
        for n in ("alicloud_cdn_domain", "alicloud_cdn_domain_new", "alicloud_dcdn_domain")
    ),
    managed(
        "alicloud_cdn_domain_config", "cdn", row("function", "function_name", "raw_text", None), name="domain_name"
    ),
    # -- machines --
    typed(
        "alicloud_instance",
        Kind.INSTANCE,
        *_MACHINE,
        ref("subnet", "vswitch_id"),
        _DELETE,
        row("disk_gib", "system_disk_size", "number"),
        name="instance_name",
    ),
    *(
        managed(
            n,
            "launch_template",
            *(r for r in _MACHINE if r.field not in ("disk_encrypted", "public_ip")),
            row("encrypted", "", "raw_disks_encrypted", False, reads=("system_disk", "data_disks")),
            row("public", "internet_max_bandwidth_out", "above", False, 0),
            legacy_template=False,
            name="launch_template_name|name",
        )
        for n in ("alicloud_ecs_launch_template", "alicloud_launch_template")
    ),
    typed(
        "alicloud_ess_scaling_group",
        Kind.INSTANCE_GROUP,
        row("size", "desired_capacity", "number"),
        row("smallest", "min_size", "number"),
        row("largest", "max_size", "number"),
        row("subnets", "vswitch_ids|vswitch_id", "raw_references"),
        row("multi_zone", "vswitch_ids", "raw_several", None),
        row("load_balancers", "loadbalancer_ids", "raw_references"),
        row("health_check", "health_check_type|health_check_types", "raw_present", None),
        _DELETE,
        name="scaling_group_name",
    ),
    typed(
        "alicloud_ess_scaling_configuration",
        Kind.INSTANCE_GROUP,
        *_MACHINE,
        joins=(Join(("alicloud_ess_scaling_group",), "scaling_group_id"),),
        name="scaling_configuration_name",
    ),
    *(
        typed(
            n,
            Kind.DISK,
            _ZONE,
            row("size_gib", "size", "number"),
            row("disk_type", "category", "raw_text", "cloud_efficiency"),
            row("encrypted", "encrypted", "flag", False),
            ref("key", "kms_key_id"),
            name="disk_name|name",
        )
        for n in ("alicloud_ecs_disk", "alicloud_disk")
    ),
    *(
        typed(
            n,
            Kind.DISK,
            ref("attached_to", "instance_id"),
            joins=(Join(("alicloud_ecs_disk", "alicloud_disk"), "disk_id"),),
        )
        for n in ("alicloud_ecs_disk_attachment", "alicloud_disk_attachment")
    ),
    *(managed(n, "snapshot", ref("source", "disk_id")) for n in ("alicloud_ecs_snapshot", "alicloud_snapshot")),
    managed(
        "alicloud_ecs_auto_snapshot_policy",
        "snapshot_policy",
        row("copies_encrypted", "copy_encryption_configuration.encrypted", "flag", None),
        row("copies_key", "copy_encryption_configuration.kms_key_id", "raw_reference", None),
        row("backup_days", "retention_days", "number"),
    ),
    managed("alicloud_image", "machine_image", name="image_name"),
    managed(
        "alicloud_image_copy",
        "machine_image",
        row("encrypted", "encrypted", "flag", False),
        ref("key", "kms_key_id"),
        name="image_name",
    ),
    managed(
        "alicloud_ecs_network_interface",
        "network_interface",
        ref("subnet", "vswitch_id"),
        name="network_interface_name",
    ),
    # -- containers --
    *(
        _cluster(n)
        for n in (
            "alicloud_cs_managed_kubernetes",
            "alicloud_cs_kubernetes",
            "alicloud_cs_dedicated_kubernetes",
            "alicloud_cs_edge_kubernetes",
            "alicloud_cs_serverless_kubernetes",
        )
    ),
    typed(
        "alicloud_cs_kubernetes_node_pool",
        Kind.NODE_POOL,
        ref("cluster", "cluster_id"),
        row("subnet", "vswitch_ids", "raw_reference", ""),
        row("instance_type", "instance_types", "raw_reference", ""),
        row("count", "desired_size|node_count", "number"),
        row("capacity", "spot_strategy", "lookup", "on_demand", {"NoSpot": "on_demand"}, "spot"),
        row("auto_repair", "management.auto_repair", "flag", False),
        row("auto_upgrades", "management.auto_upgrade", "flag", False),
        row("public_ip", "internet_max_bandwidth_out", "above", False, 0),
        row("disk_encrypted", "", "raw_disks_encrypted", False, reads=("system_disk_encrypted", "data_disks")),
        ref("disk_key", "system_disk_kms_key"),
        row("password_login", "", "raw_password_login", None, reads=("password", "key_name")),
        name="node_pool_name|name",
    ),
    typed("alicloud_cr_ee_instance", Kind.REGISTRY, encrypted=True, name="instance_name"),
    *(
        typed(
            n,
            Kind.REGISTRY,
            row("public", "repo_type", "is_one", False, "PUBLIC"),
            row("any_principal", "repo_type", "is_one", False, "PUBLIC"),
            row("immutable_tags", "tag_immutability", "flag", False),
        )
        for n in ("alicloud_cr_repo", "alicloud_cr_ee_repo")
    ),
    *(
        managed(n, "other", row("public", "default_visibility", "is_one", False, "PUBLIC"))
        for n in ("alicloud_cr_namespace", "alicloud_cr_ee_namespace")
    ),
)
