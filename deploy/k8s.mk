# Kubernetes: the cluster of kind on this machine, and any other.
CLUSTER := mlops-cluster
API := cats-dogs-api
# For a cluster of your own: OVERLAY=production CONTEXT=its-name.
OVERLAY ?= kind
IS_KIND = $(filter kind kind-%,$(OVERLAY))
CONTEXT ?= $(if $(IS_KIND),kind-$(CLUSTER))
MONITORING = $(if $(IS_KIND),deploy/k8s/overlays/kind/monitoring,deploy/monitoring)
KUBECTL = kubectl $(if $(CONTEXT),--context $(CONTEXT))
IN = $(KUBECTL) --namespace mlops
APPLY = $(KUBECTL) apply --server-side --force-conflicts
# Both labels: in a cluster of your own others may watch as well.
WATCHING = --all-namespaces --selector app.kubernetes.io/part-of=tapetum,app.kubernetes.io/component=monitoring
LOGS = --tail $(or $(TAIL),200) $(if $(FOLLOW),--follow)
ROLLED_OUT = rollout status --timeout $(or $(WAIT),300s)

has-docker:
	@command -v docker >/dev/null || { echo "docker is missing: https://docs.docker.com/get-started/get-docker/ (macOS: brew install docker)" >&2; exit 1; }
	@docker info >/dev/null 2>&1 || { echo "docker does not answer: start Docker Desktop, or sudo systemctl start docker, or add yourself to the group docker" >&2; exit 1; }

has-kind:
	@command -v kind >/dev/null || { echo "kind is missing: https://kind.sigs.k8s.io/docs/user/quick-start/#installation (macOS: brew install kind)" >&2; exit 1; }

has-kubectl:
	@command -v kubectl >/dev/null || { echo "kubectl is missing: https://kubernetes.io/docs/tasks/tools/ (macOS: brew install kubectl)" >&2; exit 1; }

has-cluster: has-kubectl
	@test -z "$(CONTEXT)" || kubectl config get-contexts --output name | grep -qxF '$(CONTEXT)' || { echo "kubectl knows no cluster $(CONTEXT): $(if $(IS_KIND),make kind-create makes it,kubectl config get-contexts lists those that it knows)" >&2; exit 1; }

##@ Kubernetes on this machine (kind)
kind-full: ## Everything: the cluster, the service, monitoring (BUNDLE=runs/cats-dogs/bundle)
	@$(MAKE) --no-print-directory kind-up
	@$(MAKE) --no-print-directory monitoring-deploy

kind-up: ## The cluster and the service, on localhost:8000
	@$(MAKE) --no-print-directory kind-create
	@$(MAKE) --no-print-directory kind-build
	@$(MAKE) --no-print-directory kind-deploy

kind-create: has-docker has-kind has-kubectl ## The cluster mlops-cluster, unless it is there
	@kind get clusters 2>/dev/null | grep -qxF $(CLUSTER) || kind create cluster --config deploy/k8s/kind-config.yaml --wait 180s

kind-build: has-docker has-kind has-cluster ## Build the image and load it; a service that runs takes it
	@test -d '$(BAKED)' || { echo "there is no bundle to bake in: make train makes one, or BUNDLE=runs/mine/bundle names one" >&2; exit 1; }
	@$(MAKE) --no-print-directory docker-build IMAGE=$(API) TAG=$(RELEASE)
	@kind load docker-image $(API):$(RELEASE) --name $(CLUSTER)
	@test -z "$$($(IN) get deployment $(API) --ignore-not-found --output name)" || $(MAKE) --no-print-directory kind-restart

kind-deploy: has-cluster ## The service and the metrics server that its autoscaler needs
	@$(APPLY) --kustomize deploy/k8s/overlays/kind
	@$(KUBECTL) --namespace kube-system $(ROLLED_OUT) deployment/metrics-server
	@$(IN) $(ROLLED_OUT) deployment/$(API)
	@echo "http://localhost:8000 answers, http://localhost:8000/docs describes it"

kind-status: has-cluster ## What runs
	@$(KUBECTL) get nodes
	@$(IN) get pods,deployments,statefulsets,services,horizontalpodautoscalers,poddisruptionbudgets --output wide

kind-logs: has-cluster ## Lines of the service (FOLLOW=1 TAIL=200)
	@$(IN) logs --selector app=$(API) --prefix $(LOGS)

kind-test: ## Ask the service on localhost:8000 everything that it should answer
	@test -x $(BIN)/tapetum || command -v tapetum >/dev/null || { echo "tapetum is missing: make init" >&2; exit 1; }
	@deploy/smoke-test.sh http://localhost:8000

kind-restart: has-cluster ## New pods in place of the old ones, without a gap
	@$(IN) rollout restart deployment/$(API)
	@$(IN) $(ROLLED_OUT) deployment/$(API)

kind-down: kind-delete ## The same as kind-delete

kind-delete: has-docker has-kind ## Delete the cluster and all that it holds
	@kind delete cluster --name $(CLUSTER)

##@ Any cluster (OVERLAY=production, and CONTEXT=its-name unless kubectl points there)
# A tag or digest in IMAGE itself wins over TAG.
RELEASED = $(IMAGE)$(if $(findstring :,$(lastword $(subst /, ,$(IMAGE)))),,:$(TAG))

# Model and digest, of the file that promote and demote write.
FOLLOWED = $$($(PYTHON) deploy/promoted.py '$(or $(PROMOTED),promoted.json)')

# The file DEPLOYED gets the revision of the pods of before once there are manifests to apply; else there is none.
REVISION = $(IN) get deployment $(API) --ignore-not-found \
	--output 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}'

deploy: has-cluster ## The service (IMAGE=registry.example/cats-dogs-api TAG=, or IMAGE=…@sha256:…; PROMOTED= DEPLOYED=)
	@$(if $(DEPLOYED),rm -f '$(DEPLOYED)')
	@case '$(OVERLAY) $(IMAGE)' in kind*|*/*) ;; *) echo "IMAGE is '$(IMAGE)': expected one that the cluster can pull, such as IMAGE=registry.example/$(API)@sha256:…" >&2; exit 1;; esac
	@$(if $(IS_KIND),kind load docker-image '$(RELEASED)' --name $(CLUSTER))
	@followed="$(if $(PROMOTED),$(FOLLOWED))" && model=$${followed% *} digest=$${followed#* } && \
		manifests=$$(deploy/k8s/render.sh '$(OVERLAY)' '$(RELEASED)' "$$model" "$$digest" $(KUBECTL)) && \
		$(if $(DEPLOYED),revision=$$($(REVISION)) && printf %s "$$revision" > '$(DEPLOYED)' &&) \
		printf '%s\n' "$$manifests" | $(APPLY) --filename -
	@$(IN) $(ROLLED_OUT) deployment/$(API)

# The rest of the pods' template stays as it is, so that this is a rollout of the model alone.
follow: has-cluster ## Have the pods of a following overlay serve what was promoted (PROMOTED=promoted.json)
	@followed="$(FOLLOWED)" && model=$${followed% *} digest=$${followed#* } && \
		$(IN) patch deployment $(API) --patch "{\"spec\": {\"template\": {\"metadata\": {\"annotations\": {\"tapetum/model\": \"$$model\", \"tapetum/digest\": \"$$digest\"}}}}}"
	@$(IN) $(ROLLED_OUT) deployment/$(API)

# The registry too, whatever comes of the cluster: but only what that promotion moved, and where nobody moved it since.
rollback: ## Back to the pods of before (PROMOTED= and DEPLOYED= take that promotion and that deployment back)
	@failed=; \
	$(MAKE) --no-print-directory pods-back || failed=1; \
	$(if $(PROMOTED),moved=$$($(PYTHON) deploy/promoted.py --moved '$(PROMOTED)') || failed=1; \
	test -z "$$moved" || $(MAKE) --no-print-directory demote NAME="$${moved% *}" FROM="$${moved#* }" || failed=1;) \
	test -z "$$failed"

pods-back: has-cluster
	@deploy/k8s/back.sh '$(DEPLOYED)' deployment/$(API) $(IN)

tracking-deploy: has-cluster ## A tracking server of MLflow, which following overlays fetch from
	@$(APPLY) --filename deploy/k8s/base/namespace.yaml
	@$(APPLY) --kustomize deploy/k8s/tracking
	@$(IN) $(ROLLED_OUT) statefulset/mlflow
	@echo "make tracking-forward makes it http://localhost:5000"

tracking-forward: has-cluster ## Reach it from this machine, until Ctrl-C (PORT=5001)
	@$(IN) port-forward service/mlflow $(or $(PORT),5000):5000

k8s-secrets: has-cluster ## Make the secrets that are missing (GMAIL_PASS and GRAFANA_PASSWORD of the environment)
	@$(APPLY) --filename deploy/k8s/base/namespace.yaml
	@GRAFANA_FIRST_PASSWORD=$(if $(IS_KIND),admin123) WITH_KEYS=$(if $(IS_KIND),,1) deploy/k8s/secrets.sh $(KUBECTL)

##@ Monitoring in a cluster
monitoring-deploy: has-cluster ## Prometheus, Alertmanager, Grafana, node exporter, kube-state-metrics
	@$(MAKE) --no-print-directory k8s-secrets
	@$(APPLY) --kustomize $(MONITORING)
	@$(if $(GRAFANA_PASSWORD),$(IN) rollout restart deployment/grafana)
	@for workload in statefulset/prometheus statefulset/alertmanager deployment/grafana deployment/kube-state-metrics; do $(IN) $(ROLLED_OUT) $$workload || exit 1; done
	@$(KUBECTL) --namespace mlops-nodes $(ROLLED_OUT) daemonset/node-exporter
	@$(if $(IS_KIND),echo "Prometheus http://localhost:9090 · Alertmanager http://localhost:9093 · Grafana http://localhost:3000 ($(if $(GRAFANA_PASSWORD),admin and your password,admin / admin123 unless you set another))")

monitoring-status: has-cluster ## What of it runs
	@$(KUBECTL) get pods,services,persistentvolumeclaims $(WATCHING) --output wide

prometheus-logs: has-cluster ## Lines of Prometheus (FOLLOW=1 TAIL=200)
	@$(IN) logs statefulset/prometheus $(LOGS)

grafana-logs: has-cluster ## Lines of Grafana
	@$(IN) logs deployment/grafana $(LOGS)

alertmanager-logs: has-cluster ## Lines of Alertmanager
	@$(IN) logs statefulset/alertmanager $(LOGS)

alerts-status: ## Every alert rule, and what fires, from localhost:9090
	@$(PYTHON) deploy/alerts.py status

alerts-test: ## Send a test alert by Alertmanager on localhost:9093
	@$(PYTHON) deploy/alerts.py test

##@ Stop (make kind-deploy and make monitoring-deploy start them again)
app-stop: has-cluster ## The service; its autoscaler would start it again
	@$(IN) delete horizontalpodautoscaler,deployment --selector app=$(API) --wait

monitoring-stop: has-cluster ## Monitoring; samples and silences are kept
	@$(KUBECTL) delete deployment,statefulset,daemonset $(WATCHING) --wait

tracking-stop: has-cluster ## The tracking server; its volume is kept
	@$(IN) delete statefulset mlflow --ignore-not-found --wait

all-stop: ## All three; the cluster goes on
	@$(MAKE) --no-print-directory app-stop
	@$(MAKE) --no-print-directory monitoring-stop
	@$(MAKE) --no-print-directory tracking-stop

##@ Hand in
submission-zip: ## dist/tapetum.zip of what is committed
	@command -v git >/dev/null || { echo "git is missing: https://git-scm.com/downloads" >&2; exit 1; }
	@test -z "$$(git status --porcelain)" || echo "not in it, since not committed:" >&2
	@git status --short >&2
	@mkdir -p dist
	@git archive --format=zip --prefix=tapetum/ --output dist/tapetum.zip HEAD
	@echo "dist/tapetum.zip has $$(git rev-parse --short HEAD)"

.PHONY: has-docker has-kind has-kubectl has-cluster kind-full kind-up kind-create kind-build kind-deploy kind-status \
	kind-logs kind-test kind-restart kind-down kind-delete deploy follow rollback pods-back tracking-deploy tracking-forward \
	tracking-stop k8s-secrets monitoring-deploy \
	monitoring-status prometheus-logs grafana-logs alertmanager-logs alerts-status alerts-test app-stop monitoring-stop \
	all-stop submission-zip
