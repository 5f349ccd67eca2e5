"""A cloud in memory that keeps the providers' contract: no SDK, no HTTP, and time that only its own waits move.

Callers: tests. `FakeCloud(seed).open(account)` gives a CloudProvider; several adapters over one FakeCloud are several
processes before one cloud. Passes tests/contract as the real adapters do. Non-goal: any cloud's own quirks.
"""

from __future__ import annotations

from providers.fake.cloud import FakeCloud, Fault

__project__ = "duoyun"
__all__ = ["FakeCloud", "Fault"]
