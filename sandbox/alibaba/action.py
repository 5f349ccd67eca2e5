"""What an action is, and how a service's actions are written down.

Callers: actions.py, further_actions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.alibaba.state import Ctx

Handler = Callable[[Ctx], Any]


@dataclass(frozen=True, slots=True)
class Action:
    """regional: the request must name a region of the caller's partition. tokens: whether it honours ClientToken."""

    service: str
    name: str
    run: Handler
    write: bool = False
    regional: bool = True
    tokens: bool = True


_WRITE_VERBS = (
    *("Create", "Delete", "Modify", "Run", "Start", "Stop", "Authorize", "Revoke", "Tag", "Untag", "UnTag"),
    *("Resize", "Attach", "Detach", "Set", "Add", "Remove", "Enable", "Disable", "Update", "Allocate", "Release"),
    *("Associate", "Unassociate", "Upload", "Schedule", "Bind", "Unbind"),
)


def table(
    service: str, handlers: Mapping[str, Handler], *, regional: bool = True, tokens: Collection[str] | None = None
) -> dict[tuple[str, str], Action]:
    """tokens: names of those that honour a client token; None: all that write."""
    return {
        (service, name): Action(
            service,
            name,
            run,
            name.startswith(_WRITE_VERBS),
            regional and name != "DescribeRegions",
            tokens is None or name in tokens,
        )
        for name, run in handlers.items()
    }
