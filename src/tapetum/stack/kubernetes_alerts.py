"""Alerts on pods, deployments and autoscalers, as kube-state-metrics reports them."""

from tapetum.stack.alert import Alert, Inputs, flat, rising, series
from tapetum.stack.promql import CLUSTER_JOB

_HPA = "kube_horizontalpodautoscaler"
_PODS = ("cats-dogs-api-a", "cats-dogs-api-b")
_SECOND = {"namespace": "mlops", "pod": _PODS[1]}


def _max(name: str, by: str) -> str:
    return f'max by (namespace, {by}) ({name}{{job="{CLUSTER_JOB}"}})'


def _pods(name: str, *values: str, **labels: str) -> Inputs:
    return {
        series(name, job=CLUSTER_JOB, namespace="mlops", pod=pod, **labels): value
        for pod, value in zip(_PODS, values, strict=True)
    }


def _ready(first: int, second: int) -> Inputs:
    return _pods("kube_pod_status_ready", flat(first), flat(second), condition="true")


def _restarts(second: str) -> Inputs:
    return _pods("kube_pod_container_status_restarts_total", flat(5), second, container="api")


def _deployments(wanted: int, available: int) -> Inputs:
    """One of two deployments lacks what is not available."""
    both = ("cats-dogs-api", wanted, available), ("grafana", 1, 1)
    names = ("kube_deployment_spec_replicas", "kube_deployment_status_replicas_available")
    return {
        series(name, job=CLUSTER_JOB, namespace="mlops", deployment=deployment): flat(value)
        for deployment, *values in both
        for name, value in zip(names, values, strict=True)
    }


def _scalers(current: int, least: int) -> Inputs:
    """Of two autoscalers one has `current` of its 5 replicas."""
    names = (f"{_HPA}_status_current_replicas", f"{_HPA}_spec_max_replicas", f"{_HPA}_spec_min_replicas")
    both = ("cats-dogs-api", current, 5, least), ("other", 1, 5, 1)
    return {
        series(name, job=CLUSTER_JOB, namespace="mlops", horizontalpodautoscaler=scaler): flat(value)
        for scaler, *values in both
        for name, value in zip(names, values, strict=True)
    }


ALERTS = (
    Alert(
        "PodNotReady",
        "warning",
        "A pod is not ready",
        f'min by (namespace, pod) (kube_pod_status_ready{{job="{CLUSTER_JOB}",condition="true"}})',
        "<",
        1,
        5,
        "{{ $labels.pod }} in {{ $labels.namespace }} gets no requests: its readiness is VALUE.",
        guard=f'unless on (namespace, pod) kube_pod_status_phase{{job="{CLUSTER_JOB}",phase="Succeeded"}} == 1',
        topic="pod",
        labels=_SECOND,
        value="0",
        firing=_ready(1, 0) | _pods("kube_pod_status_phase", flat(0), flat(0), phase="Succeeded"),
        quiet=(
            _ready(1, 1) | _pods("kube_pod_status_phase", flat(0), flat(0), phase="Succeeded"),
            _ready(1, 0) | _pods("kube_pod_status_phase", flat(0), flat(1), phase="Succeeded"),
        ),
    ),
    Alert(
        "PodCrashLooping",
        "critical",
        "A container restarted THRESHOLD times or more within 30 minutes",
        "round(sum by (namespace, pod, container) "
        f'(increase(kube_pod_container_status_restarts_total{{job="{CLUSTER_JOB}"}}[30m])))',
        ">=",
        3,
        0,
        "{{ $labels.container }} of {{ $labels.pod }} in {{ $labels.namespace }} restarted VALUE times in 30 minutes.",
        topic="pod",
        labels=_SECOND | {"container": "api"},
        value="3",
        after=13,
        firing=_restarts(rising((0, 10), (1, 3), (0, 60))),
        quiet=(_restarts(rising((0, 10), (1, 2), (0, 60))),),
    ),
    Alert(
        "DeploymentReplicasMismatch",
        "warning",
        "A deployment lacks replicas",
        f"{_max('kube_deployment_spec_replicas', 'deployment')} - "
        f"{_max('kube_deployment_status_replicas_available', 'deployment')}",
        ">=",
        1,
        5,
        "{{ $labels.deployment }} in {{ $labels.namespace }} lacks VALUE of the replicas that it should have.",
        labels={"namespace": "mlops", "deployment": "cats-dogs-api"},
        value="1",
        firing=_deployments(3, 2),
        quiet=(_deployments(3, 3),),
    ),
    Alert(
        "HPAAtMaxCapacity",
        "warning",
        "An autoscaler has no replica left to add",
        f"{_max(f'{_HPA}_status_current_replicas', 'horizontalpodautoscaler')} / "
        f"{_max(f'{_HPA}_spec_max_replicas', 'horizontalpodautoscaler')}",
        ">=",
        1.0,
        10,
        "{{ $labels.horizontalpodautoscaler }} in {{ $labels.namespace }} runs VALUE of the replicas it may.",
        guard=f"and {_max(f'{_HPA}_spec_max_replicas', 'horizontalpodautoscaler')} > "
        f"{_max(f'{_HPA}_spec_min_replicas', 'horizontalpodautoscaler')}",
        unit="share",
        labels={"namespace": "mlops", "horizontalpodautoscaler": "cats-dogs-api"},
        value="100%",
        firing=_scalers(5, least=1),
        quiet=(_scalers(4, least=1), _scalers(5, least=5)),
    ),
)
