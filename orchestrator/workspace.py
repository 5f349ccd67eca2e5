"""Opens what a command needs: files, store, accounts, engine; and closes it again. Callers: cli and the demo."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from model.errors import InvalidInput
from model.ports import Clock
from model.spec.fleet import SANDBOX, Fleet
from orchestrator.approvals.prove import Proof
from orchestrator.executor import ANY, Executor
from orchestrator.late import instance_addresses
from orchestrator.load import Loaded, load
from orchestrator.planning import Context
from orchestrator.store import Scope, Store, SystemClock, open_store
from orchestrator.targets import Targets
from orchestrator.terraform_state import read_states, state_files


@dataclass(frozen=True, slots=True)
class Options:
    """store_url: --store or DUOYUN_STORE. local_state: consent to SQLite for real accounts.

    timeout_s: for each question while observing; what has not answered by then is unknown. clock: of everything that
    is recorded, and of the lease. identity: a key or a proof of who asks, for approvals. terraform_states: beside those
    that the fleet names. executor: which partitions this process works for.
    """

    store_url: str | None = None
    local_state: bool = False
    timeout_s: float = 60.0
    clock: Clock = field(default_factory=SystemClock)
    identity: Path | Proof | None = None
    terraform_states: tuple[Path, ...] = ()
    executor: Executor = ANY


def default_store_url(environ: Mapping[str, str] | None = None) -> str:
    """SQLite in $XDG_STATE_HOME/duoyun (default ~/.local/state)."""
    env = os.environ if environ is None else environ
    state = env.get("XDG_STATE_HOME") or str(Path(env.get("HOME") or "~").expanduser() / ".local" / "state")
    return f"sqlite:///{Path(state) / 'duoyun' / 'state.db'}"


def store_url(fleet: Fleet, options: Options) -> str:
    """Where the state lives. Raises InvalidInput for SQLite with real accounts, unless --local-state was typed."""
    url = options.store_url or fleet.spec.state.url or default_store_url()
    real = [a.name for a in fleet.spec.accounts if a.endpoint != SANDBOX]
    if url.startswith("sqlite") and real and not options.local_state:
        raise InvalidInput(
            (),
            summary=f"SQLite state is for the sandbox or for one person, and the fleet has real accounts: "
            f"{', '.join(real[:5])}",
            mend="set DUOYUN_STORE=postgresql://... for a team, or type --local-state",
        )
    return url


@contextmanager
def opened(
    app: Path,
    fleet: Path,
    options: Options | None = None,
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[Context]:
    """A context over the files; its store is closed at the end."""
    opts = options or Options()
    loaded = load(app, fleet)
    with opened_for(loaded, opts, cancelled=cancelled) as context:
        yield context


@contextmanager
def opened_for(loaded: Loaded, options: Options, *, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Context]:
    """The same for files that are already loaded (or were changed in memory)."""
    with open_store(store_url(loaded.fleet, options), options.clock) as store:
        yield Context(
            loaded,
            store,
            Targets(loaded.fleet, folder=loaded.fleet_path.parent, executor=options.executor),
            cancelled=cancelled,
            timeout_s=options.timeout_s,
            identity=options.identity,
            states=lambda: read_states(state_files(loaded.fleet, loaded.fleet_path.parent, options.terraform_states)),
        )


def known_addresses(store: Store, scope: Scope) -> Mapping[tuple[str, str, str, str], tuple[str, ...]]:
    """Private addresses of the instances, as the inventory has them now."""
    return instance_addresses(store.inventory.private_ips(scope))


__all__ = ["Options", "default_store_url", "known_addresses", "opened", "opened_for", "store_url"]
