"""The network scan: who reaches what, computed before any rule is asked. Callers take `with_reach`."""

from policies.network.scan import with_reach

__all__ = ["with_reach"]
