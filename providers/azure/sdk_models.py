"""Makes the first use of the SDK's model classes safe for threads.

Callers: session.

The generated SDKs work out how a model's fields are read when the first instance of its class is made, without a lock.
Two threads that read the first answers at the same moment can meet it half done: then a nested model stays a plain
dict (azure-mgmt-network 33.1: seen in 13 of 300 starts with six threads, in none with this guard).
"""

from __future__ import annotations

import importlib
import threading
from typing import Any

_LOCK = threading.RLock()
_GUARDED: set[type] = set()


def guard_models(client: type) -> None:
    """Puts the class set-up of that client's SDK package under one lock. Doing it twice changes nothing.

    client: a management client's class. A package without such models (an older generation) is left as it is.
    """
    try:
        base = importlib.import_module(_package(client) + "._utils.model_base").Model
    except ModuleNotFoundError:
        return
    with _LOCK:
        if base not in _GUARDED:
            _GUARDED.add(base)
            base.__new__ = _guarded(base.__new__)


def _package(client: type) -> str:
    """The SDK package of a client: `azure.mgmt.network` for azure.mgmt.network._client."""
    return ".".join(part for part in client.__module__.split(".") if not part.startswith("_"))


def _guarded(original: Any) -> Any:
    def __new__(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if f"{cls.__module__}.{cls.__qualname__}" in cls._calculated:
            return original(cls, *args, **kwargs)
        with _LOCK:
            return original(cls, *args, **kwargs)

    return __new__
