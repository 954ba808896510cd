#!/bin/sh
# Takes the pods back to those of before: back.sh DEPLOYED DEPLOYMENT KUBECTL...
# DEPLOYED is the file that `make deploy DEPLOYED=` left. There is none where that came to nothing: then the pods stay,
# since the revision before theirs is not to be touched. An empty file is of a first deployment. Where no file is named,
# kubectl goes one revision back.
set -eu
deployed=$1
deployment=$2
shift 2

if [ -z "$deployed" ]; then
  "$@" rollout undo "$deployment"
elif [ ! -e "$deployed" ]; then
  echo "$deployed is not there, so nothing was deployed since: the pods stay"
  exit
elif [ ! -s "$deployed" ]; then
  echo "this was the first deployment: there are no pods to go back to; mend what is wrong, and deploy again" >&2
  exit 1
else
  "$@" rollout undo "$deployment" --to-revision="$(cat "$deployed")"
  rm "$deployed"
fi
"$@" rollout status --timeout "${WAIT:-300s}" "$deployment"
