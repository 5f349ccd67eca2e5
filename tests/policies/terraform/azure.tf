# As alibaba.tf; arguments as in registry.terraform.io/providers/hashicorp/azurerm.

resource "azurerm_network_security_group" "net_002_redis_fails" {
  name                = "redis"
  location            = "chinanorth3"
  resource_group_name = "rg"
  security_rule {
    name                       = "redis"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "6379"
    source_address_prefix      = "Internet"
    destination_address_prefix = "*"
  }
  tags = { owner = "us" }
}

# Deny of a smaller number goes before.
resource "azurerm_network_security_group" "net_002_denied_first_passes" {
  name                = "denied"
  location            = "chinanorth3"
  resource_group_name = "rg"
  security_rule {
    name                       = "deny"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "*"
    source_port_range          = "*"
    destination_port_range     = "1433"
    source_address_prefix      = "*"
    destination_address_prefix = "*"
  }
  security_rule {
    name                       = "allow"
    priority                   = 200
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "1433"
    source_address_prefix      = "*"
    destination_address_prefix = "*"
  }
  tags = { owner = "us" }
}

resource "azurerm_mssql_server" "sql" {
  name    = "sql"
  version = "12.0"
  tags    = { owner = "us" }
}

resource "azurerm_mssql_firewall_rule" "net_009_fails" {
  name             = "all"
  server_id        = azurerm_mssql_server.sql.id
  start_ip_address = "0.0.0.0"
  end_ip_address   = "255.255.255.255"
}

resource "azurerm_postgresql_flexible_server" "inner" {
  name = "inner"
  tags = { owner = "us" }
}

resource "azurerm_postgresql_flexible_server_firewall_rule" "net_009_passes" {
  name             = "inner"
  server_id        = azurerm_postgresql_flexible_server.inner.id
  start_ip_address = "10.0.0.1"
  end_ip_address   = "10.0.0.9"
}

resource "azurerm_network_security_group" "net_015_fails" {
  name                = "leaving"
  location            = "chinanorth3"
  resource_group_name = "rg"
  security_rule {
    name                       = "out"
    priority                   = 100
    direction                  = "Outbound"
    access                     = "Allow"
    protocol                   = "*"
    source_port_range          = "*"
    destination_port_range     = "*"
    source_address_prefix      = "*"
    destination_address_prefix = "*"
  }
  tags = { owner = "us" }
}

resource "azurerm_storage_account" "tag_001_fails" {
  name                = "stone"
  resource_group_name = "rg"
  location            = "chinanorth3"
}

resource "azurerm_storage_account" "tag_001_passes" {
  name                = "sttwo"
  resource_group_name = "rg"
  location            = "chinanorth3"
  tags                = { owner = "us" }
}
