#!/bin/sh
# Makes the secrets that a cluster lacks and leaves those that it has: deploy/k8s/secrets.sh KUBECTL [OPTION...]
#   GRAFANA_PASSWORD          replaces Grafana's; without one and without a secret a random one is made
#   GRAFANA_FIRST_PASSWORD    instead of a random one
#   GMAIL_PASS                replaces that of Alertmanager's mail account
#   WITH_KEYS=1               makes a key of prediction and one of operations as well
# Values come from the environment and files, never from a command line that others can read.
set -eu
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

lacks() {
  name=$1
  shift
  found=$("$@" --namespace mlops get secret "$name" --ignore-not-found --output name) || exit 1
  test -z "$found"
}

# The files in $folder/NAME become the secret NAME.
keep() {
  name=$1
  shift
  "$@" --namespace mlops create secret generic "$name" --from-file="$folder/$name" --dry-run=client --output yaml |
    "$@" apply --server-side --force-conflicts --filename -
}

mkdir "$folder/grafana-admin" "$folder/alertmanager-mail" "$folder/cats-dogs-api-keys"

if [ -n "${GRAFANA_PASSWORD:-}" ] || lacks grafana-admin "$@"; then
  printf admin >"$folder/grafana-admin/admin-user"
  printf %s "${GRAFANA_PASSWORD:-${GRAFANA_FIRST_PASSWORD:-$(random)}}" >"$folder/grafana-admin/admin-password"
  keep grafana-admin "$@"
fi

if [ -n "${GMAIL_PASS:-}" ]; then
  printf %s "$GMAIL_PASS" >"$folder/alertmanager-mail/gmail_pass"
  keep alertmanager-mail "$@"
elif lacks alertmanager-mail "$@"; then
  echo "Alertmanager has no password to mail with: GMAIL_PASS=… make k8s-secrets gives it one"
fi

if [ -n "${WITH_KEYS:-}" ] && lacks cats-dogs-api-keys "$@"; then
  random >"$folder/cats-dogs-api-keys/api-keys"
  random >"$folder/cats-dogs-api-keys/operator-keys"
  keep cats-dogs-api-keys "$@"
fi
