"""Keys and certificates, read only: Key Vaults with the keys and secrets in them, and App Service certificates.

Callers: provider.py. All of it from Resource Manager, which gives names and dates of keys and secrets, never values.
Certificates that lie in vaults are of the vaults' own data plane and are not here, but the secret of the same name is.
Source: learn.microsoft.com/rest/api/keyvault (API 2023-07-01), .../rest/api/appservice/certificates.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from model.resources import Certificate, Key, Kind, Observed
from providers.azure.arm import Raw
from providers.azure.names import user_tags
from providers.azure.readers import Reader, public_access
from providers.base import Call

VAULTS, VAULTS_API = "Microsoft.KeyVault/vaults", "2023-07-01"
CERTIFICATES, CERTIFICATES_API = "Microsoft.Web/certificates", "2023-12-01"


class Keys(Reader):
    """A vault is one (family vault); in it keys (key) and secrets (secret)."""

    kind = Kind.KEY

    def read_all(self, region: str, call: Call) -> Iterator[Raw]:
        for vault in self.here(VAULTS, VAULTS_API, region, call):
            yield vault
            for part in ("keys", "secrets"):
                yield from self.inside(vault, part, VAULTS_API, call)

    def observe(self, raw: Raw, _call: Call) -> Observed:
        return self.observed(raw, key_of(raw, self.address(raw).name))


def key_of(raw: Raw, name: str) -> Key:
    """Of a vault, a key or a secret. Pure."""
    part = raw.id.split("/")[-2].lower()
    tags = user_tags(raw.tags)
    if part == "vaults":
        return Key(
            name=name,
            tags=tags,
            family="vault",
            deletion_days=raw.said("softDeleteRetentionInDays"),
            purge_protection=bool(raw.said("enablePurgeProtection")),
            any_principal=False,  # policies name principals; there is no "everybody"
            public=public_access(raw),
        )
    attributes = raw.said("attributes") or {}
    actions = [
        str((row.get("action") or {}).get("type")) for row in raw.said("rotationPolicy", "lifetimeActions") or ()
    ]
    return Key(
        name=name,
        tags=tags,
        family="key" if part == "keys" else "secret",
        enabled=attributes.get("enabled"),
        expires=attributes.get("exp") is not None,
        hsm=str(raw.said("kty") or "").endswith("HSM") if part == "keys" else None,
        rotates="Rotate" in actions if actions else None,  # a list does not tell the policy
    )


class Certificates(Reader):
    kind = Kind.CERTIFICATE

    def read_all(self, region: str, call: Call) -> Iterator[Raw]:
        return self.here(CERTIFICATES, CERTIFICATES_API, region, call)

    def observe(self, raw: Raw, _call: Call) -> Observed:
        domains = raw.said("hostNames") or [raw.said("canonicalName") or raw.said("subjectName")]
        resource = Certificate(
            name=self.address(raw).name,
            tags=user_tags(raw.tags),
            domains=tuple(sorted(str(d) for d in domains if d)),
            expires_s=_seconds(raw.said("expirationDate")),
            renews=True if raw.said("canonicalName") else None,  # one that App Service manages itself
        )
        return self.observed(raw, resource)


def _seconds(text: object) -> float | None:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
