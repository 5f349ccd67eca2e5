"""Terraform's language: syntax (tree-sitter's grammar), expressions, functions, and modules.

Callers: policies.loaders. The evaluator is ours: an evaluator that drops what it cannot compute (a block repeated over
an unknown value, a null for a missing variable) would let a resource pass unseen. tests/policies compares the resources
that it finds with tfparse's on every fixture.
"""
