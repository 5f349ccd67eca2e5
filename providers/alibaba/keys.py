"""KEY (KMS keys and secrets), read only: Kms 2016-01-20.

Callers: provider.py. A key goes by its alias, else its description. Keys that a service made for itself are left out.
Whether a key's policy lets anybody use it is not told by DescribeKey, and nobody's key can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from model.errors import NotFound
from model.resources import Key, Kind, Observed, State
from providers.alibaba.common import Identified, Row, tags_of, users_tags
from providers.alibaba.reader import Reader
from providers.base import Call

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_STATES = {"Enabled": State.READY, "Disabled": State.READY, "PendingDeletion": State.DELETING}


class Keys(Reader):
    KIND = Kind.KEY

    def rows(self, region: str, call: Call, *, tags: Mapping[str, str] | None = None, name: str = "") -> Iterator[Row]:
        """KMS filters by no tag: each key is asked for by itself."""
        del name
        rows = (*self._keys(region, call), *self._secrets(region, call))
        yield from (row for row in rows if all(self.identify(row).tags.get(k) == v for k, v in (tags or {}).items()))

    def _keys(self, region: str, call: Call) -> Iterator[Row]:
        found = self.session.pages("Kms", "ListAliases", region, call, ("Aliases", "Alias"), {})
        aliases = {str(a["KeyId"]): str(a["AliasName"]).removeprefix("alias/") for a in found}
        for row in self.session.pages("Kms", "ListKeys", region, call, ("Keys", "Key"), {}):
            key_id = {"KeyId": row["KeyId"]}
            told = self.session.rpc("Kms", "DescribeKey", region, call, key_id)["KeyMetadata"]
            if not str(told.get("Creator", "")).isdigit():
                continue
            tags = self.session.rpc("Kms", "ListResourceTags", region, call, key_id)
            yield {**told, "alias": aliases.get(str(row["KeyId"]), ""), "tags": tags.get("Tags", {}).get("Tag")}

    def _secrets(self, region: str, call: Call) -> Iterator[Row]:
        for row in self.session.pages("Kms", "ListSecrets", region, call, ("SecretList", "Secret"), {}):
            asked = {"SecretName": row["SecretName"], "FetchTags": "true"}
            try:
                told = self.session.rpc("Kms", "DescribeSecret", region, call, asked)
            except NotFound:
                continue  # it went away meanwhile
            yield {**told, "tags": (told.get("Tags") or {}).get("Tag")}

    def identify(self, row: Row) -> Identified:
        tags = tags_of(row.get("tags"))
        if "SecretName" in row:
            return Identified(f"secret/{row['SecretName']}", row["SecretName"], tags)
        return Identified(str(row["KeyId"]), row.get("alias") or row.get("Description") or "", tags)

    def observe(self, region: str, row: Row, call: Call) -> Observed:  # noqa: ARG002  (the same for every kind)
        who, rotates = self.identify(row), row.get("AutomaticRotation") == "Enabled"
        if "SecretName" in row:
            secret = Key(
                name=who.logical_name,
                tags=users_tags(who.tags),
                family="secret",
                enabled=True,
                rotates=rotates,
                rotation_days=_days(str(row.get("RotationInterval") or "")) if rotates else 0,
                key=str(row.get("EncryptionKeyId") or ""),
                rotatable=row.get("SecretType", "Generic") != "Generic",
            )
            return self.seen(region, row, secret)
        status = str(row.get("KeyState", ""))
        symmetric = str(row.get("KeySpec", "")).startswith(("Aliyun_AES", "Aliyun_SM4"))
        key = Key(
            name=who.logical_name,
            tags=users_tags(who.tags),
            enabled=status == "Enabled",
            rotates=rotates,
            rotation_days=_days(str(row.get("RotationInterval") or "")) if rotates else 0,
            purge_protection=_told(row.get("DeletionProtection")),
            expires=bool(row.get("MaterialExpireTime")),
            hsm=row.get("ProtectionLevel") == "HSM",
            rotatable=symmetric and row.get("Origin") == "Aliyun_KMS",
        )
        return self.seen(region, row, key, state=_STATES.get(status, State.UPDATING))


def _told(text: object) -> bool | None:
    return None if text is None else text == "Enabled"


def _days(interval: str) -> int | None:
    """`365d`, `31536000s`; None where the cloud does not say."""
    match = re.fullmatch(r"(\d+)([dhms])", interval)
    return int(match[1]) * _SECONDS[match[2]] // 86400 if match else None
