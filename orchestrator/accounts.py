"""The fleet's accounts: what their adapters can do, who we are there, and what our credentials may do.

Callers: cli.providers. Changes nothing. An account that cannot be asked is a row with its error, never a failure of the
others; what a cloud does not tell is unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from model.errors import DuoyunError, Interrupted, InvalidInput, OtherExecutor, Unauthenticated
from model.exit_codes import ExitCode, gravest
from model.resources import Kind
from model.spec.fleet import AccountSpec, Fleet
from model.spec.words import did_you_mean
from orchestrator.registry import CLOUDS, PARTITION_TITLES, open_cloud
from orchestrator.targets import Targets
from providers.base import OPTIONAL_FIELDS, Account, Call, Capability, CloudProvider, Rights, RightsSource

VERBS = ("list", "get", "create", "update", "delete", "changes", "image")
_WORKERS = 8


@dataclass(frozen=True, slots=True)
class KindRow:
    """What an adapter can do with a kind, and what it lacks: verbs of VERBS, fields of OPTIONAL_FIELDS."""

    kind: Kind
    verbs: tuple[str, ...]
    lacking_verbs: tuple[str, ...]
    fields: tuple[str, ...]
    lacking_fields: tuple[str, ...]

    @property
    def access(self) -> str:
        """full, read, or none."""
        return "full" if "create" in self.verbs else "read" if "list" in self.verbs else "none"

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "access": self.access,
            "verbs": list(self.verbs),
            "lacking_verbs": list(self.lacking_verbs),
            "fields": list(self.fields),
            "lacking_fields": list(self.lacking_fields),
        }


@dataclass(frozen=True, slots=True)
class Abilities:
    """An account and what its cloud's adapter can do. error: why the adapter cannot be had."""

    spec: AccountSpec
    kinds: tuple[KindRow, ...] = ()
    error: DuoyunError | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            **_who(self.spec),
            "kinds": [row.to_dict() for row in self.kinds],
            "error": self.error.to_dict() if self.error else None,
        }


class Standing(StrEnum):
    """ok: all that the adapter calls is allowed. failed: it could not be asked at all.

    elsewhere: another executor works for it.
    """

    ELSEWHERE = "elsewhere"
    OK = "ok"
    MISSING = "missing"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Checked:
    """One account as its cloud sees us. missing_policy, policy: documents that allow what is missing, or everything."""

    spec: AccountSpec
    principal: str = ""
    rights: Rights | None = None
    missing_policy: Mapping[str, Any] | None = None
    policy: Mapping[str, Any] | None = None
    error: DuoyunError | None = None

    @property
    def standing(self) -> Standing:
        if isinstance(self.error, OtherExecutor):
            return Standing.ELSEWHERE
        if self.error is not None:
            return Standing.FAILED
        if self.rights is None or self.rights.unknown:
            return Standing.MISSING if self.rights and self.rights.missing else Standing.UNKNOWN
        return Standing.MISSING if self.rights.missing else Standing.OK

    @property
    def exit_code(self) -> ExitCode:
        if self.error is not None:
            return self.error.exit_code
        codes = {Standing.MISSING: ExitCode.CREDENTIALS, Standing.UNKNOWN: ExitCode.TEMPORARY}
        return codes.get(self.standing, ExitCode.OK)

    def to_dict(self) -> dict[str, Any]:
        rights = self.rights or Rights(how="")
        return {
            **_who(self.spec),
            "standing": self.standing.value,
            "principal": self.principal or None,
            "asked": rights.how or None,
            "allowed": len(rights.allowed),
            "missing": list(rights.missing),
            "unknown": list(rights.unknown),
            "note": rights.note,
            "missing_policy": self.missing_policy,
            "policy": self.policy,
            "error": self.error.to_dict() if self.error else None,
        }


def _who(spec: AccountSpec) -> dict[str, Any]:
    return {
        "account": spec.name,
        "cloud": spec.cloud,
        "partition": spec.partition,
        "title": PARTITION_TITLES.get(spec.partition, spec.partition),
        "account_id": spec.account_id,
    }


# -- what the adapters can do ---------------------------------------------------------------------------------------


def abilities(fleet: Fleet, open_account: Callable[[Account], CloudProvider] = open_cloud) -> tuple[Abilities, ...]:
    """Of every account, in the fleet's order. Needs no credentials and sends nothing."""
    return tuple(_abilities(spec, open_account) for spec in fleet.spec.accounts)


def _abilities(spec: AccountSpec, open_account: Callable[[Account], CloudProvider]) -> Abilities:
    try:
        provider = _unconnected(spec, open_account)
    except DuoyunError as exc:
        return Abilities(spec, error=exc)
    has = {c.kind: c for c in provider.capabilities}
    kinds = (kind for kind in Kind if kind is not Kind.KUBERNETES_OBJECT)
    return Abilities(spec, tuple(_row(kind, has.get(kind)) for kind in kinds))


def _unconnected(spec: AccountSpec, open_account: Callable[[Account], CloudProvider]) -> CloudProvider:
    """The adapter without a way to the cloud: enough for what it says of itself."""
    return open_account(Account(spec.name, spec.cloud, spec.partition, spec.account_id))


def _row(kind: Kind, capability: Capability | None) -> KindRow:
    verbs = capability.verbs if capability else frozenset()
    fields = capability.fields if capability else frozenset()
    possible = [v for v in VERBS if v != "image" or kind is Kind.REGISTRY]
    return KindRow(
        kind,
        verbs=tuple(v for v in VERBS if v in verbs),
        lacking_verbs=tuple(v for v in possible if v not in verbs),
        fields=tuple(sorted(fields)),
        lacking_fields=tuple(sorted(OPTIONAL_FIELDS.get(kind, frozenset()) - fields)),
    )


# -- what we may do ---------------------------------------------------------------------------------------------------


def check(
    fleet: Fleet,
    targets: Targets,
    *,
    accounts: Iterable[str] = (),
    timeout_s: float = 20.0,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[Checked, ...]:
    """Asks every account, side by side; the named ones alone where names are given.

    timeout_s: for each account. Raises InvalidInput for a name that the fleet does not have, and Interrupted.
    """
    wanted = [named(fleet, name) for name in accounts] or list(fleet.spec.accounts)

    def one(spec: AccountSpec) -> Checked:
        return _checked(spec, targets, Call(time.monotonic() + timeout_s, fleet=fleet.name, cancelled=cancelled))

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="check") as pool:
        return tuple(pool.map(one, wanted))


def _checked(spec: AccountSpec, targets: Targets, call: Call) -> Checked:
    principal, source = "", None
    try:
        offline = _unconnected(spec, open_cloud)
        source = offline if isinstance(offline, RightsSource) else None
        provider = targets.cloud(spec)
        who = provider.identity(call)
        principal = who.principal
        if who.account_id != spec.account_id:
            raise Unauthenticated(
                f"account {spec.name}: the credentials belong to {who.account_id}, the fleet says {spec.account_id}",
                mend="give the credentials of that account, or correct account_id in the fleet",
            )
        rights = provider.rights(call) if isinstance(provider, RightsSource) else None
    except Interrupted:
        raise
    except DuoyunError as exc:
        exc.mend = exc.mend or "look at the account's endpoint, proxy_url and network, and try again"
        return Checked(spec, principal, policy=source.policy(source.actions) if source else None, error=exc)
    missing = rights.missing if rights else ()
    return Checked(
        spec,
        principal,
        rights,
        missing_policy=source.policy(missing) if source and missing else None,
        policy=source.policy(source.actions) if source else None,
    )


def policy_of(fleet: Fleet, account: str) -> Mapping[str, Any]:
    """The least-privilege document of an account: all that its adapter calls. Sends nothing. Raises InvalidInput."""
    provider = _unconnected(named(fleet, account), open_cloud)
    if not isinstance(provider, RightsSource):
        raise InvalidInput(
            (),
            summary=f"account {account}: {CLOUDS[provider.account.cloud].title} has no such document",
            mend="docs/credentials.md says what this cloud accepts",
        )
    return provider.policy(provider.actions)


def named(fleet: Fleet, name: str) -> AccountSpec:
    """The account of that name. Raises InvalidInput with the nearest ones."""
    found = next((a for a in fleet.spec.accounts if a.name == name), None)
    if found is None:
        names = [a.name for a in fleet.spec.accounts]
        raise InvalidInput((), summary=f"the fleet has no account {name}", mend=did_you_mean(name, names))
    return found


def exit_code(rows: Iterable[Checked]) -> ExitCode:
    """The gravest of the accounts'; those of other executors count where there are no others."""
    rows = tuple(rows)
    ours = tuple(row for row in rows if row.standing is not Standing.ELSEWHERE)
    return gravest(*(row.exit_code for row in ours or rows))
