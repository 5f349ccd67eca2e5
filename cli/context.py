"""What a command about a release works with: files, store and accounts, opened and closed again.

Callers: the commands that read or change a fleet. In a module of its own, so that none of them has to import another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from cli.options import files, seconds_of

if TYPE_CHECKING:
    from model.spec.fleet import Fleet
    from orchestrator.executor import Executor
    from orchestrator.planning import Context
    from orchestrator.targets import Targets

OBSERVE_TIMEOUT_S = 60.0

PARTITION: ContextVar[str] = ContextVar("partition", default="")
"""`--partition` of this run, as it was written: the label of the executor that this process is."""


def executor() -> Executor:
    """Which partitions this process works for. Raises UsageError for one that does not exist."""
    from orchestrator.executor import parse

    return parse(PARTITION.get())


def folder_of(fleet: Path) -> Path:
    """Where what a fleet file names is found; the folder itself stands for the fleet.yaml in it."""
    return fleet if fleet.is_dir() else fleet.parent


def targets_of(path: Path, fleet: Fleet) -> Targets:
    """The adapters of a fleet without an application, for this executor. path: as the user named the fleet file."""
    from orchestrator.targets import Targets

    return Targets(fleet, folder=folder_of(path), executor=executor())


@contextmanager
def context_for(
    application: Path,
    fleet: Path | None,
    store: str | None,
    local_state: bool,
    timeout: str = "45m",
    identity: Path | None = None,
    terraform_state: list[Path] | None = None,
) -> Iterator[Context]:
    """Files, store and accounts of a command; Ctrl-C is turned into a clean stop while it runs."""
    from cli.interrupt import Stop
    from orchestrator.approvals.prove import from_environment
    from orchestrator.workspace import Options, opened

    limit_s = seconds_of("--timeout", timeout)
    # Accounts are asked first, clusters after them; what does not answer is given up in time to say so.
    who = identity or from_environment("DUOYUN_IDENTITY_TOKEN")
    options = Options(
        store,
        local_state,
        timeout_s=min(OBSERVE_TIMEOUT_S, 0.45 * limit_s),
        identity=who,
        terraform_states=tuple(terraform_state or ()),
        executor=executor(),
    )
    with (
        Stop(limit_s) as stop,
        opened(*files(application, fleet), options, cancelled=stop.asked) as context,
    ):
        yield context


def regions_of(context: Context) -> dict[str, str]:
    return {site.id: site.region_id for site in context.loaded.fleet.sites()}
