"""Per cloud: somebody who knows nothing of duoyun and makes, with the cloud's own means, what our adapters only read.

Callers: tests/contract (test_more_kinds.py), lives.py. One module a cloud, each with a MORE of tools.conformance.more.
"""
