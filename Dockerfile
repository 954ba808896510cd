# The images of Tapetum: serve (the default, without torch), serve-gpu and train. docs/docker.md says how to use them.
# `docker buildx imagetools inspect TAG` tells the digest of the base: pass BASE_IMAGE=TAG@sha256:… to pin it as well.
ARG BASE_IMAGE=python:3.11-slim-bookworm

# A bundle to bake in takes the place of this empty stage: `--build-context bundle=runs/pets/bundle`.
FROM scratch AS bundle

FROM ${BASE_IMAGE} AS build
# Settings of pip and certificates of one's own come as build secrets, which stay in no layer.
WORKDIR /build
RUN python -m venv --without-pip /venv
COPY pyproject.toml lock.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    python -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']))" > needed.txt \
    && pip --python /venv/bin/python install --requirement needed.txt --constraint lock.txt
# Of OpenVINO a CPU reads one format with one plugin: what drives GPUs and NPUs and reads other formats is 65 MB.
RUN find /venv/lib/python3*/site-packages/openvino/libs -regextype posix-extended \
    -regex '.*/(cache\.json|libopenvino_(intel_[gn]pu|auto|auto_batch|hetero)_plugin\.so)' -delete \
    -o -regex '.*/libopenvino_(tensorflow|tensorflow_lite|pytorch|paddle|gguf|jax)_frontend\.so.*' -delete
COPY README.md LICENSE ./
COPY recipes recipes
COPY src src
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    pip --python /venv/bin/python install --no-deps .

FROM build AS build-train
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    pip --python /venv/bin/python install '.[train,kaggle]' --constraint lock.txt

FROM build AS build-gpu
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    pip --python /venv/bin/python install '.[gpu]' --constraint lock.txt

FROM ${BASE_IMAGE} AS room
# Version, revision and date are labels that `make docker-build` gives: as build arguments they were taken stale from the
# cache of buildah 1.28.
LABEL org.opencontainers.image.title="Tapetum" \
      org.opencontainers.image.description="An image classifier as a service" \
      org.opencontainers.image.licenses="Apache-2.0"
# The root is read-only and the user may be any: what needs a home finds one in /tmp.
ENV PATH=/venv/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["tapetum"]

FROM room AS train
COPY --from=build-train /venv /venv
CMD ["--help"]

FROM room AS service
ENV TAPETUM_BUNDLE=/bundle TAPETUM_HOST=0.0.0.0 TAPETUM_LOG_FORMAT=json
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s CMD ["python", "-m", "tapetum.delivery.ready"]
CMD ["serve"]

# A bundle that is baked in must have its hashes, and give here the answers that it gave where it was made.
FROM service AS checked
COPY --from=build /venv /venv
USER 0
COPY --from=bundle / /bundle
RUN chmod -R a+rX,go-w /bundle
USER 10001:10001
RUN test -z "$(ls -A /bundle)" || tapetum bundle verify /bundle

# Untested on hardware: it builds upon the driver of the host and the CUDA libraries that torch brings along.
FROM service AS serve-gpu
ENV TAPETUM_ENGINE=onnxruntime TAPETUM_DEVICE=cuda NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-gpu /venv /venv
COPY --from=checked /bundle /bundle

FROM service AS serve
COPY --from=build /venv /venv
COPY --from=checked /bundle /bundle
