"""Where answers of the clouds are kept between runs, region by region, in the user's cache folder.

Callers: prices.py, offers.py. A file is written whole or not at all; a broken one is a warning, never an error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from model.errors import Diagnostic
from model.spec.fleet import SANDBOX, AccountSpec

T = TypeVar("T")
_MOST_BYTES = 4 * 2**20


def folder(environ: Mapping[str, str] | None = None) -> Path:
    """$XDG_CACHE_HOME/duoyun/prices (default ~/.cache)."""
    env = os.environ if environ is None else environ
    cache = env.get("XDG_CACHE_HOME") or str(Path(env.get("HOME") or "~").expanduser() / ".cache")
    return Path(cache) / "duoyun" / "prices"


def of_partition(account: AccountSpec) -> Path:
    """For what a partition tells everybody. The sandbox's answers never pass for a cloud's."""
    plane = SANDBOX if account.endpoint == SANDBOX else "cloud"
    return folder() / plane / account.partition


def of_account(account: AccountSpec) -> Path:
    """For what it tells this account alone."""
    return of_partition(account) / account.account_id


def read(path: Path, parse: Callable[[Any], T], what: str, used: str, mend: str) -> tuple[T | None, Diagnostic | None]:
    """The file's value; None where there is none. what, used: for the warning where it cannot be read."""
    if not path.is_file():
        return None, None
    try:
        return parse(json.loads(_text(path))), None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        told = f"{what} in {path} cannot be read ({type(exc).__name__}): {used}"
        return None, Diagnostic("", told, mend, "warning")


def _text(path: Path) -> str:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError("too large")
    return path.read_text(encoding="utf-8")


def write(path: Path, value: Any) -> None:
    """Whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value), encoding="utf-8")
    temporary.replace(path)
