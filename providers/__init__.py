"""The provider layer: one folder a cloud, one protocol (base.py) for all."""

__project__ = "duoyun"
