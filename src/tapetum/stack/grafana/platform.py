"""Rows of what the service stands on: Kubernetes, and the nodes as the node exporter sees them."""

from tapetum.stack.grafana.colours import BAD, GOOD, WARN
from tapetum.stack.grafana.panels import Limits, Row, at_most, chart, one, stat, threshold
from tapetum.stack.grafana.queries import WINDOW
from tapetum.stack.recording import NODE_CPU, NODE_DISK, NODE_MEMORY, Recording

_NO_CLUSTER = "no kube-state-metrics"
_NO_NODE = "no node exporter"
_DEPLOYMENT = 'namespace=~"$namespace",deployment=~"$deployment"'
_PODS = 'namespace=~"$namespace",pod=~"${deployment}-.+"'
_AUTOSCALER = 'namespace=~"$namespace",horizontalpodautoscaler=~"$deployment"'
_NODE = 'instance=~"$node"'
# A container's own cables show its traffic a second time.
_CABLES = f'{_NODE},device!~"lo|veth.*|cali.*|flannel.*|cni.*|docker.*|br-.*"'

KUBERNETES = Row(
    "Kubernetes",
    (
        stat(
            "Pod Count",
            "Pods of the chosen deployments that run.",
            unit="none",
            queries=one(f'sum(kube_pod_status_phase{{{_PODS},phase="Running"}})'),
            limits=Limits(BAD, ((1, GOOD),)),
            width=8,
            runbook="PodNotReady",
            empty=_NO_CLUSTER,
        ),
        chart(
            "Deployment Status",
            "Replicas that are ready, and that are desired. Apart for minutes, a rollout is stuck or pods do not fit.",
            "none",
            {
                "desired": f"sum(kube_deployment_spec_replicas{{{_DEPLOYMENT}}})",
                "ready": f"sum(kube_deployment_status_replicas_ready{{{_DEPLOYMENT}}})",
            },
            decimals=0,
            runbook="DeploymentReplicasMismatch",
            empty=_NO_CLUSTER,
        ),
        chart(
            "Autoscaling",
            "Replicas that the autoscaler has, and its limit. At the limit for long, it would want more.",
            "none",
            {
                "desired": f"sum(kube_horizontalpodautoscaler_status_desired_replicas{{{_AUTOSCALER}}})",
                "running": f"sum(kube_horizontalpodautoscaler_status_current_replicas{{{_AUTOSCALER}}})",
                "limit": f"sum(kube_horizontalpodautoscaler_spec_max_replicas{{{_AUTOSCALER}}})",
            },
            decimals=0,
            runbook="HPAAtMaxCapacity",
            empty="no autoscaler",
        ),
        stat(
            "Pod Restarts",
            "Containers of the chosen deployments that were started again in the time shown.",
            unit="none",
            queries=one(f"round(sum(increase(kube_pod_container_status_restarts_total{{{_PODS}}}[$__range])))"),
            limits=at_most(1, 3),
            width=8,
            runbook="PodCrashLooping",
            empty=_NO_CLUSTER,
        ),
        chart(
            "Pods by Phase",
            "Pods of the chosen deployments by phase. Pending for long: nothing has room for them.",
            "none",
            {"{{phase}}": f"sum by (phase) (kube_pod_status_phase{{{_PODS}}})"},
            width=12,
            decimals=0,
            is_stacked=True,
            empty=_NO_CLUSTER,
        ),
        chart(
            "Restarts by Pod",
            "Containers that were started again within ten minutes, by pod.",
            "none",
            {"{{pod}}": f"round(sum by (pod) (increase(kube_pod_container_status_restarts_total{{{_PODS}}}[10m])))"},
            width=12,
            decimals=0,
            limits=Limits(steps=((1, WARN), (3, BAD))),
            runbook="PodCrashLooping",
            empty=_NO_CLUSTER,
        ),
    ),
)


def _fullest(recording: Recording) -> dict[str, str]:
    return one(f"max({recording.name}{{{_NODE}}})")


SYSTEM = Row(
    "System: the nodes",
    (
        stat(
            "CPU Usage",
            "Share of all cores in use, of the busiest node, over five minutes.",
            unit="percentunit",
            queries=_fullest(NODE_CPU),
            limits=at_most(threshold("HighCPUUsage"), threshold("CriticalCPUUsage")),
            runbook="HighCPUUsage",
            width=8,
            decimals=0,
            empty=_NO_NODE,
        ),
        stat(
            "Memory Usage",
            "Share of the memory that is not available to programs, of the fullest node.",
            unit="percentunit",
            queries=_fullest(NODE_MEMORY),
            limits=at_most(threshold("HighMemoryUsage"), threshold("CriticalMemoryUsage")),
            runbook="HighMemoryUsage",
            width=8,
            decimals=0,
            empty=_NO_NODE,
        ),
        stat(
            "Disk Usage",
            "Share of the space in use, of the fullest disk of any node.",
            unit="percentunit",
            queries=_fullest(NODE_DISK),
            limits=at_most(threshold("HighDiskUsage"), 0.95),
            runbook="HighDiskUsage",
            width=8,
            decimals=0,
            empty=_NO_NODE,
        ),
        chart(
            "CPU by Core",
            "Share of each core that is in use. One full core beside idle ones is a program with one thread.",
            "percentunit",
            {
                "{{instance}} core {{cpu}}": "1 - clamp_max(sum by (instance, cpu) (rate(node_cpu_seconds_total"
                f'{{{_NODE},mode=~"idle|iowait|steal"}}[{WINDOW}])), 1)'
            },
            width=12,
            highest=1,
            empty=_NO_NODE,
        ),
        chart(
            "Memory Over Time",
            "Memory of all chosen nodes: used by programs, cached files, buffers. What is cached is given up when "
            "it is needed.",
            "bytes",
            {
                "used": f"sum(node_memory_MemTotal_bytes{{{_NODE}}} - node_memory_MemFree_bytes{{{_NODE}}} "
                f"- node_memory_Cached_bytes{{{_NODE}}} - node_memory_Buffers_bytes{{{_NODE}}})",
                "cached": f"sum(node_memory_Cached_bytes{{{_NODE}}})",
                "buffers": f"sum(node_memory_Buffers_bytes{{{_NODE}}})",
            },
            width=12,
            is_stacked=True,
            runbook="HighMemoryUsage",
            empty=_NO_NODE,
        ),
        chart(
            "Network I/O",
            "Bytes a second over the cables of all chosen nodes, without loopback and cables of containers.",
            "Bps",
            {
                "received": f"sum(rate(node_network_receive_bytes_total{{{_CABLES}}}[{WINDOW}]))",
                "sent": f"sum(rate(node_network_transmit_bytes_total{{{_CABLES}}}[{WINDOW}]))",
            },
            width=12,
            empty=_NO_NODE,
        ),
        chart(
            "Disk I/O",
            "Bytes a second read from and written to the disks of all chosen nodes.",
            "Bps",
            {
                "read": f"sum(rate(node_disk_read_bytes_total{{{_NODE}}}[{WINDOW}]))",
                "written": f"sum(rate(node_disk_written_bytes_total{{{_NODE}}}[{WINDOW}]))",
            },
            width=12,
            empty=_NO_NODE,
        ),
    ),
)
