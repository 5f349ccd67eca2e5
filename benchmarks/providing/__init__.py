"""Parts of `python -m benchmarks.providers`: a sandbox to measure against, ways to fill it, and what is measured."""
