"""hashicorp/azurerm: vaults, and the keys, secrets and certificates in them. Facts as in terraform_network."""

from __future__ import annotations

from model.resource_base import Kind
from model.terraform import ref, row, typed

_PUBLIC = row("public", "public_network_access_enabled", "flag", True)
_ENDPOINT = row("private_endpoint", "", "raw_private_endpoint", False)
_VAULT_DENY = row(
    "network_default_deny", "", "raw_default_deny", False, reads=("network_acls", "public_network_access_enabled")
)
TYPES = (
    typed(
        "azurerm_key_vault",
        Kind.KEY,
        row("deletion_days", "soft_delete_retention_days", "number", 90),
        row("purge_protection", "purge_protection_enabled", "flag", False),
        _PUBLIC,
        _VAULT_DENY,
        row("rbac", "enable_rbac_authorization|rbac_authorization_enabled", "flag", False),
        _ENDPOINT,
        family="vault",
    ),
    typed(
        "azurerm_key_vault_key",
        Kind.KEY,
        row("expires", "expiration_date", "raw_present", False),
        row("hsm", "key_type", "is_one", None, "RSA-HSM", "EC-HSM", "oct-HSM"),
        row("rotates", "rotation_policy.automatic", "raw_present", False),
        row("rotatable", "key_type", "raw_present", True),
        family="key",
    ),
    typed(
        "azurerm_key_vault_secret",
        Kind.KEY,
        row("expires", "expiration_date", "raw_present", False),
        row("content_type", "content_type", "raw_text", None),
        family="secret",
    ),
    typed(
        "azurerm_key_vault_certificate",
        Kind.CERTIFICATE,
        row("algorithm", "certificate_policy.key_properties.key_type", "raw_text", ""),
        row("renews", "certificate_policy.lifetime_action.action.action_type", "is_one", None, "AutoRenew"),
    ),
    typed(
        "azurerm_key_vault_managed_hardware_security_module",
        Kind.KEY,
        row("purge_protection", "purge_protection_enabled", "flag", False),
        _PUBLIC,
        family="vault",
        hsm=True,
    ),
    typed("azurerm_key_vault_access_policy", Kind.IDENTITY, ref("vault", "key_vault_id"), family="policy"),
)
