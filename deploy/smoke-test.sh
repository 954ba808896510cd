#!/bin/sh
# Checks a deployment: deploy/smoke-test.sh [URL] [OPTION...], with the options of `tapetum smoke`.
set -eu

url=${1:-http://localhost:8000}
[ $# -eq 0 ] || shift
if [ -x .venv/bin/tapetum ]; then
  tapetum=.venv/bin/tapetum
else
  tapetum=tapetum
fi
exec "$tapetum" smoke "$url" --wait "${SMOKE_WAIT_S:-60}" "$@"
