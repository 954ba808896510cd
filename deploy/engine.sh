#!/bin/sh
# Prints what runs containers here: docker or podman, whichever answers; CONTAINER_ENGINE chooses.
# `engine.sh compose` wants one that knows compose files.
set -u

for engine in ${CONTAINER_ENGINE:-docker podman}; do
  command -v "$engine" >/dev/null 2>&1 || continue
  "$engine" info >/dev/null 2>&1 || { found="$engine is installed, but \`$engine info\` fails: start it, or add yourself to its group"; continue; }
  if [ "$engine" = docker ] && ! docker buildx version >/dev/null 2>&1; then
    found="docker is here without buildx, which builds the image: apt-get install docker-buildx"
    continue
  fi
  if [ "${1-}" = compose ] && ! "$engine" compose version >/dev/null 2>&1; then
    found="$engine is here without compose: apt-get install docker-compose-v2, or podman-compose beside Podman 4.7 or newer"
    continue
  fi
  echo "$engine"
  exit 0
done
echo "${found:-neither docker nor podman is here}" >&2
echo "Docker: https://docs.docker.com/get-started/get-docker/; Podman: https://podman.io/docs/installation (apt-get install podman)" >&2
exit 1
