"""The sandbox's clouds and our adapters against what others wrote: schemas, typed SDKs, recordings, plain moto.

Callers: tests/conformance, and `python -m tools.conformance` (docs/sandbox-conformance.md). Not part of the product.
"""
