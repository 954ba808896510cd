"""What tells Grafana where its data and its dashboards are."""

DATASOURCES = """\
# Written by `make stack` from src/tapetum/stack/; do not edit. Grafana fills in the variable from its environment.
apiVersion: 1
datasources:
  - name: Prometheus
    uid: prometheus
    type: prometheus
    access: proxy
    url: ${PROMETHEUS_URL}
    isDefault: true
    editable: false
    jsonData:
      httpMethod: POST
      timeInterval: 15s
"""

DASHBOARDS = """\
# Written by `make stack` from src/tapetum/stack/; do not edit. Mount the folder dashboards/ at this path.
apiVersion: 1
providers:
  - name: tapetum
    folder: Tapetum
    type: file
    allowUiUpdates: false
    disableDeletion: true
    updateIntervalSeconds: 30
    options:
      path: /etc/grafana/dashboards
"""


def datasources() -> str:
    """The file of the data source."""
    return DATASOURCES


def dashboards() -> str:
    """The file of the folder of dashboards."""
    return DASHBOARDS
