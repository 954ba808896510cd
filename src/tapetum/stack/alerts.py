"""All alerts, by the area that they speak of; an area is a group of rules and a group of mails."""

from tapetum.stack import (
    capacity_alerts,
    feedback_alerts,
    kubernetes_alerts,
    model_alerts,
    monitoring_alerts,
    node_alerts,
    shadow_alerts,
    slo,
)
from tapetum.stack import service_alerts as service
from tapetum.stack.alert import Alert

AREAS: dict[str, tuple[Alert, ...]] = {
    "service": (*service.ALERTS, *slo.alerts(), *capacity_alerts.ALERTS),
    "model": (*model_alerts.ALERTS, *feedback_alerts.ALERTS, *shadow_alerts.ALERTS),
    "monitoring": monitoring_alerts.ALERTS,
    "kubernetes": kubernetes_alerts.ALERTS,
    "node": node_alerts.ALERTS,
}
