"""Which partitions this process may work for. Pure.

An executor is a process that runs duoyun; its label is `--partition`, or DUOYUN_PARTITION. An account of another
partition is not opened, and its credentials are not looked for: what is in it is unknown here, never absent. Callers:
targets (refuses), planning and drift (what is another executor's part). docs/partitions.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.errors import CallSite, OtherExecutor, UsageError
from model.spec.fleet import PARTITIONS, AccountSpec, Fleet
from model.spec.words import did_you_mean


@dataclass(frozen=True, slots=True)
class Executor:
    """partitions: its label; None where it has none, and may work for all."""

    partitions: frozenset[str] | None = None

    def may(self, partition: str) -> bool:
        return self.partitions is None or partition in self.partitions

    def elsewhere(self, fleet: Fleet) -> tuple[str, ...]:
        """The fleet's partitions that are another executor's, sorted."""
        return tuple(sorted({a.partition for a in fleet.spec.accounts if not self.may(a.partition)}))

    def here(self, fleet: Fleet) -> tuple[str, ...]:
        """The fleet's partitions that are ours, sorted."""
        return tuple(sorted({a.partition for a in fleet.spec.accounts if self.may(a.partition)}))

    def require(self, account: AccountSpec) -> None:
        """Raises OtherExecutor for an account of another partition."""
        if not self.may(account.partition):
            raise OtherExecutor(
                f"account {account.name} is in {account.partition}, and this executor works for {self} alone: "
                "what is there is unknown here",
                call=CallSite(cloud=account.cloud, account=account.name),
                mend=f"run it on the executor for {account.partition} (DUOYUN_PARTITION={account.partition})",
            )

    def require_fit(self, fleet: Fleet) -> None:
        """Raises OtherExecutor where nothing of the fleet is ours, or where the fleet wants a label that we lack."""
        here = self.here(fleet)
        all_of_it = ", ".join(sorted({a.partition for a in fleet.spec.accounts}))
        if not here:
            raise OtherExecutor(
                f"this executor works for {self} alone, and the fleet's accounts are in {all_of_it}",
                mend="run it on an executor for one of these, or correct DUOYUN_PARTITION",
            )
        if fleet.spec.executors == "one_partition" and len(here) > 1:
            what = f"this one is labelled {self}" if self.partitions is not None else "this one has no label"
            raise OtherExecutor(
                f"the fleet wants an executor for one partition alone, and {what}",
                detail=f"its accounts are in {all_of_it}",
                mend=f"set DUOYUN_PARTITION (or --partition) to the one whose credentials are here, e.g. {here[0]}",
            )

    def __str__(self) -> str:
        return "every partition" if self.partitions is None else ", ".join(sorted(self.partitions))


ANY = Executor()


def parse(text: str | None) -> Executor:
    """`aws-cn`, or several with commas between them; nothing: no label. Raises UsageError for no such partition."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in PARTITIONS:
            raise UsageError(f"--partition {name}: there is no such partition", mend=did_you_mean(name, PARTITIONS))
    return Executor(frozenset(names)) if names else ANY
