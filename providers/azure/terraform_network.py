"""hashicorp/azurerm: networks, firewalls, entries, machines, clusters. Rows are read by policies.loaders.mapping.

Facts: https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs, the defaults as of versions 3 and 4.
"""

from __future__ import annotations

from model.resource_base import Kind
from model.terraform import Join, managed, ref, row, typed

_GROUP = ("azurerm_network_security_group",)
_SUBNET = ("azurerm_subnet",)
_RULE = (
    *("source_address_prefix", "source_address_prefixes", "destination_address_prefix", "destination_port_range"),
    *("destination_port_ranges", "direction", "access", "protocol", "priority", "source_port_range"),
    *("destination_address_prefixes", "source_port_ranges", "source_application_security_group_ids"),
)
_KEY = ref("disk_key", "os_disk.disk_encryption_set_id")
_IDENTITY = row("managed_identity", "identity", "raw_identity", False)
_CARDS = (
    row("subnet", "network_interface_ids", "raw_card_subnet", ""),
    row("firewall_group", "network_interface_ids", "raw_card_group", ""),
    row("public_ip", "network_interface_ids", "raw_card_public", None),
)
_LINUX = (
    row("zone", "zone", "raw_text", ""),
    row("instance_type", "size|vm_size|sku", "raw_text", ""),
    row("user_data", "user_data|custom_data", "raw_text", ""),
    row("disk_encrypted", "", "raw_disk_encrypted", True, reads=("encryption_at_host_enabled", "os_disk")),
    row("double_encryption", "encryption_at_host_enabled", "flag", False),
    _KEY,
    _IDENTITY,
    row("password_in_document", "admin_password", "raw_literal", False),
    row("monitoring", "boot_diagnostics", "raw_present", False),
    row("extensions", "allow_extension_operations", "flag", True),
    row("auto_upgrades", "patch_mode", "is_none_of", None, "Manual"),
)
_LINUX_PASSWORD = row("password_login", "disable_password_authentication", "not_flag", False)
_OLD_PASSWORD = row("password_login", "", "raw_vm_password", None, reads=("os_profile_linux_config", "os_profile"))
_AKS = (
    row("version", "kubernetes_version", "version", None),
    row("public_endpoint", "private_cluster_enabled", "not_flag", True),
    row(
        "public_access_cidrs",
        "api_server_access_profile.authorized_ip_ranges|api_server_authorized_ip_ranges",
        "raw_texts",
        None,
    ),
    row("secrets_encrypted", "key_management_service", "raw_present", False),
    row("key", "disk_encryption_set_id|key_management_service.key_vault_key_id", "raw_reference", ""),
    row("rbac", "role_based_access_control_enabled|role_based_access_control.enabled", "flag", True),
    row("local_auth", "local_account_disabled", "not_flag", True),
    row("network_policy", "network_profile.network_policy", "raw_present", False),
    row("audit_logs", "oms_agent|addon_profile.oms_agent.enabled", "raw_present", False),
    row("auto_upgrades", "automatic_channel_upgrade|automatic_upgrade_channel", "raw_present", False),
    row("threat_detection", "microsoft_defender", "raw_present", False),
    row("managed_identity", "identity", "raw_identity", False),
    row("admission_policy", "azure_policy_enabled", "flag", False),
    row("secret_rotation", "key_vault_secrets_provider.secret_rotation_enabled", "flag", False),
    row("sla", "sku_tier", "is_none_of", False, "Free"),
    row(
        "host_encryption",
        "default_node_pool.enable_host_encryption|default_node_pool.host_encryption_enabled",
        "flag",
        False,
    ),
    row(
        "node_public_ip",
        "default_node_pool.enable_node_public_ip|default_node_pool.node_public_ip_enabled",
        "flag",
        False,
    ),
    row("run_command", "run_command_enabled", "flag", True),
)
_BALANCER = (row("subnets", "frontend_ip_configuration.subnet_id", "raw_references"),)

TYPES = (
    typed(
        "azurerm_virtual_network",
        Kind.NETWORK,
        row("cidr", "address_space", "raw_reference", ""),
        row("ddos_protection", "ddos_protection_plan", "raw_present", False),
        default=False,
    ),
    typed(
        "azurerm_subnet",
        Kind.SUBNET,
        ref("network", "virtual_network_name"),
        row("cidr", "address_prefixes|address_prefix", "raw_reference", ""),
        row("public", "default_outbound_access_enabled", "flag", None),
        guarded=False,
    ),
    managed(
        "azurerm_subnet_network_security_group_association",
        "other",
        joins=(
            Join(_SUBNET, "subnet_id", rows=(), fixed={"guarded": True}),
            Join(_GROUP, "network_security_group_id", rows=(row("subnets", "subnet_id", "raw_references"),)),
        ),
    ),
    typed(
        "azurerm_network_security_group",
        Kind.FIREWALL_GROUP,
        row("rules", "", "raw_group_rules", None, reads=("security_rule",)),
        default=False,
    ),
    typed(
        "azurerm_network_security_rule",
        Kind.FIREWALL_GROUP,
        row("rules", "", "raw_one_rule", None, reads=_RULE),
        joins=(Join(_GROUP, "network_security_group_name"),),
    ),
    managed(
        "azurerm_network_watcher_flow_log",
        "flow_log",
        row("enabled", "enabled", "flag", None),
        row("log_retention_days", "retention_policy.days", "number", None),
        row("traffic_analytics", "traffic_analytics.enabled", "flag", False),
        joins=(
            Join(
                (*_GROUP, "azurerm_virtual_network", "azurerm_subnet"),
                "network_security_group_id|target_resource_id",
                rows=(row("flow_logs", "enabled", "flag", None),),
                keep=True,
            ),
        ),
    ),
    managed("azurerm_network_watcher", "monitoring"),
    managed(
        "azurerm_network_interface",
        "network_interface",
        row("ip_forwarding", "enable_ip_forwarding|ip_forwarding_enabled", "flag", False),
        row("public", "ip_configuration.public_ip_address_id", "raw_present", False),
    ),
    managed(
        "azurerm_network_interface_security_group_association",
        "other",
        ref("card", "network_interface_id"),
        ref("group", "network_security_group_id"),
    ),
    managed("azurerm_network_ddos_protection_plan", "ddos_plan"),
    typed(
        "azurerm_public_ip",
        Kind.PUBLIC_IP,
        row("address", "ip_address", "raw_text", ""),
        row("ddos_protection", "ddos_protection_mode", "is_none_of", None, "Disabled"),
    ),
    typed("azurerm_nat_gateway", Kind.NAT_GATEWAY),
    managed(
        "azurerm_private_endpoint",
        "private_endpoint",
        ref("serves", "private_service_connection.private_connection_resource_id"),
        ref("subnet", "subnet_id"),
    ),
    managed(
        "azurerm_virtual_network_peering", "peering", row("ip_forwarding", "allow_forwarded_traffic", "flag", False)
    ),
    managed("azurerm_virtual_network_gateway", "vpn"),
    managed("azurerm_bastion_host", "bastion"),
    managed(
        "azurerm_firewall",
        "firewall_appliance",
        row("threat_intel", "threat_intel_mode", "lower", "alert"),
        ref("policy", "firewall_policy_id"),
        row("multi_zone", "zones", "at_least_two", False),
    ),
    managed(
        "azurerm_firewall_policy",
        "firewall_appliance",
        row("threat_intel", "threat_intelligence_mode", "lower", "alert"),
        row("blocks", "intrusion_detection.mode", "is_one", False, "Deny"),
    ),
    managed(
        "azurerm_web_application_firewall_policy",
        "waf",
        row("blocks", "policy_settings.mode", "is_one", True, "Prevention"),
        row("enabled", "policy_settings.enabled", "flag", True),
        row("blocks_known_exploits", "", "raw_blocks_exploits", False, reads=("managed_rules",)),
        row("rule_count", "managed_rules.managed_rule_set", "count", 0),
        row("custom_rules", "custom_rules", "count", 0),
    ),
    managed(
        "azurerm_frontdoor_firewall_policy",
        "waf",
        row("blocks", "mode", "is_one", True, "Prevention"),
        row("enabled", "enabled", "flag", True),
        row("rule_count", "managed_rule|custom_rule", "count", 0),
    ),
    managed(
        "azurerm_cdn_frontdoor_firewall_policy",
        "waf",
        row("blocks", "mode", "is_one", None, "Prevention"),
        row("enabled", "enabled", "flag", True),
        row("rule_count", "managed_rule|custom_rule", "count", 0),
    ),
    managed(
        "azurerm_frontdoor",
        "cdn",
        row("waf", "frontend_endpoint.web_application_firewall_policy_link_id", "raw_present", False),
        public=True,
    ),
    managed("azurerm_cdn_frontdoor_profile", "cdn", public=True),
    managed("azurerm_cdn_endpoint", "cdn", row("https_only", "is_http_allowed", "not_flag", False), public=True),
    managed(
        "azurerm_cdn_endpoint_custom_domain",
        "cdn",
        row("tls_min", "cdn_managed_https.tls_version|user_managed_https.tls_version", "raw_min_tls", None),
    ),
    typed(
        "azurerm_lb",
        Kind.LOAD_BALANCER,
        *_BALANCER,
        row("public", "frontend_ip_configuration.public_ip_address_id", "raw_present", False),
        row("cross_zone", "sku", "is_none_of", True, "Basic"),
        layer=4,
    ),
    typed(
        "azurerm_application_gateway",
        Kind.LOAD_BALANCER,
        *_BALANCER,
        row("public", "frontend_ip_configuration.public_ip_address_id", "raw_present", False),
        row("waf", "waf_configuration.enabled|firewall_policy_id", "raw_present", False),
        row(
            "listeners",
            "",
            "raw_gateway_listeners",
            None,
            reads=("http_listener", "ssl_policy", "frontend_port", "request_routing_rule", "redirect_configuration"),
        ),
        row("cross_zone", "zones", "at_least_two", False),
        layer=7,
    ),
    # -- machines --
    typed("azurerm_linux_virtual_machine", Kind.INSTANCE, *_CARDS, *_LINUX, _LINUX_PASSWORD),
    typed(
        "azurerm_windows_virtual_machine",
        Kind.INSTANCE,
        *_CARDS,
        *_LINUX,
        row("auto_upgrades", "enable_automatic_updates|automatic_updates_enabled", "flag", True),
    ),
    typed(
        "azurerm_virtual_machine",
        Kind.INSTANCE,
        *_CARDS,
        *_LINUX[:3],
        _IDENTITY,
        _OLD_PASSWORD,
        row("user_data", "os_profile.custom_data", "raw_text", ""),
        row("password_in_document", "os_profile.admin_password", "raw_literal", False),
        row("auto_upgrades", "os_profile_windows_config.enable_automatic_upgrades", "flag", None),
        disk_encrypted=True,
    ),
    typed(
        "azurerm_linux_virtual_machine_scale_set",
        Kind.INSTANCE_GROUP,
        *_LINUX,
        _LINUX_PASSWORD,
        row("size", "instances", "number"),
        row("health_check", "health_probe_id", "raw_present", None),
        row("auto_upgrades", "automatic_os_upgrade_policy.enable_automatic_os_upgrade", "flag", False),
        row("multi_zone", "zones", "at_least_two", False),
    ),
    typed(
        "azurerm_windows_virtual_machine_scale_set",
        Kind.INSTANCE_GROUP,
        *_LINUX,
        row("size", "instances", "number"),
        row("health_check", "health_probe_id", "raw_present", None),
        row("auto_upgrades", "enable_automatic_updates", "flag", True),
        row("multi_zone", "zones", "at_least_two", False),
    ),
    typed("azurerm_virtual_machine_scale_set", Kind.INSTANCE_GROUP, _OLD_PASSWORD, _IDENTITY, disk_encrypted=True),
    managed(
        "azurerm_virtual_machine_extension",
        "other",
        row("antimalware", "type", "is_one", False, "IaaSAntimalware"),
        ref("machine", "virtual_machine_id"),
        joins=(
            Join(
                ("azurerm_windows_virtual_machine", "azurerm_virtual_machine"),
                "virtual_machine_id",
                rows=(row("antimalware", "type", "raw_true_if", None, "IaaSAntimalware"),),
                keep=True,
                many=True,
            ),
        ),
    ),
    typed(
        "azurerm_managed_disk",
        Kind.DISK,
        row("size_gib", "disk_size_gb", "number"),
        row("zone", "zone", "raw_text", ""),
        row("disk_type", "storage_account_type", "raw_text", ""),
        row("encrypted", "", "raw_disk_encrypted", True, reads=("encryption_settings",)),
        ref("key", "disk_encryption_set_id"),
        row("public", "", "raw_disks_private", True, reads=("network_access_policy", "public_network_access_enabled")),
    ),
    managed(
        "azurerm_disk_encryption_set",
        "other",
        ref("key", "key_vault_key_id"),
        row("rotates", "auto_key_rotation_enabled", "flag", False),
    ),
    managed(
        "azurerm_snapshot",
        "snapshot",
        row("encrypted", "", "raw_disk_encrypted", True, reads=("encryption_settings",)),
        row("public", "public_network_access_enabled", "flag", True),
    ),
    managed("azurerm_image", "machine_image"),
    # -- containers --
    typed("azurerm_kubernetes_cluster", Kind.CLUSTER, *_AKS),
    typed(
        "azurerm_kubernetes_cluster_node_pool",
        Kind.NODE_POOL,
        ref("cluster", "kubernetes_cluster_id"),
        row("instance_type", "vm_size", "raw_text", ""),
        row("count", "node_count", "number"),
        row("capacity", "priority", "lookup", "on_demand", {"Spot": "spot"}, "on_demand"),
        row("public_ip", "enable_node_public_ip|node_public_ip_enabled", "flag", False),
        row("disk_encrypted", "enable_host_encryption|host_encryption_enabled", "flag", False),
    ),
    typed(
        "azurerm_container_registry",
        Kind.REGISTRY,
        row("public", "public_network_access_enabled", "flag", True),
        row("admin_user", "admin_enabled", "flag", False),
        row("any_principal", "anonymous_pull_enabled", "flag", False),
        row("multi_zone", "", "raw_registry_zones", False, reads=("zone_redundancy_enabled", "georeplications")),
        row("cleans_up", "retention_policy.enabled|retention_policy_in_days", "raw_registry_cleans", False),
        row("signed", "trust_policy.enabled|trust_policy_enabled", "flag", False),
        ref("key", "encryption.key_vault_key_id"),
        row("allowed_cidrs", "network_rule_set.ip_rule", "raw_rule_ips", None),
        row("geo_redundant", "georeplications", "raw_present", False),
        row("quarantine", "quarantine_policy_enabled", "flag", False),
        encrypted=True,
    ),
    managed(
        "azurerm_container_registry_webhook", "registry_webhook", row("protocol", "service_uri", "raw_scheme", None)
    ),
    managed(
        "azurerm_container_group",
        "container_group",
        row(
            "in_network", "", "raw_group_private", False, reads=("subnet_ids", "network_profile_id", "ip_address_type")
        ),
        row("public", "ip_address_type", "is_one", True, "Public"),
        _IDENTITY,
        row("environment", "", "raw_container_environment", None, reads=("container", "init_container")),
        ref("key", "key_vault_key_id"),
    ),
    managed(
        "azurerm_container_app",
        "container_service",
        _IDENTITY,
        row("public", "ingress.external_enabled", "flag", False),
        row("https_only", "ingress.allow_insecure_connections", "not_flag", None),
    ),
    managed(
        "azurerm_container_app_environment",
        "container_cluster",
        row("in_network", "infrastructure_subnet_id", "raw_present", False),
        row("public", "internal_load_balancer_enabled", "not_flag", True),
    ),
)
