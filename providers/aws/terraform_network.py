"""hashicorp/aws: networks, firewalls, load balancers, names. Rows are read by policies.loaders.mapping.

Facts: https://registry.terraform.io/providers/hashicorp/aws/latest/docs, the defaults as of version 5.
"""

from __future__ import annotations

from model.resource_base import Kind
from model.terraform import Join, Row, has, managed, ref, row, typed

_DESCRIPTION = row("description", "description", "raw_text", "")
_VPC = ref("network", "vpc_id")
_GROUP = ("aws_security_group", "aws_default_security_group")
_ACL = ("aws_network_acl", "aws_default_network_acl")
_BALANCERS = ("aws_lb", "aws_alb")
_RULE_READS = (
    *("cidr_blocks", "ipv6_cidr_blocks", "cidr_ipv4", "cidr_ipv6", "source_security_group_id", "self", "ip_protocol"),
    *("referenced_security_group_id", "prefix_list_ids", "prefix_list_id", "from_port", "to_port", "protocol", "type"),
)
_LISTENER = (row("listeners", "", "raw_listener", None, reads=("port", "protocol", "ssl_policy", "default_action")),)
_PARTS_OF_LISTENER = ("certificate_arn", "load_balancer_arn", "alpn_policy", "mutual_authentication")


def _flow_logs(*parents: tuple[str, str]) -> tuple[Join, ...]:
    on = {"flow_logs": True}
    return tuple(Join((kind,), by, rows=(), fixed=on, keep=True) for kind, by in parents)


def _rule_of(direction: str = "") -> Row:
    args = (direction,) if direction else ()
    return Row("rules", "", "raw_one_rule", None, args, _RULE_READS)


_RULES_INSIDE = row("rules", "", "raw_group_rules", None, reads=("ingress", "egress"))
_ACL_INSIDE = row("rules", "", "raw_acl_rules", None, reads=("ingress", "egress"))
_ACL_RULE_READS = ("rule_number", "egress", "protocol", "rule_action", "cidr_block", "ipv6_cidr_block", "from_port")
_WEB_ACL_OF = Join((*_BALANCERS, "aws_api_gateway_stage"), "resource_arn", rows=(), fixed={"waf": True})

_BALANCER = (
    row("layer", "load_balancer_type", "lookup", 7, {"network": 4, "gateway": 3, "application": 7}),
    row("public", "internal", "not_flag", True),
    row("deletion_protection", "enable_deletion_protection", "flag", False),
    row("access_logs", "", "raw_balancer_logs", False, reads=("access_logs",)),
    row("cross_zone", "", "raw_cross_zone", False, reads=("enable_cross_zone_load_balancing",)),
    row("drops_invalid_headers", "drop_invalid_header_fields", "flag", False),
    row("desync_mitigation", "desync_mitigation_mode", "raw_text", "defensive"),
    row("subnets", "subnets", "raw_references", None),
    row("firewall_groups", "security_groups", "raw_references", None),
)

TYPES = (
    typed("aws_vpc", Kind.NETWORK, row("cidr", "cidr_block", "raw_text", ""), flow_logs=False, default=False),
    typed("aws_default_vpc", Kind.NETWORK, flow_logs=False, default=True),
    typed(
        "aws_subnet",
        Kind.SUBNET,
        _VPC,
        row("cidr", "cidr_block", "raw_text", ""),
        row("zone", "availability_zone", "raw_text", ""),
        row("public", "map_public_ip_on_launch", "flag", False),
    ),
    typed(
        "aws_default_subnet",
        Kind.SUBNET,
        row("zone", "availability_zone", "raw_text", ""),
        row("public", "map_public_ip_on_launch", "flag", True),
    ),
    managed(
        "aws_flow_log",
        "flow_log",
        row("destination_type", "log_destination_type", "raw_text", "cloud-watch-logs"),
        ref("destination", "log_destination|log_group_name"),
        row("traffic", "traffic_type", "raw_text", "ALL"),
        joins=_flow_logs(("aws_vpc", "vpc_id"), ("aws_default_vpc", "vpc_id"), ("aws_subnet", "subnet_id")),
    ),
    # -- firewalls --
    typed("aws_security_group", Kind.FIREWALL_GROUP, _VPC, _RULES_INSIDE, _DESCRIPTION, default=False),
    typed("aws_default_security_group", Kind.FIREWALL_GROUP, _VPC, _RULES_INSIDE, default=True),
    typed(
        "aws_security_group_rule",
        Kind.FIREWALL_GROUP,
        _rule_of(),
        joins=(Join(_GROUP, "security_group_id"),),
    ),
    typed(
        "aws_vpc_security_group_ingress_rule",
        Kind.FIREWALL_GROUP,
        _rule_of("ingress"),
        joins=(Join(_GROUP, "security_group_id"),),
    ),
    typed(
        "aws_vpc_security_group_egress_rule",
        Kind.FIREWALL_GROUP,
        _rule_of("egress"),
        joins=(Join(_GROUP, "security_group_id"),),
    ),
    typed(
        "aws_network_acl",
        Kind.FIREWALL_GROUP,
        _VPC,
        _ACL_INSIDE,
        row("subnets", "subnet_ids", "raw_references"),
        family="acl",
        default=False,
    ),
    typed(
        "aws_default_network_acl",
        Kind.FIREWALL_GROUP,
        _ACL_INSIDE,
        row("subnets", "subnet_ids", "raw_references"),
        family="acl",
        default=True,
    ),
    typed(
        "aws_network_acl_rule",
        Kind.FIREWALL_GROUP,
        row("rules", "", "raw_acl_rule", None, reads=(*_ACL_RULE_READS, "to_port", "icmp_type", "icmp_code")),
        joins=(Join(_ACL, "network_acl_id"),),
        family="acl",
    ),
    managed("aws_network_acl_association", "other", ref("acl", "network_acl_id"), ref("subnet", "subnet_id")),
    managed("aws_ec2_managed_prefix_list", "prefix_list", row("cidrs", "", "raw_prefix_cidrs", None, reads=("entry",))),
    managed(
        "aws_networkfirewall_firewall",
        "firewall_appliance",
        row("deletion_protection", "delete_protection", "flag", False),
        ref("key", "encryption_configuration.key_id"),
        _VPC,
        logs=False,
    ),
    managed(
        "aws_networkfirewall_logging_configuration",
        "firewall_appliance",
        joins=(Join(("aws_networkfirewall_firewall",), "firewall_arn", rows=(has("logs", "logging_configuration"),)),),
    ),
    managed("aws_networkfirewall_firewall_policy", "firewall_appliance", ref("key", "encryption_configuration.key_id")),
    # -- load balancers --
    *(typed(n, Kind.LOAD_BALANCER, *_BALANCER) for n in _BALANCERS),
    *(
        typed(
            n,
            Kind.LOAD_BALANCER,
            *_LISTENER,
            row("tls_min", "", "raw_listener_tls", None, reads=_PARTS_OF_LISTENER),
            joins=(Join(_BALANCERS, "load_balancer_arn", rows=_LISTENER),),
        )
        for n in ("aws_lb_listener", "aws_alb_listener")
    ),
    typed(
        "aws_elb",
        Kind.LOAD_BALANCER,
        row("public", "internal", "not_flag", True),
        row("access_logs", "", "raw_balancer_logs", False, reads=("access_logs",)),
        row("cross_zone", "cross_zone_load_balancing", "flag", True),
        row("listeners", "", "raw_classic_listeners", None, reads=("listener",)),
        row("health_check", "health_check", "raw_present", False),
        row("subnets", "subnets", "raw_references", None),
        layer=4,
    ),
    *(
        managed(
            n,
            "target_group",
            row("protocol", "protocol", "lower", None),
            row("health_check", "", "raw_target_check", True, reads=("health_check",)),
            row("target_type", "target_type", "raw_text", "instance"),
            row("front_tls", "", "raw_front_tls", None),
            _VPC,
        )
        for n in ("aws_lb_target_group", "aws_alb_target_group")
    ),
    managed("aws_wafv2_web_acl_association", "waf", joins=(_WEB_ACL_OF,)),
    managed("aws_wafregional_web_acl_association", "waf", joins=(_WEB_ACL_OF,)),
    # -- the rest --
    typed("aws_nat_gateway", Kind.NAT_GATEWAY, ref("subnet", "subnet_id")),
    typed("aws_eip", Kind.PUBLIC_IP, ref("attached_to", "instance|network_interface")),
    typed(
        "aws_route53_record",
        Kind.DNS_RECORD,
        ref("zone", "zone_id"),
        row("fqdn", "name", "raw_text", ""),
        row("record_type", "type", "raw_text", ""),
        row("ttl_s", "ttl", "number"),
    ),
    managed("aws_route53_zone", "dns_zone", logs=False),
    managed(
        "aws_route53_query_log",
        "dns_zone",
        joins=(Join(("aws_route53_zone",), "zone_id", rows=(), fixed={"logs": True}),),
    ),
    managed("aws_vpc_peering_connection", "peering", row("auto_accept", "auto_accept", "flag", False)),
    managed(
        "aws_ec2_transit_gateway",
        "transit_gateway",
        row("auto_accept", "auto_accept_shared_attachments", "flag", False),
    ),
    managed("aws_vpn_connection", "vpn", row("logs", "tunnel1_log_options", "raw_present", False)),
    managed(
        "aws_vpc_endpoint",
        "private_endpoint",
        row("grants", "policy", "raw_policy"),
        row("any_principal", "policy", "raw_says", None, "any_principal"),
        ref("network", "vpc_id"),
    ),
    managed(
        "aws_vpc_endpoint_service", "private_endpoint", row("auto_accept", "acceptance_required", "not_flag", False)
    ),
    managed(
        "aws_network_interface",
        "network_interface",
        row("ip_forwarding", "source_dest_check", "not_flag", False),
        ref("subnet", "subnet_id"),
    ),
)
