"""Who may approve changes, and which changes ask for it: a part of the fleet. Callers: model.spec.fleet."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from model.spec.app import Name, Seconds, Strict


class OidcIdentity(Strict):
    """A job or person that an OpenID Connect issuer vouches for.

    A token's audience must be `<audience>/<the plan's hash>`, so that it says yes to that plan alone; `bound: false`
    takes the bare audience, for issuers that cannot do better. jwks: a file with the issuer's keys, beside the fleet;
    by default they are asked for at the issuer.
    """

    issuer: Annotated[str, Field(pattern=r"^https://|^http://(127\.0\.0\.1|localhost|\[::1\])[:/]")]
    audience: str
    subject: str
    bound: bool = True
    jwks: str | None = None


class ApproverSpec(Strict):
    """One person or job. ssh_keys: public keys as in authorized_keys. may_approve: false for one that only requests."""

    name: Name
    ssh_keys: tuple[str, ...] = ()
    oidc: OidcIdentity | None = None
    may_approve: bool = True


class ApprovalsSpec(Strict):
    """Which changes ask for an approval, how many approvers must agree, and for how long that holds."""

    always: Annotated[bool, Field(description="every change of this fleet asks")] = False
    cost_increase_per_hour: Annotated[float, Field(ge=0)] | None = None
    changes: Annotated[int, Field(ge=1)] | None = None
    deletes: Annotated[int, Field(ge=1)] | None = None
    count: Annotated[int, Field(ge=1, le=20)] = 1
    valid: Seconds = 86_400.0
