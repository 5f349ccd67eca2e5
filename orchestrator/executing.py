"""The adapters as the engine sees them: late values are filled in, and a workload is ready only when it answers.

Callers: run.py, around Targets. A rollout that its cluster calls complete is then asked over HTTP, as callers will.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from model.errors import RolloutFailed
from model.resources import Address, AnyResource, Kind, Observed
from model.spec.app import Service
from orchestrator.late import Addresses, bind, is_pending
from orchestrator.remembering import Remembered
from orchestrator.vantages import Vantages
from orchestrator.verify import VerifyPolicy, verify_instance, verify_workload
from providers.base import Call, Provider


class ExecutingTarget:
    """A Provider that delegates to another; see the module."""

    def __init__(
        self,
        inner: Provider,
        known: Callable[[], Addresses],
        services: Mapping[str, Service],
        namespace: str,
        vantages: Vantages | None = None,
        remembered: Remembered | None = None,
        scope: str = "",
    ) -> None:
        self._inner = inner
        self._known = known
        self._services = services
        self._namespace = namespace
        self._policy = VerifyPolicy(vantages=vantages, remembered=remembered, scope=scope)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def create(self, address: Address, desired: AnyResource, call: Call) -> Observed:
        return self._inner.create(address, self._bound(address, desired), call)

    def update(self, observed: Observed, desired: AnyResource, call: Call) -> Observed:
        return self._inner.update(observed, self._bound(observed.address, desired), call)

    def _bound(self, address: Address, desired: AnyResource) -> AnyResource:
        if not is_pending(desired):
            return desired
        bound = bind(address, desired, self._known())
        if is_pending(bound):
            raise RolloutFailed(
                f"{address}: the instances that it is to name have no private address",
                mend="look at the instances of that service: `duoyun status`",
                address=str(address),
            )
        return bound

    def wait_ready(self, address: Address, call: Call) -> Observed:
        observed = self._inner.wait_ready(address, call)
        service = self._service_of(observed)
        if service is None or not service.ports:
            return observed
        if address.kind is Kind.INSTANCE:
            verify_instance(service, observed, call, self._policy)
        elif "/Deployment/" in address.name:
            verify_workload(self._inner, service, self._namespace, observed, call, self._policy)
        return observed

    def _service_of(self, observed: Observed) -> Service | None:
        address = observed.address
        if address.kind is Kind.INSTANCE or "/Deployment/" in address.name:
            # `<service>-<zone suffix>[-<index>]`; service names may hold dashes themselves, suffixes do not.
            words = address.name.rsplit("/", 1)[-1].split("-")
            for cut in range(len(words) - 1, 0, -1):
                if (found := self._services.get("-".join(words[:cut]))) is not None:
                    return found
        return None
