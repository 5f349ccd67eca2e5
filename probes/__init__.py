"""Tells a slow link from a dead service: the detector and its values; docs/probes.md.

The rest is imported by module: the gate, the prober, agents, exporters, the simulator.
"""

from probes.article import adjust_probe_interval
from probes.detector import Detector
from probes.policy import Outcome, ProbePolicy, Result, Send, Status, Vantage, Verdict

__project__ = "duoyun"
__all__ = [
    "Detector", "Outcome", "ProbePolicy", "Result", "Send", "Status", "Vantage", "Verdict", "adjust_probe_interval",
]  # fmt: skip
