# As alibaba.tf; arguments as in registry.terraform.io/providers/hashicorp/aws.

resource "aws_security_group" "net_002_mysql_fails" {
  ingress {
    from_port   = 3306
    to_port     = 3306
    protocol    = "tcp"
    cidr_blocks = ["10.0.0.0/8", "0.0.0.0/0"]
  }
  tags = { owner = "us" }
}

resource "aws_security_group" "separate" {
  tags = { owner = "us" }
}

resource "aws_vpc_security_group_ingress_rule" "net_002_postgresql_fails" {
  security_group_id = aws_security_group.separate.id
  from_port         = 5000
  to_port           = 6000
  ip_protocol       = "tcp"
  cidr_ipv6         = "::/0"
}

resource "aws_vpc_security_group_egress_rule" "net_015_fails" {
  security_group_id = aws_security_group.separate.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_security_group" "net_002_peers_passes" {
  ingress {
    from_port       = 3306
    to_port         = 3306
    protocol        = "tcp"
    security_groups = [aws_security_group.separate.id]
  }
  tags = { owner = "us" }
}

resource "aws_security_group" "net_015_passes" {
  egress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["10.0.0.0/8"]
  }
  tags = { owner = "us" }
}

resource "aws_s3_bucket" "tag_001_fails" {
  bucket = "b"
}

resource "aws_s3_bucket" "tag_001_passes" {
  bucket = "c"
  tags   = { owner = "us" }
}
