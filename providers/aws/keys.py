"""KMS keys, read; and whether a key that encrypts something is the user's choice or AWS's own.

Callers: provider.py; the kinds that are encrypted ask chosen_key. Source: KMS API Reference, DescribeKey: KeyManager is
AWS for the keys that services make by themselves.
"""

from __future__ import annotations

from model.errors import Forbidden, NotFound
from model.resources import UNKNOWN, Unknown
from providers.aws.session import Session
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
