"""Measurements of the whole line and of its parts: `python -m benchmarks.<name>`; results in docs/benchmarks.md."""

__project__ = "duoyun"
