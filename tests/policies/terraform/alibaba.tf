# Names end in what is expected: _fails or _passes, after the rule that a block is about.
# Arguments as in the provider's documentation (registry.terraform.io/providers/aliyun/alicloud).

# DY-NET-002: ports of data stores
resource "alicloud_security_group" "mysql" {
  security_group_name = "mysql"
  tags                = { owner = "us" }
}

resource "alicloud_security_group_rule" "net_002_mysql_fails" {
  security_group_id = alicloud_security_group.mysql.id
  type              = "ingress"
  ip_protocol       = "tcp"
  nic_type          = "intranet"
  policy            = "accept"
  port_range        = "3306/3306"
  priority          = 1
  cidr_ip           = "0.0.0.0/0"
}

resource "alicloud_security_group_rule" "net_002_redis_in_a_range_fails" {
  security_group_id = alicloud_security_group.mysql.id
  type              = "ingress"
  ip_protocol       = "tcp"
  policy            = "accept"
  port_range        = "6000/7000"
  cidr_ip           = "0.0.0.0/0"
}

resource "alicloud_security_group_rule" "net_002_postgresql_over_ipv6_fails" {
  security_group_id = alicloud_security_group.mysql.id
  type              = "ingress"
  ip_protocol       = "tcp"
  policy            = "accept"
  port_range        = "5432/5432"
  ipv6_cidr_ip      = "::/0"
}

resource "alicloud_security_group" "inner" {
  security_group_name = "inner"
  tags                = { owner = "us" }
}

resource "alicloud_security_group_rule" "net_002_inner_passes" {
  security_group_id = alicloud_security_group.inner.id
  type              = "ingress"
  ip_protocol       = "tcp"
  policy            = "accept"
  port_range        = "3306/3306"
  cidr_ip           = "10.0.0.0/8"
}

resource "alicloud_security_group_rule" "net_002_https_passes" {
  security_group_id = alicloud_security_group.inner.id
  type              = "ingress"
  ip_protocol       = "tcp"
  policy            = "accept"
  port_range        = "443/443"
  cidr_ip           = "0.0.0.0/0"
}

# A rule that drops, with a smaller number, goes before one that accepts.
resource "alicloud_security_group" "dropping" {
  security_group_name = "dropping"
  tags                = { owner = "us" }
}

resource "alicloud_security_group_rule" "net_002_dropped_first_passes" {
  security_group_id = alicloud_security_group.dropping.id
  type              = "ingress"
  ip_protocol       = "tcp"
  policy            = "drop"
  port_range        = "27017/27017"
  priority          = 1
  cidr_ip           = "0.0.0.0/0"
}

resource "alicloud_security_group_rule" "net_002_accepted_later_passes" {
  security_group_id = alicloud_security_group.dropping.id
  type              = "ingress"
  ip_protocol       = "tcp"
  policy            = "accept"
  port_range        = "27017/27017"
  priority          = 50
  cidr_ip           = "0.0.0.0/0"
}

# DY-NET-009: lists of data stores
resource "alicloud_db_instance" "net_009_fails" {
  engine           = "MySQL"
  engine_version   = "8.0"
  instance_type    = "rds.mysql.s1.small"
  instance_storage = 30
  security_ips     = ["0.0.0.0/0"]
  tags             = { owner = "us" }
}

resource "alicloud_kvstore_instance" "net_009_halves_fails" {
  instance_class = "redis.master.small.default"
  security_ips   = ["0.0.0.0/1", "128.0.0.0/1"]
  tags           = { owner = "us" }
}

resource "alicloud_mongodb_instance" "net_009_passes" {
  engine_version      = "7.0"
  db_instance_class   = "dds.mongo.mid"
  db_instance_storage = 10
  security_ip_list    = ["10.0.0.0/8"]
  tags                = { owner = "us" }
}

# DY-NET-015: what may leave
resource "alicloud_security_group" "leaving" {
  security_group_name = "leaving"
  tags                = { owner = "us" }
}

resource "alicloud_security_group_rule" "net_015_fails" {
  security_group_id = alicloud_security_group.leaving.id
  type              = "egress"
  ip_protocol       = "all"
  policy            = "accept"
  port_range        = "-1/-1"
  cidr_ip           = "0.0.0.0/0"
}

resource "alicloud_security_group" "proxied" {
  security_group_name = "proxied"
  tags                = { owner = "us" }
}

resource "alicloud_security_group_rule" "net_015_passes" {
  security_group_id = alicloud_security_group.proxied.id
  type              = "egress"
  ip_protocol       = "tcp"
  policy            = "accept"
  port_range        = "3128/3128"
  cidr_ip           = "10.0.0.10/32"
}

# DY-TAG-001: whose it is
resource "alicloud_instance" "tag_001_fails" {
  instance_type = "ecs.c7.large"
  image_id      = "aliyun_3_x64_20G_alibase_20240528.vhd"
}

resource "alicloud_oss_bucket" "tag_001_other_tag_fails" {
  bucket = "b"
  tags   = { team = "us" }
}

resource "alicloud_vpc" "tag_001_passes" {
  cidr_block = "10.0.0.0/8"
  tags       = { owner = "us" }
}
