"""The three clouds and their Kubernetes clusters on loopback, speaking the clouds' own wire protocols.

A process of its own (`python -m sandbox`), used through the real SDKs. Imports model's units and facts only.
"""

__project__ = "duoyun"
