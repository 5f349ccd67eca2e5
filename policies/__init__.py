"""Documents in, findings out: one rule, written once on the normalised model, holds for every cloud.

Callers: orchestrator.gating. Entry points: `policies.documents` (values -> documents), `policies.rules` (what the
bundle holds), `policies.gate.judge` (the verdict). Imports model only. Non-goals: reading files or clouds (values are
handed in), deciding what to do about a finding.
"""

__project__ = "duoyun"
