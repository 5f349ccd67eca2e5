"""The network between the vantage (whoever calls the sandbox), the clouds' APIs, the clusters and the sites."""

from sandbox.network.listen import Listener, Network, serving
from sandbox.network.matrix import PROFILES, NetworkError, Settings

__all__ = ["PROFILES", "Listener", "Network", "NetworkError", "Settings", "serving"]
