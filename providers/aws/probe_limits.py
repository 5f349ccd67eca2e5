"""What the health check of an Elastic Load Balancing target group can be set to."""

from model.probe_limits import ProbeLimits, Setting

PROBE_LIMITS = (
    ProbeLimits(
        name="aws",
        title="AWS target group",
        interval=Setting("HealthCheckIntervalSeconds", 5, 300),
        timeout=Setting("HealthCheckTimeoutSeconds", 2, 120),
        failures=Setting("UnhealthyThresholdCount", 2, 10),
        successes=Setting("HealthyThresholdCount", 2, 10),
        under_interval=True,
        source="https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html",
    ),
)
