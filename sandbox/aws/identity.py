"""Who signs a request: the sandbox's own keys and those that STS handed out, checked as AWS checks them.

Callers: sandbox.aws.server, sandbox.aws.eks_token. Errors have the code and status of that service's protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sandbox.aws.signature import MAX_SKEW_S, Signed, holds, read_header, read_query
from sandbox.aws.wire import AwsError, Incoming, Principal
from sandbox.world import SandboxAccount, World

PARTITIONS = ("aws", "aws-cn")
# Services whose protocol is JSON: they name these errors differently (botocore's service models, metadata.protocol).
_JSON = frozenset({"eks", "ssm", "cloudtrail", "kms", "logs", "ecr", "dynamodb", "secretsmanager", "events", "tagging",
                    "servicequotas"})  # fmt: skip


class Identities:
    """Keys of the world's AWS accounts, and of roles assumed with them."""

    def __init__(self, world: World) -> None:
        self._accounts = {a.partition: a for a in world.accounts if a.partition in PARTITIONS}

    @property
    def accounts(self) -> Mapping[str, SandboxAccount]:
        """Partition -> account."""
        return self._accounts

    def authenticate(self, incoming: Incoming, regions: Mapping[str, frozenset[str]]) -> None:
        """Fills service, region and principal. Raises AwsError as AWS would."""
        signed = read_header(incoming.headers) or read_query(incoming.url)
        if signed is None:
            raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        incoming.service, incoming.region = signed.service.lower(), signed.region
        found = self.find(signed.key_id)
        if found is None:
            raise _unknown_key(incoming.service)
        principal, secret = found
        _check_age(signed, incoming.service)
        if not holds(signed, secret, incoming.method, incoming.url, incoming.headers, incoming.body):
            raise _wrong_secret(incoming.service)
        if signed.region not in regions.get(principal.partition, frozenset()):
            raise _wrong_region(incoming.service, signed.region)
        incoming.principal = principal

    def find(self, key_id: str) -> tuple[Principal, str] | None:
        """Who a key belongs to, with the secret to check against."""
        for account in self._accounts.values():
            user = {account.key_id: "sandbox-admin", account.reader_key_id: "sandbox-reader"}.get(key_id)
            if user is None or not key_id:
                continue
            reader = key_id == account.reader_key_id
            principal = Principal(
                account_id=account.account_id,
                partition=account.partition,
                arn=f"arn:{account.partition}:iam::{account.account_id}:user/{user}",
                key_id=key_id,
                user_id="AIDA" + key_id[4:],
                reader=reader,
            )
            return principal, account.reader_secret if reader else account.secret
        return self._assumed(key_id)

    def _assumed(self, key_id: str) -> tuple[Principal, str] | None:
        """Roles that were assumed in our accounts live in moto."""
        if not key_id.startswith("ASIA"):
            return None
        from moto.sts.models import sts_backends

        for account in self._accounts.values():
            role = sts_backends[account.account_id][account.partition].get_assumed_role_from_access_key(key_id)
            if role is None or role.expiration.replace(tzinfo=UTC) < datetime.now(UTC):
                continue
            principal = Principal(account.account_id, account.partition, role.arn, key_id, role.user_id)
            return principal, str(role.secret_access_key)
        return None


def _check_age(signed: Signed, service: str) -> None:
    try:
        age_s = signed.age_s(datetime.now(UTC))
    except ValueError as exc:
        raise AwsError("IncompleteSignature", f"Date {signed.date!r} is not in ISO-8601 basic format", 403) from exc
    allowed_s = signed.expires_s or MAX_SKEW_S
    if -MAX_SKEW_S <= age_s <= max(allowed_s, 1):
        return
    if service == "ec2":
        raise AwsError("RequestExpired", "Request has expired.", 400)
    code = "InvalidSignatureException" if service in _JSON else "SignatureDoesNotMatch"
    raise AwsError(code, f"Signature expired: {signed.date} is {abs(age_s):.0f} s away from the server's clock", 403)


def _unknown_key(service: str) -> AwsError:
    if service == "ec2":
        return AwsError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    code = "UnrecognizedClientException" if service in _JSON else "InvalidClientTokenId"
    return AwsError(code, "The security token included in the request is invalid.", 403)


def _wrong_secret(service: str) -> AwsError:
    if service == "ec2":
        return AwsError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    code = "InvalidSignatureException" if service in _JSON else "SignatureDoesNotMatch"
    return AwsError(
        code,
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method.",
        403,
    )


def _wrong_region(service: str, region: str) -> AwsError:
    message = f"Credential should be scoped to a valid region, not {region!r}."
    if service == "ec2":
        return AwsError("AuthFailure", message, 401)
    return AwsError("InvalidSignatureException" if service in _JSON else "SignatureDoesNotMatch", message, 403)


def denied(incoming: Incoming) -> AwsError:
    """What a key without that permission gets."""
    who, action = incoming.who.arn, incoming.action
    if incoming.service == "ec2":
        message = (
            f"You are not authorized to perform this operation. User: {who} is not authorized to perform: {action}"
        )
        return AwsError("UnauthorizedOperation", message, 403)
    code = "AccessDeniedException" if incoming.service in _JSON else "AccessDenied"
    return AwsError(code, f"User: {who} is not authorized to perform: {action}", 403)
