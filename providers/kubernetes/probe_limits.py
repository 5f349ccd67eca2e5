"""What a Kubernetes probe can be set to."""

from model.probe_limits import ProbeLimits, Setting

_MOST = 2_147_483_647.0  # int32

PROBE_LIMITS = (
    ProbeLimits(
        name="kubernetes",
        title="Kubernetes readinessProbe",
        interval=Setting("periodSeconds", 1, _MOST),
        timeout=Setting("timeoutSeconds", 1, _MOST),
        failures=Setting("failureThreshold", 1, _MOST),
        successes=Setting("successThreshold", 1, _MOST),
        wrapper="readinessProbe",
        source="https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/",
        missing=("the kubelet asks from the pod's own node: it does not see the link between clouds",),
    ),
)
