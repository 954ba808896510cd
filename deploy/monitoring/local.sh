#!/bin/sh
# Prometheus, Alertmanager and node exporter on this machine, against a service on port 8000, until Ctrl-C.
#
#   deploy/monitoring/local.sh [FOLDER]      what they keep goes to FOLDER, by default runs/monitoring
#
# Mail: TAPETUM_MAIL_FROM, TAPETUM_MAIL_TO, and GMAIL_PASS_FILE or GMAIL_PASS, as for the service's own alerts.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-runs/monitoring}

# Debian names two of them otherwise than their makers do.
found() {
    for name in "$@"; do
        if command -v "$name"; then return; fi
    done
    echo "missing: $1" >&2
    echo "get it with: sudo apt-get install prometheus prometheus-alertmanager prometheus-node-exporter" >&2
    echo "         or: brew install prometheus alertmanager node_exporter" >&2
    echo "         or: https://prometheus.io/download/" >&2
    return 1
}
prometheus=$(found prometheus)
alertmanager=$(found alertmanager prometheus-alertmanager)
node_exporter=$(found node_exporter prometheus-node-exporter)

mkdir -p "$folder/configuration"
folder=$(cd "$folder" && pwd)
configuration=$folder/configuration
rm -rf "$configuration/rules" "$configuration/targets"
cp "$here/prometheus/prometheus.yml" "$configuration/"
cp -R "$here/rules" "$configuration/rules"
cp -R "$here/prometheus/targets/local" "$configuration/targets"

# A password of the environment goes into a file that only its owner can read, and away at the end.
password=${GMAIL_PASS_FILE:-$configuration/gmail_pass}
if [ -n "${GMAIL_PASS:-}" ] && [ -z "${GMAIL_PASS_FILE:-}" ]; then
    (umask 077 && printf %s "$GMAIL_PASS" > "$password")
fi
case $password in
    /*) ;;
    *) password=$PWD/$password ;;
esac
from=${TAPETUM_MAIL_FROM:-you@gmail.com}
user=$(printf %s "$from" | sed 's/.*<\(.*\)>.*/\1/')
sed -e "s|/etc/alertmanager/secrets/gmail_pass|$password|" \
    -e "s|to: you@gmail.com|to: ${TAPETUM_MAIL_TO:-you@gmail.com}|" \
    -e "s|smtp_from: you@gmail.com|smtp_from: $from|" -e "s|username: you@gmail.com|username: $user|" \
    "$here/alertmanager/alertmanager.yml" > "$configuration/alertmanager.yml"

pids=
stop() {
    trap - INT TERM EXIT
    kill $pids 2>/dev/null || true
    wait
    rm -f "$configuration/gmail_pass"
    echo "stopped; data and logs stay in $folder"
}
trap 'stop; exit 0' INT TERM
trap stop EXIT

start() {
    log=$folder/$1.log
    shift
    "$@" > "$log" 2>&1 &
    pids="$pids $!"
}
start prometheus "$prometheus" --config.file="$configuration/prometheus.yml" --storage.tsdb.path="$folder/prometheus" \
    --web.listen-address=127.0.0.1:9090
start alertmanager "$alertmanager" --config.file="$configuration/alertmanager.yml" --storage.path="$folder/alertmanager" \
    --web.listen-address=127.0.0.1:9093 --cluster.listen-address=
start node-exporter "$node_exporter" --web.listen-address=127.0.0.1:9100

echo "Prometheus    http://localhost:9090   (rules: /alerts, targets: /targets)"
echo "Alertmanager  http://localhost:9093"
echo "Grafana       connect one to http://localhost:9090; its dashboards are in $here/grafana/dashboards"
if [ ! -s "$password" ] || [ "$from" = you@gmail.com ]; then
    echo "no mails: set TAPETUM_MAIL_FROM, TAPETUM_MAIL_TO and GMAIL_PASS (see docs/monitoring.md)"
fi
if command -v curl > /dev/null && ! curl --silent --output /dev/null http://localhost:8000/health; then
    echo "nothing answers on port 8000 yet: start it with 'tapetum serve BUNDLE'"
fi
echo "Ctrl-C stops all three; logs are in $folder"

# The first that ends takes the others with it.
while :; do
    for pid in $pids; do
        if ! kill -0 "$pid" 2>/dev/null; then
            echo "one of them has ended; the last lines of each log:" >&2
            tail -n 3 "$folder"/*.log >&2
            exit 1
        fi
    done
    sleep 1 &
    wait $! || true
done
