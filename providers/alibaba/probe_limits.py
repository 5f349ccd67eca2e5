"""What the health check of an Alibaba Cloud ALB server group can be set to."""

from model.probe_limits import ProbeLimits, Setting

PROBE_LIMITS = (
    ProbeLimits(
        name="alibaba",
        title="Alibaba Cloud ALB server group",
        interval=Setting("HealthCheckInterval", 1, 50),
        timeout=Setting("HealthCheckTimeout", 1, 300),
        failures=Setting("UnhealthyThreshold", 2, 10),
        successes=Setting("HealthyThreshold", 2, 10),
        wrapper="HealthCheckConfig",
        extra={"HealthCheckEnabled": True},
        source="https://help.aliyun.com/zh/terraform/alicloud-alb-server-group",
    ),
)
