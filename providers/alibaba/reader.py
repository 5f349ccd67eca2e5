"""What is only read: the base of the kinds that others make, and whose changes are theirs.

Callers: the modules of these kinds; provider.py. Writing raises NotBuiltYet; the capabilities say so while planning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from model.errors import NotBuiltYet
from model.resources import TAG_FLEET, Address, AnyResource, Observed, State
from providers.alibaba.common import Adapter, Row
from providers.base import Call

READS = frozenset({"list", "get", "changes"})


class Reader(Adapter):
    """A kind of other people's."""

    def by_id(self, region: str, provider_id: str, call: Call) -> Row | None:
        """Among all rows, where the cloud has nothing better."""
        return next((row for row in self.rows(region, call) if self.identify(row).id == provider_id), None)

    def seen(self, region: str, row: Row, resource: AnyResource, *, state: State = State.READY) -> Observed:
        who = self.identify(row)
        return Observed(
            address=self.address(region, who.logical_name),
            resource=resource,
            provider_id=who.id,
            state=state,
            owner=who.tags.get(TAG_FLEET, ""),
        )

    def create(self, address: Address, desired: Any, call: Call) -> Observed:  # noqa: ARG002
        raise self._refusal("create")

    def make(self, address: Address, desired: Any, call: Call, token: Callable[[Mapping[str, Any]], str]) -> str:  # noqa: ARG002
        raise self._refusal("create")

    def update(self, observed: Observed, desired: Any, call: Call) -> None:  # noqa: ARG002
        raise self._refusal("update")

    def delete(self, observed: Observed, call: Call) -> None:  # noqa: ARG002
        raise self._refusal("delete")

    def fixed_fields(self) -> tuple[str, ...]:
        return ()

    def _refusal(self, verb: str) -> NotBuiltYet:
        noun = self.KIND.replace("_", " ")
        return NotBuiltYet(
            f"duoyun cannot {verb} a {noun} on Alibaba Cloud: it only reads them",
            mend="do it with the tool that owns it, such as Terraform",
        )


def cidrs_of(text: str) -> tuple[str, ...]:
    """A white list as the clouds' databases write it: comma separated, single addresses without a mask."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    return tuple(sorted(part if "/" in part else f"{part}/{128 if ':' in part else 32}" for part in found))
