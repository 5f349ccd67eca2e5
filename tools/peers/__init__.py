"""Counts that docs/comparison-*.md rest on: our surface beside other projects'."""
