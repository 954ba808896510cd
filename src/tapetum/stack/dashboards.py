"""Grafana's dashboards and their provisioning: which pages there are, and where their files go."""

from collections.abc import Callable
from functools import partial

from tapetum.metrics import MODEL
from tapetum.stack.alert import RUNBOOKS
from tapetum.stack.grafana import (
    capacity,
    glance,
    judged,
    operations,
    platform,
    provisioning,
    quality,
    service,
    shadow,
)
from tapetum.stack.grafana.panels import Page, Variable
from tapetum.stack.promql import SERVICE_JOB

_FOLDER = "deploy/monitoring/grafana"

NAMESPACE = Variable(
    "namespace",
    "Namespace",
    "Where the service runs; on one machine there is none to choose, and all is right.",
    f'label_values(up{{job="{SERVICE_JOB}"}}, namespace)',
)
_MODEL = Variable(
    "model",
    "Model",
    "Replicas of other models are left out; those that have loaded none are always shown.",
    f'label_values({MODEL.name}{{job="{SERVICE_JOB}",namespace=~"$namespace"}}, name)',
)
_INSTANCE = Variable(
    "instance",
    "Replica",
    "Address of a replica.",
    f'label_values(up{{job="{SERVICE_JOB}",namespace=~"$namespace"}}, instance)',
)
_DEPLOYMENT = Variable(
    "deployment",
    "Deployment",
    "Whose pods the row Kubernetes counts.",
    'label_values(kube_deployment_spec_replicas{namespace=~"$namespace"}, deployment)',
    chosen="cats-dogs-api",
)
_NODE = Variable("node", "Node", "Address of a node exporter.", "label_values(node_uname_info, instance)")
_CHOICES = (NAMESPACE, _MODEL, _INSTANCE)

PAGES = (
    Page(
        "tapetum-service",
        "Tapetum: service",
        "Is it up, is it right, is it fast, is it full; then what it does, and what it promised.",
        _CHOICES,
        (glance.GLANCE, service.APPLICATION, service.LEVELS, capacity.QUEUE_AND_WORKERS, capacity.SIZES),
    ),
    Page(
        "tapetum-model",
        "Tapetum: model quality",
        "How sure the model is, and of what, as far as that shows without knowing the truth; how often it was right.",
        _CHOICES,
        (quality.NOW, quality.CONFIDENCES, quality.CLASSES, quality.DRIFT_ROW, judged.FEEDBACK, shadow.SHADOW),
    ),
    Page(
        "tapetum-platform",
        "Tapetum: platform",
        "What the service stands on: Kubernetes, nodes, its container, GPUs; its log, and the way of its alerts.",
        (*_CHOICES, _DEPLOYMENT, _NODE),
        (
            platform.KUBERNETES,
            platform.SYSTEM,
            capacity.CONTAINER,
            operations.GPU,
            operations.LOGGING,
            operations.DELIVERY,
        ),
    ),
)


def _dashboard(page: Page) -> str:
    # Nothing but this needs the SDK, which the base install lacks.
    from tapetum.stack.grafana.build import to_json

    return to_json(page, RUNBOOKS)


FILES: tuple[tuple[str, Callable[[], str]], ...] = (
    *((f"{_FOLDER}/dashboards/{page.uid}.json", partial(_dashboard, page)) for page in PAGES),
    (f"{_FOLDER}/provisioning/datasources/prometheus.yml", provisioning.datasources),
    (f"{_FOLDER}/provisioning/dashboards/tapetum.yml", provisioning.dashboards),
)
