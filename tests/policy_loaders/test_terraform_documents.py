"""Terraform of each cloud to documents of the model, with the place where each value was written."""

from __future__ import annotations

from tests.policy_loaders.conftest import UNKNOWN, LoadFiles, by_address

_BUCKET = """
provider "aws" {
  region = "cn-north-1"
  default_tags { tags = { owner = "team" } }
}
resource "aws_s3_bucket" "b" {
  bucket = "logs"
  tags   = { env = "prod" }
}
resource "aws_s3_bucket_versioning" "b" {
  bucket = aws_s3_bucket.b.id
  versioning_configuration { status = "Enabled" }
}
resource "aws_s3_bucket_public_access_block" "b" {
  bucket                  = aws_s3_bucket.b.bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}
data "aws_iam_policy_document" "p" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.b.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }
}
resource "aws_s3_bucket_policy" "b" {
  bucket = "logs"
  policy = data.aws_iam_policy_document.p.json
}
resource "aws_s3_bucket_versioning" "alone" {
  bucket = "not-here"
  versioning_configuration { status = "Suspended" }
}
"""


def test_what_several_resources_make_is_one_document(load_files: LoadFiles) -> None:
    found = by_address(load_files(_BUCKET))
    assert set(found) == {"aws_s3_bucket.b", "aws_s3_bucket_versioning.alone"}
    bucket = found["aws_s3_bucket.b"]
    assert bucket["kind"] == "bucket"
    assert (bucket["partition"], bucket["region"], bucket["country"]) == ("aws-cn", "cn-north-1", "CN")
    assert bucket["tags"] == {"owner": "team", "env": "prod"}
    assert bucket["versioning"] is True
    assert bucket["public_access_blocked"] is True
    assert bucket["public"] is True
    assert bucket["any_principal"] is True
    assert bucket["tls_only"] is False
    assert bucket["grants"][0]["principals"] == ["*"]
    assert bucket["sources"]["versioning"] == {"address": "aws_s3_bucket_versioning.b", "position": "main.tf:12"}
    assert bucket["sources"]["any_principal"] == {"address": "aws_s3_bucket_policy.b", "position": "main.tf:33"}
    assert bucket["sources"]["grants[0]"] == {"address": "data.aws_iam_policy_document.p", "position": "main.tf:22"}


def test_a_part_without_its_parent_says_only_what_it_knows(load_files: LoadFiles) -> None:
    alone = by_address(load_files(_BUCKET))["aws_s3_bucket_versioning.alone"]
    assert alone["versioning"] is False
    assert alone["public"] is None
    assert alone["public_access_blocked"] is None


def test_what_one_part_opens_another_does_not_close(load_files: LoadFiles) -> None:
    closed = '{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*"}}'
    text = f"""
resource "aws_s3_bucket" "b" {{
  acl = "public-read"
}}
resource "aws_s3_bucket_policy" "b" {{
  bucket = aws_s3_bucket.b.id
  policy = {quoted(closed)}
}}
"""
    assert by_address(load_files(text))["aws_s3_bucket.b"]["public"] is True


def quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def test_aws_security_groups_with_every_kind_of_peer(load_files: LoadFiles) -> None:
    text = """
resource "aws_security_group" "web" {
  name = "web"
  ingress {
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }
  ingress {
    protocol        = "6"
    from_port       = var.port
    to_port         = 443
    security_groups = [aws_security_group.lb.id]
    prefix_list_ids = [aws_ec2_managed_prefix_list.office.id]
    self            = true
  }
}
resource "aws_security_group" "lb" {}
resource "aws_security_group_rule" "ssh" {
  security_group_id = aws_security_group.web.id
  type              = "ingress"
  protocol          = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_blocks       = ["10.0.0.0/8"]
}
resource "aws_vpc_security_group_egress_rule" "out" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "udp"
  from_port         = 53
  to_port           = 53
  cidr_ipv4         = "1.1.1.1/32"
}
resource "aws_ec2_managed_prefix_list" "office" {
  name = "office"
  entry { cidr = "203.0.113.0/24" }
}
"""
    found = by_address(load_files(text))
    group = found["aws_security_group.web"]
    told = [(r["direction"], r["protocol"], r["port_from"], r["port_to"]) for r in group["rules"]]
    assert told[:2] == [("ingress", "any", 0, 65535)] * 2
    assert told[2:5] == [("ingress", "tcp", UNKNOWN, 443)] * 3
    assert told[5:] == [("ingress", "tcp", 22, 22), ("egress", "udp", 53, 53)]
    peers = [r["cidr"] or r["peer_group"] or r["prefix_list"] for r in group["rules"]]
    assert peers == [
        *("0.0.0.0/0", "::/0", "lb", "office", "web"),
        *("10.0.0.0/8", "1.1.1.1/32"),
    ]
    assert group["sources"]["rules[1]"]["position"] == "main.tf:9"
    assert group["sources"]["rules[5]"] == {"address": "aws_security_group_rule.ssh", "position": "main.tf:27"}
    assert found["aws_ec2_managed_prefix_list.office"]["cidrs"] == ["203.0.113.0/24"]


def test_azure_rules_with_tags_lists_priorities_and_denials(load_files: LoadFiles) -> None:
    text = """
resource "azurerm_network_security_group" "n" {
  location = "China North 3"
  security_rule {
    name                       = "deny"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "Tcp"
    source_address_prefix      = "Internet"
    source_port_range          = "*"
    destination_port_range     = "22"
    destination_address_prefix = "*"
  }
}
resource "azurerm_network_security_rule" "many" {
  network_security_group_name = azurerm_network_security_group.n.name
  priority                    = 200
  direction                   = "Inbound"
  access                      = "Allow"
  protocol                    = "*"
  source_address_prefixes     = ["10.1.2.3", "VirtualNetwork"]
  destination_port_ranges     = ["80", "1000-2000"]
}
resource "azurerm_subnet" "s" {
  name = "s"
}
resource "azurerm_subnet_network_security_group_association" "a" {
  subnet_id                 = azurerm_subnet.s.id
  network_security_group_id = azurerm_network_security_group.n.id
}
"""
    found = by_address(load_files(text))
    group = found["azurerm_network_security_group.n"]
    assert (group["partition"], group["region"]) == ("azure-cn", "chinanorth3")
    assert [
        (r["action"], r["priority"], r["port_from"], r["port_to"], r["cidr"], r["prefix_list"]) for r in group["rules"]
    ] == [
        ("deny", 100, 22, 22, "0.0.0.0/0", ""),
        ("allow", 200, 80, 80, "10.1.2.3/32", ""),
        ("allow", 200, 1000, 2000, "10.1.2.3/32", ""),
        ("allow", 200, 80, 80, "", "VirtualNetwork"),
        ("allow", 200, 1000, 2000, "", "VirtualNetwork"),
    ]
    assert group["subnets"] == ["s"]
    assert found["azurerm_subnet.s"]["guarded"] is True


def test_azure_database_firewalls(load_files: LoadFiles) -> None:
    text = """
resource "azurerm_mssql_server" "s" {
  minimum_tls_version = "1.1"
}
resource "azurerm_mssql_firewall_rule" "all" {
  server_id        = azurerm_mssql_server.s.id
  start_ip_address = "0.0.0.0"
  end_ip_address   = "255.255.255.255"
}
resource "azurerm_mssql_firewall_rule" "cloud" {
  server_id        = azurerm_mssql_server.s.id
  start_ip_address = "0.0.0.0"
  end_ip_address   = "0.0.0.0"
}
"""
    server = by_address(load_files(text))["azurerm_mssql_server.s"]
    assert server["allowed_cidrs"] == ["0.0.0.0/0"]
    assert server["any_cloud_customer"] is True
    assert server["tls_min"] == "1.1"
    assert server["sources"]["allowed_cidrs[0]"]["address"] == "azurerm_mssql_firewall_rule.all"
    assert server["sources"]["any_cloud_customer"]["address"] == "azurerm_mssql_firewall_rule.cloud"


def test_alibaba_groups_databases_and_rights(load_files: LoadFiles) -> None:
    text = """
provider "alicloud" { region = "cn-hangzhou" }
resource "alicloud_security_group" "g" { name = "g" }
resource "alicloud_security_group_rule" "open" {
  security_group_id = alicloud_security_group.g.id
  type              = "ingress"
  ip_protocol       = "tcp"
  policy            = "accept"
  port_range        = "22/22"
  priority          = 1
  cidr_ip           = "0.0.0.0/0"
}
resource "alicloud_security_group_rule" "drop" {
  security_group_id = alicloud_security_group.g.id
  type              = "ingress"
  ip_protocol       = "all"
  policy            = "drop"
  port_range        = "-1/-1"
  priority          = 100
  ipv6_cidr_ip      = "::/0"
}
resource "alicloud_db_instance" "d" {
  engine       = "PostgreSQL"
  vswitch_id   = alicloud_vswitch.v.id
  security_ips = ["0.0.0.0", "10.0.0.1"]
  tde_status   = "Enabled"
}
resource "alicloud_vswitch" "v" { cidr_block = "10.0.0.0/24" }
resource "alicloud_ram_policy" "p" {
  policy_name     = "p"
  policy_document = jsonencode({ Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }], Version = "1" })
}
"""
    found = by_address(load_files(text))
    rules = found["alicloud_security_group.g"]["rules"]
    assert [(r["action"], r["protocol"], r["port_from"], r["port_to"], r["priority"], r["cidr"]) for r in rules] == [
        ("allow", "tcp", 22, 22, 1, "0.0.0.0/0"),
        ("deny", "any", 0, 65535, 100, "::/0"),
    ]
    database = found["alicloud_db_instance.d"]
    assert (database["partition"], database["country"]) == ("alibaba-cn", "CN")
    assert database["allowed_cidrs"] == ["0.0.0.0/0", "10.0.0.1/32"]
    assert (database["public"], database["in_network"], database["encrypted"]) == (True, True, True)
    assert (database["tls_required"], database["log_connections"]) == (False, False)
    assert found["alicloud_ram_policy.p"]["grants"][0]["actions"] == ["*"]


def test_an_unknown_value_is_unknown_and_counted_with_its_place(load_files: LoadFiles) -> None:
    loaded = load_files('variable "e" {}\nresource "aws_ebs_volume" "v" {\n  size = 1\n  encrypted = var.e\n}\n')
    assert loaded.documents[0]["encrypted"] == UNKNOWN
    (unknown,) = (u for u in loaded.unassessed if u.reason == "unknown_value")
    assert (unknown.address, unknown.field, unknown.position) == ("aws_ebs_volume.v", "encrypted", "main.tf:4")
    assert "var.e has no value" in unknown.detail


def test_a_key_of_another_resource_is_known_to_be_there(load_files: LoadFiles) -> None:
    text = 'resource "aws_kms_key" "k" {}\nresource "aws_ebs_volume" "v" {\n  kms_key_id = aws_kms_key.k.arn\n}\n'
    assert by_address(load_files(text))["aws_ebs_volume.v"]["key"] == "aws_kms_key.k"


def test_the_clouds_own_alias_is_no_key_of_ours(load_files: LoadFiles) -> None:
    text = 'resource "aws_secretsmanager_secret" "s" {\n  kms_key_id = "alias/aws/secretsmanager"\n}\n'
    assert load_files(text).documents[0]["key"] == ""


def test_what_no_table_maps_is_a_managed_service_with_native_settings(load_files: LoadFiles) -> None:
    loaded = load_files(
        'resource "aws_new_thing" "x" {\n  mode = "open"\n  inner { a = var.b }\n}\nresource "other_x" "y" {}\n'
    )
    thing = by_address(loaded)["aws_new_thing.x"]
    assert (thing["kind"], thing["class"], thing["native_type"]) == ("managed_service", "other", "aws_new_thing")
    assert thing["native"] == {"mode": "open", "inner": [{"a": UNKNOWN}]}
    assert thing["sources"]["mode"]["position"] == "main.tf:2"
    assert [u.address for u in loaded.unassessed if u.reason == "unmapped_type"] == ["aws_new_thing.x", "other_x.y"]


def test_a_field_that_no_row_reads_is_counted(load_files: LoadFiles) -> None:
    loaded = load_files('resource "aws_ebs_volume" "v" {\n  encrypted = true\n  throughput = 5\n}\n')
    assert [(u.field, u.position) for u in loaded.unassessed if u.reason == "unmapped_field"] == [
        ("throughput", "main.tf:3")
    ]


def test_variables_come_from_tfvars_and_options(load_files: LoadFiles) -> None:
    files = {
        "main.tf": 'variable "a" {}\nvariable "b" {}\n'
        'resource "aws_ebs_volume" "v" {\n  encrypted = var.a\n  size = var.b\n}\n',
        "terraform.tfvars": "a = false\nb = 1\n",
        "z.auto.tfvars": "a = true\n",
        "more.tfvars.json": '{"b": 7}',
    }
    volume = load_files(files, var_files=("more.tfvars.json",)).documents[0]
    assert (volume["encrypted"], volume["size_gib"]) == (True, 7)
    assert load_files(files, variables={"b": 9}).documents[0]["size_gib"] == 9


def test_files_beside_the_module_are_read_and_no_others(load_files: LoadFiles, tmp_path: object) -> None:
    files = {
        "m/main.tf": 'resource "aws_iam_policy" "p" {\n  policy = templatefile("p.json", { a = "s3:*" })\n}\n'
        'resource "aws_iam_policy" "q" {\n  policy = file("../secret.json")\n}\n',
        "m/p.json": '{"Statement": {"Effect": "Allow", "Action": "${a}", "Resource": "*"}}',
        "secret.json": "{}",
    }
    loaded = load_files(files, "m")
    found = by_address(loaded)
    assert found["aws_iam_policy.p"]["grants"][0]["actions"] == ["s3:*"]
    assert found["aws_iam_policy.q"]["grants"] == UNKNOWN


def test_called_modules_are_judged_where_they_are_called(load_files: LoadFiles) -> None:
    files = {
        "main.tf": 'module "a" {\n  source = "./m"\n  size = 5\n}\n',
        "m/main.tf": 'variable "size" {}\nresource "aws_ebs_volume" "v" {\n  size = var.size\n}\n',
        "other/main.tf": 'resource "aws_ebs_volume" "v" {}\n',
    }
    loaded = load_files(files)
    found = by_address(loaded)
    assert set(found) == {"module.a.aws_ebs_volume.v", "aws_ebs_volume.v"}
    assert found["module.a.aws_ebs_volume.v"]["size_gib"] == 5
    assert found["module.a.aws_ebs_volume.v"]["position"] == "m/main.tf:2"


def test_modules_that_init_installed_are_found(load_files: LoadFiles) -> None:
    files = {
        "main.tf": 'module "vpc" {\n  source = "corp/vpc/aws"\n}\n',
        ".terraform/modules/modules.json": '{"Modules": [{"Key": "vpc", "Dir": ".terraform/modules/vpc"}]}',
        ".terraform/modules/vpc/main.tf": 'resource "aws_vpc" "v" {\n  cidr_block = "10.0.0.0/16"\n}\n',
    }
    loaded = load_files(files)
    assert [d["address"] for d in loaded.documents] == ["module.vpc.aws_vpc.v"]
    assert not loaded.unassessed


def test_references_are_names_and_names_are_unique_in_their_place(load_files: LoadFiles) -> None:
    text = """
resource "aws_security_group" "twice" {
  count = 2
  name  = "same"
}
resource "aws_security_group" "one" { name = "one" }
resource "aws_subnet" "s" { vpc_id = aws_vpc.v.id }
resource "aws_vpc" "v" { cidr_block = "10.0.0.0/16" }
resource "aws_instance" "i" {
  subnet_id              = aws_subnet.s.id
  vpc_security_group_ids = [aws_security_group.one.id, aws_security_group.twice[1].id]
}
"""
    found = by_address(load_files(text))
    assert found["aws_security_group.twice[1]"]["name"] == "aws_security_group.twice[1]"
    instance = found["aws_instance.i"]
    assert (instance["subnet"], instance["firewall_group"]) == ("s", "one")
    assert instance["firewall_groups"] == ["one", "aws_security_group.twice[1]"]
    assert found["aws_subnet.s"]["network"] == "v"


def test_an_azure_machine_stands_where_its_network_card_does(load_files: LoadFiles) -> None:
    text = """
resource "azurerm_subnet" "s" { name = "inner" }
resource "azurerm_network_security_group" "n" { name = "nsg" }
resource "azurerm_network_interface" "c" {
  ip_configuration {
    subnet_id            = azurerm_subnet.s.id
    public_ip_address_id = azurerm_public_ip.p.id
  }
}
resource "azurerm_network_interface_security_group_association" "a" {
  network_interface_id      = azurerm_network_interface.c.id
  network_security_group_id = azurerm_network_security_group.n.id
}
resource "azurerm_linux_virtual_machine" "vm" {
  network_interface_ids = [azurerm_network_interface.c.id]
}
resource "azurerm_public_ip" "p" {}
"""
    machine = by_address(load_files(text))["azurerm_linux_virtual_machine.vm"]
    assert (machine["subnet"], machine["firewall_group"], machine["public_ip"]) == ("inner", "nsg", True)
