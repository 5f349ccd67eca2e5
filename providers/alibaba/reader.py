"""What is only read: the base of the kinds that others make, and whose changes are theirs.

Callers: the modules of these kinds; provider.py. Writing raises NotBuiltYet; the capabilities say so while planning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from model.errors import NotBuiltYet
from model.resources import Address, Observed
from providers.alibaba.common import Adapter
from providers.base import Call

READS = frozenset({"list", "get", "changes"})


class Reader(Adapter):
    """A kind of other people's."""

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
