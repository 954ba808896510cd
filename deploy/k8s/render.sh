#!/bin/sh
# Prints the manifests of an overlay with an image and, where it follows promotions, with a model:
#   render.sh OVERLAY IMAGE MODEL DIGEST KUBECTL...
# Without a model it is the one that the cluster serves by now.
set -eu
overlay=$1 image=$2 model=$3 digest=$4
shift 4

manifests=$("$@" kustomize "deploy/k8s/overlays/$overlay" | sed "s|image: \(.*/\)*cats-dogs-api:.*|image: $image|")
case $manifests in
*tapetum/digest:*)
  if [ -z "$model" ]; then
    served='{.spec.template.metadata.annotations.tapetum/model} {.spec.template.metadata.annotations.tapetum/digest}'
    found=$("$@" --namespace mlops get deployment cats-dogs-api --ignore-not-found --output "jsonpath=$served")
    model=${found% *} digest=${found#* }
  fi
  if [ -z "$model" ] || [ -z "$digest" ]; then
    echo "$overlay serves what was promoted, and the cluster serves nothing yet: PROMOTED=promoted.json, which make promote NAME=… writes" >&2
    exit 1
  fi
  ;;
*)
  if [ -n "$model" ]; then
    echo "$overlay serves the model that is in its image, not $model: OVERLAY=kind-following or production-following serves what was promoted" >&2
    exit 1
  fi
  ;;
esac
printf '%s\n' "$manifests" | sed -e "s|tapetum/model: .*|tapetum/model: $model|" -e "s|tapetum/digest: .*|tapetum/digest: \"$digest\"|"
