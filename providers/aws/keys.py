"""KMS keys and secrets, read; and whether a key that encrypts something is the user's choice or AWS's own.

Callers: provider.py; the kinds that are encrypted ask chosen_key. Source: KMS API Reference, DescribeKey: KeyManager is
AWS for the keys that services make by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model.errors import Forbidden, NotFound
from model.resources import UNKNOWN, Key, Kind, Observed, State, Unknown
from providers.aws.listed import Listed, if_told, tags_of_pairs
from providers.aws.policy_text import open_to_all
from providers.aws.session import Session
from providers.aws.tags import logical_name, user_tags
from providers.base import Call


def chosen_key(session: Session, region: str, arn: str, call: Call) -> str | Unknown:
    """The key's ARN where a user chose it, "" where it is AWS's own or there is none; UNKNOWN where nobody may tell."""
    if not arn:
        return ""
    known = session.remembered.get(arn)
    if known is None:
        try:
            row = session.run(
                "kms", region, "DescribeKey", lambda kms: kms.describe_key(KeyId=arn)["KeyMetadata"], call
            )
        except NotFound:
            known = arn  # another account's: chosen
        except Forbidden as exc:
            call.progress(f"who manages {arn} is not told: {exc}")
            return UNKNOWN
        else:
            known = "" if row.get("KeyManager") == "AWS" else arn
        session.remembered[arn] = known
    return known


class Keys(Listed):
    """KMS keys by their first alias, else by id; secrets of Secrets Manager by their names (never their values)."""

    kind = Kind.KEY

    def rows(self, region: str, call: Call) -> Iterable[Observed]:
        aliases: dict[str, str] = {}
        for row in self.session.pages("kms", region, "list_aliases", "Aliases", call):
            aliases.setdefault(row.get("TargetKeyId", ""), row["AliasName"].removeprefix("alias/"))
        for row in self.session.pages("kms", region, "list_keys", "Keys", call):
            yield self._key(region, row["KeyId"], aliases.get(row["KeyId"], ""), call)
        for row in self.session.pages("secretsmanager", region, "list_secrets", "SecretList", call):
            yield self._secret(region, row, call)

    def _key(self, region: str, key_id: str, alias: str, call: Call) -> Observed:
        def ask(operation: str, **more: str) -> Any:
            return if_told(lambda: self.read("kms", region, operation, call, KeyId=key_id, **more), call, {})

        told = (ask("DescribeKey") or {}).get("KeyMetadata") or {}
        rotation = ask("GetKeyRotationStatus") if told.get("KeySpec") == "SYMMETRIC_DEFAULT" else {}
        policy = ask("GetKeyPolicy", PolicyName="default")
        tags = tags_of_pairs((ask("ListResourceTags") or {}).get("Tags"))
        rotates = None if rotation is None else bool(rotation.get("KeyRotationEnabled"))
        return self.observed(
            region,
            Key(
                name=logical_name(tags, alias or key_id),
                tags=user_tags(tags),
                enabled=bool(told["Enabled"]) if "Enabled" in told else None,
                rotates=rotates,
                rotation_days=None if rotates is None else _rotation_days(rotates, rotation or {}),
                deletion_days=told.get("PendingDeletionWindowInDays"),
                any_principal=None if policy is None else open_to_all(policy.get("Policy")),
                hsm=told["Origin"] == "AWS_CLOUDHSM" if "Origin" in told else None,
                rotatable=told.get("KeySpec") == "SYMMETRIC_DEFAULT" if told else None,
            ),
            told.get("Arn") or key_id,
            state=State.DELETING if told.get("KeyState") == "PendingDeletion" else State.READY,
            raw={"tags": tags, "manager": told.get("KeyManager", "")},
        )

    def _secret(self, region: str, row: Mapping[str, Any], call: Call) -> Observed:
        tags, name = tags_of_pairs(row.get("Tags")), row["Name"]
        policy = if_told(
            lambda: self.read("secretsmanager", region, "GetResourcePolicy", call, SecretId=row["ARN"]), call, {}
        )
        rotates = bool(row.get("RotationEnabled"))
        days = (row.get("RotationRules") or {}).get("AutomaticallyAfterDays")
        return self.observed(
            region,
            Key(
                name=logical_name(tags, name),
                tags=user_tags(tags),
                family="secret",
                enabled=True,
                rotates=rotates,
                rotation_days=int(days) if days else None if rotates else 0,
                any_principal=None if policy is None else open_to_all(policy.get("ResourcePolicy")),
                key=chosen_key(self.session, region, row.get("KmsKeyId", ""), call),
                rotatable=True,
            ),
            row["ARN"],
            raw={"tags": tags},
        )


def _rotation_days(rotates: bool, told: Mapping[str, Any]) -> int:
    """KMS Developer Guide, "Rotate AWS KMS keys": 365 unless said otherwise; 0 is never."""
    return int(told.get("RotationPeriodInDays") or 365) if rotates else 0
