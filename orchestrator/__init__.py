"""Composes the parts: load, observe, place, reconcile, gate, execute, verify, record, drift.

The only package that names which clouds there are (registry.py).
"""

__project__ = "duoyun"
