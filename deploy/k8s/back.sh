#!/bin/sh
# Takes the pods back to those of before: back.sh DEPLOYED KUBECTL...
# DEPLOYED is the file that `make deploy DEPLOYED=` left. Where that came to nothing there is none, and the pods stay: the
# revision before theirs is none of its business. Empty is the revision that kubectl takes by itself.
set -eu
deployed=$1
shift
deployment=deployment/cats-dogs-api

if [ -z "$deployed" ]; then
  "$@" --namespace mlops rollout undo "$deployment"
elif [ ! -e "$deployed" ]; then
  echo "$deployed is not there, so nothing was deployed since: the pods stay"
  exit
elif [ ! -s "$deployed" ]; then
  echo "this was the first deployment: there are no pods to go back to" >&2
  exit 1
else
  "$@" --namespace mlops rollout undo "$deployment" --to-revision="$(cat "$deployed")"
  rm "$deployed"
fi
"$@" --namespace mlops rollout status --timeout "${WAIT:-300s}" "$deployment"
