"""What the health probe of an Azure load balancer can be set to."""

from model.probe_limits import ProbeLimits, Setting

PROBE_LIMITS = (
    ProbeLimits(
        name="azure",
        title="Azure Load Balancer probe",
        interval=Setting("intervalInSeconds", 5, 2_147_483_646),
        timeout=None,
        failures=Setting("probeThreshold", 1, 100),
        successes=None,
        source="https://learn.microsoft.com/azure/load-balancer/load-balancer-custom-probe-overview",
        missing=(
            "a timeout of its own: an answer counts until the next probe is due",
            "as many successes as failures bring it back",
        ),
    ),
)
